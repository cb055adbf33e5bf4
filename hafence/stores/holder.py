"""Who holds a lease: a process, known so exactly that its death can be seen, and nothing else taken for it.

A pid alone is used again after its process. The identity is (boot of the kernel, pid namespace, pid, start
time). A process that cannot be seen from here is never called gone: its lease then ends by expiring.
"""

from __future__ import annotations

import os
import pwd
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Holder:
    """The process of one run. Empty fields are unknown."""

    run: str
    who: str
    """`user@machine`, for people."""
    pid: int
    pid_start: str
    """Start time of the process in clock ticks since boot, from /proc/PID/stat."""
    boot_id: str
    pid_namespace: str
    machine: str
    """The machine-id."""

    @classmethod
    def of_this_process(cls, run: str) -> Holder:
        """The calling process as the holder for `run`."""
        return cls(
            run=run,
            who=f"{_user()}@{socket.gethostname()}",
            pid=os.getpid(),
            pid_start=_start_time("self"),
            boot_id=_read("/proc/sys/kernel/random/boot_id"),
            pid_namespace=_pid_namespace(),
            machine=_read("/etc/machine-id"),
        )

    @property
    def words(self) -> str:
        """The holder for people."""
        return f"{self.who} (pid {self.pid})"


def is_gone(holder: Holder) -> bool:
    """Whether it is certain that the holder's process no longer lives, where only one machine has the store. Uncertain
    is False."""
    boot_id = _read("/proc/sys/kernel/random/boot_id")
    if boot_id and holder.boot_id and holder.boot_id != boot_id and holder.pid_start:
        # Another boot: of this machine, all its processes are gone; of another, they may live.
        machine = _read("/etc/machine-id")
        return bool(machine) and holder.machine == machine
    return is_gone_from_here(holder)


def is_gone_from_here(holder: Holder) -> bool:
    """The same where several machines share the store: only what was begun in this very boot is known to be gone.

    An admin node that is a clone of another has its machine-id, and what looks like an earlier boot of this machine may
    be the other's, in which the process lives.
    """
    boot_id = _read("/proc/sys/kernel/random/boot_id")
    if not boot_id or not holder.pid_start or holder.boot_id != boot_id:
        return False
    if holder.pid_namespace != _pid_namespace():
        return False  # a container on the same kernel: its pids mean other processes here
    return not _may_live(holder.pid, holder.pid_start)


def _may_live(pid: int, pid_start: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's: it exists
    start = _start_time(str(pid))
    if not start:
        return True  # /proc hides other users' processes (hidepid)
    return start == pid_start and _has_living_task(pid)


def _has_living_task(pid: int) -> bool:
    """Whether a thread is not a zombie. The leader may be one while another thread still acts."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return True
    states = [_stat_fields(str(task / "stat"))[:1] for task in tasks]
    return any(state not in (["Z"], ["X"]) for state in states)


def _start_time(pid: str) -> str:
    fields = _stat_fields(f"/proc/{pid}/stat")
    return fields[19] if len(fields) > 19 else ""


def _stat_fields(path: str) -> list[str]:
    """The fields from the state on. The name before them, in brackets, may hold blanks and brackets."""
    return _read(path).rpartition(")")[2].split()


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _user() -> str:
    """The login name; under sudo the one who called it, for whom the log is written."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    caller = os.environ.get("SUDO_USER", "")
    return f"{caller} as {name}" if caller and caller != name else name


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
