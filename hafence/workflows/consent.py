"""What a person is asked before a start that nothing has proved."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.decision import Allowed, state_it
from ..core.model import HostName, Uuid
from ..core.outcome import Outcome
from ..core.reasons import Reason
from ..core.risks import some_of
from ..effects import Answer, Ask, Workflow, do
from .vm_run import Request, VmRun, refuse


def agree_to_silence(vm_run: VmRun, suspect: HostName, allowed: Allowed, target: HostName) -> Workflow[Outcome | None]:
    """Ask before a start on mere silence; the refusal after a no.

    Where nobody can be asked (no terminal) the policy decides alone, as cron needs it. A person who sits there knows
    things that no policy does: that the rack is being rewired, say.
    """
    run = vm_run.run
    if not _has_to_be_asked(run, allowed):
        return None
    question = (
        f"NOT PROVEN: {suspect} may still run {vm_run.vm.name}. If it does and reaches the storage, both copies write"
        f" to the same disks. Start {vm_run.vm.name} on {target} all the same?"
        f" (policy: {run.inventory.settings.unreachable.value})"
    )
    if (yield from do(Ask(question))) is not Answer.NO:
        return None
    return _declined(vm_run, suspect)


def agree_to_silence_of_all(
    run: Request, suspect: HostName, vm_runs: Mapping[Uuid, VmRun], allowed: Mapping[Uuid, Allowed]
) -> Workflow[list[tuple[VmRun, Outcome]]]:
    """The same for several VMs of one suspect, in one question; the refusals after a no."""
    silent = [vm_runs[vm] for vm, judgement in allowed.items() if _has_to_be_asked(run, judgement)]
    if not silent:
        return []
    names = some_of([vm_run.vm.name for vm_run in silent])
    question = (
        f"NOT PROVEN: {suspect} may still run {names}. If it does and reaches the storage, both copies of each write"
        f" to the same disks. Start {'them' if len(silent) > 1 else 'it'} elsewhere all the same?"
        f" (policy: {run.inventory.settings.unreachable.value})"
    )
    if (yield from do(Ask(question))) is not Answer.NO:
        return []
    return [(vm_run, _declined(vm_run, suspect)) for vm_run in silent]


def _has_to_be_asked(run: Request, allowed: Allowed) -> bool:
    on_silence = allowed.reason is Reason.UNREACHABLE_CONFIRMED
    return on_silence and not run.yes and run.inventory.settings.ask_on_silence


def _declined(vm_run: VmRun, suspect: HostName) -> Outcome:
    vm_run.risks = ()  # none is taken
    message = f"{suspect} is silent, {vm_run.vm.name} was not seen dead there, and the admin said no"
    return refuse(vm_run, Reason.UNREACHABLE_UNCONFIRMED, message, (state_it(suspect),))
