"""What a YAML file holds, as plain texts with their lines: no type is guessed, nothing is merged or defaulted.

`str` is a scalar as it was written (`no`, `022` and `52:54:00:12:34:56` stay text), None an empty one or `null`.
"""

from __future__ import annotations

MAX_DEPTH = 32
"""Levels of nesting; an inventory needs 7. 200,000 opening brackets crash a recursive reader."""

MAX_NODES = 2_000_000
"""Values in one inventory, with what aliases repeat; 20,000 VMs need about 350,000."""


class Map:
    """A mapping. `lines` holds the line of each key, in the order of `values`."""

    __slots__ = ("_where", "key", "line", "lines", "values")

    def __init__(self, line: int) -> None:
        self.line = line
        self.values: dict[str, Node] = {}
        self.lines: list[int] = []
        self.key = ""
        """While it is read: the key whose value is a collection that is being read."""
        self._where: dict[str, int] | None = None

    def line_of(self, key: str) -> int:
        """The line of a key, or of the mapping where it has none. Only when the mapping is complete."""
        if self._where is None:
            self._where = dict(zip(self.values, self.lines, strict=True))
        return self._where.get(key, self.line)


class Seq:
    """A list. `lines` holds the line of each item."""

    __slots__ = ("items", "line", "lines")

    def __init__(self, line: int) -> None:
        self.line = line
        self.items: list[Node] = []
        self.lines: list[int] = []


Node = str | None | Map | Seq


def kind_of(node: Node) -> str:
    """What a node is, for people."""
    if node is None:
        return "empty"
    return {str: "a text", Map: "a mapping", Seq: "a list"}[type(node)]
