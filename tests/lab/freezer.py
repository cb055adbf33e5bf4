"""A process that SIGKILL does not end: the version 1 freezer, which lets a kill wait until the thaw.

(The version 2 freezer lets SIGKILL through, so it cannot stand for a qemu that hangs in the kernel.)
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .proc import CannotHere, LabError, wait_until

USUAL = Path("/sys/fs/cgroup/freezer")


class Freezer:
    """The lab's own freezer groups, in the machine's hierarchy or, where none is mounted, in one at `mount_point`."""

    def __init__(self, prefix: str, mount_point: Path) -> None:
        self.prefix = prefix
        self.mount_point = mount_point
        self._count = 0

    def _hierarchy(self) -> Path:
        if (USUAL / "cgroup.procs").exists():
            return USUAL
        if not os.path.ismount(self.mount_point):
            self.mount_point.mkdir(parents=True, exist_ok=True)
            argv = ["mount", "-t", "cgroup", "-o", "freezer", "none", str(self.mount_point)]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise CannotHere(f"the version 1 freezer cannot be mounted: {done.stderr.strip()}")
        return self.mount_point

    def freeze(self, pids: Sequence[int]) -> Path:
        """Freeze processes with all their threads. Returns the group; `thaw` takes it."""
        self._count += 1
        group = self._hierarchy() / f"{self.prefix}-lab-{os.getpid()}-{self._count}"
        group.mkdir()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                (group / "cgroup.procs").write_text(str(pid))
        if not (group / "cgroup.procs").read_text():
            group.rmdir()
            raise LabError(f"{pids} ended before they could be frozen")
        (group / "freezer.state").write_text("FROZEN")
        wait_until(lambda: (group / "freezer.state").read_text() == "FROZEN\n", f"{pids} are frozen")
        return group

    def thaw(self, group: Path) -> None:
        """Let them go on (or die, if they were killed meanwhile), and remove the group."""
        if not group.exists():
            return
        (group / "freezer.state").write_text("THAWED")
        top = group.parent
        for pid in (group / "cgroup.procs").read_text().split():
            try:
                (top / "cgroup.procs").write_text(pid)
            except ProcessLookupError:
                continue
        wait_until(lambda: _removed(group), f"{group} is empty")

    def thaw_all(self) -> None:
        """Thaw and remove every group of this prefix, those of an earlier lab too."""
        for top in (USUAL, self.mount_point):
            for group in top.glob(f"{self.prefix}-lab-*"):
                self.thaw(group)


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
