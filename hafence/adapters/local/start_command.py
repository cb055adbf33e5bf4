"""The cluster's own start command, for stacks that start VMs in another way than libvirt.

`{uuid}`, `{name}` and `{target}` in its arguments are replaced; where none of them occurs, the three are
appended in that order. They are also in its environment as HAFENCE_VM_UUID, HAFENCE_VM_NAME, HAFENCE_TARGET.
It runs on the admin node, without a shell. Exit status 0 says that the VM runs; any other that it does not
and that nothing is left of the try: the command must clean up after itself. On KVM hosts hafence looks
whether that is true; elsewhere the command's word is all there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...core.model import Vm
from ...core.starts import StartResult
from .commands import CommandResult, last_words, run_command


def start_by_command(command: Sequence[str], vm: Vm, target: str, within_s: float) -> tuple[StartResult, str]:
    """Run the start command. A command that did not end in time proves nothing: UNKNOWN."""
    run = run_command(_argv(command, vm, target), within_s, env=_env(vm, target))
    return _read(run)


def _argv(command: Sequence[str], vm: Vm, target: str) -> list[str]:
    values = {"{uuid}": vm.uuid, "{name}": vm.name, "{target}": target}
    argv = list(command)
    for key, value in values.items():
        argv = [argument.replace(key, value) for argument in argv]
    if argv == list(command):
        argv += values.values()
    return argv


def _env(vm: Vm, target: str) -> dict[str, str]:
    return {"HAFENCE_VM_UUID": vm.uuid, "HAFENCE_VM_NAME": vm.name, "HAFENCE_TARGET": target}


def _read(run: CommandResult) -> tuple[StartResult, str]:
    if run.status == 0:
        return StartResult.RUNNING, "the start command says that the VM runs"
    if run.status is None and run.started:
        return StartResult.UNKNOWN, run.trouble
    said = run.trouble or f"exit {run.status}: {last_words(run) or 'without a word'}"
    return StartResult.CLEAN, f"the start command failed: {said}"
