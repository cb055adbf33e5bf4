"""How far an audit has come: a line on a terminal that is written over, and nothing anywhere else."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from types import TracebackType

from .terminal import is_screen

REDRAW_S = 0.2
QUIET_S = 1.0
"""Whoever is done by then needs no line."""


class Progress:
    """Counts what has ended of `expected`; drawn on stderr, whichever thread counts."""

    def __init__(self, expected: int, shown: bool) -> None:
        self._expected = expected
        self._shown = shown and is_screen(sys.stderr)
        self._lock = threading.Lock()
        self._done = 0
        self._begun = self._drawn = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown and self._drawn > self._begun:
            self._write("")
        self._shown = False  # a call that was left behind may still count

    def one_more(self) -> None:
        """Another one has ended."""
        with self._lock:
            self._done += 1
            now = time.monotonic()
            if self._shown and now >= self._begun + QUIET_S and now >= self._drawn + REDRAW_S:
                self._drawn = now
                self._write(self.line(now - self._begun))

    def line(self, seconds: float) -> str:
        """How many, how fast, and about how long it takes still."""
        rate = self._done / seconds
        left = max(0, self._expected - self._done)
        total = max(self._expected, self._done)
        return f"{self._done} of {total} looks and paths, {rate:.0f} a second, about {left / rate:.0f} s left"

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
