"""What is asked of the store, and what is written there."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.captures import Capture
from ..core.evacuations import Evacuation
from ..core.model import HostName, Uuid
from ..core.record import VmRecord
from ..core.stored import Busy, Lease, Planned, Recollection, WorkKind
from .base import Effect, Journalled, Touches


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
class RecallPlanned(Effect[Planned]):
    """Read which planned work holds now: what may have come since the run has read the store."""


@dataclass(frozen=True, slots=True)
class RecallEvacuations(Effect[tuple[Evacuation, ...]]):
    """Read the history: which other evacuations have begun since a moment, and touched something or may have."""

    since: float


@dataclass(frozen=True, slots=True)
class PlanWork(Effect[None], journalled=Journalled.RESULT, touches=Touches.STORE | Touches.STORE_CHANGE):
    """Record that the admin disarms clusters, or is at work on hosts, until a moment."""

    kind: WorkKind
    names: tuple[str, ...]
    reason: str
    until: float


@dataclass(frozen=True, slots=True)
class EndWork(Effect[None], journalled=Journalled.RESULT, touches=Touches.STORE | Touches.STORE_CHANGE):
    """End planned work before its time."""

    kind: WorkKind
    names: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class KeepCapture(
    Effect[None],
    journalled=Journalled.RESULT,
    touches=Touches.STORE | Touches.STORE_CHANGE,
    concerns=lambda effect: effect.capture.vm,
):
    """Keep the captured definition of a VM, from which it is started from now on."""

    capture: Capture
