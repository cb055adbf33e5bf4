"""The store as hafence needs it, whatever engine keeps it. Methods are sorted by the guarantee they need.

Every method raises StoreError, and nothing else, when the store cannot be read or written or holds what
hafence did not write; a ValueError is the caller's bug, and nothing was written. What a method has returned from is
on disk and survives the power cord.

`now` and `at` are seconds since the epoch by the admin node's clock; the caller reads it, so that tests and
the simulator decide the time. The clock may jump:

- forward: leases look expired and may be taken over early. The earlier run is fenced by its old token: it
  can write no record, and start scripts with its lower tickets do nothing.
- backward: a lease of a run that still lives, or lives elsewhere, holds longer (its takers are told Busy and until
  when); a statement made "in the future" counts for nothing, since its age is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..core.captures import Capture
from ..core.model import HostName, Uuid
from ..core.record import VmRecord
from ..core.stored import Busy, Lease, PlannedWork, Recollection, WorkKind
from .holder import Holder

Json = Mapping[str, Any]
"""Text, numbers, booleans, None, lists and mappings with text keys. Never a secret."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease as it is stored, expired or not."""

    vm: Uuid
    token: int
    holder: Holder
    taken_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A host in quarantine: why (the latest reason), since when, and the run that gave the reason."""

    host: HostName
    why: str
    run: str
    since: float


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A `confirm-dead`, with its end if it has been spent (an expired one has just expired)."""

    host: HostName
    who: str
    reason: str
    at: float
    expires_at: float
    ended_at: float | None = None
    ended_why: str = ""


@dataclass(frozen=True, slots=True)
class RunRow:
    """The beginning of a run. `details`: what the admin asked for (options, VMs by name, the policy)."""

    run: str
    at: float
    who: str
    command: str
    vms: tuple[Uuid, ...] = ()
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step, attempt, verdict or piece of evidence of a run."""

    at: float
    kind: str
    vm: Uuid | None = None
    data: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of a run."""

    at: float
    exit_code: int
    result: Json


@dataclass(frozen=True, slots=True)
class RunHistory:
    """All that is recorded of one run. `end` None: it goes on, or it was killed."""

    row: RunRow
    steps: tuple[StepRow, ...]
    end: RunEnd | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run without its steps."""

    row: RunRow
    end: RunEnd | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the store. `code`: `damaged`, `schema`, `row` or `history_broken`."""

    code: str
    says: str


class Store(Protocol):
    """One store, opened. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """Where the store is, for people."""

    # ------------------------------------------------ read: a consistent view of what is committed

    def store_id(self) -> str:
        """Which store this is: a random word, made with it, that stays for its life and is in every copy of it.

        16 hex digits. '' where it is only read and has none yet: it is not there, or an older hafence has made it.
        """

    def recall(self, now: float) -> Recollection:
        """What a run needs to know. Spent, expired and future statements are not in it."""

    def leases(self) -> tuple[LeaseRow, ...]:
        """Every lease that is stored, by VM."""

    def quarantined(self) -> tuple[QuarantineRow, ...]:
        """Every host in quarantine, by name."""

    def statements(self) -> tuple[StatementRow, ...]:
        """Every statement ever made, oldest first."""

    def planned(self) -> tuple[PlannedWork, ...]:
        """All planned work that is stored, by subject; what is over, too, until other work takes its place."""

    def captures(self, vms: Iterable[Uuid]) -> tuple[Capture, ...]:
        """The captured definitions of these VMs, of those that have one, by VM. Many are not one view of one moment."""

    def runs(self, vm: Uuid | None = None, limit: int = 50) -> tuple[RunSummary, ...]:
        """The latest runs (on one VM), newest first."""

    def run(self, text: str) -> RunHistory:
        """The run of that id, or of that unique beginning of one. LookupError, with a sentence, if none or several."""

    def check(self) -> tuple[Problem, ...]:
        """Look at everything that is stored; empty when all is well. A second of CPU time for 60,000 steps."""

    # ------------------------------------------------ append: kept for ever, in order, never changed

    def begin_run(self, run: RunRow) -> None:
        """Open a run's history. The first write of a run: where this fails, nothing has been killed."""

    def add_step(self, run: str, step: StepRow) -> int:
        """Add a step to an open run; the answer is its number in the run, from 1."""

    def end_run(self, run: str, at: float, exit_code: int, result: Json) -> None:
        """Close a run's history. Nothing can be added to it afterwards."""

    def state(self, host: HostName, who: str, reason: str, at: float, expires_at: float) -> None:
        """Record a person's statement that a host is powered off. It takes the place of an earlier one."""

    # ------------------------------------------------ replace: atomic, the last writer wins

    def spend_statement(self, host: HostName, why: str, at: float) -> None:
        """End the statement on a host, if there is one."""

    def quarantine(self, host: HostName, why: str, run: str, at: float) -> None:
        """Put a host into quarantine. One that is there already stays since when it was, for the new reason."""

    def lift_quarantine(self, host: HostName, machine_id: str | None, at: float) -> None:
        """Take a host back, in one step: no quarantine, its statement spent, this its machine-id (None: unknown)."""

    def learn_machine(self, host: HostName, machine_id: str, at: float) -> None:
        """Remember a host's machine-id."""

    def plan(self, works: Iterable[PlannedWork]) -> None:
        """Record planned work, all of it or none. Each takes the place of an earlier one of the same subject."""

    def end_planned(self, kind: WorkKind, names: Iterable[str]) -> None:
        """End planned work, all of it or none. Nothing where there is none."""

    def keep_capture(self, capture: Capture) -> None:
        """Keep a VM's captured definition. It takes the place of an earlier one."""

    # ------------------------------------------------ compare-and-set: of many at once exactly one succeeds

    def take_lease(self, vm: Uuid, holder: Holder, ttl_s: float, now: float) -> Lease | Busy:
        """Take the lease on a VM that is free, expired, or held by a process of this machine that no longer lives.

        Where several machines share the store, that is seen of this boot's processes only: clones have one machine-id.

        Tokens grow with every lease taken from a store and are never used again. They begin at the clock's
        milliseconds, so that a store that was lost or restored gives none that hosts have seen before.
        """

    def renew_lease(self, lease: Lease, ttl_s: float, now: float) -> Lease:
        """Make the lease last `ttl_s` from now. LeaseLost if it was taken over, dropped or has expired."""

    def drop_lease(self, lease: Lease) -> None:
        """Give the lease back. Says nothing if it was lost, and leaves a later holder's alone."""

    def write_record(self, record: VmRecord, lease: Lease, now: float) -> VmRecord:
        """Replace the record whose revision `record` bears; the answer bears the next revision.

        LeaseLost, and nothing written, if the stored revision is another, or `lease` was taken over,
        dropped or has expired. All of it is judged in the transaction that writes.
        """

    # ------------------------------------------------ the end

    def close(self) -> None:
        """Let go of the store. Harmless when done twice."""
