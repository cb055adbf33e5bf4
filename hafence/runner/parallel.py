"""Several calls at once, each in a thread of its own that can't keep the process alive."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

WAKE_S = 0.25
"""How long Ctrl-C may go unseen. Python sees one that comes right before a wait only when the wait ends."""

MOST_AT_ONCE = 32
"""Threads at a time. An SSH login keeps a core busy for some 50 ms; more threads would only queue there."""


def take(done: queue.SimpleQueue[T]) -> T:
    """The next item, waited for so that Ctrl-C is seen."""
    while True:
        with suppress(queue.Empty):
            return done.get(timeout=WAKE_S)


def in_parallel(calls: Sequence[Callable[[], T]], most: int = MOST_AT_ONCE) -> list[T]:
    """The calls' results, in their order. The first exception of a call is raised here when all have ended."""
    if len(calls) == 1:
        return [calls[0]()]
    results = _gather(calls, most)
    return [results[number] for number in range(len(calls))]


def first_may_do(calls: Sequence[Callable[[], T]], enough: Callable[[T], bool]) -> list[T | None]:
    """As in_parallel. Where the first call's result is `enough`, the others are left to themselves: those that have no
    result by then come as None."""
    results = _gather(calls, len(calls), enough)
    return [results.get(number) for number in range(len(calls))]


def _gather(calls: Sequence[Callable[[], T]], most: int, enough: Callable[[T], bool] | None = None) -> dict[int, T]:
    """The results by the calls' numbers.

    Daemon threads, not an executor: an executor is joined at exit, and one hung host would then hold up
    the Ctrl-C that was meant to leave it.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, T | None, BaseException | None]] = queue.SimpleQueue()
    for number in range(len(calls)):
        todo.put(number)

    def work() -> None:
        while True:
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((number, calls[number](), None))
            except BaseException as error:  # handed over whole, and raised in the caller's thread
                done.put((number, None, error))

    for _ in range(min(most, len(calls))):
        threading.Thread(target=work, daemon=True).start()
    results: dict[int, T] = {}
    errors: list[BaseException] = []
    for _ in calls:
        number, result, error = take(done)
        if error is not None:
            errors.append(error)
            continue
        results[number] = result  # type: ignore[assignment]  # None is a result only where T allows it
        if enough is not None and number == 0 and not errors and enough(results[0]):
            break
    if errors:
        raise errors[0]
    return results
