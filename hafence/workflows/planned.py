"""Planned work in the course of a run: what is refused because of it at the beginning, and what since then.

It is read with everything else when a run begins, and again right before its first order to fence, before the power or
the storage is used, and before each VM is marked to be started: between these lie questions to people, hooks and
whole fences, and who announces work meanwhile is heard.
"""

from __future__ import annotations

from dataclasses import replace

from ..core.decision import Refused
from ..core.model import Host, HostName
from ..core.outcome import Outcome
from ..core.placement import Placement
from ..core.planned import disarmed, forbidden, way_to_end, work_words
from ..core.reasons import Reason
from ..core.stored import Planned, Recollection
from ..effects import RecallPlanned, Tell, Workflow, do
from .vm_run import Request, VmRun, refuse, refused_by


def refuse_disarmed(vm_run: VmRun, memory: Recollection, host: HostName | None = None) -> Outcome | None:
    """The refusal where the VM may not be fenced or started now, before anything is touched: a cluster is disarmed in
    which it is, may be, or is about to be fenced (on `host`)."""
    inventory, record = vm_run.run.inventory, vm_run.record
    places = (host, record.suspect, record.host, vm_run.vm.host)
    clusters = [inventory.hosts[name].cluster for name in places if name is not None and name in inventory.hosts]
    refusal = disarmed(clusters, memory.planned)
    return refused_by(vm_run, refusal) if refusal else None


def planned_now(run: Request, known: Planned) -> Workflow[Planned]:
    """The planned work that holds now. A dry run, which acts on nothing, goes by what it has read."""
    if run.dry_run:
        return known
    return (yield from do(RecallPlanned()))


def since_fenced(vm_run: VmRun, suspect: HostName) -> str:
    """What has to be said beside a refusal where this run may have killed something already; '' where it has not."""
    return f"; its leftover on {suspect} may have been killed before that" if vm_run.fenced else ""


def with_fenced(vm_run: VmRun, suspect: HostName, refusal: Refused) -> Refused:
    """The refusal, with that."""
    return replace(refusal, message=refusal.message + since_fenced(vm_run, suspect))


def still_allowed(vm_run: VmRun, suspect: Host, placement: Placement, known: Planned) -> Workflow[Placement | Outcome]:
    """Right before a VM is marked to be started: the targets that are left, or the refusal where work was announced
    since the run began."""
    planned = yield from planned_now(vm_run.run, known)
    refusal = forbidden(suspect, planned)
    if refusal is not None:
        return refused_by(vm_run, with_fenced(vm_run, suspect.name, refusal))
    at_work = [planned.maintenance[name] for name in placement.targets if name in planned.maintenance]
    targets = tuple(name for name in placement.targets if name not in planned.maintenance)
    if targets:
        return replace(placement, targets=targets)
    where = "; ".join(f"{work.name} is in maintenance {work_words(work)}" for work in at_work)
    message = f"no host can take {vm_run.vm.name} any more: {where}{since_fenced(vm_run, suspect.name)}"
    return refuse(vm_run, Reason.NO_TARGET, message, tuple(way_to_end(work) for work in at_work))


def tell_planned(host: Host, memory: Recollection) -> Workflow[None]:
    """Say what is announced of a host and its cluster, where a command goes on all the same."""
    refusal = forbidden(host, memory.planned)
    if refusal is not None:
        yield from do(Tell(f"{refusal.message}; what ends it: {', '.join(refusal.ways_out)}"))
