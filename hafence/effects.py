"""The only seam between workflows and the world: what a workflow may ask for, and what it is told.

A workflow is a generator. It yields an effect and receives the answer; the runner performs effects with
the adapters, the simulator performs the very same effects on a simulated world and can stop, crash or
interleave runs at every one of them.

Answers are values; whatever the world can do (a host silent, a start failed, nobody to ask) is a value too.
Only three things are exceptions, thrown into the workflow where it waits: `LeaseLost`, `StoreError`, `Interrupted`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Any, ClassVar, Generic, TypeVar

from .core.attempts import FenceOrder, FenceReport
from .core.evidence import WitnessReport
from .core.looks import Look
from .core.model import HostName, Settings, Uuid
from .core.power import DeviceId, PowerSeen
from .core.record import VmRecord
from .core.risks import Risk
from .core.second_level import SecondLevelKind, SecondLevelReply
from .core.starts import HookResult, StartOrder, StartReply
from .core.storage.port import Asker, ClientsSeen, EntriesSeen, Unanswered, WritableDisk
from .core.stored import Busy, Lease, Recollection
from .core.survey import SharedDisk
from .core.watch import WatchReport

T = TypeVar("T")
R = TypeVar("R")


class Journalled(Enum):
    """What the run's history is told of an effect."""

    NOTHING = "nothing"
    RESULT = "result"
    """What came of it, when it has been performed."""
    INTENT = "intent"
    """That it is about to begin, before it does, and then what came of it: it reaches out and changes something, so
    where the intent can't be written down nothing happens."""


class Touches(Flag):
    """Which parts of the world an effect reads or changes: where a fault in that part can make a difference."""

    NOTHING = 0
    STORE = auto()
    STORE_CHANGE = auto()
    HOSTS = auto()
    """Connects to hosts."""
    HOST_CHANGE = auto()
    """Sends something that acts where it arrives: on a host, on a power device, on the storage through a host."""
    STORAGE = auto()
    POWER = auto()
    PEOPLE = auto()


class Effect(Generic[T]):
    """What is wanted of the world; T is the type of the answer.

    What an effect is to the journal, to the budget that people are shown and to the search stands on its class, as
    keywords of the class statement. The runner and the simulator read it here, and nowhere else.

    `journalled`: what the history is told. `touches`: what it reads or changes. `budget`: the most that it may take,
    in seconds, by the settings. `concerns`: the one VM that it is about.
    """

    __slots__ = ()
    journalled: ClassVar[Journalled] = Journalled.NOTHING
    touches: ClassVar[Touches] = Touches.NOTHING
    _budget: ClassVar[Callable[[Settings], float] | None] = None
    _concerns: ClassVar[Callable[[Any], Uuid | None] | None] = None

    def __init_subclass__(
        cls,
        *,
        journalled: Journalled | None = None,
        touches: Touches | None = None,
        budget: Callable[[Settings], float] | None = None,
        concerns: Callable[[Any], Uuid | None] | None = None,
    ) -> None:
        """Take the keywords. Called twice for a dataclass with slots, which is made anew, without them: so what is not
        given leaves alone what is there."""
        super().__init_subclass__()
        given = {"journalled": journalled, "touches": touches, "_budget": budget, "_concerns": concerns}
        for name, value in given.items():
            if value is not None:
                setattr(cls, name, value)

    def budget_s(self, settings: Settings) -> float | None:
        """The most that it may take, in seconds, as people are shown it; None where it takes no time worth showing."""
        budget = type(self)._budget
        return None if budget is None else budget(settings)

    @property
    def concerns(self) -> Uuid | None:
        """The one VM that it is about; None where it is about several or none."""
        concerns = type(self)._concerns
        return None if concerns is None else concerns(self)


Workflow = Generator[Effect[Any], Any, R]
"""A workflow that ends in an R."""


def do(effect: Effect[T]) -> Workflow[T]:
    """Ask for an effect and wait for its answer: `reply = yield from do(Fence(order))`."""
    answer: T = yield effect
    return answer


SPARE_S = 5.0
"""What a budget that is shown to people grants beyond the sum of its time-outs."""


class LeaseLost(Exception):
    """The run's right to act has ended: it expired, was taken over, or a record changed under it."""


class StoreError(Exception):
    """The store could not be read or written. The message says where, why and what would help."""


class Interrupted(Exception):
    """The admin pressed Ctrl-C. A workflow catches it once, says what state the VM is in, and ends."""


@dataclass(frozen=True, slots=True)
class Together(Effect[tuple[Any, ...]]):
    """Several effects at once; the answers come in their order when all are there."""

    effects: tuple[Effect[Any], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Parallel(Effect[tuple[Any, ...]]):
    """Several workflows side by side, each with effects of its own; what they ended in, in their order, when all have.

    One that ends in LeaseLost, StoreError or Interrupted stops no other: what was begun is gone through with, for half
    of it would be done and nobody would know which. When all have ended, the first such error is raised here. Ctrl-C
    reaches every one that goes on, where it waits, as Interrupted.
    """

    workflows: tuple[Workflow[Any], ...]


# ---------------------------------------------------------------- time and people


@dataclass(frozen=True, slots=True)
class Now(Effect[float]):
    """The admin node's clock, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Uptime(Effect[float]):
    """Seconds since the admin node booted."""


@dataclass(frozen=True, slots=True)
class Sleep(Effect[None]):
    """Let time pass."""

    seconds: float


class Answer(Enum):
    """What a person said."""

    YES = "yes"
    NO = "no"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Ask(Effect[Answer], journalled=Journalled.RESULT, touches=Touches.PEOPLE):
    """Show something to the admin and ask whether to go on. NOBODY where nobody can answer."""

    question: str


@dataclass(frozen=True, slots=True)
class Tell(Effect[None], journalled=Journalled.RESULT):
    """Say something worth knowing as it happens: words, or the risk of a start that is about to be sent."""

    text: str
    risk: Risk | None = None


# ---------------------------------------------------------------- the store


@dataclass(frozen=True, slots=True)
class TakeLease(Effect[Lease | Busy], touches=Touches.STORE | Touches.STORE_CHANGE):
    """Take the lease on a VM; with `wait_s`, wait for it so long."""

    vm: Uuid
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RenewLease(Effect[Lease], touches=Touches.STORE):
    """Make the lease last from now on again. LeaseLost if it is no longer ours."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class DropLease(Effect[None], touches=Touches.STORE | Touches.STORE_CHANGE):
    """Give the lease back. Says nothing if it was lost."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Recall(Effect[Recollection]):
    """Read the store."""


@dataclass(frozen=True, slots=True)
class WriteRecord(
    Effect[VmRecord],
    journalled=Journalled.RESULT,
    touches=Touches.STORE | Touches.STORE_CHANGE,
    concerns=lambda effect: effect.record.uuid,
):
    """Replace the record whose revision `record` bears, under `lease`; the answer bears the new revision.

    LeaseLost if the stored revision is another or the lease is no longer held.
    """

    record: VmRecord
    lease: Lease


@dataclass(frozen=True, slots=True)
class Quarantine(Effect[None], journalled=Journalled.RESULT, touches=Touches.STORE | Touches.STORE_CHANGE):
    """Keep a fenced host from being sibling or target until `hafence rejoin`."""

    host: HostName
    why: str


@dataclass(frozen=True, slots=True)
class LiftQuarantine(Effect[None], journalled=Journalled.RESULT, touches=Touches.STORE | Touches.STORE_CHANGE):
    """Take a host back; what was stated or learnt about its earlier life ends with it."""

    host: HostName
    machine_id: str | None


@dataclass(frozen=True, slots=True)
class LearnMachine(Effect[None], touches=Touches.STORE | Touches.STORE_CHANGE):
    """Remember the machine-id of a host that was reached under its strict host key."""

    host: HostName
    machine_id: str


@dataclass(frozen=True, slots=True)
class RecordStatement(Effect[None], journalled=Journalled.RESULT, touches=Touches.STORE | Touches.STORE_CHANGE):
    """Record that the admin states that a host is powered off, until `expires_at`."""

    host: HostName
    reason: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class StoreHealth(Effect[tuple[tuple[str, str], ...]]):
    """What is wrong with the store: a stable word and a sentence each; empty when all is well."""


@dataclass(frozen=True, slots=True)
class SpendStatement(Effect[None], journalled=Journalled.RESULT, touches=Touches.STORE | Touches.STORE_CHANGE):
    """A `confirm-dead` ends: the host has recovered."""

    host: HostName
    why: str


# ---------------------------------------------------------------- hosts


@dataclass(frozen=True, slots=True)
class LookAt(
    Effect[Mapping[HostName, Look]],
    journalled=Journalled.RESULT,
    touches=Touches.HOSTS,
    budget=lambda settings: settings.connect_timeout_s + SPARE_S,
):
    """Look into hosts, all at once, straight from the admin node, read-only."""

    hosts: tuple[HostName, ...]


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
    budget=lambda settings: settings.connect_timeout_s,
    concerns=lambda effect: effect.vm,
):
    """End the watch that a fence of this run left on the suspect, and hear what came back there."""

    suspect: HostName
    vm: Uuid


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
class SharedHostKeys(Effect[tuple[tuple[HostName, ...], ...]]):
    """Groups of hosts for which known_hosts has one and the same key."""


@dataclass(frozen=True, slots=True)
class SharedDisks(Effect[tuple[SharedDisk, ...]]):
    """Writable disks that several VMs name."""


@dataclass(frozen=True, slots=True)
class Startable(Effect[str]):
    """Why the VM has no definition that a target could start it from; '' when it has one."""

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


# ---------------------------------------------------------------- the second level: power


@dataclass(frozen=True, slots=True)
class AskPower(Effect[PowerSeen], touches=Touches.POWER, budget=lambda settings: settings.power_timeout_s):
    """Ask one power device whether its host is on or off, at the latest until `not_after`."""

    device: DeviceId
    not_after: float


@dataclass(frozen=True, slots=True)
class SendOff(
    Effect[None],
    journalled=Journalled.INTENT,
    touches=Touches.POWER | Touches.HOST_CHANGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Tell one power device to switch its host off, at the latest until `not_after`. Whatever it answers counts for
    nothing: what is seen afterwards does."""

    device: DeviceId
    not_after: float


# ---------------------------------------------------------------- the second level: storage


@dataclass(frozen=True, slots=True)
class WritableDisks(Effect[tuple[WritableDisk, ...] | Unanswered]):
    """What a VM could write to, by its domain XML."""

    vm: Uuid


@dataclass(frozen=True, slots=True)
class OwnAddresses(Effect[tuple[str, ...]]):
    """This machine's IP addresses, as it would use them towards these: its own look at a volume is no stranger's."""

    towards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskClients(
    Effect[ClientsSeen[Any] | Unanswered],
    journalled=Journalled.RESULT,
    touches=Touches.HOSTS | Touches.STORAGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Ask who the clients of volumes are. Nothing changes."""

    asker: Asker
    volumes: tuple[str, ...]
    not_after: float


@dataclass(frozen=True, slots=True)
class ListEntries(
    Effect[EntriesSeen[Any] | Unanswered],
    journalled=Journalled.RESULT,
    touches=Touches.HOSTS | Touches.STORAGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Ask which clients the storage shuts out. Nothing changes."""

    asker: Asker
    not_after: float


@dataclass(frozen=True, slots=True)
class AddEntries(
    Effect[EntriesSeen[Any] | Unanswered],
    journalled=Journalled.INTENT,
    touches=Touches.HOSTS | Touches.STORAGE | Touches.HOST_CHANGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Have the storage shut these clients out, and in the same conversation ask which it shuts out then.

    `anew`: entries of theirs that are there already are removed first. Without an answer they may have been added.
    """

    asker: Asker
    clients: tuple[Any, ...]
    not_after: float
    anew: bool = False


@dataclass(frozen=True, slots=True)
class RemoveEntries(
    Effect[EntriesSeen[Any] | Unanswered],
    journalled=Journalled.INTENT,
    touches=Touches.HOSTS | Touches.STORAGE | Touches.HOST_CHANGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Have the storage let these clients in again, and in the same conversation ask which it shuts out then."""

    asker: Asker
    clients: tuple[Any, ...]
    not_after: float


# ---------------------------------------------------------------- the second level: what it came to


@dataclass(frozen=True, slots=True)
class NoteSecondLevel(Effect[None], journalled=Journalled.RESULT):
    """Note what a power or storage fence of a suspect came to for each VM: in the history, and for people."""

    suspect: HostName
    kind: SecondLevelKind
    replies: Mapping[Uuid, SecondLevelReply]
