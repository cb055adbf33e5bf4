"""One mapping of the inventory while it is checked: takes values out of it, and notes faults with their place."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Collection
from typing import TypeVar

from ..core.model import NAME_RULE, is_name
from ..core.parsing import absolute, shown
from .faults import Mistakes
from .tree import Map, Node, Seq, kind_of

T = TypeVar("T")

MAX_TEXT = 4096
"""Characters of a path or another free text."""


class Entry:
    """A mapping at `path` in `file`; relative paths in it are relative to the folder `base`."""

    __slots__ = ("base", "faults", "file", "node", "path")

    def __init__(self, faults: Mistakes, file: str, base: str, path: str, node: Map) -> None:
        self.faults = faults
        self.file = file
        self.base = base
        self.path = path
        self.node = node

    def inside(self, name: str, node: Map) -> Entry:
        """The entry of a mapping in here."""
        return Entry(self.faults, self.file, self.base, f"{self.path}.{name}" if self.path else name, node)

    def fault(self, key: str | None, says: str, line: int | None = None, index: str = "") -> None:
        """Note a fault of a key's value (`index`, like `[2]`, tells where in it), or of the whole mapping."""
        if line is None:
            line = self.node.line if key is None else self.node.line_of(key)
        path = ".".join(part for part in (self.path, key) if part)
        self.faults.add(self.file, line, path + index, says)

    def only(self, known: Collection[str], elsewhere: Callable[[str], str] | None = None) -> None:
        """Note every key that is not known, with the nearest that is (or what `elsewhere` says of it)."""
        for key in self.node.values:
            if key not in known:
                self.unknown(key, known, elsewhere(key) if elsewhere else "")

    def unknown(self, key: str, known: Collection[str], hint: str = "") -> None:
        """Note a key that is not known."""
        hint = hint or self.faults.guess(key, known) or "; known here: " + ", ".join(known)
        self.fault(key, f"unknown key {shown(key)}{hint}")

    def take(self, key: str, parse: Callable[[str], T]) -> T | None:
        """A text's value, or None where the key is missing or its fault was noted."""
        value = self.node.values.get(key)
        if value.__class__ is str:
            try:
                return parse(value)
            except ValueError as error:
                self.fault(key, str(error))
        elif key in self.node.values:
            self.fault(key, wrong_kind(value, "a text"))
        return None

    def need(self, key: str, example: str) -> None:
        """Note the fault of a missing key."""
        if key not in self.node.values:
            self.fault(None, f"lacks {key}: write {key}: {example}")

    def child(self, key: str) -> Entry | None:
        """The mapping under a key, or None where it is missing or is no mapping (noted)."""
        value = self.node.values.get(key)
        if isinstance(value, Map):
            return self.inside(key, value)
        if key in self.node.values:
            self.fault(key, wrong_kind(value, "a mapping"))
        return None

    def texts(self, key: str, parse: Callable[[str], T], wanted: str = "a list of texts") -> tuple[T, ...]:
        """The values of a list of texts."""
        value = self.node.values.get(key)
        if not isinstance(value, Seq):
            if key in self.node.values:
                self.fault(key, wrong_kind(value, wanted))
            return ()
        good: list[T] = []
        for number, item in enumerate(value.items):
            if isinstance(item, str):
                try:
                    good.append(parse(item))
                except ValueError as error:
                    self.fault(key, str(error), value.lines[number], f"[{number}]")
            else:
                self.fault(key, wrong_kind(item, "a text"), value.lines[number], f"[{number}]")
        return tuple(good)

    def local_path(self, text: str) -> str:
        """A path on this machine, made absolute; `~` is the home of the user who runs hafence."""
        return absolute(os.path.expanduser(plain_text(text)), self.base)


def place_of(other: Entry, here: Entry, key: str) -> str:
    """Where else a value stands: the name, and the line."""
    file = f"{other.file} " if other.file != here.file else ""
    return f"{other.path} ({file}line {other.node.line_of(key)})"


def wrong_kind(node: Node, wanted: str) -> str:
    """The words for a value of the wrong kind."""
    if node is None:
        return f"is empty: write {wanted}, or leave the key out"
    return f"is {kind_of(node)}: write {wanted}"


def plain_text(text: str) -> str:
    """A free text of one line: printable, not empty, bounded."""
    if not text:
        raise ValueError("is empty: write a text, or leave the key out")
    if not text.isprintable():
        raise ValueError("holds a line break or a control character: write it on one line, printable")
    if len(text) > MAX_TEXT:
        raise ValueError(f"has {len(text):,} characters, the limit is {MAX_TEXT:,}: shorten it")
    return text


def name_text(text: str) -> str:
    """The name of a host, a cluster, a VM or a group."""
    if not is_name(text):
        raise ValueError(f"{shown(text)} can't be a name: write {NAME_RULE}")
    return text
