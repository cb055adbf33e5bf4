"""What is wrong with an inventory, and the words for it: every fault with its place, all at once.

The reader (`inventory/yaml_tree.py`) raises `InventoryError`; whoever only shows it needs no YAML.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

SHOWN_FAULTS = 200
"""How many faults `str()` of an InventoryError prints."""

KEPT_FAULTS = 2000
"""How many faults are kept; the rest is only counted. A file of nothing but faults must not fill the memory."""

_COMPARISONS = 50_000
"""How many pairs of words are compared for a 'did you mean': difflib takes milliseconds over a thousand names."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One fault. `line` counts from 1 (None: the whole file); `path` is like `hosts.kvm-01.address`, or ''.

    `says` tells what is wrong and what would be right, and never holds a secret.
    """

    file: str
    line: int | None
    path: str
    says: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.path}: {self.says}" if self.path else f"{place}: {self.says}"


class InventoryError(Exception):
    """The inventory is not valid. `faults` are sorted by file and line; `more` were found and not kept."""

    missing = False
    """There is no inventory at all, and so nothing wrong in it."""

    def __init__(self, faults: Iterable[Mistake], more: int = 0) -> None:
        self.faults = tuple(sorted(faults, key=lambda f: (f.file, f.line or 0, f.path, f.says)))
        self.more = more
        super().__init__(self.faults, more)

    def __str__(self) -> str:
        shown = [str(fault) for fault in self.faults[:SHOWN_FAULTS]]
        hidden = len(self.faults) - len(shown) + self.more
        if hidden:
            shown.append(f"… and {hidden} more")
        return "\n".join(shown)


TEMPLATE = "{{ … }} is a template that nobody has filled in: hafence reads values as they stand"


class Mistakes:
    """Faults as they are found."""

    def __init__(self) -> None:
        self._found: list[Mistake] = []
        self._more = 0
        self._guesses: dict[str, str] = {}
        self._templates: set[tuple[str, str]] = set()
        """The places at which a template stands instead of a value: of one, one fault is enough."""
        self._comparisons_left = _COMPARISONS

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, file: str, line: int | None, path: str, says: str) -> None:
        """Note a fault; beyond KEPT_FAULTS only count it."""
        if (file, path) in self._templates:
            return
        if "{{" in says and TEMPLATE not in says:
            says = f"{says} ({TEMPLATE})"
        if len(self._found) < KEPT_FAULTS:
            self._found.append(Mistake(file, line, path, says))
        else:
            self._more += 1

    def template(self, file: str, line: int, path: str) -> None:
        """Note a template that stands, without quotes, where a value belongs."""
        self.add(file, line, path, TEMPLATE)
        self._templates.add((file, path))

    def error(self) -> InventoryError:
        """All that was found, to be raised."""
        return InventoryError(self._found, self._more)

    def guess(self, word: str, known: Collection[str]) -> str:
        """`; did you mean 'X'?` for the nearest known word, or ''."""
        if word not in self._guesses and len(known) <= self._comparisons_left:
            self._comparisons_left -= len(known)
            near = nearest(word, known)
            self._guesses[word] = f"; did you mean {near!r}?" if near else ""
        return self._guesses.get(word, "")


def nearest(word: str, known: Collection[str]) -> str:
    """The known word that is meant by one that is none, whatever its case; '' where none is near."""
    lowered = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word[:128].lower(), lowered, n=1)
    return lowered[near[0]] if near else ""
