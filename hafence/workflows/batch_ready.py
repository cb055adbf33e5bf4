"""A tier of an evacuation waits until the VMs of those above serve, and not only run, or have had their time.

Only what waits is held back: a tier starts whole before anybody is waited for, and behind the last one nobody waits.
Meanwhile the leases of the others are kept. A start is over when it has been seen to run: whatever is heard of it here,
it is neither repeated nor failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..core.batch import Wanted
from ..core.model import Uuid, Vm
from ..core.outcome import Decision
from ..core.ready import Awaited, Serves, awaited, holding_back, is_over, not_ready_says, time_for_one, ways_to_ready
from ..core.reasons import Reason
from ..core.record import VmRecord
from ..core.risks import some_of
from ..effects import AwaitReady, Now, Tell, Together, Workflow, do
from .batch_run import Batch, keep_leases


@dataclass(slots=True)
class Tiers:
    """Whom those that are not started yet wait for. `records`: what was known of all VMs when the run began."""

    batch: Batch
    records: Mapping[Uuid, VmRecord]
    asked_s: dict[Uuid, float] = field(default_factory=dict)
    """How long each has been asked for."""
    done: set[Uuid] = field(default_factory=set)
    """Those that nobody waits for any more."""
    vms: list[Vm] = field(default_factory=list)
    """Those that say when they serve: few."""

    def __post_init__(self) -> None:
        self.vms = [vm for vm in self.batch.run.inventory.vms.values() if vm.ready is not None and vm.ha]

    def started(self, now: float) -> list[Awaited]:
        """The VMs that may not serve yet: those that this run has started, and those that another one of this suspect
        has just started. One that was killed while it waited has left the others to this one."""
        batch = self.batch
        found = []
        for vm in (vm for vm in self.vms if vm.uuid not in self.done):
            vm_run, outcome = batch.vm_runs.get(vm.uuid), batch.ended.get(vm.uuid)
            record = vm_run.record if vm_run is not None else self.records.get(vm.uuid)
            each = awaited(vm, record, batch.suspect.name) if record is not None else None
            ours = outcome is not None and outcome.decision is Decision.STARTED
            if each is not None and (ours or each.until > now):
                found.append(each)
        return found


def hold_back(tiers: Tiers, waiting: Sequence[Wanted]) -> Workflow[bool]:
    """Wait for those of a higher priority than the first that waits. Whether time has passed over it."""
    if not waiting or not tiers.vms:
        return False
    open_ = holding_back(tiers.started((yield from do(Now()))), waiting[0].vm.priority)
    if not open_:
        return False
    names = some_of([each.vm.name for each in open_])
    held = some_of([each.vm.name for each in waiting])
    yield from do(Tell(f"held back until {names} serve{'s' if len(open_) == 1 else ''}: {held}"))
    while open_ and tiers.batch.open():
        yield from _ask(tiers, open_)
        yield from keep_leases(tiers.batch)
        open_ = [each for each in open_ if each.vm.uuid not in tiers.done]
    yield from tiers.batch.note()
    return True


def _ask(tiers: Tiers, open_: Sequence[Awaited]) -> Workflow[None]:
    """All of them at once, each for a while: one whose host hangs costs the others nothing but its own time."""
    now, lease_s = (yield from do(Now())), tiers.batch.run.inventory.settings.lease_s
    asks = [
        AwaitReady(each.vm.uuid, each.host, each.ready, round(time_for_one(each, now, lease_s), 3)) for each in open_
    ]
    answers = yield from do(Together(tuple(asks)))
    now = yield from do(Now())
    for each, ask, answer in zip(open_, asks, answers, strict=True):
        vm = each.vm.uuid
        asked_s = tiers.asked_s[vm] = tiers.asked_s.get(vm, 0.0) + ask.within_s
        if answer.serves is Serves.YES:
            tiers.done.add(vm)
        elif is_over(each, now, asked_s):
            tiers.done.add(vm)
            yield from _give_up(tiers.batch, each, answer.says)


def _give_up(batch: Batch, each: Awaited, last: str) -> Workflow[None]:
    """It runs, and nobody waits for it any more. Of one that another run has started that run has told the rest."""
    says = not_ready_says(each, last)
    yield from do(Tell(f"{each.vm.name} runs on {each.host}; {says}. Lower priorities wait for it no longer."))
    vm = each.vm.uuid
    outcome = batch.ended.get(vm)
    if outcome is not None and outcome.decision is Decision.STARTED:
        batch.grounds[vm] = outcome.reason
        told = replace(outcome, reason=Reason.NOT_READY, says=f"{outcome.says}; {says}", ways_out=ways_to_ready(each))
        batch.end(batch.vm_runs[vm], told)
