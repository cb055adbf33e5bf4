"""Many calls, as many at once as this machine does well by.

An audit of hundreds of hosts would else either wait in a row for those that hang, or keep itself so busy with logins
that hosts which answer seem not to.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from .parallel import MOST_AT_ONCE, in_parallel, take

T = TypeVar("T")

FEWEST = 8
WIDEST = 128
"""Calls at a time where nearly all of them wait for hosts that do not answer."""
STEP_S = 0.1
LATE_S = 0.05
"""Whoever sleeps and wakes so late has not got its turn: some ten threads wait for the one interpreter, or others keep
this machine busy. Time-outs would then be its own."""


class Width:
    """How many calls may be under way: more while they only wait, fewer when this machine has too much to do."""

    def __init__(self) -> None:
        self.now = MOST_AT_ONCE

    def learns(self, late_s: float) -> None:
        """Take in by how much somebody woke late."""
        if late_s > LATE_S:
            self.now = max(FEWEST, self.now * 3 // 4)
        elif late_s < LATE_S / 4:
            self.now = min(WIDEST, self.now + FEWEST)


def in_waves(calls: Sequence[Callable[[], T]]) -> list[T]:
    """The calls' results, in their order. The first exception of a call is raised here when all have ended."""
    return in_parallel(calls) if len(calls) <= MOST_AT_ONCE else _Waves(calls).results()


class _Waves:
    """Calls under way. Daemon threads, as in parallel.py, for Ctrl-C's sake."""

    def __init__(self, calls: Sequence[Callable[[], T]]) -> None:
        self._calls = calls
        self._done: queue.SimpleQueue[tuple[int, object, BaseException | None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._next = self._workers = 0
        self._over = threading.Event()
        self._width = Width()

    def results(self) -> list[T]:
        self._fill()
        threading.Thread(target=self._watch, daemon=True).start()
        found: dict[int, object] = {}
        errors: list[BaseException] = []
        try:
            for _ in self._calls:
                number, found[number], error = take(self._done)
                errors += [error] if error is not None else []
        finally:
            self._over.set()
        if errors:
            raise errors[0]
        return [found[number] for number in range(len(self._calls))]  # type: ignore[misc]

    def _fill(self) -> None:
        """As many workers as there may be."""
        with self._lock:
            more = min(self._width.now - self._workers, len(self._calls) - self._next)
            self._workers += max(0, more)
        for _ in range(more):
            threading.Thread(target=self._work, daemon=True).start()

    def _watch(self) -> None:
        while True:
            before = time.monotonic()
            if self._over.wait(STEP_S):
                return
            self._width.learns(time.monotonic() - before - STEP_S)
            self._fill()

    def _take_one(self) -> int | None:
        """The number of the next call; None where there is none, or where too many are under way."""
        with self._lock:
            if self._next >= len(self._calls) or self._workers > self._width.now or self._over.is_set():
                self._workers -= 1
                return None
            self._next += 1
            return self._next - 1

    def _work(self) -> None:
        while (number := self._take_one()) is not None:
            try:
                self._done.put((number, self._calls[number](), None))
            except BaseException as error:  # handed over whole, and raised in the caller's thread
                self._done.put((number, None, error))
