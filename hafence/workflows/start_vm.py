"""`hafence start-vm`: fence through a sibling, then mark stopped and start elsewhere, or refuse.

The workflow, in order: take the lease → settle what an earlier run left in flight → look into every host →
refuse if the VM runs elsewhere, ask if it runs where it should → choose a target → fence the suspect →
run the hooks → mark the VM stopped → start it → see that exactly one copy runs → mark it running.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..core.decision import AUDIT, Allowed, Judgement, Refused, held_refusal
from ..core.looks import HostLook, Libvirt, Look, Silence, held_by_another, hiding, inside, twin_of
from ..core.model import Host, HostName, HostState, Uuid, Vm
from ..core.outcome import Decision, Exit, Outcome
from ..core.placement import Placement, choose_targets, room_for, ways_to_targets
from ..core.planned import all_as_planned, as_planned, in_maintenance
from ..core.quarantine import is_planned, quarantine_words
from ..core.reasons import Reason
from ..core.record import VmState, looked_into, mark_stopped, record_of, unseen
from ..core.risks import Risk, RiskKind, risks_of, with_unproven
from ..core.siblings import Candidates, choose_siblings
from ..core.stored import Recollection
from ..effects import Answer, Ask, LookAt, MemoryNeed, Now, Quarantine, Recall, RunHooks, Startable, Workflow, do
from .consent import agree_to_silence
from .fencing import evidence_is_old, fence_suspect, note_plan
from .fencing_state import Observed, may_be_off, through_siblings
from .planned import refuse_disarmed, still_allowed
from .power_and_storage import spend_refuted
from .starting import settle_earlier, start_somewhere
from .vm_run import Request, VmRun, conclude, refuse, refused_by, rival_copies, shut_out_hosts, under_lease


def start_vm(run: Request, vm: Vm) -> Workflow[Outcome]:
    """The HA start of one VM."""
    vm_run = VmRun(run, vm, unseen(vm.uuid, vm.host))
    return (yield from under_lease(vm_run, _start))


def _start(vm_run: VmRun) -> Workflow[Outcome]:
    memory = yield from do(Recall())
    vm_run.record = memory.records.get(vm_run.vm.uuid, vm_run.record)
    disarmed = refuse_disarmed(vm_run, memory)
    if disarmed is not None:
        return disarmed
    if not vm_run.vm.ha:
        return refuse(vm_run, Reason.NOT_HA, f"{vm_run.vm.name} is not an HA VM (ha: false)", ("set 'ha: true'",))
    if not vm_run.run.inventory.cluster_of(vm_run.vm.host).is_kvm:
        return (yield from start_unfenced(vm_run, memory, Reason.NOT_KVM))
    settled = yield from settle_earlier(vm_run)
    if settled is not None:
        return settled
    suspect = known_suspect(vm_run, memory)
    if isinstance(suspect, Outcome):
        return suspect
    vm_run.through = through_siblings(vm_run.run, suspect, memory)
    vm_run.may_be_off = off = may_be_off(vm_run.run, suspect, memory)
    members = tuple(host.name for host in vm_run.run.inventory.members(suspect.cluster))
    looks = yield from do(LookAt(members, through=vm_run.through, may_be_off=off))
    vm_run.record = looked_into(vm_run.record, looks)
    yield from spend_refuted(vm_run.run, memory, looks)
    early = same_machine(vm_run, suspect.name, looks) or (yield from check_copies(vm_run, memory, looks))
    if early is not None:
        if vm_run.run.dry_run and early.reason is Reason.SUSPECT_HEALTHY:
            return (yield from _with_plan(vm_run, early, Observed(memory, looks), suspect))
        return early
    early = yield from not_startable(vm_run)
    if early is not None:
        return early
    placement = yield from place(vm_run, memory, looks, suspect)
    if not placement.targets:
        return no_place(vm_run, suspect, Observed(memory, looks), placement)
    if not vm_run.run.inventory.settings.pre_fence:
        return (yield from start_unfenced(vm_run, memory, Reason.PRE_FENCE_OFF))
    return (yield from fence_and_start(vm_run, suspect, Observed(memory, looks), placement))


def not_startable(vm_run: VmRun) -> Workflow[Outcome | None]:
    """The refusal where no target could start the VM from what is known of it."""
    vm_run.source = source = yield from do(Startable(vm_run.vm.uuid))
    if not source.why_not:
        return None
    message = f"no host could start {vm_run.vm.name}: {source.why_not}"
    ways = ["correct its domain_xml; 'hafence inventory check' shows all"]
    if vm_run.vm.domain_xml is None:
        ways = ["give its domain_xml in the inventory", f"'hafence capture {vm_run.vm.name}', while it runs"]
    return refuse(vm_run, Reason.NO_TARGET, message, tuple(ways))


def no_place(vm_run: VmRun, suspect: Host, view: Observed, placement: Placement) -> Outcome:
    """The refusal where no host can take the VM: since there is none to fence through either, or for its reasons."""
    members = all_as_planned(vm_run.run.inventory.members(suspect.cluster), view.memory.planned)
    siblings = choose_siblings(suspect, members, vm_run.run.siblings, view.memory.quarantine, view.looks)
    return no_target(vm_run, placement) if siblings.chosen else no_sibling(vm_run, siblings)


def _with_plan(vm_run: VmRun, refusal: Outcome, view: Observed, suspect: Host) -> Workflow[Outcome]:
    """A dry run that would have to ask shows all the same what a yes would lead to."""
    note_plan(vm_run.run, suspect, {vm_run.vm.uuid: vm_run}, view)
    yield from place(vm_run, view.memory, view.looks, suspect)
    return replace(refusal, notes=tuple(vm_run.notes))


def fence_and_start(vm_run: VmRun, suspect: Host, view: Observed, placement: Placement) -> Workflow[Outcome]:
    """From the fence on."""
    vm_run.seen.update(view.looks)
    judgement = yield from _fence(vm_run, suspect, view)
    if isinstance(judgement, Refused):
        return refused_by(vm_run, judgement)
    if vm_run.run.dry_run:
        return foretold(vm_run, judgement, placement)
    refusal = yield from agree_to_silence(vm_run, suspect.name, judgement, placement.targets[0])
    return refusal or (yield from start_fenced(vm_run, suspect, view, placement, judgement))


def start_fenced(
    vm_run: VmRun, suspect: Host, view: Observed, placement: Placement, allowed: Allowed
) -> Workflow[Outcome]:
    """From a fence on that allows the start. Evidence that grew old while hooks ran is taken anew before anything is
    marked. For one VM of many the suspect is in quarantine already, where it has to be."""
    refusal = yield from _hooks(vm_run, suspect, placement.targets[0])
    if refusal is not None:
        return refusal
    if (yield from evidence_is_old(vm_run, view.looks)):
        view = yield from _look_again(vm_run, view)
        early = yield from check_copies(vm_run, view.memory, view.looks)
        if early is not None:
            return early
        judgement = yield from _fence(vm_run, suspect, view)
        if isinstance(judgement, Refused):
            return refused_by(vm_run, judgement)
        allowed = judgement
    judgement = yield from nowhere_else(vm_run, suspect, view, allowed)
    if isinstance(judgement, Refused):
        return refused_by(vm_run, judgement)
    left = yield from still_allowed(vm_run, suspect, placement, view.memory.planned)
    if isinstance(left, Outcome):
        return left
    yield from vm_run.renew()
    if not vm_run.one_of_many and not is_planned(vm_run.vm.uuid, view.looks.get(suspect.name), vm_run.attempts):
        yield from do(Quarantine(suspect.name, quarantine_words(vm_run.vm.name, judgement.reason)))
    yield from vm_run.write(mark_stopped(vm_run.record, vm_run.run.id, judgement.reason, vm_run.shut_out_until))
    ways = _ways_back(vm_run, suspect, view)
    return (yield from start_somewhere(vm_run, left, judgement, lambda: fence_again(vm_run, suspect, view), ways))


def _ways_back(vm_run: VmRun, suspect: Host, view: Observed) -> tuple[str, ...]:
    """After a planned move that came to nothing: the host that it was taken from is well, and knows it still."""
    look = view.looks.get(suspect.name)
    if not isinstance(look, HostLook) or vm_run.vm.uuid not in look.defined:
        return ()
    if not is_planned(vm_run.vm.uuid, look, vm_run.attempts):
        return ()
    return (f"on {suspect.name}, which is well: 'virsh start {vm_run.vm.uuid}' starts it where it was",)


def nowhere_else(vm_run: VmRun, suspect: Host, view: Observed, allowed: Allowed) -> Workflow[Judgement]:
    """See that no copy is anywhere else, younger than what says that none is on the suspect; the refusal otherwise.

    The look before the fence proves nothing by now: a live migration may have ended in between, on a host that had been
    looked into already. Who was silent a moment ago is not waited for. Where nothing of the VM was found on the
    suspect, somebody may have moved it, to another cluster of the inventory too: those hosts are looked into as well.
    """
    off = {suspect.name} if allowed.reason is Reason.POWERED_OFF else set()
    answered = [name for name, look in view.looks.items() if not isinstance(look, Silence) and name not in off]
    found = any(attempt.reading.found_something for attempt in vm_run.attempts)
    others = [] if found else _of_other_clusters(vm_run, suspect, view.memory)
    looks = yield from vm_run.look_at((*answered, *others))
    kept_out = {suspect.name} if allowed.reason is Reason.STORAGE_FENCED else set()
    harmless = (yield from shut_out_hosts(vm_run, view.memory)) | kept_out
    copies = rival_copies(vm_run, looks, harmless)
    if suspect.name in copies:
        message = f"{vm_run.vm.name} was believed dead on {suspect.name}, and runs there: something starts it anew"
        ways = (f"stop what starts it on {suspect.name}, end it there, then run the command again",)
        return Refused(Reason.STILL_ALIVE, message, ways, suspect.name)
    if copies:
        return _runs_elsewhere(vm_run, suspect.name, next(iter(copies)))
    if held := held_by_another(vm_run.vm.uuid, looks, vm_run.run.claim):
        return held_refusal(*held)
    vm_run.record = looked_into(vm_run.record, looks)
    known = {suspect.name, *view.memory.quarantine, *harmless, *vm_run.record.unproven}
    hidden = hiding(vm_run.vm.uuid, looks, known)
    there = looks.get(suspect.name, view.looks.get(suspect.name))
    risks = list(allowed.risks) if found else _with_unseen(allowed.risks, hidden)
    if not found and allowed.reason is Reason.CONFIRMED_DEAD and _knows_nothing(there, vm_run.vm):
        risks.append(Risk(RiskKind.NEVER_THERE, (suspect.name,)))
    vm_run.risks = _with_standing(vm_run, risks, suspect.name)
    return replace(allowed, risks=vm_run.risks)


def _with_standing(vm_run: VmRun, risks: Sequence[Risk], suspect: HostName) -> tuple[Risk, ...]:
    """The risks, with those that no fence changes: what earlier starts left unproved, what the targets lack, and a
    definition of which nobody knows whether it is of today."""
    own = tuple(risk for risk in risks if risk.kind not in (RiskKind.STATE_MADE_ANEW, RiskKind.EDITED_SINCE))
    anew = (Risk(RiskKind.STATE_MADE_ANEW, vm_run.without_state),) if vm_run.without_state else ()
    return (*with_unproven(own, vm_run.record.unproven, suspect), *anew, *_edited_since(vm_run))


def _edited_since(vm_run: VmRun) -> tuple[Risk, ...]:
    """Where a process of the VM was found, the fence has compared what it writes to with the definition."""
    source = vm_run.source
    found = any(attempt.reading.found_something for attempt in vm_run.attempts)
    if source is None or source.capture is None or not source.other_disks or found:
        return ()
    return (Risk(RiskKind.EDITED_SINCE, (source.capture.host,)),)


def _with_unseen(risks: tuple[Risk, ...], hidden: Iterable[HostName]) -> list[Risk]:
    """The risks, with the hosts that the late look could not rule out beside those that were hidden before."""
    kept = [risk for risk in risks if risk.kind is not RiskKind.MOVED_UNSEEN]
    before = {host for risk in risks if risk.kind is RiskKind.MOVED_UNSEEN for host in risk.hosts}
    every = tuple(sorted(before.union(hidden)))
    return [*kept, Risk(RiskKind.MOVED_UNSEEN, every)] if every else kept


def _of_other_clusters(vm_run: VmRun, suspect: Host, memory: Recollection) -> list[HostName]:
    """The KVM hosts of the inventory beyond the suspect's cluster that should be up."""
    inventory = vm_run.run.inventory
    others = (host for _, host in sorted(inventory.hosts.items()) if host.cluster != suspect.cluster)
    others = (as_planned(host, memory.planned) for host in others)
    return [h.name for h in others if h.state is HostState.ENABLED and inventory.cluster_of(h.name).is_kvm]


def _knows_nothing(look: Look | None, vm: Vm) -> bool:
    """Whether a host's libvirt answers and has never heard of the VM."""
    there = inside(look)
    return there is not None and there.libvirt is Libvirt.OK and vm.uuid not in there.defined | there.aside


def _runs_elsewhere(vm_run: VmRun, suspect: HostName, where: HostName) -> Refused:
    """A copy was found where none is recorded: a start would make two."""
    message = f"{vm_run.vm.name} runs on {where}, not on {suspect} where it is recorded"
    way = f"nothing needs to be started; to fence that copy: 'hafence fence {vm_run.vm.name} --host {where}'"
    return Refused(Reason.RUNNING_ELSEWHERE, message, (way,), where)


def _fence(vm_run: VmRun, suspect: Host, view: Observed) -> Workflow[Allowed | Refused]:
    judgements = yield from fence_suspect(vm_run.run, suspect, {vm_run.vm.uuid: vm_run}, view, watch=True, starts=True)
    return with_standing_risks(vm_run, suspect, judgements[vm_run.vm.uuid])


def with_standing_risks(vm_run: VmRun, suspect: Host, judgement: Judgement) -> Allowed | Refused:
    """The judgement on one VM, with the risks that no fence changes."""
    if isinstance(judgement, Refused):
        return judgement
    vm_run.risks = _with_standing(vm_run, judgement.risks, suspect.name)
    return replace(judgement, risks=vm_run.risks)


def _look_again(vm_run: VmRun, view: Observed) -> Workflow[Observed]:
    """What the store says and what is seen, anew: this very run may have refuted a person's statement since."""
    memory = yield from do(Recall())
    looks = yield from vm_run.look_at(view.looks)
    vm_run.record = looked_into(vm_run.record, looks)
    yield from spend_refuted(vm_run.run, memory, looks)
    return Observed(memory, looks)


def fence_again(vm_run: VmRun, suspect: Host, view: Observed) -> Workflow[Judgement]:
    """For a start whose evidence has grown old: the looks, the fence and the look at everybody else, anew.

    A host that was silent when the run began may answer by now, and a copy be seen there.
    """
    view = yield from _look_again(vm_run, view)
    judgement = yield from _fence(vm_run, suspect, view)
    if isinstance(judgement, Refused):
        return judgement
    return (yield from nowhere_else(vm_run, suspect, view, judgement))


def known_suspect(vm_run: VmRun, memory: Recollection) -> Host | Outcome:
    """The suspect as the inventory has it, or the refusal."""
    name = vm_run.record.suspect
    suspect = vm_run.run.inventory.hosts.get(name)
    if suspect is None:
        message = f"{vm_run.vm.name} was last on {name}, which the inventory does not have"
        return refuse(vm_run, Reason.AMBIGUOUS, message, (f"put {name} back into the inventory",))
    at_work = in_maintenance(suspect, memory.planned)
    return refused_by(vm_run, at_work) if at_work else suspect


def same_machine(vm_run: VmRun, suspect: HostName, looks: Mapping[HostName, Look]) -> Outcome | None:
    """The refusal where the suspect's address is answered by another host of the round: a fence would go astray."""
    twin = twin_of(suspect, looks)
    if twin is None:
        return None
    message = f"{suspect} and {twin} are one machine: whoever answers at the address of {suspect} is {twin}"
    ways = (f"find out which machine holds the address of {suspect}", "give each host a host key of its own")
    return refuse(vm_run, Reason.AMBIGUOUS, message, ways)


def check_copies(vm_run: VmRun, memory: Recollection, looks: Mapping[HostName, Look]) -> Workflow[Outcome | None]:
    """What the round of looks says of the VM itself: two copies, a copy elsewhere, or a healthy one, which is asked
    for."""
    found = yield from judge_copies(vm_run, memory, looks)
    if isinstance(found, Outcome) or not found:
        return found or None
    return (yield from _agree(vm_run))


def judge_copies(vm_run: VmRun, memory: Recollection, looks: Mapping[HostName, Look]) -> Workflow[Outcome | bool]:
    """The same but for the question: whether a healthy copy runs on the suspect, or what ends the run."""
    suspect = vm_run.record.suspect
    harmless = (yield from shut_out_hosts(vm_run, memory)) - {suspect}
    copies = rival_copies(vm_run, looks, harmless)
    elsewhere = [name for name in copies if name != suspect]
    there = inside(looks.get(suspect))
    if elsewhere and there is not None and there.runs(vm_run.vm.uuid):
        copies.setdefault(suspect, 1)  # as a sibling has seen
    if len(copies) > 1:
        where = " and ".join(copies)
        message = f"{vm_run.vm.name} runs twice, on {where} (or it is being migrated)"
        ways = (f"if it is no migration, choose one and fence the other: 'hafence fence {vm_run.vm.name} --host HOST'",)
        return refuse(vm_run, Reason.TWO_COPIES, message, ways, exit=Exit.NEEDS_PERSON)
    if elsewhere:
        return refused_by(vm_run, _runs_elsewhere(vm_run, suspect, elsewhere[0]))
    if not copies:
        return False
    if (yield from _started_just_now(vm_run)):
        message = f"{vm_run.vm.name} runs on {suspect}; run {vm_run.record.run} started it a moment ago"
        return conclude(vm_run, Decision.UNCHANGED, Reason.ALREADY_RUNNING, message, host=suspect)
    if not vm_run.run.inventory.settings.pre_fence:
        # whatever was agreed to, nobody would end the copy that was just seen
        message = f"{suspect} answers and {vm_run.vm.name} runs there, and with pre_fence off nothing would end it"
        ways = (f"end it first, with 'hafence fence {vm_run.vm.name}' or by hand, then run the command again",)
        return refuse(vm_run, Reason.SUSPECT_HEALTHY, message, ways, host=suspect)
    return True


def _agree(vm_run: VmRun) -> Workflow[Outcome | None]:
    suspect = vm_run.record.suspect
    if vm_run.agreed:  # before the fence: something has brought it back there since
        vm_run.notes.append(f"{suspect} answers and the VM runs there again; the admin had agreed to fence it")
        return None
    if vm_run.run.yes:
        vm_run.notes.append(f"{suspect} answers and the VM runs there; --yes agreed to fence it")
        return None
    question = f"{suspect} answers and {vm_run.vm.name} runs there. Kill it there and start it elsewhere?"
    answer = Answer.NOBODY if vm_run.run.dry_run else (yield from do(Ask(question)))
    if answer is Answer.YES:
        vm_run.notes.append(f"{suspect} answers and the VM runs there; the admin agreed to fence it")
        return None
    said = "the admin said no" if answer is Answer.NO else "nobody could be asked"
    if vm_run.run.dry_run:
        said = "a run would ask first"
    message = f"{suspect} answers and {vm_run.vm.name} runs there; {said}"
    return refuse(vm_run, Reason.SUSPECT_HEALTHY, message, ("use --yes to fence it all the same",))


def _started_just_now(vm_run: VmRun) -> Workflow[bool]:
    if vm_run.record.state is not VmState.RUNNING or vm_run.record.started_at is None:
        return False
    now = yield from do(Now())
    return now - vm_run.record.started_at <= vm_run.run.inventory.settings.quiet_time_s


def place(vm_run: VmRun, memory: Recollection, looks: Mapping[HostName, Look], suspect: Host) -> Workflow[Placement]:
    """The targets for the VM, and why not elsewhere. A dry run shows them, whatever it then foretells."""
    inventory = vm_run.run.inventory
    need = vm_run.vm.memory_mib or (yield from do(MemoryNeed(vm_run.vm.uuid)))
    room = room_for(vm_run.vm, need, inventory.vms, placed(vm_run.run, memory))
    hosts = all_as_planned(inventory.members(suspect.cluster), memory.planned)
    looked = inventory.cluster_of(suspect.name).is_kvm
    placement = choose_targets(suspect.name, hosts, room, memory.quarantine, looks, vm_run.run.to, looked)
    vm_run.without_state = placement.without_state
    if vm_run.run.dry_run:
        vm_run.notes.append(f"targets in order: {', '.join(placement.targets) or 'none'}")
        vm_run.notes += [f"target {name} not chosen: {unfit.says}" for name, unfit in placement.excluded]
    return placement


def placed(run: Request, memory: Recollection) -> dict[HostName, frozenset[Uuid]]:
    """Which VMs are recorded on each host."""
    where: dict[HostName, set[Uuid]] = {}
    for vm in run.inventory.vms.values():
        record = record_of(vm, memory.records)
        if record.host is not None:
            where.setdefault(record.host, set()).add(vm.uuid)
    return {host: frozenset(vms) for host, vms in where.items()}


def no_sibling(vm_run: VmRun, siblings: Candidates) -> Outcome:
    """Nobody could fence the suspect, and nobody could take the VM."""
    against = "; ".join(f"{name} {why}" for name, why in siblings.excluded)
    message = f"no sibling of {vm_run.record.suspect} could be asked: {against or 'the cluster has no other host'}"
    return refuse(vm_run, Reason.NO_SIBLING, message, (*siblings.ways, f"bring back a host of the cluster; {AUDIT}"))


def no_target(vm_run: VmRun, placement: Placement) -> Outcome:
    """Nothing is killed where nothing could be started."""
    to = vm_run.run.to
    reason = Reason.WOULD_NOT_START if placement.would_not_start else Reason.NO_TARGET
    if to is not None:
        unfit = dict(placement.excluded).get(to)
        why = unfit.says if unfit else f"is not in the cluster of {vm_run.record.suspect}"
        message = f"{vm_run.vm.name} can't be started on {to}, which was asked for: {to} {why}"
        return refuse(vm_run, reason, message, ("leave out --to, or name another host with it",))
    against = "; ".join(f"{name} {unfit.says}" for name, unfit in placement.excluded)
    message = f"no host can take {vm_run.vm.name}: {against or 'the cluster has no other host'}"
    ways = (*ways_to_targets(placement), "free or bring back a host of the cluster")
    return refuse(vm_run, reason, message, ways)


def _hooks(vm_run: VmRun, suspect: Host, target: HostName) -> Workflow[Outcome | None]:
    results = yield from do(RunHooks(vm_run.vm.uuid, suspect.name, target))
    errors = [f"{result.name}: {result.error}" for result in results if result.error]
    if not errors:
        return None
    hooks = "hook" if len(errors) == 1 else "hooks"
    message = f"{len(errors)} before-start {hooks} said no: {'; '.join(errors)}"
    if vm_run.fenced:
        message += f"; {vm_run.vm.name} was fenced on {suspect.name} before that and may be down"
    return refuse(vm_run, Reason.HOOK_FAILED, message, ("mend what the hooks complain of and run the command again",))


def foretold(vm_run: VmRun, judgement: Allowed, placement: Placement) -> Outcome:
    """The predicted decision of a dry run."""
    message = f"would start {vm_run.vm.name} on {placement.targets[0]}: {judgement.message}"
    return conclude(vm_run, Decision.STARTED, judgement.reason, message, host=placement.targets[0])


def start_unfenced(vm_run: VmRun, memory: Recollection, reason: Reason) -> Workflow[Outcome]:
    """A cluster in which hafence does not fence: start right away, and say what that risks."""
    suspect = known_suspect(vm_run, memory)
    if isinstance(suspect, Outcome):
        return suspect
    looks: Mapping[HostName, Look] = {}
    if reason is Reason.PRE_FENCE_OFF:
        looks = yield from do(LookAt(tuple(host.name for host in vm_run.run.inventory.members(suspect.cluster))))
    placement = yield from place(vm_run, memory, looks, suspect)
    if not placement.targets:
        return no_target(vm_run, placement)
    why = "hafence can't look into this hypervisor" if reason is Reason.NOT_KVM else "pre_fence is off"
    vm_run.record = looked_into(vm_run.record, looks)
    vm_run.risks = _with_standing(vm_run, risks_of(reason, suspect.name), suspect.name)
    judgement = Allowed(reason, f"no fencing in this cluster ({why})", vm_run.risks)
    if vm_run.run.dry_run:
        return foretold(vm_run, judgement, placement)
    refusal = yield from _hooks(vm_run, suspect, placement.targets[0])
    if refusal is not None:
        return refusal
    left = yield from still_allowed(vm_run, suspect, placement, memory.planned)
    if isinstance(left, Outcome):
        return left
    yield from vm_run.renew()
    yield from vm_run.write(mark_stopped(vm_run.record, vm_run.run.id, reason))
    return (yield from start_somewhere(vm_run, left, judgement, None))
