"""Faults of a VM's process: what SIGKILL does not end, what looks dead and writes, what comes back."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
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
    ended = f"echo >>{shlex.quote(str(_ends(lab, vm)))}"
    loop = lab.hosts[host].spawn(["/bin/sh", "-c", f"while :; do {command}; {ended}; sleep {pause_s}; done"])
    lab.wait_copies(vm.uuid, 1)

    def stop() -> None:
        kill_all([loop], "respawner")
        lab.kill_qemu(vm)

    return Fault(lab, f"{host} starts {vm.name} again and again", stop)


def wait_ended(lab: Lab, vm: LabVm, times: int) -> None:
    """Wait until what `respawner` started has ended so often.

    A copy may live for less time than one look at all processes takes, so that waiting to see it may miss it.
    """
    ends = _ends(lab, vm)
    wait_until(lambda: ends.exists() and len(ends.read_text()) >= times, f"{times} copies of {vm.name} ended", 30)


def _ends(lab: Lab, vm: LabVm) -> Path:
    return lab.folder / f"ends-of-{vm.uuid}"
