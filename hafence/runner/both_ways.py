"""A look into a suspect from two sides: straight, and through a sibling while nothing takes the straight connection.

The admin node that can't reach the suspect, and a sibling that can, is what fencing through siblings is for. To wait
for the admin node's whole time-out first would tell nothing that is needed: who is let in by a sibling lives. Whoever
takes the admin node's connection is waited for, however slow, since one that is well is asked for before it is fenced.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..core.looks import SIBLING_MAY_PASS, Blind, HostLook, Look, Silence
from ..core.model import HostName
from ..core.troubles import Trouble
from ..effects.hosts import HEAD_START_S, MOST_SIBLINGS, NEXT_S, SYN_S, THROUGH_S

TICK_S = 0.05


class BothWays:
    """One such look. `heard` may come from any thread; `look` is one thread's."""

    def __init__(
        self,
        suspect: HostName,
        siblings: Sequence[HostName],
        straight: Callable[[], Look],
        through: Callable[[HostName], Look],
        is_taken: Callable[[], bool],
        may_be_off: bool = False,
    ) -> None:
        """`siblings` in the order in which they are asked, `is_taken`: whether the suspect has taken the admin node's
        connection. With `may_be_off` one that has not is silent without anybody's having seen it."""
        self._suspect = suspect
        self._siblings = siblings
        self._straight = straight
        self._through = through
        self._is_taken = is_taken
        self._may_be_off = may_be_off
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._answered: set[HostName] = set()
        self._asked: list[HostName] = []
        self._own: Look | None = None
        self._seen: HostLook | None = None
        self._under_way = 0
        self._next_s = HEAD_START_S

    def heard(self, look: Look) -> None:
        """Take in what came of the look into another host: whoever answers may be asked."""
        if isinstance(look, (HostLook, Blind)):
            self._events.put(partial(self._answered.add, look.host))

    def look(self) -> Look:
        """Look, and wait no longer than what is still needed."""
        begun, at = time.monotonic(), time.time()
        self._spawn(self._straight, self._ended)
        while True:
            for_s = time.monotonic() - begun
            if self._own is not None and (self._is_final(self._own) or self._seen or self._is_over(for_s)):
                return replace(self._own, seen=self._seen) if isinstance(self._own, Silence) else self._own
            enough = self._seen is not None or self._may_be_off
            if self._own is None and enough and for_s >= SYN_S and not self._is_taken():
                return Silence(self._suspect, at, Trouble.TIMED_OUT, seen=self._seen)
            self._ask_next(for_s)
            try:
                self._events.get(timeout=TICK_S)()
            except queue.Empty:
                continue

    def _is_final(self, own: Look) -> bool:
        return not (isinstance(own, Silence) and own.trouble in SIBLING_MAY_PASS)

    def _is_over(self, for_s: float) -> bool:
        asked_all = len(self._asked) >= min(MOST_SIBLINGS, len(self._siblings)) and not self._under_way
        return asked_all or for_s >= THROUGH_S

    def _ask_next(self, for_s: float) -> None:
        """Ask the next sibling that has answered, where one may know more than the admin node."""
        due = self._own is not None or (for_s >= HEAD_START_S and not self._is_taken())
        waits = self._under_way and for_s < self._next_s
        if not due or waits or self._seen is not None or len(self._asked) >= MOST_SIBLINGS:
            return
        left = [name for name in self._siblings if name in self._answered and name not in self._asked]
        if left:
            self._asked.append(left[0])
            self._under_way += 1
            self._next_s = for_s + NEXT_S
            self._spawn(partial(self._through, left[0]), partial(self._told, left[0]))

    def _ended(self, own: Look) -> None:
        self._own = own

    def _told(self, sibling: HostName, look: Look) -> None:
        self._under_way -= 1
        if isinstance(look, HostLook) and self._seen is None:
            self._seen = replace(look, through=sibling)

    def _spawn(self, call: Callable[[], Look], then: Callable[[Look], None]) -> None:
        """In a daemon thread: one that is not waited for ends with its connection, and holds up no exit."""

        def work() -> None:
            try:
                look = call()
            except BaseException as error:  # handed over whole, and raised in the thread of `look`
                self._events.put(partial(_raise, error))
                return
            self._events.put(partial(then, look))

        threading.Thread(target=work, daemon=True).start()


def _raise(error: BaseException) -> Any:
    raise error
