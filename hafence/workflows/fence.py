"""`hafence fence`: the same as the HA start up to the verdict; starts nothing.

VMs are fenced suspect by suspect, all VMs of one suspect in one order: one SSH session for a hundred VMs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.decision import Allowed, Judgement
from ..core.looks import HostLook, Look, Silence
from ..core.model import Host, HostName, Inventory, Uuid, Vm
from ..core.outcome import Decision, Outcome
from ..core.planned import in_maintenance
from ..core.quarantine import batch_words
from ..core.reasons import PROOFS, Reason
from ..core.record import VmRecord, VmState, mark_clean, mark_running, mark_stopped, record_of
from ..core.risks import some_of
from ..core.stored import Recollection
from ..effects import (
    Answer,
    Ask,
    LookAt,
    Quarantine,
    Recall,
    Sleep,
    Tell,
    Workflow,
    do,
)
from .fencing import fence_suspect, note_plan
from .fencing_state import Observed, may_be_off, through_siblings
from .planned import refuse_disarmed
from .power_and_storage import spend_refuted
from .start_vm import known_suspect, same_machine
from .starting import settle_earlier
from .vm_run import (
    Request,
    VmRun,
    conclude,
    refuse,
    refused_by,
    rival_copies,
    shut_out_hosts,
    under_leases,
)

WAITS = 8
"""Into how many parts a long wait is cut, each of which renews the lease."""


@dataclass(frozen=True, slots=True)
class NotLookedInto:
    """Nobody could look into a host on which no VM is recorded: what runs there is not known, nothing was fenced."""

    host: HostName
    says: str


def fence(run: Request, vms: tuple[Vm, ...], host: HostName | None) -> Workflow[tuple[Outcome, ...]]:
    """Fence VMs where they are recorded, or, with `host`, on that host; without `vms`, all VMs of that host."""
    ended = yield from fence_or_say(run, vms, host)
    return ended if isinstance(ended, tuple) else ()


def fence_or_say(
    run: Request, vms: tuple[Vm, ...], host: HostName | None
) -> Workflow[tuple[Outcome, ...] | NotLookedInto]:
    """The same, where "nothing to fence" has to be told from "nobody could look"."""
    memory = yield from do(Recall())
    if host is not None and not vms:
        vms, look = yield from _vms_of(run.inventory, memory, host)
        if not vms and not isinstance(look, HostLook):
            return NotLookedInto(host, look.says if look is not None else "it was not looked at")
    by_suspect: dict[HostName, list[VmRun]] = {}
    for vm in vms:
        vm_run = VmRun(run, vm, record_of(vm, memory.records))
        by_suspect.setdefault(host or vm_run.record.suspect, []).append(vm_run)
    outcomes: dict[Uuid, Outcome] = {}
    for suspect, vm_runs in sorted(by_suspect.items()):
        outcomes.update((yield from _under_leases(run, suspect, vm_runs)))
    return tuple(outcomes[vm.uuid] for vm in vms)


def _vms_of(inventory: Inventory, memory: Recollection, host: HostName) -> Workflow[tuple[tuple[Vm, ...], Look | None]]:
    """The VMs recorded on a host, and those that are seen there although recorded elsewhere; and what was seen."""
    looks = yield from do(LookAt((host,)))
    look = looks.get(host)
    seen = look.active | set(look.copies) if isinstance(look, HostLook) else frozenset()
    here: list[Vm] = []
    for vm in inventory.vms.values():
        record = record_of(vm, memory.records)
        if vm.uuid in seen or record.suspect == host:
            here.append(vm)
    return tuple(sorted(here, key=lambda vm: (-vm.priority, vm.name))), look


def _under_leases(run: Request, suspect: HostName, vm_runs: list[VmRun]) -> Workflow[dict[Uuid, Outcome]]:
    """The VMs of one suspect, each under its own lease."""

    def fence_them(held: list[VmRun], outcomes: dict[Uuid, Outcome]) -> Workflow[None]:
        outcomes.update((yield from _fence_all(run, suspect, held)))

    return (yield from under_leases(run, vm_runs, fence_them))


def _fence_all(run: Request, name: HostName, vm_runs: list[VmRun]) -> Workflow[dict[Uuid, Outcome]]:
    outcomes: dict[Uuid, Outcome] = {}
    memory = yield from do(Recall())
    going: dict[Uuid, VmRun] = {}
    for vm_run in vm_runs:
        vm_run.record = memory.records.get(vm_run.vm.uuid, vm_run.record)
        early = yield from _before(vm_run, name, memory)
        if early is not None:
            outcomes[vm_run.vm.uuid] = early
        else:
            going[vm_run.vm.uuid] = vm_run
    if not going:
        return outcomes
    suspect = run.inventory.hosts[name]
    members = tuple(host.name for host in run.inventory.members(suspect.cluster))
    off = may_be_off(run, suspect, memory)
    looks = yield from do(LookAt(members, through=through_siblings(run, suspect, memory), may_be_off=off))
    yield from spend_refuted(run, memory, looks)
    for vm, vm_run in going.items():
        astray = same_machine(vm_run, name, looks)
        if astray is not None:
            outcomes[vm] = astray
    going = {vm: vm_run for vm, vm_run in going.items() if vm not in outcomes}
    if not going:
        return outcomes
    refusal = yield from agree_to_kill(run, name, going, looks)
    if refusal:
        if run.dry_run:
            note_plan(run, suspect, going, Observed(memory, looks))
        return outcomes | {vm: refuse(vm_run, Reason.SUSPECT_HEALTHY, *refusal) for vm, vm_run in going.items()}
    judgements = yield from fence_suspect(run, suspect, going, Observed(memory, looks))
    fenced = [judgement.reason for judgement in judgements.values() if isinstance(judgement, Allowed)]
    if fenced and not run.dry_run:
        yield from do(Quarantine(name, batch_words(fenced)))
        # what says that a VM runs elsewhere is younger than what says that it is dead here: it may have been moved
        looks = yield from do(LookAt(tuple(host for host, look in looks.items() if not isinstance(look, Silence))))
    for vm, vm_run in going.items():
        outcomes[vm] = yield from _end(vm_run, name, judgements[vm], Observed(memory, looks))
    return outcomes


def _before(vm_run: VmRun, name: HostName, memory: Recollection) -> Workflow[Outcome | None]:
    """What keeps a VM from being fenced at all: planned work, a start in flight, a suspect of another kind."""
    disarmed = refuse_disarmed(vm_run, memory, name)
    if disarmed is not None:
        return disarmed
    if vm_run.record.state is VmState.STARTING and vm_run.record.host != name:
        settled = yield from settle_earlier(vm_run)
        if settled is not None:
            return settled
    if _starting_there(vm_run, name):
        yield from _outwait_start(vm_run, name)
    suspect: Host | Outcome | None = vm_run.run.inventory.hosts.get(name)
    if suspect is None:
        suspect = known_suspect(vm_run, memory)
    if isinstance(suspect, Outcome):
        return suspect
    at_work = in_maintenance(suspect, memory.planned)
    if at_work is not None:
        return refused_by(vm_run, at_work)
    if not vm_run.run.inventory.cluster_of(name).is_kvm:
        return refuse(vm_run, Reason.NOT_KVM, f"{name} is no KVM host: hafence can't look into it, nor fence there")
    return None


def agree_to_kill(
    run: Request, name: HostName, vm_runs: Mapping[Uuid, VmRun], looks: Mapping[HostName, Look], then: str = ""
) -> Workflow[tuple[str, tuple[str, ...]] | None]:
    """Show that a suspect answers and what runs there, and ask. The refusal's words and ways out, or None.

    `then` is what follows upon the kill, in words.
    """
    look = looks.get(name)
    if not isinstance(look, HostLook):
        return None
    healthy = [vm_run for vm, vm_run in vm_runs.items() if look.runs(vm)]
    if not healthy or run.yes:
        return None
    running = [vm_run.vm.name for vm_run in healthy]
    what = some_of(running)
    runs, them = ("runs", "it") if len(running) == 1 else ("run", "them")
    question = f"{name} answers and {what} {runs} there. Kill {them}{then}?"
    answer = Answer.NOBODY if run.dry_run else (yield from do(Ask(question)))
    if answer is Answer.YES:
        for vm_run in healthy:
            vm_run.agreed = True
        return None
    said = "the admin said no" if answer is Answer.NO else "nobody could be asked"
    if run.dry_run:
        said = "a run would ask first"
    return f"{name} answers and {what} {runs} there; {said}", (f"use --yes to fence {them} all the same",)


def _end(vm_run: VmRun, name: HostName, judgement: Judgement, view: Observed) -> Workflow[Outcome]:
    """The outcome for one VM. A VM proved dead where it was recorded, and seen nowhere else, is recorded stopped."""
    if not isinstance(judgement, Allowed):
        return refused_by(vm_run, judgement)
    harmless = yield from shut_out_hosts(vm_run, view.memory)
    elsewhere = [host for host in rival_copies(vm_run, view.looks, harmless - {name}) if host != name]
    if elsewhere:
        vm_run.notes.append(f"a copy runs on {' and '.join(elsewhere)}: the record is left as it was")
    elif _starting_there(vm_run, name) and not vm_run.run.dry_run:
        yield from vm_run.renew()
        yield from vm_run.write(_after_fencing_a_start(vm_run, name, judgement))
    elif _was_here(vm_run, name) and judgement.reason in PROOFS:
        yield from vm_run.renew()
        yield from vm_run.write(mark_stopped(vm_run.record, vm_run.run.id, judgement.reason, vm_run.shut_out_until))
    would = "would be fenced" if vm_run.run.dry_run else "is fenced"
    if judgement.reason not in PROOFS:
        would = "would be given up" if vm_run.run.dry_run else "is given up, not seen dead,"
    message = f"{vm_run.vm.name} {would} on {name}: {judgement.message}. It is recorded as {vm_run.record.words}."
    unrecorded = [host for host in elsewhere if host != vm_run.record.host]
    if unrecorded:
        message += f" A copy of it runs on {' and '.join(unrecorded)}."
    return conclude(vm_run, Decision.FENCED, judgement.reason, message, suspect=name)


def _was_here(vm_run: VmRun, name: HostName) -> bool:
    return vm_run.record.suspect == name and vm_run.record.state is not VmState.STARTING and not vm_run.run.dry_run


def _starting_there(vm_run: VmRun, name: HostName) -> bool:
    return vm_run.record.state is VmState.STARTING and vm_run.record.host == name


def _after_fencing_a_start(vm_run: VmRun, name: HostName, allowed: Allowed) -> VmRecord:
    """The record of a VM whose start on a host was in flight when that host was fenced.

    Only a proof says that nothing came of it. A silent host may run the VM, whatever was proved of the one before: it
    is the suspect from now on, and the next start fences it anew.
    """
    if allowed.reason in PROOFS:
        return mark_clean(vm_run.record)
    return mark_running(vm_run.record, name, vm_run.run.id, None)


def _outwait_start(vm_run: VmRun, name: HostName) -> Workflow[None]:
    """Wait until the start that an earlier run sent to this very host can no longer begin there.

    Its script bears the end of that run's lease as its deadline. A scan that came before it could find nothing,
    and the start could follow: so what proves the host clean has to come after.
    """
    if vm_run.run.dry_run:
        return
    lease_s = vm_run.run.inventory.settings.lease_s
    yield from do(
        Tell(f"waiting {lease_s:.0f} s: until then the start that run {vm_run.record.run} sent to {name} may begin")
    )
    for _ in range(WAITS):
        yield from vm_run.renew()
        yield from do(Sleep(lease_s / WAITS))
