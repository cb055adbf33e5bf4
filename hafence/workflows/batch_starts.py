"""The starts of an evacuation, once the suspect is fenced: each as `start-vm` does from its fence on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..core.batch import Ground, Wanted, Width, next_wave
from ..core.decision import Allowed, Judgement, Refused
from ..core.looks import Look, shows_life
from ..core.model import HostName, Uuid
from ..core.outcome import Decision, Exit, Outcome
from ..core.placement import Placement
from ..core.reasons import PROOFS, Reason
from ..effects import Interrupted, Parallel, Workflow, do
from .batch_ready import Tiers, hold_back
from .batch_run import Batch, keep_leases
from .fencing_state import Observed
from .start_vm import fence_again, start_fenced
from .vm_run import VmRun, conclude, refused_by, rival_copies, shut_out_hosts, under_its_lease


@dataclass(slots=True)
class Going:
    """The starts under way. `view` is what was known when fencing began, with the hosts that have shown life since."""

    batch: Batch
    ground: Ground
    view: Observed
    allowed: Mapping[Uuid, Allowed]
    anew: bool = False
    """Whether a host has fallen silent since the fence was judged, or shown life."""
    places: dict[Uuid, HostName] = field(default_factory=dict)
    """Where the VMs are, or will be."""

    def __post_init__(self) -> None:
        plan = self.batch.plan.items()
        self.places = {vm: placement.targets[0] for vm, placement in plan if vm in self.allowed}

    def waiting(self) -> list[Wanted]:
        """Those that are to start still, in their order."""
        ended = self.batch.ended
        return [each for each in self.batch.wanted if each.vm.uuid in self.allowed and each.vm.uuid not in ended]

    def there(self) -> dict[HostName, list[Wanted]]:
        """The same by host."""
        by_host: dict[HostName, list[Wanted]] = {}
        for each in self.batch.wanted:
            if each.vm.uuid in self.places:
                by_host.setdefault(self.places[each.vm.uuid], []).append(each)
        return by_host

    def together(self, waiting: list[Wanted]) -> list[Wanted]:
        """Those that may start beside the first. On mere silence each starts alone: what is seen on its way (a sign of
        life, an admin node that is cut off) changes what may be said of those after it."""
        proven = [each for each in waiting if self.allowed[each.vm.uuid].reason in PROOFS]
        return proven if proven[:1] == waiting[:1] else waiting[:1]

    def learn(self, seen: Mapping[HostName, Look]) -> None:
        """What was seen on the way of one VM: the run can't call a host silent that has shown life."""
        known = self.view.looks
        self.anew = self.anew or any(shows_life(look) != shows_life(known.get(n, look)) for n, look in seen.items())
        heard = {name: look for name, look in seen.items() if name not in known or not shows_life(known[name])}
        self.view = replace(self.view, looks={**known, **heard})

    def land(self, wanted: Wanted) -> None:
        """Where it is now, if anywhere."""
        vm = wanted.vm.uuid
        self.places.pop(vm, None)
        host = self.batch.ended[vm].host
        if host is not None:
            self.places[vm] = host


def start_all(batch: Batch, ground: Ground, view: Observed, allowed: Mapping[Uuid, Allowed]) -> Workflow[None]:
    """Start them wave by wave, a tier when those above serve. The plan follows what has come of those before, and so
    does what is known."""
    going = Going(batch, ground, view, allowed)
    settings = batch.run.inventory.settings
    width = Width(settings.max_starts, settings.max_starts_in_all)
    tiers = Tiers(batch, view.memory.records)
    while True:
        yield from keep_leases(batch)
        waiting = going.waiting()
        if (yield from hold_back(tiers, waiting)):
            waiting = going.waiting()
        wave = next_wave(ground, going.together(waiting), going.there(), width)
        if not wave:
            return
        starts = tuple(_start_one(going, batch.vm_runs[each.vm.uuid], placement) for each, placement in wave)
        if len(starts) > 1:
            yield from do(Parallel(starts))
        else:
            yield from starts[0]
        for each, _ in wave:
            vm_run = batch.vm_runs[each.vm.uuid]
            going.learn(vm_run.seen)
            yield from _check_earlier(batch, vm_run)
            going.land(each)
        yield from batch.note()
        if any(batch.ended[each.vm.uuid].reason is Reason.INTERRUPTED for each, _ in wave):
            raise Interrupted


def _check_earlier(batch: Batch, last: VmRun) -> Workflow[None]:
    """What was seen on the way of one VM concerns those that were started before it, too: a copy may have shown up."""
    for vm, outcome in list(batch.ended.items()):
        vm_run = batch.vm_runs.get(vm)
        if vm_run is None or vm_run is last or outcome.decision is not Decision.STARTED:
            continue
        harmless = yield from shut_out_hosts(vm_run)
        if batch.grounds.get(vm, outcome.reason) is Reason.STORAGE_FENCED:
            harmless |= {batch.suspect.name}
        elsewhere = [name for name in rival_copies(vm_run, last.seen, harmless) if name != outcome.host]
        if elsewhere:
            where = " and ".join(elsewhere)
            message = (
                f"TWO COPIES of {vm_run.vm.name} were seen: the new one on {outcome.host}, and since its start one on"
                f" {where}. It is recorded as {vm_run.record.words}. Look at both hosts and at the VM's disks."
            )
            ways = tuple(f"'hafence fence {vm_run.vm.name} --host {name}' ends that copy" for name in elsewhere)
            two = replace(outcome, decision=Decision.FAILED, reason=Reason.TWO_COPIES, says=message, ways_out=ways)
            batch.end(vm_run, replace(two, exit=Exit.NEEDS_PERSON))


def _start_one(going: Going, vm_run: VmRun, placement: Placement) -> Workflow[None]:
    batch, view, anew = going.batch, going.view, going.anew

    def start(vm_run: VmRun) -> Workflow[Outcome]:
        if not placement.targets:
            return _place_taken(vm_run, placement)
        judgement: Judgement = going.allowed[vm_run.vm.uuid]
        if anew and judgement.reason not in PROOFS:
            # who is silent now is not who was when silence was judged: the suspect may live, or this run be cut off
            judgement = yield from fence_again(vm_run, batch.suspect, view)
        if isinstance(judgement, Refused):
            return refused_by(vm_run, judgement)
        return (yield from start_fenced(vm_run, batch.suspect, view, placement, judgement))

    batch.end(vm_run, (yield from under_its_lease(vm_run, start)))


def _place_taken(vm_run: VmRun, placement: Placement) -> Outcome:
    """One before it was found to run where this one was to go, after the fence."""
    against = "; ".join(f"{name} {unfit.says}" for name, unfit in placement.excluded)
    message = (
        f"{vm_run.vm.name} was fenced, and its place was taken meanwhile: no host can take it ({against})."
        f" It is recorded as {vm_run.record.words}. Free a host and run the command again: it is safe."
    )
    return conclude(vm_run, Decision.FAILED, Reason.START_FAILED, message, exit=Exit.START_FAILED)
