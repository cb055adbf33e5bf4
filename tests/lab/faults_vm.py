"""Faults of a VM's process: what SIGKILL does not end, what looks dead and writes, what comes back."""

from __future__ import annotations

import shlex
import signal
from typing import TYPE_CHECKING

from .fault import Fault
from .proc import LabError, identity, is_living, kill, kill_all, task_states, wait_until
from .ptrace import exit_leader
from .vm import LabVm, qemu_arguments

if TYPE_CHECKING:
    from .cluster import Lab


def unkillable(lab: Lab, *pids: int) -> Fault:
    """Processes in the kernel's hands, like qemu on storage that hangs: `ps` shows D, SIGKILL waits for the thaw."""
    group = lab.freezer.freeze(pids)
    return Fault(lab, f"{pids} frozen", lambda: lab.freezer.thaw(group))


def zombie_leader(lab: Lab, pid: int) -> Fault:
    """The main thread of a real qemu ends, the others live on: `Zl`, an empty command line, yet it can write.

    There is no way back: healed means killed.
    """
    exit_leader(pid)
    wait_until(lambda: "Z" in task_states(pid), f"the main thread of {pid} has ended")
    if not is_living(pid):
        raise LabError(f"{pid}: no thread lives beside the leader")
    who = identity(pid)
    return Fault(
        lab, f"{pid} a zombie leader", lambda: kill_all([pid], "zombie leader") if identity(pid) == who else None
    )


def stopped(lab: Lab, pid: int) -> Fault:
    """SIGSTOP: it does nothing, and SIGKILL ends it."""
    who = identity(pid)
    assert who is not None
    kill(who, signal.SIGSTOP)
    wait_until(lambda: set(task_states(pid)) <= {"T"}, f"{pid} is stopped")
    return Fault(lab, f"{pid} stopped", lambda: kill(who, signal.SIGCONT))


def respawner(lab: Lab, host: str, vm: LabVm, pause_s: float = 0.1) -> Fault:
    """Something on a host that starts the VM's qemu again whenever it dies: dead for a moment, then alive."""
    command = shlex.join(qemu_arguments(vm.name, vm.uuid))
    loop = lab.hosts[host].spawn(["/bin/sh", "-c", f"while :; do {command}; sleep {pause_s}; done"])
    lab.wait_copies(vm.uuid, 1)

    def stop() -> None:
        kill_all([loop], "respawner")
        lab.kill_qemu(vm)

    return Fault(lab, f"{host} starts {vm.name} again and again", stop)
