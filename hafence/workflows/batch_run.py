"""An evacuation under way: which VMs it is about, where each is to go, and what has come of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.batch import Wanted
from ..core.model import Host, Uuid
from ..core.outcome import Outcome
from ..core.placement import Placement
from ..core.reasons import Reason
from ..core.stored import Lease
from ..effects import LeaseLost, NoteOutcome, Now, Workflow, do
from .incident import KEPT, keep_claim
from .vm_run import Request, VmRun, ended_early


@dataclass(slots=True)
class Batch:
    """The evacuation under way. `ended`: what has come of a VM; it is open until then."""

    run: Request
    suspect: Host
    vm_runs: dict[Uuid, VmRun]
    ended: dict[Uuid, Outcome]
    claim: Lease | None = None
    """The right to evacuate the host at all; None in a dry run, and once it is lost."""
    noted: dict[Uuid, Outcome] = field(default_factory=dict)
    """What of it has been told to whoever follows the run."""
    wanted: list[Wanted] = field(default_factory=list)
    """The open VMs, in the order in which they start."""
    plan: dict[Uuid, Placement] = field(default_factory=dict)

    grounds: dict[Uuid, Reason] = field(default_factory=dict)
    """On what a VM was started whose outcome has another reason since."""

    def open(self) -> list[VmRun]:
        """The VMs of which nothing has come yet."""
        return [vm_run for vm, vm_run in self.vm_runs.items() if vm not in self.ended]

    def end(self, vm_run: VmRun, outcome: Outcome) -> None:
        """This has come of a VM."""
        self.ended[vm_run.vm.uuid] = outcome

    def note(self) -> Workflow[None]:
        """Tell what has come of VMs since this was last asked for. Of one that had started a second copy may have been
        seen: it is told again."""
        for vm, outcome in self.ended.items():
            if self.noted.get(vm) is not outcome:
                self.noted[vm] = outcome
                yield from do(NoteOutcome(outcome))


def keep_leases(batch: Batch) -> Workflow[None]:
    """Renew the leases of those that wait, so that most of their time is left while a wave starts. One that is lost
    ends the way of that VM alone."""
    now = yield from do(Now())
    lease_s = batch.run.inventory.settings.lease_s
    batch.claim = yield from keep_claim(batch.claim, now, lease_s)
    for vm_run in batch.open():
        if vm_run.lease is not None and vm_run.lease.expires_at - now < lease_s * KEPT:
            try:
                yield from vm_run.renew()
            except LeaseLost as why:
                batch.end(vm_run, ended_early(vm_run, why))
