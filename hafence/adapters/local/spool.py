"""A protected local file for what hosts said beyond the protocol: for the admin's eyes, never for an error."""

from __future__ import annotations

import os
import time
from pathlib import Path

LIMIT = 64 * 1024
KEPT_S = 30 * 86400
"""Files older than this are removed when a new one is written."""


ELSEWHERE = Path("/var/lib/hafence/output")
"""For a store that is not on this machine. What hosts said beyond the protocol never leaves the admin node."""


def folder_of(store: str) -> Path:
    """Where the files lie: beside a SQLite store, else in ELSEWHERE."""
    if not store.startswith("sqlite:"):
        return ELSEWHERE
    return Path(store.removeprefix("sqlite:").removeprefix("//")).parent / "output"


def keep(store: str, run: str, what: str, stdout: str, stderr: str) -> None:
    """Append to the run's file, readable by its owner alone. A failure is not worth stopping a rescue for."""
    folder = folder_of(store)
    try:
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        _forget_old(folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        with os.fdopen(os.open(folder / f"{run}.txt", flags, 0o600), "w", encoding="utf-8") as file:
            file.write(f"== {what} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n")
            for name, text in (("stdout", stdout), ("stderr", stderr)):
                file.write(f"-- {name}\n{text[:LIMIT]}\n")
    except OSError:
        return


def _forget_old(folder: Path) -> None:
    limit = time.time() - KEPT_S
    for path in folder.glob("*.txt"):
        if path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
