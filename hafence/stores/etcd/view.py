"""What was read of hafence's tables in etcd at one moment, and what is to be changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from ..codec import Row, meta_row
from .reply import Found, Kept
from .rows import All, One, Want, end_of, key_of, row_in
from .wire import TooLong

PAGE = 1000
"""Keys in one answer, where there may be many."""


class View:
    """What was read, at one moment, and when each key was last written."""

    def __init__(self, revision: int, rows: Mapping[Want, tuple[Row, ...]], written: Mapping[tuple[str, str], int]):
        self.revision = revision
        self._rows = rows
        self._written = written

    def one(self, table: str, key: str) -> Row | None:
        """The row under a key."""
        found = self._rows[One(table, key)]
        return found[0] if found else None

    def all(self, table: str, under: str = "") -> tuple[Row, ...]:
        """The rows of a table, by key."""
        return self._rows[All(table, under)]

    def written(self, table: str, key: str) -> int:
        """The revision at which a key was last written; 0 if it is not there."""
        return self._written.get((table, key), 0)

    def watched(self) -> Iterator[tuple[str, str]]:
        """The keys that were asked for by name: a write that follows holds only if none of them has changed."""
        return ((want.table, want.key) for want in self._rows if isinstance(want, One))


class Changes:
    """What a write wants changed."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row | None] = {}

    def put(self, table: str, row: Row) -> None:
        """Write a row."""
        self.rows[(table, key_of(table, row))] = row

    def delete(self, table: str, key: str) -> None:
        """Delete a row."""
        self.rows[(table, key)] = None


class Pages(Protocol):
    """Where a moment is read from."""

    prefix: str

    def view_at(self, revision: int, wants: tuple[Want, ...]) -> View:
        """What is wanted, as it was at a revision."""

    def page_at(self, revision: int, start: str, end: str, descend: bool, size: int) -> Found:
        """Up to `size` keys, as they were at a revision. Raises TooLong."""


class Moment:
    """The store as it was at one revision, however long one reads."""

    def __init__(self, tables: Pages, revision: int) -> None:
        self._tables = tables
        self._revision = revision

    def view(self, wants: tuple[Want, ...]) -> View:
        """What is wanted."""
        return self._tables.view_at(self._revision, wants)

    def rows(self, table: str, under: str = "", *, descend: bool = False) -> Iterator[Row]:
        """The rows of a table whose keys begin with `under`, by key, fetched as they are asked for."""
        start = len(f"{self._tables.prefix}{table}/")
        for kept in self._kept(f"{self._tables.prefix}{table}/{under}", descend):
            yield row_in(table, kept.key[start:], kept.value)

    def everything(self) -> Iterator[tuple[str, str, bytes]]:
        """Every key under the prefix: its table, the rest of it, its value."""
        for kept in self._kept(self._tables.prefix, descend=False):
            table, _, key = kept.key.removeprefix(self._tables.prefix).partition("/")
            yield table, key, kept.value

    def _kept(self, prefix: str, descend: bool) -> Iterator[Kept]:
        start, end, size = prefix, end_of(prefix), PAGE
        while True:
            try:
                page = self._tables.page_at(self._revision, start, end, descend, size)
            except TooLong:
                if size == 1:
                    raise
                size //= 10
                continue
            yield from page.kept
            if not page.more:
                return
            if descend:
                end = page.kept[-1].key
            else:
                start = page.kept[-1].key + "\0"


BEGINNING = (meta_row("last_token", 0), meta_row("history_head", [0, ""]))
"""What an empty store holds."""


def empty(want: Want) -> tuple[Row, ...]:
    """What a store that is not there yet reads as."""
    return tuple(row for row in BEGINNING if isinstance(want, One) and (want.table, want.key) == ("meta", row[0]))
