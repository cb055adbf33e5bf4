"""From `stopped` to `running`: one target after the other, each proven clean before the next is tried.

The danger here is a start whose outcome is unknown: libvirt may still bring the VM up. So a start is in the
record before it is sent, and it is settled on that very host before any other host is considered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.attempts import FenceOrder, Verdict
from ..core.decision import Allowed, Judgement, Refused, risks_of
from ..core.model import HostName
from ..core.outcome import Decision, Exit, Outcome
from ..core.placement import Placement
from ..core.reasons import Reason
from ..core.record import VmState, mark_clean, mark_running, mark_starting, restore
from ..core.replies import interpret
from ..core.starts import StartOrder, StartReply, StartResult
from ..effects import Fence, Interrupted, LookAt, Now, Settle, Start, Story, Tell, do
from .fencing import evidence_age
from .vm_run import Course, conclude, rival_copies, shut_out_hosts

TICKETS_PER_LEASE = 1000
"""Tickets of one lease lie between its token times this and the next token's: a later run's are always higher."""


def start_somewhere(
    course: Course, placement: Placement, allowed: Allowed, fence_again: Callable[[], Story[Judgement]] | None
) -> Story[Outcome]:
    """Try the targets in order. The record says `stopped` when this begins."""
    failures: list[str] = []
    yield from _name_risks(allowed)
    for number, target in enumerate(placement.targets):
        if fence_again is not None and (yield from evidence_age(course)) > course.run.inventory.settings.evidence_age_s:
            judgement = yield from fence_again()
            if isinstance(judgement, Refused):
                failures.append(f"the evidence grew old, and then {judgement.message}")
                break
            allowed = judgement
            yield from _name_risks(allowed)
        reply = yield from _start_on(course, target, number)
        if reply.result is StartResult.RUNNING:
            return (yield from verify(course, target, allowed))
        if reply.result is StartResult.UNKNOWN:
            return _unknown(course, target, reply.says)
        failures.append(f"{target}: {reply.says}")
    if not course.record.proven_dead:
        yield from course.write(restore(course.record))
    message = (
        f"{course.vm.name} was {'fenced' if fence_again else 'not fenced'}, and no start succeeded"
        f" ({'; '.join(failures)}). It is recorded as"
        f" {course.record.words}. Mend the cause and run the command again: it is safe."
    )
    return conclude(course, Decision.FAILED, Reason.START_FAILED, message, exit=Exit.START_FAILED)


def _name_risks(allowed: Allowed) -> Story[None]:
    """A risk is told before it is taken: a run that is killed in between has said it, and its journal holds it."""
    for risk in allowed.risks:
        yield from do(Tell(risk))


def _start_on(course: Course, target: HostName, number: int) -> Story[StartReply]:
    """One start, settled if its outcome is not known. RUNNING or CLEAN here are proven on the host itself."""
    not_after = yield from course.renew()
    ticket = _first_ticket(course) + 1 + 2 * number
    yield from course.write(mark_starting(course.record, target, course.run.id, ticket))
    order = StartOrder(course.vm.uuid, target, ticket, not_after, course.run.inventory.settings.start_timeout_s)
    try:
        reply = yield from do(Start(order))
    except Interrupted:
        course.in_flight = target
        raise
    course.in_flight = target
    if reply.result is StartResult.UNKNOWN:
        reply = yield from _settle(course, order)
    if reply.result is StartResult.CLEAN:
        yield from course.write(mark_clean(course.record))
        course.in_flight = None
    return reply


def _settle(course: Course, order: StartOrder) -> Story[StartReply]:
    not_after = yield from course.renew()
    return (yield from do(Settle(replace(order, ticket=order.ticket + 1, not_after=not_after))))


def _first_ticket(course: Course) -> int:
    """Of this run: what settles an earlier run's start. Each start takes the next odd one, its settling the one after:
    a start is refused where a settle of the same ticket has been."""
    assert course.lease is not None, "a start is sent and settled under a lease"
    return course.lease.token * TICKETS_PER_LEASE


def _unknown(course: Course, target: HostName, says: str) -> Outcome:
    message = (
        f"a start of {course.vm.name} was sent to {target} and its outcome could not be settled ({says})."
        f" Look there; the next run settles it first and starts nothing elsewhere before that. If {target} is gone for"
        f" good: 'hafence fence {course.vm.name} --host {target}', then run the command again."
    )
    return conclude(course, Decision.FAILED, Reason.START_UNKNOWN, message, host=target, exit=Exit.NEEDS_PERSON)


def settle_earlier(course: Course) -> Story[Outcome | None]:
    """A start that an earlier run left in flight: settled on its own host before anything else happens."""
    record = course.record
    if record.state is not VmState.STARTING:
        return None
    assert record.host is not None, "a start has a target"
    if course.run.dry_run:
        course.notes.append(f"run {record.run} left a start on {record.host} in flight; a run would settle it first")
        course.record = mark_clean(record)
        return None
    not_after = yield from course.renew()
    ticket = max(_first_ticket(course), record.ticket + 1)
    within_s = course.run.inventory.settings.start_timeout_s
    course.in_flight = record.host
    reply = yield from do(Settle(StartOrder(course.vm.uuid, record.host, ticket, not_after, within_s)))
    if reply.result is StartResult.UNKNOWN:
        return _unknown(course, record.host, reply.says)
    if reply.result is StartResult.CLEAN:
        course.in_flight = None
        course.notes.append(f"the start that run {record.run} left on {record.host} came to nothing")
        yield from course.write(mark_clean(record))
        return None
    assert record.grounds is not None, "checked when the record was read"
    course.risks = risks_of(record.grounds, record.suspect)
    allowed = Allowed(record.grounds, f"the start of run {record.run} had worked")
    return (yield from verify(course, record.host, allowed))


def verify(course: Course, target: HostName, allowed: Allowed) -> Story[Outcome]:
    """Exactly one copy on all hosts that answer, on the target; then the record says so."""
    inventory = course.run.inventory
    cluster = inventory.cluster_of(target)
    copies = {target: 1}
    if cluster.is_kvm:
        looks = yield from do(LookAt(tuple(host.name for host in inventory.members(cluster.name))))
        copies = rival_copies(course, looks, (yield from _harmless(course, allowed)))
    if copies not in ({}, {target: 1}):
        return (yield from _two_copies(course, target, copies))
    if not copies:
        return (yield from _gone_again(course, target))
    yield from course.renew()
    now = yield from do(Now())
    yield from course.write(mark_running(course.record, target, course.run.id, now))
    course.in_flight = None
    message = f"{course.vm.name} runs on {target}: {allowed.message}"
    return conclude(course, Decision.STARTED, allowed.reason, message, host=target, suspect=course.record.last_host)


def _harmless(course: Course, allowed: Allowed) -> Story[frozenset[HostName]]:
    """The hosts of old processes that can't write. The suspect's is why the storage was fenced a moment ago."""
    hosts = yield from shut_out_hosts(course)
    return hosts | {course.record.suspect} if allowed.reason is Reason.STORAGE_FENCED else hosts


def _gone_again(course: Course, target: HostName) -> Story[Outcome]:
    """Seen running by the start, and no longer by the look after it: the VM ended right away."""
    within_s = course.run.inventory.settings.start_timeout_s
    not_after = yield from course.renew()
    ticket = max(course.record.ticket, _first_ticket(course)) + 1
    reply = yield from do(Settle(StartOrder(course.vm.uuid, target, ticket, not_after, within_s)))
    if reply.result is not StartResult.CLEAN:
        return _unknown(course, target, f"it was seen running, then no longer; {reply.says}")
    course.in_flight = None
    yield from course.write(mark_clean(course.record))
    message = (
        f"{course.vm.name} started on {target} and ended right away. It is recorded as {course.record.words}."
        f" Look at its log there and run the command again: it is safe."
    )
    return conclude(course, Decision.FAILED, Reason.START_FAILED, message, exit=Exit.START_FAILED)


def _two_copies(course: Course, target: HostName, copies: dict[HostName, int]) -> Story[Outcome]:
    """The new copy goes: it is the one whose disks are certainly not the older ones' only writer."""
    others = [name for name in copies if name != target]
    settings = course.run.inventory.settings
    not_after = yield from course.renew()
    order = FenceOrder(target, None, (course.vm.uuid,), settings.ssh_timeout_s, settings.settle_s, not_after)
    course.fenced = True  # whatever ends the run from here on, it can't say that nothing was killed
    reply = yield from do(Fence(order))
    gone = interpret(order, reply)[course.vm.uuid].verdict is Verdict.CONFIRMED_DEAD
    where = " and ".join(others) or f"{target} itself, more than once"
    if gone:
        course.in_flight = None
        yield from course.write(mark_clean(course.record))
        if len(others) == 1:
            yield from course.write(mark_running(course.record, others[0], course.run.id, None))
    end = "the new one was destroyed" if gone else "THE NEW ONE COULD NOT BE DESTROYED"
    message = (
        f"TWO COPIES of {course.vm.name} were seen: the new one on {target} and one on {where}; {end}."
        f" It is recorded as {course.record.words}. Look at both hosts and at the VM's disks."
    )
    return conclude(course, Decision.FAILED, Reason.TWO_COPIES, message, exit=Exit.NEEDS_PERSON)
