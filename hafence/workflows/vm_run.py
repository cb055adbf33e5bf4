"""What has happened so far in one run for one VM, and how it is put into its outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import assert_never

from ..core.attempts import Verdict
from ..core.decision import Refused
from ..core.evidence import Evidence
from ..core.looks import Look, copies_of
from ..core.model import HostName, Inventory, Vm
from ..core.outcome import Attempt, Decision, Exit, Outcome
from ..core.reasons import Reason
from ..core.record import VmRecord, kept_from_writing
from ..core.stored import Busy, Lease, Recollection
from ..effects import (
    DropLease,
    Interrupted,
    LeaseLost,
    Now,
    Recall,
    RenewLease,
    StoreError,
    Story,
    TakeLease,
    WriteRecord,
    do,
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command: what the admin wants of it."""

    id: str
    inventory: Inventory
    dry_run: bool = False
    yes: bool = False
    """The admin has said beforehand to go on where a healthy VM is found."""
    siblings: tuple[HostName, ...] = ()
    """Siblings that the admin named, to be asked first."""
    to: HostName | None = None
    wait_s: float = 0.0
    """How long to wait for a lease that another run holds."""


@dataclass(slots=True)
class Course:
    """One VM's way through a run. The only mutable thing in the workflows: a run that ends early
    (lease lost, store gone, Ctrl-C) is told from what stands here."""

    run: Run
    vm: Vm
    record: VmRecord
    lease: Lease | None = None
    attempts: tuple[Attempt, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    verdict: Verdict | None = None
    risks: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    fenced: bool = False
    """Something may have been killed in this run."""
    shut_out_until: float | None = None
    """How long the whole suspect is kept from the VM's disks at least, by a storage fence of this run."""
    in_flight: HostName | None = None
    """Where a start has been sent whose outcome is not settled yet."""

    def write(self, record: VmRecord) -> Story[None]:
        """Make a step of the record, under the lease. Nothing in a dry run."""
        if self.run.dry_run:
            self.record = record
            return
        assert self.lease is not None, "records are written under a lease"
        self.record = yield from do(WriteRecord(record, self.lease))

    def renew(self) -> Story[float]:
        """Renew the lease; the answer is the moment after which nothing of this run may act."""
        if self.lease is None:
            return math.inf
        self.lease = yield from do(RenewLease(self.lease))
        return self.lease.expires_at


def conclude(
    course: Course,
    decision: Decision,
    reason: Reason,
    message: str,
    *,
    exit: Exit = Exit.DONE,
    host: HostName | None = None,
    suspect: HostName | None = None,
    ways_out: tuple[str, ...] = (),
) -> Outcome:
    """The outcome of a course. Without `suspect` it is the one that the record names now."""
    return Outcome(
        run=course.run.id,
        uuid=course.vm.uuid,
        name=course.vm.name,
        suspect=suspect or course.record.suspect,
        decision=decision,
        verdict=course.verdict,
        reason=reason,
        message=message,
        host=host,
        dry_run=course.run.dry_run,
        attempts=course.attempts,
        evidence=course.evidence,
        residual_risk=course.risks,
        ways_out=ways_out,
        notes=tuple(course.notes),
        exit=exit,
    )


def refuse(
    course: Course,
    reason: Reason,
    message: str,
    ways_out: tuple[str, ...] = (),
    *,
    exit: Exit = Exit.REFUSED,
    host: HostName | None = None,
) -> Outcome:
    """Chose not to act: nothing was started and the record is as it was."""
    sentence = f"{message}. {course.vm.name} stays recorded as {course.record.words}."
    if ways_out:
        sentence += f" Way out: {'; or '.join(ways_out)}."
    return conclude(course, Decision.REFUSED, reason, sentence, exit=exit, host=host, ways_out=ways_out)


def refused_by(course: Course, judgement: Refused) -> Outcome:
    """The gate's refusal as an outcome."""
    return refuse(course, judgement.reason, judgement.message, judgement.ways_out)


def shut_out_hosts(course: Course, memory: Recollection | None = None) -> Story[frozenset[HostName]]:
    """The hosts on which a leftover of the VM was left alive and can't write (record.kept_from_writing).

    Without `memory` the store is asked, which few records need.
    """
    if not course.record.shut_out:
        return frozenset()
    if memory is None:
        memory = yield from do(Recall())
    now = yield from do(Now())
    return kept_from_writing(course.record, memory.quarantine, now)


def rival_copies(course: Course, looks: Mapping[HostName, Look], harmless: Container[HostName]) -> dict[HostName, int]:
    """The copies that count. A leftover that can't write is none: it is named, since it must be ended one day."""
    copies = copies_of(course.vm.uuid, looks)
    for host in [host for host in copies if host in harmless]:
        del copies[host]
        course.notes.append(f"the old process on {host} lives on and can't write: end it before 'hafence rejoin'")
    return copies


def under_lease(course: Course, body: Callable[[Course], Story[Outcome]]) -> Story[Outcome]:
    """Run `body` under the VM's lease, and end every way of losing it with an outcome of its own."""
    if course.run.dry_run:
        return (yield from body(course))
    lease = yield from do(TakeLease(course.vm.uuid, course.run.wait_s))
    if isinstance(lease, Busy):
        return busy(course, lease)
    course.lease = lease
    try:
        outcome = yield from body(course)
        if outcome.decision is Decision.REFUSED:
            # A run that was held up until others took over judged what they have changed since: it only says so.
            yield from course.renew()
    except (LeaseLost, StoreError, Interrupted) as why:
        outcome = ended_early(course, why)
    yield from give_back(course)
    return outcome


def busy(course: Course, other: Busy) -> Outcome:
    """Another run handles the VM."""
    message = f"{course.vm.name} is being handled by {other.holder} (run {other.run})"
    return refuse(course, Reason.BUSY, message, ("wait for it, or use --wait SECONDS",), exit=Exit.BUSY)


def ended_early(course: Course, why: LeaseLost | StoreError | Interrupted) -> Outcome:
    """The outcome of a run that could not go on, told from what has happened so far."""
    match why:
        case LeaseLost():
            return _lost(course, str(why))
        case StoreError():
            return _store_gone(course, str(why))
        case Interrupted():
            return _interrupted(course)
        case _:
            assert_never(why)


def give_back(course: Course) -> Story[None]:
    """Drop the lease. A store that fails now changes nothing: the lease expires by itself."""
    if course.lease is None:
        return
    with suppress(LeaseLost, StoreError, Interrupted):
        yield from do(DropLease(course.lease))


def _state(course: Course) -> str:
    """Where a run that ends early leaves the VM, in words."""
    words = f"{course.vm.name} is recorded as {course.record.words}"
    if course.in_flight:
        return (
            f"{words}; a start was sent to {course.in_flight} and its outcome is not known."
            f" Run the command again: it settles that first"
        )
    if course.fenced:
        return (
            f"{words}; its leftover on {course.record.suspect} may have been killed. Running the command again is safe"
        )
    return f"{words}; nothing was killed and nothing started"


def _lost(course: Course, why: str) -> Outcome:
    decision = Decision.FAILED if course.in_flight or course.fenced else Decision.REFUSED
    return conclude(
        course, decision, Reason.BUSY, f"this run lost its lease ({why}). {_state(course)}.", exit=Exit.BUSY
    )


def _store_gone(course: Course, why: str) -> Outcome:
    code = Exit.STORE
    if course.in_flight:
        code = Exit.NEEDS_PERSON
    elif course.fenced:
        code = Exit.START_FAILED
    decision = Decision.REFUSED if code is Exit.STORE else Decision.FAILED
    return conclude(course, decision, Reason.STORE_ERROR, f"{why}. {_state(course)}.", exit=code)


def _interrupted(course: Course) -> Outcome:
    decision = Decision.FAILED if course.in_flight or course.fenced else Decision.REFUSED
    return conclude(course, decision, Reason.INTERRUPTED, f"interrupted. {_state(course)}.", exit=Exit.INTERRUPTED)
