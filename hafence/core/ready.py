"""Whether a VM serves, and for which of them those of a lower priority wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from .model import HostName, Ready, Vm
from .parsing import format_duration
from .record import VmRecord, VmState

MOST_AT_A_TIME_S = 15.0
"""So long a host is asked for at a time: those that are held back need their leases renewed in between."""
SHARE_OF_LEASE = 0.125
"""And at most so much of a lease: what it takes to reach a host that hangs comes on top."""


class Serves(Enum):
    """What is known of a VM that was asked whether it serves."""

    YES = "yes"
    NOT_YET = "not_yet"
    """Its host has asked, and it did not answer as it has to."""
    UNKNOWN = "unknown"
    """Its host could not be asked, or said nothing that can be believed."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The last answer of a while; `says` is for people and never raw remote output. `at` in seconds since the epoch."""

    serves: Serves
    says: str
    at: float


@dataclass(frozen=True, slots=True)
class Awaited:
    """A VM that was started, and that others wait for."""

    vm: Vm
    host: HostName
    ready: Ready
    until: float
    """When nobody waits for it any more, in seconds since the epoch."""


def awaited(vm: Vm, record: VmRecord, suspect: HostName) -> Awaited | None:
    """What is to be waited for of a VM that a run has taken from a host, started, and seen running; None where nothing
    is."""
    if vm.ready is None or record.state is not VmState.RUNNING or record.host is None or record.started_at is None:
        return None
    if record.last_host != suspect:
        return None
    return Awaited(vm, record.host, vm.ready, record.started_at + vm.ready.within_s)


def holding_back(started: Iterable[Awaited], priority: int) -> list[Awaited]:
    """Those for which VMs of a priority wait."""
    return sorted((each for each in started if each.vm.priority > priority), key=lambda each: each.vm.name)


def time_for_one(each: Awaited, now: float, lease_s: float) -> float:
    """How long its host is to ask it at a time, in seconds; 0 is once."""
    return max(0.0, min(each.until - now, MOST_AT_A_TIME_S, lease_s * SHARE_OF_LEASE))


def holds_back(starting: Sequence[Vm]) -> list[str]:
    """What some of those that are to start will be waited for by others of them, in words."""
    lowest = min((vm.priority for vm in starting), default=0)
    waits = [(vm.name, vm.ready) for vm in starting if vm.ready is not None and vm.priority > lowest]
    return [f"{name}: {ready.says}, {format_duration(ready.within_s)} at most" for name, ready in waits]


def is_over(each: Awaited, now: float, asked_s: float) -> bool:
    """Whether nobody waits for it any more. How long it was asked for counts too: a clock may be set back."""
    return now >= each.until or asked_s >= each.ready.within_s


def not_ready_says(each: Awaited, last: str) -> str:
    """That nobody waits for it any more. `last` is the last answer."""
    within = format_duration(each.ready.within_s)
    return f"it did not get ready: {each.ready.says} was waited for in vain until {within} after its start ({last})"


def ways_to_ready(each: Awaited) -> tuple[str, ...]:
    """What to do about a VM that runs and does not serve."""
    look = f"look at its console ('virsh console {each.vm.uuid}' on {each.host}, or its screen) how far it has come"
    if each.ready.tcp is None:
        return (look, "see that qemu-guest-agent runs in it and that its definition has the agent's channel")
    return (look, f"see that what serves TCP port {each.ready.tcp} in it is up, and that {each.host} may reach it")
