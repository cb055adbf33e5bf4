"""`hafence start-vm`: fence through a sibling, then mark stopped and start elsewhere, or refuse.

The story, in order: take the lease → settle what an earlier run left in flight → look into every host →
refuse if the VM runs elsewhere, ask if it runs where it should → choose a target → fence the suspect →
run the hooks → mark the VM stopped → start it → see that exactly one copy runs → mark it running.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..core.decision import AUDIT, Allowed, Refused, risks_of
from ..core.looks import Look
from ..core.model import Host, HostName, HostState, Uuid, Vm
from ..core.outcome import Decision, Exit, Outcome
from ..core.placement import Placement, Room, choose_targets, keeps_apart, sizes_mib
from ..core.reasons import Reason
from ..core.record import VmState, mark_stopped, record_of, unseen
from ..core.siblings import Candidates, choose_siblings
from ..core.stored import Recollection
from ..effects import Answer, Ask, LookAt, MemoryNeed, Now, Quarantine, Recall, RunHooks, Startable, Story, do
from .fencing import evidence_age, fence_suspect, note_plan
from .fencing_state import View
from .power_and_storage import spend_refuted
from .starting import settle_earlier, start_somewhere
from .vm_run import Course, Run, conclude, refuse, refused_by, rival_copies, shut_out_hosts, under_lease


def start_vm(run: Run, vm: Vm) -> Story[Outcome]:
    """The HA start of one VM."""
    course = Course(run, vm, unseen(vm.uuid, vm.host))
    return (yield from under_lease(course, _start))


def _start(course: Course) -> Story[Outcome]:
    memory = yield from do(Recall())
    course.record = memory.records.get(course.vm.uuid, course.record)
    if not course.vm.ha:
        return refuse(course, Reason.NOT_HA, f"{course.vm.name} is not an HA VM (ha: false)", ("set 'ha: true'",))
    if not course.run.inventory.cluster_of(course.vm.host).is_kvm:
        return (yield from start_unfenced(course, memory, Reason.NOT_KVM))
    settled = yield from settle_earlier(course)
    if settled is not None:
        return settled
    suspect = known_suspect(course)
    if isinstance(suspect, Outcome):
        return suspect
    members = course.run.inventory.members(suspect.cluster)
    looks = yield from do(LookAt(tuple(host.name for host in members)))
    yield from spend_refuted(course.run, memory, looks)
    early = yield from check_copies(course, memory, looks)
    if early is not None:
        if course.run.dry_run and early.reason is Reason.SUSPECT_HEALTHY:
            return (yield from _with_plan(course, early, View(memory, looks), suspect))
        return early
    nothing = yield from do(Startable(course.vm.uuid))
    if nothing:
        message = f"no host could start {course.vm.name}: {nothing}"
        return refuse(
            course, Reason.NO_TARGET, message, ("correct its domain_xml; 'hafence inventory check' shows all",)
        )
    placement = yield from place(course, memory, looks, suspect)
    if not placement.targets:
        siblings = choose_siblings(suspect, members, course.run.siblings, memory.quarantine, looks)
        return no_target(course, placement) if siblings.chosen else no_sibling(course, siblings)
    if not course.run.inventory.settings.pre_fence:
        return (yield from start_unfenced(course, memory, Reason.PRE_FENCE_OFF))
    return (yield from fence_and_start(course, suspect, View(memory, looks), placement))


def _with_plan(course: Course, refusal: Outcome, view: View, suspect: Host) -> Story[Outcome]:
    """A dry run that would have to ask shows all the same what a yes would lead to."""
    note_plan(course.run, suspect, {course.vm.uuid: course}, view)
    yield from place(course, view.memory, view.looks, suspect)
    return replace(refusal, notes=tuple(course.notes))


def fence_and_start(course: Course, suspect: Host, view: View, placement: Placement) -> Story[Outcome]:
    """From the fence on. Evidence that grew old while hooks ran is taken anew before anything is marked."""
    judgement = yield from _fence(course, suspect, view)
    if isinstance(judgement, Refused):
        return refused_by(course, judgement)
    if course.run.dry_run:
        return _foretold(course, judgement, placement)
    refusal = yield from _hooks(course, suspect, placement.targets[0])
    if refusal is not None:
        return refusal
    if (yield from evidence_age(course, view.looks)) > course.run.inventory.settings.evidence_age_s:
        view = View(view.memory, (yield from do(LookAt(tuple(view.looks)))))
        early = yield from check_copies(course, view.memory, view.looks)
        if early is not None:
            return early
        judgement = yield from _fence(course, suspect, view)
        if isinstance(judgement, Refused):
            return refused_by(course, judgement)
    yield from course.renew()
    yield from do(Quarantine(suspect.name, f"{course.vm.name} was fenced there ({judgement.reason.value})"))
    yield from course.write(mark_stopped(course.record, course.run.id, judgement.reason, course.shut_out_until))
    return (yield from start_somewhere(course, placement, judgement, lambda: _fence(course, suspect, view)))


def _fence(course: Course, suspect: Host, view: View) -> Story[Allowed | Refused]:
    judgements = yield from fence_suspect(course.run, suspect, {course.vm.uuid: course}, view)
    return judgements[course.vm.uuid]


def known_suspect(course: Course) -> Host | Outcome:
    """The suspect as the inventory has it, or the refusal."""
    name = course.record.suspect
    suspect = course.run.inventory.hosts.get(name)
    if suspect is None:
        message = f"{course.vm.name} was last on {name}, which the inventory does not have"
        return refuse(course, Reason.AMBIGUOUS, message, (f"put {name} back into the inventory",))
    if suspect.state is HostState.MAINTENANCE:
        message = f"{name} is in maintenance: people are at work there"
        return refuse(course, Reason.MAINTENANCE, message, (f"end the maintenance of {name} in the inventory",))
    return suspect


def check_copies(course: Course, memory: Recollection, looks: Mapping[HostName, Look]) -> Story[Outcome | None]:
    """What the round of looks says of the VM itself: two copies, a copy elsewhere, or a healthy one."""
    suspect = course.record.suspect
    harmless = (yield from shut_out_hosts(course, memory)) - {suspect}
    copies = rival_copies(course, looks, harmless)
    elsewhere = [name for name in copies if name != suspect]
    if len(copies) > 1:
        where = " and ".join(copies)
        message = f"{course.vm.name} runs twice, on {where} (or it is being migrated)"
        ways = (f"if it is no migration, choose one and fence the other: 'hafence fence {course.vm.name} --host HOST'",)
        return refuse(course, Reason.TWO_COPIES, message, ways, exit=Exit.NEEDS_PERSON)
    if elsewhere:
        message = f"{course.vm.name} runs on {elsewhere[0]}, not on {suspect} where it is recorded"
        ways = (
            f"nothing needs to be started; to fence that copy: 'hafence fence {course.vm.name} --host {elsewhere[0]}'",
        )
        return refuse(course, Reason.RUNNING_ELSEWHERE, message, ways, host=elsewhere[0])
    if not copies:
        return None
    if (yield from _started_just_now(course)):
        message = f"{course.vm.name} runs on {suspect}; run {course.record.run} started it a moment ago"
        return conclude(course, Decision.UNCHANGED, Reason.ALREADY_RUNNING, message, host=suspect)
    if not course.run.inventory.settings.pre_fence:
        # whatever was agreed to, nobody would end the copy that was just seen
        message = f"{suspect} answers and {course.vm.name} runs there, and with pre_fence off nothing would end it"
        ways = (f"end it first, with 'hafence fence {course.vm.name}' or by hand, then run the command again",)
        return refuse(course, Reason.SUSPECT_HEALTHY, message, ways)
    if course.run.yes:
        course.notes.append(f"{suspect} answers and the VM runs there; --yes agreed to fence it")
        return None
    question = f"{suspect} answers and {course.vm.name} runs there. Kill it there and start it elsewhere?"
    answer = Answer.NOBODY if course.run.dry_run else (yield from do(Ask(question)))
    if answer is Answer.YES:
        course.notes.append(f"{suspect} answers and the VM runs there; the admin agreed to fence it")
        return None
    said = "the admin said no" if answer is Answer.NO else "nobody could be asked"
    if course.run.dry_run:
        said = "a run would ask first"
    message = f"{suspect} answers and {course.vm.name} runs there; {said}"
    return refuse(course, Reason.SUSPECT_HEALTHY, message, ("use --yes to fence it all the same",))


def _started_just_now(course: Course) -> Story[bool]:
    if course.record.state is not VmState.RUNNING or course.record.started_at is None:
        return False
    now = yield from do(Now())
    return now - course.record.started_at <= course.run.inventory.settings.quiet_time_s


def place(course: Course, memory: Recollection, looks: Mapping[HostName, Look], suspect: Host) -> Story[Placement]:
    """The targets for the VM, and why not elsewhere. A dry run shows them, whatever it then foretells."""
    inventory = course.run.inventory
    need = course.vm.memory_mib or (yield from do(MemoryNeed(course.vm.uuid)))
    room = Room(
        memory_mib=need,
        neighbours={vm.uuid: vm for vm in inventory.vms.values() if keeps_apart(course.vm, vm)},
        placed=placed(course.run, memory),
        sizes_mib=sizes_mib(inventory.vms.values()),
    )
    hosts = inventory.members(suspect.cluster)
    looked = inventory.cluster_of(suspect.name).is_kvm
    placement = choose_targets(suspect.name, hosts, room, memory.quarantine, looks, course.run.to, looked)
    if course.run.dry_run:
        course.notes.append(f"targets in order: {', '.join(placement.targets) or 'none'}")
        course.notes += [f"target {name} not chosen: {why}" for name, why in placement.excluded]
    return placement


def placed(run: Run, memory: Recollection) -> dict[HostName, frozenset[Uuid]]:
    """Which VMs are recorded on each host."""
    where: dict[HostName, set[Uuid]] = {}
    for vm in run.inventory.vms.values():
        record = record_of(vm, memory.records)
        if record.host is not None:
            where.setdefault(record.host, set()).add(vm.uuid)
    return {host: frozenset(vms) for host, vms in where.items()}


def no_sibling(course: Course, siblings: Candidates) -> Outcome:
    """Nobody could fence the suspect, and nobody could take the VM."""
    against = "; ".join(f"{name} {why}" for name, why in siblings.excluded)
    message = f"no sibling of {course.record.suspect} could be asked: {against or 'the cluster has no other host'}"
    return refuse(course, Reason.NO_SIBLING, message, (f"bring back a host of the cluster; {AUDIT}",))


def no_target(course: Course, placement: Placement) -> Outcome:
    """Nothing is killed where nothing could be started."""
    to = course.run.to
    if to is not None:
        why = dict(placement.excluded).get(to, f"is not in the cluster of {course.record.suspect}")
        message = f"{course.vm.name} can't be started on {to}, which was asked for: {to} {why}"
        return refuse(course, Reason.NO_TARGET, message, ("leave out --to, or name another host with it",))
    against = "; ".join(f"{name} {why}" for name, why in placement.excluded)
    message = f"no host can take {course.vm.name}: {against or 'the cluster has no other host'}"
    return refuse(course, Reason.NO_TARGET, message, ("free or bring back a host of the cluster",))


def _hooks(course: Course, suspect: Host, target: HostName) -> Story[Outcome | None]:
    results = yield from do(RunHooks(course.vm.uuid, suspect.name, target))
    errors = [f"{result.name}: {result.error}" for result in results if result.error]
    if not errors:
        return None
    hooks = "hook" if len(errors) == 1 else "hooks"
    message = f"{len(errors)} before-start {hooks} said no: {'; '.join(errors)}"
    if course.fenced:
        message += f"; {course.vm.name} was fenced on {suspect.name} before that and may be down"
    return refuse(course, Reason.HOOK_FAILED, message, ("mend what the hooks complain of and run the command again",))


def _foretold(course: Course, judgement: Allowed, placement: Placement) -> Outcome:
    """The predicted decision of a dry run."""
    message = f"would start {course.vm.name} on {placement.targets[0]}: {judgement.message}"
    return conclude(course, Decision.STARTED, judgement.reason, message, host=placement.targets[0])


def start_unfenced(course: Course, memory: Recollection, reason: Reason) -> Story[Outcome]:
    """A cluster in which hafence does not fence: start right away, and say what that risks."""
    suspect = known_suspect(course)
    if isinstance(suspect, Outcome):
        return suspect
    looks: Mapping[HostName, Look] = {}
    if reason is Reason.PRE_FENCE_OFF:
        looks = yield from do(LookAt(tuple(host.name for host in course.run.inventory.members(suspect.cluster))))
    placement = yield from place(course, memory, looks, suspect)
    if not placement.targets:
        return no_target(course, placement)
    why = "hafence can't look into this hypervisor" if reason is Reason.NOT_KVM else "pre_fence is off"
    course.risks = risks_of(reason, suspect.name)
    judgement = Allowed(reason, f"no fencing in this cluster ({why})", course.risks)
    if course.run.dry_run:
        return _foretold(course, judgement, placement)
    refusal = yield from _hooks(course, suspect, placement.targets[0])
    if refusal is not None:
        return refusal
    yield from course.renew()
    yield from course.write(mark_stopped(course.record, course.run.id, reason))
    return (yield from start_somewhere(course, placement, judgement, None))
