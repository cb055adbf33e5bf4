"""Rows as keys and values of etcd: under `PREFIX TABLE/KEY` the row's columns as JSON, its seal among them.

The tables are the SQLite store's, `begin` (the runs in the order of their beginnings) and `run` (how far each has
come).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from ...effects import StoreError
from ..codec import Row, RowError

VALUE_MOST = 1_400_000
"""Bytes of one value. etcd takes 1.5 MiB in one request (its --max-request-bytes)."""

_PACKED_FROM = 32 * 1024
_UNPACKED_MOST = 64 * 1024 * 1024
_PACKED = b"z"
"""Begins a value that is packed with zlib: what was seen on a whole cluster, say. JSON begins with a bracket."""

_KEYS: dict[str, Callable[[Row], str]] = {
    "meta": lambda row: _text(row[0]),
    "record": lambda row: _text(row[0]),
    "lease": lambda row: _text(row[0]),
    "quarantine": lambda row: _text(row[0]),
    "machine": lambda row: _text(row[0]),
    "capture": lambda row: _text(row[0]),
    "statement": lambda row: statement_key(_whole(row[0])),
    "planned": lambda row: _text(row[0]),
    "history": lambda row: history_key(_text(row[1]), _whole(row[2])),
    "begin": lambda row: begin_key(_whole(row[0])),
    "run": lambda row: _text(row[0]),
}
TABLES = tuple(_KEYS)


@dataclass(frozen=True, slots=True)
class One:
    """The row under a key, if it is there."""

    table: str
    key: str


@dataclass(frozen=True, slots=True)
class All:
    """Every row of a table whose key begins with `under` (which ends in a slash), by key."""

    table: str
    under: str = ""


Want = One | All


def statement_key(number: int) -> str:
    """The key of a statement: keys sort as text."""
    return f"{number:012d}"


def history_key(run: str, number: int) -> str:
    """The key of an entry of a run."""
    return f"{run}/{number:08d}"


def begin_key(seq: int) -> str:
    """The key of a run's beginning, by its number in the chain."""
    return f"{seq:016d}"


def key_of(table: str, row: Row) -> str:
    """The key under which a row lies."""
    return _KEYS[table](row)


def end_of(prefix: str) -> str:
    """The first key after all those that begin with `prefix`, which ends in a slash."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def value_of(table: str, row: Row) -> bytes:
    """A row as it is stored. StoreError for one that etcd would not take."""
    value = json.dumps(list(row), separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(value) > _PACKED_FROM:
        value = _PACKED + zlib.compress(value)
    if len(value) > VALUE_MOST:
        raise StoreError(f"a row of table {table} would be {len(value)} bytes long, which is more than etcd takes")
    return value


def row_in(table: str, key: str, value: bytes) -> Row:
    """The row under `key`. RowError for what hafence does not write, or not there. Its seal is not looked at."""
    try:
        row = json.loads(_unpacked(value))
        if not isinstance(row, list) or not all(type(column) in _COLUMNS for column in row):
            raise ValueError
        found = key_of(table, row)
    except (ValueError, IndexError, RecursionError, zlib.error):
        raise RowError(f"table {table}, row {key[:80]!r}: it is no row of hafence's") from None
    if found != key:
        raise RowError(f"table {table}, row {key[:80]!r}: it belongs elsewhere")
    return row


_COLUMNS = (str, int, float, type(None))


def _unpacked(value: bytes) -> str:
    if value[:1] == _PACKED:
        unpack = zlib.decompressobj()
        value = unpack.decompress(value[1:], _UNPACKED_MOST)
        if not unpack.eof or unpack.unused_data:
            raise ValueError
    return value.decode("ascii")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 10**12:
        raise ValueError
    return value
