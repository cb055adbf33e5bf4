"""Processes as the kernel tells them: read from the root PID namespace, so that no host's word is needed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

NS_GET_PARENT = 0xB702


class LabError(Exception):
    """The lab could not do what was asked of it. Says what was tried and what was seen."""


class CannotHere(LabError):
    """This machine cannot make the fault or the part. Says why; tests skip by this name, and fail on CI."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for ever: PIDs are reused, (PID, start time in clock ticks) is not."""

    pid: int
    start_ticks: int


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 15.0) -> None:
    """Wait for a condition, within a bound. Raises LabError naming `what` did not come true."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise LabError(f"after {timeout_s:g} s still not so: {what}")
        time.sleep(0.01)


def run(argv: Sequence[str], *, timeout_s: float = 60.0, stdin: str = "") -> str:
    """Run a program and return its output. Raises LabError, with what it said, if it fails or takes too long."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"took longer than {timeout_s:g} s: {' '.join(argv)}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"exit {done.returncode}: {' '.join(argv)}: {said}")
    return done.stdout


def all_pids() -> list[int]:
    """Every process of this machine."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def task_states(pid: int) -> list[str]:
    """The state letter of every task (thread) of a process; empty when it is gone."""
    states = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    for task in tasks:
        stat = _read(f"/proc/{pid}/task/{task}/stat")
        if stat:
            states.append(stat.rpartition(")")[2].split()[0])
    return states


def is_living(pid: int) -> bool:
    """Whether a task of it is neither zombie nor dead: a zombie leader with a living thread still writes."""
    return any(state not in "ZXx" for state in task_states(pid))


def identity(pid: int) -> Identity | None:
    """Who has this PID now; None when nobody."""
    stat = _read(f"/proc/{pid}/stat")
    return Identity(pid, int(stat.rpartition(")")[2].split()[19])) if stat else None


def arguments(pid: int) -> list[str]:
    """A process's arguments. Those of a zombie leader are empty: its living threads still show them."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    for task in [str(pid), *tasks]:
        line = _read(f"/proc/{pid}/task/{task}/cmdline")
        if line:
            return line.rstrip("\0").split("\0")
    return []


def pid_namespace(pid: int) -> str:
    """The name of a process's PID namespace; '' when the process is gone or dead."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return _namespace_of_a_thread(pid)


def _namespace_of_a_thread(pid: int) -> str:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return ""
    for task in tasks:
        try:
            return os.readlink(f"/proc/{pid}/task/{task}/ns/pid")
        except OSError:
            continue
    return ""


def namespaces_around(pid: int) -> list[str]:
    """The PID namespaces that a process is seen in, its own first: ioctl_ns(2), up to that of the machine."""
    found = []
    try:
        namespace = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
    except OSError:
        return [name] if (name := _namespace_of_a_thread(pid)) else []
    while namespace >= 0:
        found.append(f"pid:[{os.fstat(namespace).st_ino}]")
        try:
            outer = fcntl.ioctl(namespace, NS_GET_PARENT)
        except PermissionError:  # there is none, or none that may be seen from here
            outer = -1
        os.close(namespace)
        namespace = outer
    return found


def in_namespace(namespace: str) -> list[int]:
    """Every process with a living task in a PID namespace, as PIDs of the root namespace."""
    return [pid for pid in all_pids() if namespace and pid_namespace(pid) == namespace and is_living(pid)]


def kill(who: int | Identity, sign: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal; a process that is gone already, or whose PID another has now, is let be."""
    pid = who if isinstance(who, int) else who.pid
    if isinstance(who, Identity) and identity(pid) != who:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sign)


def kill_all(pids: Sequence[int], what: str, timeout_s: float = 15.0) -> None:
    """SIGKILL these and wait until none lives."""
    who = [found for pid in pids if (found := identity(pid))]
    for each in who:
        kill(each)
    wait_until(lambda: not any(identity(i.pid) == i and is_living(i.pid) for i in who), f"{what} are dead", timeout_s)


def children(pid: int) -> list[int]:
    """The children of a process."""
    found = []
    for other in all_pids():
        stat = _read(f"/proc/{other}/stat")
        if stat and int(stat.rpartition(")")[2].split()[1]) == pid:
            found.append(other)
    return found


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
