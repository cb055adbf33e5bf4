"""What reaches hosts, or is known of VMs before: looks, fences, witnesses, hooks and starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.attempts import FenceOrder, FenceReport
from ..core.captures import Capture, NotFetched, Source
from ..core.drift import Drift
from ..core.evidence import WitnessReport
from ..core.given_back import GivenBack
from ..core.looks import Look
from ..core.model import HostName, Ready, Settings, Uuid
from ..core.needs import Need
from ..core.ready import Readiness
from ..core.starts import HookResult, StartOrder, StartReply
from ..core.survey import SharedDisk
from ..core.watch import WatchReport
from .base import SPARE_S, Effect, Journalled, Touches

HEAD_START_S = 0.5
"""How long the straight attempt goes alone. A suspect that is well answers about when its siblings do."""
SYN_S = 1.5
"""When a connection that nothing has taken counts as not answered, where a sibling was let in: the second SYN, which
Linux sends after 1 s (RFC 6298, 2), is under way for half a second by then."""
THROUGH_S = 2.5
"""How long a sibling's look is waited for, from the beginning, once the straight attempt has ended in vain. The fence
goes through a sibling anyway, and has its own time."""
MOST_SIBLINGS = 2
"""Through how many one look goes."""
NEXT_S = 1.0
"""How long one sibling is waited for alone, before the next is asked, too."""


@dataclass(frozen=True, slots=True)
class Through:
    """Who else looks into a suspect that does not take the admin node's connection: one of these siblings, the first
    that answers, while the admin node's own attempt is still open."""

    suspect: HostName
    siblings: tuple[HostName, ...]


@dataclass(frozen=True, slots=True)
class LookAt(
    Effect[Mapping[HostName, Look]],
    journalled=Journalled.RESULT,
    touches=Touches.HOSTS,
    budget=lambda settings: settings.connect_timeout_s + SPARE_S,
):
    """Look into hosts, all at once, straight from the admin node, read-only; into a suspect also `through` a sibling.

    What a sibling has seen stands in the suspect's Silence, and the admin node's time-out is then not waited for.
    """

    hosts: tuple[HostName, ...]
    about: tuple[Uuid, ...] = ()
    """The VMs that it is about, where the run is about more; () where it is about those of the run."""
    every_need: bool = False
    """Whether each host is asked for what any VM of its cluster needs."""
    through: Through | None = None
    may_be_off: tuple[HostName, ...] = ()
    """Hosts out of service: one that does not take the connection is not waited for as long as the others are."""


@dataclass(frozen=True, slots=True)
class Fence(
    Effect[FenceReport],
    journalled=Journalled.INTENT,
    touches=Touches.HOSTS | Touches.HOST_CHANGE,
    budget=lambda settings: settings.ssh_timeout_s,
    concerns=lambda effect: effect.order.vms[0] if len(effect.order.vms) == 1 else None,
):
    """Carry out a fence order (or rehearse it)."""

    order: FenceOrder


@dataclass(frozen=True, slots=True)
class EndWatch(
    Effect[WatchReport],
    journalled=Journalled.RESULT,
    touches=Touches.HOSTS,
    budget=lambda settings: settings.connect_timeout_s + settings.libvirt_timeout_s,
    concerns=lambda effect: effect.vm,
):
    """End the watch that a fence of this run left on the suspect, and hear what came back there. `aside`: the VM is up
    elsewhere, and its definition is set aside there first."""

    suspect: HostName
    vm: Uuid
    aside: bool = False


@dataclass(frozen=True, slots=True)
class GiveBack(
    Effect[GivenBack],
    journalled=Journalled.INTENT,
    touches=Touches.HOSTS | Touches.HOST_CHANGE,
    budget=lambda settings: settings.connect_timeout_s + settings.ssh_timeout_s,
):
    """Let libvirt on a host know VMs again whose definitions were set aside there, and do nothing after `not_after`."""

    host: HostName
    vms: tuple[Uuid, ...]
    not_after: float


@dataclass(frozen=True, slots=True)
class Witness(
    Effect[tuple[WitnessReport, ...]],
    journalled=Journalled.RESULT,
    touches=Touches.HOSTS,
    budget=lambda settings: settings.connect_timeout_s + SPARE_S,
):
    """Siblings, and the admin node, look for signs of life of the suspect, all at once, one round."""

    suspect: HostName
    siblings: tuple[HostName, ...]


@dataclass(frozen=True, slots=True)
class MemoryNeed(Effect[int | None]):
    """MiB of memory that the VM's domain XML asks for, or None without one."""

    vm: Uuid


@dataclass(frozen=True, slots=True)
class NeedsOf(Effect[tuple[Need, ...]]):
    """What the VM's definition names that a target must have; () without one, or with one that can't be read."""

    vm: Uuid


@dataclass(frozen=True, slots=True)
class SharedHostKeys(Effect[tuple[tuple[HostName, ...], ...]]):
    """Groups of hosts for which known_hosts has one and the same key."""


@dataclass(frozen=True, slots=True)
class SharedDisks(Effect[tuple[SharedDisk, ...]]):
    """Writable disks that several VMs name."""


@dataclass(frozen=True, slots=True)
class Startable(Effect[Source]):
    """From which definition a target would start the VM, or why from none."""

    vm: Uuid


@dataclass(frozen=True, slots=True)
class RunHooks(Effect[tuple[HookResult, ...]], journalled=Journalled.INTENT, concerns=lambda effect: effect.vm):
    """Run every before-start hook, whatever the others say."""

    vm: Uuid
    suspect: HostName
    target: HostName


@dataclass(frozen=True, slots=True)
class Start(
    Effect[StartReply],
    journalled=Journalled.INTENT,
    touches=Touches.HOSTS | Touches.HOST_CHANGE,
    budget=lambda settings: settings.start_timeout_s,
    concerns=lambda effect: effect.order.vm,
):
    """Start the VM on its target under the target's lock."""

    order: StartOrder


@dataclass(frozen=True, slots=True)
class Settle(
    Effect[StartReply],
    journalled=Journalled.INTENT,
    touches=Touches.HOSTS | Touches.HOST_CHANGE,
    budget=lambda settings: settings.start_timeout_s,
    concerns=lambda effect: effect.order.vm,
):
    """Find out on that very host what became of a start: waits for its lock, raises its ticket, looks."""

    order: StartOrder


@dataclass(frozen=True, slots=True)
class AwaitReady(
    Effect[Readiness], journalled=Journalled.RESULT, touches=Touches.HOSTS, concerns=lambda effect: effect.vm
):
    """Ask the host of a VM whether it serves, until it does, or for `within_s`: once, where that is 0. Read-only."""

    vm: Uuid
    target: HostName
    ready: Ready
    within_s: float

    def budget_s(self, settings: Settings) -> float:
        """Beside that time: the way there, and the question that was under way when it was over."""
        return self.within_s + settings.connect_timeout_s + 3 * settings.libvirt_timeout_s + SPARE_S


@dataclass(frozen=True, slots=True)
class FetchDefinitions(
    Effect[Mapping[Uuid, Capture | NotFetched]],
    touches=Touches.HOSTS,
    budget=lambda settings: settings.connect_timeout_s + SPARE_S,
):
    """Fetch the definitions of VMs from the host that runs them, read-only, and read each as a start would."""

    host: HostName
    vms: tuple[Uuid, ...]


@dataclass(frozen=True, slots=True)
class Drifts(Effect[Mapping[Uuid, tuple[Drift, ...]]]):
    """In what these definitions of running VMs differ from what each would be started from."""

    captures: tuple[Capture, ...]
