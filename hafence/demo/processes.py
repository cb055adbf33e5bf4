"""The processes of the demo, found and ended by their descent: nothing that the demo did not start is touched."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none escapes and none stays a zombie."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this kernel lets no process adopt orphans (PR_SET_CHILD_SUBREAPER)")


def descendants(ancestor: int) -> set[int]:
    """All living processes that descend from `ancestor`."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = Path(f"/proc/{entry}/stat").read_text(errors="replace").rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    children.setdefault(int(fields[1]), []).append(int(entry))
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            found.add(pid)
            waiting.append(pid)
    return found


def of_host(root: Path) -> set[int]:
    """Our descendants that belong to a host: every process there carries its root in the environment."""
    mark = f"HAFENCE_DEMO_ROOT={root}".encode()
    found = set()
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def kill_all(processes: Callable[[], Collection[int]], within_s: float = 5.0) -> bool:
    """SIGKILL them until there are none (a process may fork between the look and the kill); whether it worked."""
    give_up_at = time.monotonic() + within_s
    while pids := processes():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.01)
    return True


def reap(but: Collection[int], before: Callable[[int], None]) -> None:
    """Take note of children that ended, except those that another part waits for.

    `before` is called while the process number can't yet be another process's.
    """
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in but:
            return
        before(ended.si_pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(ended.si_pid, 0)
