"""What has happened so far in one run for one VM, and how it is put into its outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, assert_never

from ..core.attempts import Attempt, Verdict
from ..core.captures import Source
from ..core.comeback import definition_says
from ..core.decision import Refused, ways_to_the_newest
from ..core.evidence import Evidence
from ..core.looks import Look, copies_of
from ..core.marks import Claim
from ..core.model import HostName, Inventory, Uuid, Vm
from ..core.outcome import Decision, Exit, Outcome
from ..core.reasons import Reason
from ..core.record import VmRecord, kept_from_writing
from ..core.risks import Risk, RiskKind
from ..core.stored import Busy, Lease, Recollection
from ..effects import (
    DropLease,
    EndWatch,
    Interrupted,
    LeaseLost,
    LookAt,
    Now,
    Recall,
    RenewLease,
    StoreError,
    TakeLease,
    Through,
    Workflow,
    WriteRecord,
    do,
)


@dataclass(frozen=True, slots=True)
class Request:
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
    store_id: str = ""
    """Which store it goes by; '' for a dry run on one that has no id yet, and where it can't be read."""

    @property
    def claim(self) -> Claim:
        """With which mark its orders act on hosts."""
        settings = self.inventory.settings
        return Claim(self.store_id, self.id, max(settings.lease_s, settings.evidence_age_s))


@dataclass(slots=True)
class VmRun:
    """One VM's way through a run. The only mutable thing in the workflows: a run that ends early
    (lease lost, store gone, Ctrl-C) is told from what stands here."""

    run: Request
    vm: Vm
    record: VmRecord
    lease: Lease | None = None
    attempts: tuple[Attempt, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    verdict: Verdict | None = None
    risks: tuple[Risk, ...] = ()
    notes: list[str] = field(default_factory=list)
    fenced: bool = False
    """Something may have been killed in this run."""
    agreed: bool = False
    """A person has agreed in this run to its being killed on the suspect, healthy as it is: nobody is asked twice."""
    watched: HostName | None = None
    """Where a fence of this run may have left its session, which ends what is started there anew."""
    shut_out_until: float | None = None
    """How long the whole suspect is kept from the VM's disks at least, by a storage fence of this run."""
    clients: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """The suspect's clients that this run has seen on each volume: one that was shut out is no watcher any more."""
    without_state: tuple[HostName, ...] = ()
    """The targets on which a start makes a part of the VM's state anew."""
    seen: dict[HostName, Look] = field(default_factory=dict)
    """What was last seen of each host on this VM's way: what the others of the run have to know of."""
    source: Source | None = None
    """From which definition it would be started, once that was asked."""
    through: Through | None = None
    """Who looks into the suspect where the admin node gets no answer, once the suspect is known."""
    may_be_off: tuple[HostName, ...] = ()
    """The hosts that nobody waits for."""
    one_of_many: bool = False
    """The run is about other VMs too: what it asks for has to say which one is meant."""
    in_flight: HostName | None = None
    """Where a start has been sent whose outcome is not settled yet."""

    def write(self, record: VmRecord) -> Workflow[None]:
        """Make a step of the record, under the lease. Nothing in a dry run."""
        if self.run.dry_run:
            self.record = record
            return
        assert self.lease is not None, "records are written under a lease"
        self.record = yield from do(WriteRecord(record, self.lease))

    def look_at(self, hosts: Iterable[HostName]) -> Workflow[Mapping[HostName, Look]]:
        """Look into hosts, for this VM."""
        about = (self.vm.uuid,) if self.one_of_many else ()
        named = tuple(hosts)
        through = self.through if self.through is not None and self.through.suspect in named else None
        off = tuple(name for name in self.may_be_off if name in named)
        looks = yield from do(LookAt(named, about, through=through, may_be_off=off))
        self.seen.update(looks)
        return looks

    def renew(self) -> Workflow[float]:
        """Renew the lease; the answer is the moment after which nothing of this run may act."""
        if self.lease is None:
            return math.inf
        self.lease = yield from do(RenewLease(self.lease))
        return self.lease.expires_at


def conclude(
    vm_run: VmRun,
    decision: Decision,
    reason: Reason,
    message: str,
    *,
    exit: Exit = Exit.DONE,
    host: HostName | None = None,
    suspect: HostName | None = None,
    ways_out: tuple[str, ...] = (),
) -> Outcome:
    """The outcome of a VM's run. Without `suspect` it is the one that the record names now."""
    return Outcome(
        run=vm_run.run.id,
        uuid=vm_run.vm.uuid,
        name=vm_run.vm.name,
        suspect=suspect or vm_run.record.suspect,
        decision=decision,
        verdict=vm_run.verdict,
        reason=reason,
        says=message,
        host=host,
        dry_run=vm_run.run.dry_run,
        attempts=vm_run.attempts,
        evidence=vm_run.evidence,
        residual_risk=vm_run.risks,
        ways_out=ways_out,
        notes=tuple(vm_run.notes),
        exit=exit,
        source=vm_run.source,
    )


def refuse(
    vm_run: VmRun,
    reason: Reason,
    message: str,
    ways_out: tuple[str, ...] = (),
    *,
    exit: Exit = Exit.REFUSED,
    host: HostName | None = None,
) -> Outcome:
    """Chose not to act: nothing was started and the record is as it was."""
    sentence = f"{message}. {vm_run.vm.name} stays recorded as {vm_run.record.words}."
    return conclude(vm_run, Decision.REFUSED, reason, sentence, exit=exit, host=host, ways_out=ways_out)


def refused_by(vm_run: VmRun, judgement: Refused) -> Outcome:
    """The gate's refusal as an outcome."""
    first = ways_to_the_newest(vm_run.vm.name) if judgement.reason is Reason.DISKS_DIFFER else ()
    return refuse(vm_run, judgement.reason, judgement.message, (*first, *judgement.ways_out), host=judgement.host)


def shut_out_hosts(vm_run: VmRun, memory: Recollection | None = None) -> Workflow[frozenset[HostName]]:
    """The hosts on which a leftover of the VM was left alive and can't write (record.kept_from_writing).

    Without `memory` the store is asked, which few records need.
    """
    if not vm_run.record.shut_out:
        return frozenset()
    if memory is None:
        memory = yield from do(Recall())
    now = yield from do(Now())
    return kept_from_writing(vm_run.record, memory.quarantine, now)


def rival_copies(vm_run: VmRun, looks: Mapping[HostName, Look], harmless: Container[HostName]) -> dict[HostName, int]:
    """The copies that count. A leftover that can't write is none: it is named, since it must be ended one day."""
    copies = copies_of(vm_run.vm.uuid, looks)
    for host in [host for host in copies if host in harmless]:
        del copies[host]
        vm_run.notes.append(f"the old process on {host} lives on and can't write: end it before 'hafence rejoin'")
    return copies


def under_lease(vm_run: VmRun, body: Callable[[VmRun], Workflow[Outcome]]) -> Workflow[Outcome]:
    """Run `body` under the VM's lease, and end every way of losing it with an outcome of its own."""
    if vm_run.run.dry_run:
        return (yield from body(vm_run))
    lease = yield from do(TakeLease(vm_run.vm.uuid, vm_run.run.wait_s))
    if isinstance(lease, Busy):
        return busy(vm_run, lease)
    vm_run.lease = lease
    return (yield from under_its_lease(vm_run, body))


def under_its_lease(vm_run: VmRun, body: Callable[[VmRun], Workflow[Outcome]]) -> Workflow[Outcome]:
    """The same where the lease has been taken. It is given back."""
    try:
        outcome = yield from body(vm_run)
        if outcome.decision is Decision.REFUSED:
            # A run that was held up until others took over judged what they have changed since: it only says so.
            yield from vm_run.renew()
    except (LeaseLost, StoreError, Interrupted) as why:
        outcome = ended_early(vm_run, why)
    with suppress(LeaseLost, StoreError, Interrupted):
        yield from end_watch(vm_run)
    yield from give_back(vm_run)
    return outcome


def under_leases(
    run: Request, vm_runs: Iterable[VmRun], body: Callable[[list[VmRun], dict[Uuid, Outcome]], Workflow[None]]
) -> Workflow[dict[Uuid, Outcome]]:
    """Run `body` for several VMs at once, each under its own lease; one that another run handles is left to that run.

    `body` puts each VM's outcome into the dict that it is given as soon as it is known: what ends all others early
    leaves it as it is.
    """
    outcomes: dict[Uuid, Outcome] = {}
    every = sorted(vm_runs, key=lambda c: c.vm.uuid)
    held: list[VmRun] = []
    try:
        for vm_run in every:
            taken = None if run.dry_run else (yield from do(TakeLease(vm_run.vm.uuid, run.wait_s)))
            if isinstance(taken, Busy):
                outcomes[vm_run.vm.uuid] = busy(vm_run, taken)
                continue
            vm_run.lease = taken
            held.append(vm_run)
        yield from body(held, outcomes)
    except (LeaseLost, StoreError, Interrupted) as why:
        outcomes.update((c.vm.uuid, ended_early(c, why)) for c in every if c.vm.uuid not in outcomes)
    for vm_run in held:
        yield from give_back(vm_run)
    return outcomes


def end_watch(vm_run: VmRun, aside: bool = False) -> Workflow[bool]:
    """End the watch on the suspect, if there is one. What came back there is a risk from now on, and is said. Whether
    it has seen all until now. `aside`: the VM is up elsewhere, so that its definition there may go."""
    if vm_run.watched is None:
        return False
    suspect, vm_run.watched = vm_run.watched, None
    aside = aside and vm_run.run.inventory.sets_aside(suspect)
    report = yield from do(EndWatch(suspect, vm_run.vm.uuid, aside))
    if vm_run.vm.uuid in report.definitions:
        vm_run.notes.append(definition_says(suspect, report.definitions[vm_run.vm.uuid]))
    if report.came.get(vm_run.vm.uuid):
        vm_run.risks += (Risk(RiskKind.CAME_BACK, (suspect,)),)
    return report.whole


def busy(vm_run: VmRun, other: Busy) -> Outcome:
    """Another run handles the VM."""
    message = f"{vm_run.vm.name} is being handled by {other.holder} (run {other.run})"
    return refuse(vm_run, Reason.BUSY, message, ("wait for it, or use --wait SECONDS",), exit=Exit.BUSY)


def ended_early(vm_run: VmRun, why: LeaseLost | StoreError | Interrupted) -> Outcome:
    """The outcome of a run that could not go on, told from what has happened so far."""
    match why:
        case LeaseLost():
            return _lost(vm_run, str(why))
        case StoreError():
            return _store_gone(vm_run, str(why))
        case Interrupted():
            return _interrupted(vm_run)
        case _:
            assert_never(why)


def give_back(vm_run: VmRun) -> Workflow[None]:
    """Drop the lease. A store that fails now changes nothing: the lease expires by itself."""
    if vm_run.lease is None:
        return
    lease, vm_run.lease = vm_run.lease, None
    with suppress(LeaseLost, StoreError, Interrupted):
        yield from do(DropLease(lease))


def _state(vm_run: VmRun) -> str:
    """Where a run that ends early leaves the VM, in words."""
    words = f"{vm_run.vm.name} is recorded as {vm_run.record.words}"
    if vm_run.in_flight:
        return (
            f"{words}; a start was sent to {vm_run.in_flight} and its outcome is not known."
            f" Run the command again: it settles that first"
        )
    if vm_run.fenced:
        return (
            f"{words}; its leftover on {vm_run.record.suspect} may have been killed. Running the command again is safe"
        )
    return f"{words}; nothing was killed and nothing started"


def _lost(vm_run: VmRun, why: str) -> Outcome:
    decision = Decision.FAILED if vm_run.in_flight or vm_run.fenced else Decision.REFUSED
    return conclude(
        vm_run, decision, Reason.BUSY, f"this run lost its lease ({why}). {_state(vm_run)}.", exit=Exit.BUSY
    )


def _store_gone(vm_run: VmRun, why: str) -> Outcome:
    code = Exit.STORE
    if vm_run.in_flight:
        code = Exit.NEEDS_PERSON
    elif vm_run.fenced:
        code = Exit.START_FAILED
    decision = Decision.REFUSED if code is Exit.STORE else Decision.FAILED
    return conclude(vm_run, decision, Reason.STORE_ERROR, f"{why}. {_state(vm_run)}.", exit=code)


def _interrupted(vm_run: VmRun) -> Outcome:
    decision = Decision.FAILED if vm_run.in_flight or vm_run.fenced else Decision.REFUSED
    return conclude(vm_run, decision, Reason.INTERRUPTED, f"interrupted. {_state(vm_run)}.", exit=Exit.INTERRUPTED)
