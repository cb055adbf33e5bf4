"""Hosts in the order of a number that changes for one of them at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from .model import HostName


class Ranking:
    """Hosts by a number, the least first, then by name."""

    def __init__(self, of: Mapping[HostName, int]) -> None:
        self._of = dict(of)
        self._pairs = sorted((number, name) for name, number in of.items())
        self.names = [name for _, name in self._pairs]

    def set(self, name: HostName, number: int) -> None:
        """The number of one of them is another now."""
        place = bisect_left(self._pairs, (self._of[name], name))
        del self._pairs[place], self.names[place]
        self._of[name] = number
        place = bisect_left(self._pairs, (number, name))
        self._pairs.insert(place, (number, name))
        self.names.insert(place, name)

    def below(self, number: int) -> list[tuple[int, HostName]]:
        """Those whose number is smaller, each with it."""
        return self._pairs[: bisect_left(self._pairs, (number, ""))]
