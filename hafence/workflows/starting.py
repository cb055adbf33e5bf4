"""From `stopped` to `running`: one target after the other, each proven clean before the next is tried.

The danger here is a start whose outcome is unknown: libvirt may still bring the VM up. So a start is in the
record before it is sent, and it is settled on that very host before any other host is considered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.attempts import FenceOrder, Verdict
from ..core.decision import Allowed, Judgement, Refused
from ..core.halted import Halted
from ..core.looks import HostLook, Silence, whoever_saw
from ..core.model import HostName, StartMode
from ..core.outcome import Decision, Exit, Outcome
from ..core.placement import Placement
from ..core.reasons import Reason
from ..core.record import VmState, looked_into, mark_clean, mark_running, mark_starting, mark_stopped, restore
from ..core.risks import risks_of, with_unproven
from ..core.starts import StartOrder, StartReply, StartResult
from ..effects import Fence, Interrupted, Now, Settle, Start, Tell, Workflow, do
from .fencing import evidence_ends, evidence_is_old
from .vm_run import VmRun, conclude, end_watch, rival_copies, shut_out_hosts

TICKETS_PER_LEASE = 1000
"""Tickets of one lease lie between its token times this and the next token's: a later run's are always higher."""


def start_somewhere(
    vm_run: VmRun,
    placement: Placement,
    allowed: Allowed,
    fence_again: Callable[[], Workflow[Judgement]] | None,
    ways_back: tuple[str, ...] = (),
) -> Workflow[Outcome]:
    """Try the targets in order, and all of them once more: what was in the way may have passed; a command of the site's
    is called once for each, since nobody knows what else it does. The record says `stopped` when this begins.
    `ways_back` are offered where no start succeeds."""
    failures: dict[str, str] = {}
    yield from _name_risks(allowed)
    rounds = 1 if vm_run.run.inventory.cluster_of(vm_run.vm.host).start is StartMode.COMMAND else 2
    for number, target in enumerate(placement.targets * rounds):
        if fence_again is not None and (yield from evidence_is_old(vm_run)):
            judgement = yield from fence_again()
            if isinstance(judgement, Refused):
                failures["the evidence grew old, and then"] = judgement.message
                break
            allowed = judgement
            # What the start stands on now, which the next write says: a proof may have been had of what was silence.
            vm_run.record = mark_stopped(vm_run.record, vm_run.run.id, allowed.reason, vm_run.shut_out_until)
            yield from _name_risks(allowed)
        reply = yield from _start_on(vm_run, target, number, placement.looks.get(target))
        if reply.result is StartResult.RUNNING:
            return (yield from verify(vm_run, target, allowed))
        if reply.result is StartResult.UNKNOWN:
            return _unknown(vm_run, target, reply.says)
        failures[f"{target}:"] = reply.says
        if reply.result is StartResult.BARRED:
            break  # another store's run may be starting it: on any other target it would be the second copy
    fenced = "was fenced" if vm_run.record.proven_dead else "was not seen dead" if fence_again else "was not fenced"
    if not vm_run.record.proven_dead:
        yield from vm_run.write(restore(vm_run.record))
    message = (
        f"{vm_run.vm.name} {fenced}, and no start succeeded"
        f" ({'; '.join(f'{where} {why}' for where, why in failures.items())}). It is recorded as"
        f" {vm_run.record.words}. Mend the cause and run the command again: it is safe."
    )
    return conclude(vm_run, Decision.FAILED, Reason.START_FAILED, message, ways_out=ways_back, exit=Exit.START_FAILED)


def _name_risks(allowed: Allowed) -> Workflow[None]:
    """A risk is told before it is taken: a run that is killed in between has said it, and its journal holds it."""
    for risk in allowed.risks:
        yield from do(Tell(risk.says, risk))


def _start_on(vm_run: VmRun, target: HostName, number: int, seen: HostLook | None) -> Workflow[StartReply]:
    """One start, settled if its outcome is not known. RUNNING or CLEAN here are proven on the host itself; one that was
    BARRED there has done nothing and never will.

    A run that is held up between here and there must not start a VM on what it saw long ago: the start bears the end
    of the evidence as well as that of the lease.
    """
    not_after = min((yield from vm_run.renew()), evidence_ends(vm_run))
    ticket = _first_ticket(vm_run) + 1 + 2 * number
    yield from vm_run.write(mark_starting(vm_run.record, target, vm_run.run.id, ticket))
    order = _order(vm_run, target, ticket, not_after)
    if seen is not None:
        order = replace(order, boot_id=seen.boot_id or "", clock_offset_s=seen.clock_offset_s)
    try:
        reply = yield from do(Start(order))
    except Interrupted:
        vm_run.in_flight = target
        raise
    vm_run.in_flight = target
    if reply.result is StartResult.UNKNOWN:
        reply = yield from _settle(vm_run, order)
    if reply.result in (StartResult.CLEAN, StartResult.BARRED):
        yield from vm_run.write(mark_clean(vm_run.record))
        vm_run.in_flight = None
    return reply


def _order(vm_run: VmRun, target: HostName, ticket: int, not_after: float) -> StartOrder:
    within_s = vm_run.run.inventory.settings.start_timeout_s
    return StartOrder(vm_run.vm.uuid, target, ticket, not_after, within_s, claim=vm_run.run.claim)


def _settle(vm_run: VmRun, order: StartOrder) -> Workflow[StartReply]:
    not_after = yield from vm_run.renew()
    return (yield from do(Settle(replace(order, ticket=order.ticket + 1, not_after=not_after))))


def _first_ticket(vm_run: VmRun) -> int:
    """Of this run: what settles an earlier run's start. Each start takes the next odd one, its settling the one after:
    a start is refused where a settle of the same ticket has been."""
    assert vm_run.lease is not None, "a start is sent and settled under a lease"
    return vm_run.lease.token * TICKETS_PER_LEASE


def _unknown(vm_run: VmRun, target: HostName, says: str) -> Outcome:
    message = (
        f"a start of {vm_run.vm.name} was sent to {target} and its outcome could not be settled ({says})."
        f" Look there; the next run settles it first and starts nothing elsewhere before that. If {target} is gone for"
        f" good: 'hafence fence {vm_run.vm.name} --host {target}', then run the command again."
    )
    return conclude(vm_run, Decision.FAILED, Reason.START_UNKNOWN, message, host=target, exit=Exit.NEEDS_PERSON)


def settle_earlier(vm_run: VmRun) -> Workflow[Outcome | None]:
    """A start that an earlier run left in flight: settled on its own host before anything else happens."""
    record = vm_run.record
    if record.state is not VmState.STARTING:
        return None
    assert record.host is not None, "a start has a target"
    if vm_run.run.dry_run:
        vm_run.notes.append(f"run {record.run} left a start on {record.host} in flight; a run would settle it first")
        vm_run.record = mark_clean(record)
        return None
    not_after = yield from vm_run.renew()
    ticket = max(_first_ticket(vm_run), record.ticket + 1)
    vm_run.in_flight = record.host
    reply = yield from do(Settle(_order(vm_run, record.host, ticket, not_after)))
    if reply.result is StartResult.UNKNOWN:
        return _unknown(vm_run, record.host, reply.says)
    if reply.result is StartResult.CLEAN:
        vm_run.in_flight = None
        vm_run.notes.append(f"the start that run {record.run} left on {record.host} came to nothing")
        yield from vm_run.write(mark_clean(record))
        return None
    assert record.grounds is not None, "checked when the record was read"
    vm_run.risks = with_unproven(risks_of(record.grounds, record.suspect), record.unproven, record.suspect)
    allowed = Allowed(record.grounds, f"the start of run {record.run} had worked")
    return (yield from verify(vm_run, record.host, allowed))


def verify(vm_run: VmRun, target: HostName, allowed: Allowed) -> Workflow[Outcome]:
    """Exactly one copy on all hosts that answer, on the target; then the record says so."""
    copies = {target: 1}
    if vm_run.run.inventory.cluster_of(target).is_kvm:
        copies = yield from _copies_after(vm_run, target, allowed)
    if copies not in ({}, {target: 1}):
        return (yield from _two_copies(vm_run, target, copies))
    if not copies:
        return (yield from _gone_again(vm_run, target))
    yield from vm_run.renew()
    yield from end_watch(vm_run, aside=True)
    now = yield from do(Now())
    yield from vm_run.write(mark_running(vm_run.record, target, vm_run.run.id, now))
    vm_run.in_flight = None
    seen = vm_run.seen.get(target)
    if isinstance(seen, HostLook) and (halted := seen.halted.get(vm_run.vm.uuid)) is not None:
        return _halted(vm_run, target, halted)
    message = f"{vm_run.vm.name} runs on {target}: {allowed.message}"
    return conclude(vm_run, Decision.STARTED, allowed.reason, message, host=target, suspect=vm_run.record.last_host)


def _halted(vm_run: VmRun, target: HostName, halted: Halted) -> Outcome:
    """Started, and it does not run. It is recorded where its process holds the disks: no other may be started."""
    message = (
        f"{vm_run.vm.name} was started on {target} and does not run: it is {halted.says}. Its process is there and"
        f" holds its disks."
    )
    ways = (f"on {target}: {halted.way_out(vm_run.vm.uuid)}",)
    return conclude(
        vm_run,
        Decision.FAILED,
        Reason.START_PAUSED,
        message,
        host=target,
        suspect=vm_run.record.last_host,
        ways_out=ways,
        exit=Exit.NEEDS_PERSON,
    )


def _copies_after(vm_run: VmRun, target: HostName, allowed: Allowed) -> Workflow[dict[HostName, int]]:
    """Where copies are, after the start. A suspect that did not answer the admin node is not waited for once more where
    the fence's own session has watched it since: its end tells what came there."""
    inventory = vm_run.run.inventory
    hosts = [host.name for host in inventory.members(inventory.cluster_of(target).name)]
    watched = vm_run.watched
    if watched is not None and watched != target and isinstance(vm_run.seen.get(watched), Silence):
        looks = dict((yield from vm_run.look_at(name for name in hosts if name != watched)))
        if not (yield from end_watch(vm_run, aside=True)):
            looks |= yield from vm_run.look_at(hosts)
    else:
        looks = dict((yield from vm_run.look_at(hosts)))
    vm_run.record = looked_into(vm_run.record, looks)
    copies = rival_copies(vm_run, whoever_saw(looks), (yield from _harmless(vm_run, allowed)))
    if target in copies and vm_run.watched in copies and vm_run.watched != target:
        # Started there anew a moment ago, and about to be ended: the watch's end tells whether it is.
        yield from end_watch(vm_run)
        looks = dict((yield from vm_run.look_at(hosts)))
        copies = rival_copies(vm_run, whoever_saw(looks), (yield from _harmless(vm_run, allowed)))
    return copies


def _harmless(vm_run: VmRun, allowed: Allowed) -> Workflow[frozenset[HostName]]:
    """The hosts of old processes that can't write. The suspect's is why the storage was fenced a moment ago."""
    hosts = yield from shut_out_hosts(vm_run)
    return hosts | {vm_run.record.suspect} if allowed.reason is Reason.STORAGE_FENCED else hosts


def _gone_again(vm_run: VmRun, target: HostName) -> Workflow[Outcome]:
    """Seen running by the start, and no longer by the look after it: the VM ended right away."""
    not_after = yield from vm_run.renew()
    ticket = max(vm_run.record.ticket, _first_ticket(vm_run)) + 1
    reply = yield from do(Settle(_order(vm_run, target, ticket, not_after)))
    if reply.result is not StartResult.CLEAN:
        return _unknown(vm_run, target, f"it was seen running, then no longer; {reply.says}")
    vm_run.in_flight = None
    yield from vm_run.write(mark_clean(vm_run.record))
    message = (
        f"{vm_run.vm.name} started on {target} and ended right away. It is recorded as {vm_run.record.words}."
        f" Look at its log there and run the command again: it is safe."
    )
    return conclude(vm_run, Decision.FAILED, Reason.START_FAILED, message, exit=Exit.START_FAILED)


def _two_copies(vm_run: VmRun, target: HostName, copies: dict[HostName, int]) -> Workflow[Outcome]:
    """The new copy goes: it is the one whose disks are certainly not the older ones' only writer."""
    others = [name for name in copies if name != target]
    settings = vm_run.run.inventory.settings
    not_after = yield from vm_run.renew()
    vms, claim = (vm_run.vm.uuid,), vm_run.run.claim
    order = FenceOrder(target, None, vms, settings.ssh_timeout_s, settings.settle_s, not_after, claim=claim)
    vm_run.fenced = True  # whatever ends the run from here on, it can't say that nothing was killed
    report = yield from do(Fence(order))
    gone = report.readings[vm_run.vm.uuid].verdict is Verdict.CONFIRMED_DEAD
    where = " and ".join(others) or f"{target} itself, more than once"
    if gone:
        vm_run.in_flight = None
        yield from vm_run.write(mark_clean(vm_run.record))
        if len(others) == 1:
            yield from vm_run.write(mark_running(vm_run.record, others[0], vm_run.run.id, None))
    end = "the new one was destroyed" if gone else "THE NEW ONE COULD NOT BE DESTROYED"
    message = (
        f"TWO COPIES of {vm_run.vm.name} were seen: the new one on {target} and one on {where}; {end}."
        f" It is recorded as {vm_run.record.words}. Look at both hosts and at the VM's disks."
    )
    return conclude(vm_run, Decision.FAILED, Reason.TWO_COPIES, message, exit=Exit.NEEDS_PERSON)
