"""What a person is asked before a start that nothing has proved."""

from __future__ import annotations

from ..core.decision import Allowed, state_it
from ..core.model import HostName
from ..core.outcome import Outcome
from ..core.reasons import Reason
from ..effects import Answer, Ask, Workflow, do
from .vm_run import VmRun, refuse


def agree_to_silence(vm_run: VmRun, suspect: HostName, allowed: Allowed, target: HostName) -> Workflow[Outcome | None]:
    """Ask before a start on mere silence; the refusal after a no.

    Where nobody can be asked (no terminal) the policy decides alone, as cron needs it. A person who sits there knows
    things that no policy does: that the rack is being rewired, say.
    """
    run = vm_run.run
    if allowed.reason is not Reason.UNREACHABLE_CONFIRMED or run.yes or not run.inventory.settings.ask_on_silence:
        return None
    question = (
        f"NOT PROVEN: {suspect} may still run {vm_run.vm.name}. If it does and reaches the storage, both copies write"
        f" to the same disks. Start {vm_run.vm.name} on {target} all the same?"
        f" (policy: {run.inventory.settings.unreachable.value})"
    )
    if (yield from do(Ask(question))) is not Answer.NO:
        return None
    vm_run.risks = ()  # none is taken
    message = f"{suspect} is silent, {vm_run.vm.name} was not seen dead there, and the admin said no"
    return refuse(vm_run, Reason.UNREACHABLE_UNCONFIRMED, message, (state_it(suspect),))
