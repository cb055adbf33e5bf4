"""Who wrote to a VM's disk, and whether ever two did at the same time.

A stand-in qemu appends a line `UPTIME HOST PID` to the disk at every heartbeat; UPTIME is the machine's, in
seconds. A writer is a (host, pid). Two writers of one disk whose times overlap are the disaster that
hafence is there to prevent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat."""

    at_s: float
    host: str
    pid: int

    @property
    def writer(self) -> tuple[str, int]:
        """Who wrote it."""
        return (self.host, self.pid)


def read_beats(disk: Path) -> list[Beat]:
    """All whole lines of a disk, in the order in which they were written."""
    whole = disk.read_text().rpartition("\n")[0]
    return [Beat(float(at), host, int(pid)) for at, host, pid in map(str.split, filter(None, whole.split("\n")))]


def writers(beats: Sequence[Beat]) -> list[tuple[str, int]]:
    """The writers, in the order of their first beat."""
    return list(dict.fromkeys(beat.writer for beat in beats))


def overlap(beats: Sequence[Beat]) -> str:
    """Where a writer went on after another had begun, in words; '' if each ended before the next began."""
    latest: tuple[str, int] | None = None
    ended: set[tuple[str, int]] = set()
    for beat in beats:
        if beat.writer == latest:
            continue
        if beat.writer in ended:
            return f"{beat.host} (pid {beat.pid}) wrote at {beat.at_s} although another had begun after it"
        if latest is not None:
            ended.add(latest)
        latest = beat.writer
    return ""
