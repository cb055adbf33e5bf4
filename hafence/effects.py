"""The only seam between workflows and the world: what a workflow may ask for, and what it is told.

A workflow is a generator. It yields an effect and receives the answer; the runner performs effects with
the adapters, the simulator performs the very same effects on a simulated world and can stop, crash or
interleave runs at every one of them.

Answers are values; whatever the world can do (a host silent, a start failed, nobody to ask) is a value too.
Only three things are exceptions, thrown into the story where it waits: `LeaseLost`, `StoreError`, `Interrupted`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from .core.evidence import Evidence, WitnessReport
from .core.looks import Look
from .core.model import HostName, Uuid
from .core.record import VmRecord
from .core.replies import FenceOrder, Reply

T = TypeVar("T")
R = TypeVar("R")


class Effect(Generic[T]):
    """What is wanted of the world; T is the type of the answer."""

    __slots__ = ()


Story = Generator[Effect[Any], Any, R]
"""A workflow that ends in an R."""


def do(effect: Effect[T]) -> Story[T]:
    """Ask for an effect and wait for its answer: `reply = yield from do(Fence(order))`."""
    answer: T = yield effect
    return answer


class LeaseLost(Exception):
    """The run's right to act has ended: it expired, was taken over, or a record changed under it."""


class StoreError(Exception):
    """The store could not be read or written. The message says where, why and what would help."""


class Interrupted(Exception):
    """The admin pressed Ctrl-C. A story catches it once, says what state the VM is in, and ends."""


@dataclass(frozen=True, slots=True)
class Together(Effect[tuple[Any, ...]]):
    """Several effects at once; the answers come in their order when all are there."""

    effects: tuple[Effect[Any], ...]


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
class Ask(Effect[Answer]):
    """Show something to the admin and ask whether to go on. NOBODY where nobody can answer."""

    question: str


@dataclass(frozen=True, slots=True)
class Tell(Effect[None]):
    """Say something worth knowing as it happens (an excluded sibling, a predicted kill)."""

    text: str


# ---------------------------------------------------------------- the store


@dataclass(frozen=True, slots=True)
class Lease:
    """The expiring, store-held right to act on one VM. `token` grows with every new holder."""

    vm: Uuid
    token: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Busy:
    """The lease is another's."""

    vm: Uuid
    holder: str
    run: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class TakeLease(Effect[Lease | Busy]):
    """Take the lease on a VM; with `wait_s`, wait for it so long."""

    vm: Uuid
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RenewLease(Effect[Lease]):
    """Make the lease last from now on again. LeaseLost if it is no longer ours."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class DropLease(Effect[None]):
    """Give the lease back. Says nothing if it was lost."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Statement:
    """A person's `confirm-dead` of a host that still holds."""

    host: HostName
    who: str
    reason: str
    at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Recollection:
    """What the store knows that a run needs. VMs that no run has touched have no record."""

    records: Mapping[Uuid, VmRecord]
    quarantine: Mapping[HostName, str]
    """Quarantined hosts, each with why and since when, in words."""
    machine_ids: Mapping[HostName, str]
    statements: Mapping[HostName, Statement]


@dataclass(frozen=True, slots=True)
class Recall(Effect[Recollection]):
    """Read the store."""


@dataclass(frozen=True, slots=True)
class WriteRecord(Effect[VmRecord]):
    """Replace the record whose revision `record` bears, under `lease`; the answer bears the new revision.

    LeaseLost if the stored revision is another or the lease is no longer held.
    """

    record: VmRecord
    lease: Lease


@dataclass(frozen=True, slots=True)
class Quarantine(Effect[None]):
    """Keep a fenced host from being sibling or target until `hafence rejoin`."""

    host: HostName
    why: str


@dataclass(frozen=True, slots=True)
class LiftQuarantine(Effect[None]):
    """Take a host back; what was stated or learnt about its earlier life ends with it."""

    host: HostName
    machine_id: str | None


@dataclass(frozen=True, slots=True)
class LearnMachine(Effect[None]):
    """Remember the machine-id of a host that was reached under its strict host key."""

    host: HostName
    machine_id: str


@dataclass(frozen=True, slots=True)
class RecordStatement(Effect[None]):
    """Record that the admin states that a host is powered off, until `expires_at`."""

    host: HostName
    reason: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class StoreHealth(Effect[tuple[tuple[str, str], ...]]):
    """What is wrong with the store: a stable word and a sentence each; empty when all is well."""


@dataclass(frozen=True, slots=True)
class SpendStatement(Effect[None]):
    """A `confirm-dead` ends: the host has recovered."""

    host: HostName
    why: str


# ---------------------------------------------------------------- hosts


@dataclass(frozen=True, slots=True)
class LookAt(Effect[Mapping[HostName, Look]]):
    """Look into hosts, all at once, straight from the admin node, read-only."""

    hosts: tuple[HostName, ...]


@dataclass(frozen=True, slots=True)
class Fence(Effect[Reply]):
    """Carry out a fence order (or rehearse it)."""

    order: FenceOrder


@dataclass(frozen=True, slots=True)
class Witness(Effect[tuple[WitnessReport, ...]]):
    """Siblings, and the admin node, look for signs of life of the suspect, all at once, one round."""

    suspect: HostName
    siblings: tuple[HostName, ...]


@dataclass(frozen=True, slots=True)
class MemoryNeed(Effect[int | None]):
    """MiB of memory that the VM's domain XML asks for, or None without one."""

    vm: Uuid


@dataclass(frozen=True, slots=True)
class Startable(Effect[str]):
    """Why the VM has no definition that a target could start it from; '' when it has one."""

    vm: Uuid


@dataclass(frozen=True, slots=True)
class HookResult:
    """What one before-start hook said. `error` is '' when it agreed."""

    name: str
    error: str


@dataclass(frozen=True, slots=True)
class RunHooks(Effect[tuple[HookResult, ...]]):
    """Run every before-start hook, whatever the others say."""

    vm: Uuid
    suspect: HostName
    target: HostName


@dataclass(frozen=True, slots=True)
class StartOrder:
    """Start `vm` on `target`. `not_after`: admin node's clock; the script begins nothing later.

    `ticket` orders start and settle scripts on the target: it does nothing once it has seen a higher one.
    """

    vm: Uuid
    target: HostName
    ticket: int
    not_after: float
    within_s: float


class StartResult(Enum):
    """What is known after a start or a settle."""

    RUNNING = "running"
    """A living qemu of the VM was seen on the target."""
    CLEAN = "clean"
    """No copy is there, and no start under way that could still bring one."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StartReply:
    """What came of a start or a settle; `says` is for people and never raw remote output."""

    result: StartResult
    says: str
    at: float


@dataclass(frozen=True, slots=True)
class Start(Effect[StartReply]):
    """Start the VM on its target under the target's lock."""

    order: StartOrder


@dataclass(frozen=True, slots=True)
class Settle(Effect[StartReply]):
    """Find out on that very host what became of a start: waits for its lock, raises its ticket, looks."""

    order: StartOrder


# ---------------------------------------------------------------- the second level


@dataclass(frozen=True, slots=True)
class SecondLevelReply:
    """What a power or storage fence came to. `evidence` proves something only where it was observed.

    `shut_out_until`: until when every client of the suspect is kept from the disks, one that is started later
    too (seconds since the epoch); None where that was not observed.
    """

    name: str
    done: bool
    says: str
    evidence: tuple[Evidence, ...]
    shut_out_until: float | None = None


@dataclass(frozen=True, slots=True)
class PowerOff(Effect[SecondLevelReply]):
    """Switch the host off level by level and see it off. With `rehearse`, only ask for the status."""

    host: HostName
    not_after: float
    rehearse: bool = False


@dataclass(frozen=True, slots=True)
class FenceStorage(Effect[Mapping[Uuid, SecondLevelReply]]):
    """Make the suspect unable to write to the VMs' disks and see that it is. With `rehearse`, only look.

    `alone`: no other VM is recorded or seen on the suspect, so that its whole address may be shut out.
    """

    suspect: HostName
    vms: tuple[Uuid, ...]
    siblings: tuple[HostName, ...]
    not_after: float
    rehearse: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class LiftStorageFence(Effect[str]):
    """Remove the storage fence of a host that rejoins; the answer is what was lifted, in words, or ''."""

    host: HostName


@dataclass(frozen=True, slots=True)
class RenewStorageFence(Effect[str]):
    """Make the storage fence of a quarantined host last on; the answer is what was done, in words, or ''.

    `alone`: no VM that may use its storage is recorded or seen there, so that its whole address may be shut out.
    """

    host: HostName
    alone: bool
