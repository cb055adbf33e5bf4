"""`hafence evacuate HOST`: the HA start of every HA VM of a suspect, with one fence for all of them.

The order: take the leases → settle what earlier runs left in flight → look into every host → see what each VM runs as
and what it needs → place all of them → show the plan, and ask → fence the suspect once → start wave after wave, the
highest priority first, each VM as `start-vm` does from its fence on. A VM that is refused holds up no other, and what
was left is finished by running the command again.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..core.batch import Ground, Wanted, choose_batch, in_order
from ..core.decision import Allowed, Refused
from ..core.evacuations import too_many
from ..core.looks import HostLook, Look
from ..core.model import Host, HostName, Inventory, Uuid, Vm
from ..core.outcome import Decision, Exit, Outcome
from ..core.planned import all_as_planned, in_maintenance
from ..core.quarantine import batch_words, is_planned
from ..core.ready import holds_back
from ..core.reasons import Reason
from ..core.record import VmState, looked_into, record_of
from ..core.stored import Busy, Recollection
from ..effects import (
    LookAt,
    MemoryNeed,
    Now,
    Quarantine,
    Recall,
    RecallEvacuations,
    Tell,
    Together,
    Workflow,
    do,
)
from .batch_run import Batch
from .batch_starts import start_all
from .consent import agree_to_silence_of_all
from .fence import agree_to_kill
from .fencing import fence_suspect, note_plan
from .fencing_state import Observed, may_be_off, through_siblings
from .incident import claim_incident, drop_claim, under_way
from .planned import refuse_disarmed
from .power_and_storage import spend_refuted
from .start_vm import (
    foretold,
    judge_copies,
    no_place,
    not_startable,
    placed,
    same_machine,
    with_standing_risks,
)
from .starting import settle_earlier
from .vm_run import (
    Request,
    VmRun,
    conclude,
    refuse,
    refused_by,
    under_leases,
)

LOOKS_AT_ONCE = 8
"""For how many VMs at a time hosts are asked what they lack."""


def evacuate(run: Request, suspect: Host) -> Workflow[tuple[Outcome, ...]]:
    """Fence and start every HA VM that is recorded on a host; the outcomes by priority. None where there is nothing to
    do: no HA VM is recorded there any more."""
    claim = yield from claim_incident(run, suspect.name)
    memory = yield from do(Recall())
    here, others = concerned(run.inventory, suspect.name, memory)
    if others:
        yield from do(Tell(f"{', '.join(others)}: not HA (ha: false), left as recorded"))
    vms = [each.vm for each in in_order(Wanted(vm, vm.memory_mib) for vm in here)]
    vm_runs = [VmRun(run, vm, record_of(vm, memory.records), one_of_many=True) for vm in vms]
    if isinstance(claim, Busy):
        return tuple(under_way(vm_run, suspect.name, claim) for vm_run in vm_runs)
    evacuation = Batch(run, suspect, {}, {}, claim)

    def go(held: list[VmRun], ended: dict[Uuid, Outcome]) -> Workflow[None]:
        taken = {vm_run.vm.uuid for vm_run in held}
        evacuation.vm_runs = {vm_run.vm.uuid: vm_run for vm_run in vm_runs if vm_run.vm.uuid in taken}
        evacuation.ended = ended
        yield from _evacuate(evacuation)

    outcomes = yield from under_leases(run, vm_runs, go)
    yield from drop_claim(evacuation.claim)
    return tuple(outcomes[vm.uuid] for vm in vms)


def concerned(inventory: Inventory, suspect: HostName, memory: Recollection) -> tuple[list[Vm], list[str]]:
    """The HA VMs that an evacuation of a host is about, and the names of the others there."""
    here = [vm for vm in inventory.vms.values() if _concerns(vm, suspect, memory)]
    return [vm for vm in here if vm.ha], sorted(vm.name for vm in here if not vm.ha)


def _concerns(vm: Vm, suspect: HostName, memory: Recollection) -> bool:
    """Whether a VM is recorded on the suspect, or a start there is in flight."""
    record = record_of(vm, memory.records)
    return suspect in (record.suspect, record.host)


def _evacuate(batch: Batch) -> Workflow[None]:
    run, suspect = batch.run, batch.suspect
    memory = yield from do(Recall())
    crowded = yield from _too_many(batch)
    for vm_run in batch.open():
        vm_run.record = memory.records.get(vm_run.vm.uuid, vm_run.record)
        early = yield from _before(vm_run, suspect, memory, crowded)
        if early is not None:
            batch.end(vm_run, early)
    yield from batch.note()
    if not batch.open():
        return
    members = tuple(host.name for host in run.inventory.members(suspect.cluster))
    through, off = through_siblings(run, suspect, memory), may_be_off(run, suspect, memory)
    for vm_run in batch.open():
        vm_run.through, vm_run.may_be_off = through, off
    about = tuple(vm_run.vm.uuid for vm_run in batch.open())
    looks = yield from do(LookAt(members, about, through=through, may_be_off=off))
    yield from spend_refuted(run, memory, looks)
    view = Observed(memory, looks)
    yield from _judge_looks(batch, view)
    ground = yield from _place(batch, view)
    yield from _show_plan(batch)
    yield from batch.note()
    going = {vm_run.vm.uuid: vm_run for vm_run in batch.open()}
    if not going:
        return
    refusal = yield from agree_to_kill(run, suspect.name, going, looks, " and start what has a place elsewhere")
    if refusal:
        if run.dry_run:
            note_plan(run, suspect, going, view)
        for vm_run in going.values():
            batch.end(vm_run, refuse(vm_run, Reason.SUSPECT_HEALTHY, *refusal))
        yield from batch.note()
        return
    allowed = yield from _fence(batch, going, view)
    yield from batch.note()
    yield from start_all(batch, ground, view, allowed)


def _too_many(batch: Batch) -> Workflow[Refused | None]:
    """The refusal where too many hosts would be evacuated in a while, before anything is touched."""
    if not batch.open():
        return None
    settings, now = batch.run.inventory.settings, (yield from do(Now()))
    past = yield from do(RecallEvacuations(now - settings.per_s))
    return too_many(batch.suspect.name, past, settings, now)


def _before(vm_run: VmRun, suspect: Host, memory: Recollection, crowded: Refused | None) -> Workflow[Outcome | None]:
    """What keeps a VM from being evacuated at all: a suspect that is not fenced, a start in flight, another run."""
    name, inventory = suspect.name, vm_run.run.inventory
    disarmed = refuse_disarmed(vm_run, memory, name)
    if disarmed is not None:
        return disarmed
    refusal = in_maintenance(suspect, memory.planned) or crowded
    if refusal is not None:
        return refused_by(vm_run, refusal)
    ways = (f"'hafence start-vm {vm_run.vm.name}' starts it without a fence",)
    if not inventory.cluster_of(name).is_kvm:
        return refuse(vm_run, Reason.NOT_KVM, f"{name} is no KVM host: hafence can't fence there", ways)
    if not inventory.settings.pre_fence:
        return refuse(vm_run, Reason.PRE_FENCE_OFF, "pre_fence is off: nothing would be fenced", ways)
    settled = yield from settle_earlier(vm_run)
    record = vm_run.record
    if settled is not None and (settled.decision is not Decision.STARTED or record.host != name):
        return settled
    if record.suspect == name:
        return None
    if record.state is VmState.RUNNING:
        message = f"{vm_run.vm.name} is recorded on {record.host} by now: nothing to do"
        return conclude(vm_run, Decision.UNCHANGED, Reason.ALREADY_RUNNING, message, host=record.host)
    message = f"{vm_run.vm.name} was being started on {name}; that came to nothing. It is recorded as {record.words}."
    ways = (f"'hafence start-vm {vm_run.vm.name}'",)
    return conclude(vm_run, Decision.FAILED, Reason.START_FAILED, message, ways_out=ways, exit=Exit.START_FAILED)


def _judge_looks(batch: Batch, view: Observed) -> Workflow[None]:
    """End what a start-vm would end too, before it chooses a target."""
    for vm_run in batch.open():
        vm_run.record = looked_into(vm_run.record, view.looks)
        early: Outcome | bool | None = same_machine(vm_run, batch.suspect.name, view.looks)
        early = early or (yield from judge_copies(vm_run, view.memory, view.looks))
        if not isinstance(early, Outcome):
            early = yield from not_startable(vm_run)
        if early is not None:
            batch.end(vm_run, early)


def _place(batch: Batch, view: Observed) -> Workflow[Ground]:
    """Find a place for each open VM; one without is ended, before anything is touched."""
    inventory = batch.run.inventory
    hosts = all_as_planned(inventory.members(batch.suspect.cluster), view.memory.planned)
    where, quarantined = placed(batch.run, view.memory), view.memory.quarantine
    ground = Ground(batch.suspect.name, hosts, inventory.vms, where, quarantined, view.looks)
    vm_runs = batch.open()
    seen = yield from _look_for_needs(batch, vm_runs, view)
    wanted = []
    for vm_run in vm_runs:
        need = vm_run.vm.memory_mib or (yield from do(MemoryNeed(vm_run.vm.uuid)))
        wanted.append(Wanted(vm_run.vm, need, seen.get(vm_run.vm.uuid, {})))
    batch.plan = choose_batch(ground, wanted)
    for vm_run in vm_runs:
        placement = batch.plan[vm_run.vm.uuid]
        vm_run.without_state = placement.without_state
        if batch.run.dry_run:
            vm_run.notes.append(f"targets in order: {', '.join(placement.targets) or 'none'}")
            vm_run.notes += [f"target {name} not chosen: {unfit.says}" for name, unfit in placement.excluded]
        if not placement.targets:
            batch.end(vm_run, no_place(vm_run, batch.suspect, view, placement))
    batch.wanted = [each for each in in_order(wanted) if each.vm.uuid not in batch.ended]
    return ground


def _look_for_needs(
    batch: Batch, vm_runs: list[VmRun], view: Observed
) -> Workflow[dict[Uuid, Mapping[HostName, Look]]]:
    """Ask the hosts that answered what they lack of what each VM needs: nothing is killed that could not start. The
    suspect has told already which the disks are from which the VMs must go on, where anybody could look there."""
    suspect = {name: look for name, look in view.looks.items() if name == batch.suspect.name}
    answered = [name for name, look in view.looks.items() if isinstance(look, HostLook) and name not in suspect]
    seen: dict[Uuid, Mapping[HostName, Look]] = {}
    for first in range(0, len(vm_runs) if answered else 0, LOOKS_AT_ONCE):
        some = [vm_run.vm.uuid for vm_run in vm_runs[first : first + LOOKS_AT_ONCE]]
        answers = yield from do(Together(tuple(LookAt(tuple(answered), (vm,)) for vm in some)))
        seen.update((vm, {**suspect, **looks}) for vm, looks in zip(some, answers, strict=True))
    return seen


def _show_plan(batch: Batch) -> Workflow[None]:
    """Say before the question where everything would go, and what is left out, and why."""
    homes: dict[HostName, list[str]] = {}
    for each in batch.wanted:
        homes.setdefault(batch.plan[each.vm.uuid].targets[0], []).append(each.vm.name)
    for target, names in sorted(homes.items()):
        yield from do(Tell(f"place on {target}: {len(names)} ({', '.join(names)})"))
    for words in holds_back([each.vm for each in batch.wanted]):
        yield from do(Tell(f"lower priorities wait for {words}"))
    for outcome in batch.ended.values():
        if outcome.decision is Decision.REFUSED:
            yield from do(Tell(f"left out: {outcome.says}"))


def _fence(batch: Batch, going: Mapping[Uuid, VmRun], view: Observed) -> Workflow[dict[Uuid, Allowed]]:
    """One fence for all. What is refused is ended; the others may start, and the suspect is in quarantine."""
    suspect = batch.suspect
    judgements = yield from fence_suspect(batch.run, suspect, going, view, starts=True)
    allowed: dict[Uuid, Allowed] = {}
    for vm, vm_run in going.items():
        judgement = with_standing_risks(vm_run, suspect, judgements[vm])
        if isinstance(judgement, Refused):
            batch.end(vm_run, refused_by(vm_run, judgement))
        elif batch.run.dry_run:
            batch.end(vm_run, foretold(vm_run, judgement, batch.plan[vm]))
        else:
            allowed[vm] = judgement
    for vm_run, refusal in (yield from agree_to_silence_of_all(batch.run, suspect.name, going, allowed)):
        del allowed[vm_run.vm.uuid]
        batch.end(vm_run, refusal)
    look = view.looks.get(suspect.name)
    if allowed and not all(is_planned(vm, look, vm_run.attempts) for vm, vm_run in going.items()):
        yield from do(Quarantine(suspect.name, batch_words(each.reason for each in allowed.values())))
    return allowed
