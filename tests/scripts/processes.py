"""Real processes that look like qemu to whoever reads /proc: copies of a shell, or of Python, under qemu's name."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SLEEP = "import time; time.sleep(3600)"

OPEN = "import time; f = open({path!r}, {mode!r}); time.sleep({seconds})"

ZOMBIE_LEADER = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(3600,)).start()
time.sleep(0.1)
ctypes.CDLL(None).syscall(60, 0)  # exit of this one task, in x86-64's numbering
"""

MANY_THREADS = """
import threading, time
threading.stack_size(65536)
for _ in range({count}):
    threading.Thread(target=time.sleep, args=(3600,)).start()
print("up", flush=True)
"""


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 15.0) -> None:
    """Wait for a condition, within a bound."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"still not so: {what}"
        time.sleep(0.01)


def task_states(pid: int) -> list[str]:
    """The state letters of a process' tasks."""
    states = []
    for task in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            states.append(task.read_text().rpartition(")")[2].split()[0])
        except OSError:
            continue
    return states


def open_files(pid: int) -> list[str]:
    """What a process has open."""
    links = []
    for fd in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            links.append(os.readlink(fd))
    return links


def is_living(pid: int) -> bool:
    """Whether a process has a task that can still run."""
    return any(state not in "ZX" for state in task_states(pid))


class Zoo:
    """Starts processes, and ends them all at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: list[subprocess.Popen[bytes]] = []

    def program(self, name: str = "qemu-system-x86_64", of: str = "/bin/sleep") -> Path:
        """A copy of a real program under another name."""
        path = self.folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(of), path)
        return path

    def start(self, *argv: str | Path, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start a process of its own session. It is up, with its own arguments, when this returns."""
        environment = {**os.environ, "PYTHONHOME": sys.base_prefix}
        child = subprocess.Popen(
            argv, stdout=stdout, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
        )
        self._children.append(child)
        return child

    def qemu(self, *arguments: str, name: str = "qemu-system-x86_64", code: str = SLEEP) -> subprocess.Popen[bytes]:
        """A process whose executable has qemu's name and whose arguments are these (after Python's own)."""
        child = self.start(self.program(name, sys.executable), "-I", "-c", code, *arguments)
        seen = arguments[-1].encode("utf-8", "surrogateescape") if arguments else b"-I"
        wait_until(
            lambda: seen in Path(f"/proc/{child.pid}/cmdline").read_bytes() or task_states(child.pid)[:1] == ["Z"],
            "it is up",
        )
        return child

    def opens(
        self, path: Path | str, *arguments: str, name: str = "holder", mode: str = "r+b", seconds: float = 3600
    ) -> subprocess.Popen[bytes]:
        """A process that has a file open."""
        process = self.qemu(*arguments, name=name, code=OPEN.format(path=str(path), mode=mode, seconds=seconds))
        wait_until(lambda: str(path) in open_files(process.pid), f"{path} is open")
        return process

    def zombie_leader(self, *arguments: str, name: str = "qemu-system-x86_64") -> subprocess.Popen[bytes]:
        """A process whose leader has ended and one of whose threads lives on: its command line reads as empty."""
        child = self.qemu(*arguments, name=name, code=ZOMBIE_LEADER)
        wait_until(lambda: "Z" in task_states(child.pid), "the leader has ended")
        assert is_living(child.pid)
        assert Path(f"/proc/{child.pid}/cmdline").read_bytes() == b""
        return child

    def close(self) -> None:
        """End all."""
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if child.stdout:
                child.stdout.close()
