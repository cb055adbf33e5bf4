"""Rows of the state tables and the values they stand for. The store is input: nothing read is trusted.

Every row ends in a seal, a SHA-256 over the table's name and the row's other columns. SQLite notices a
damaged page, but not a flipped bit in a host's name. The seal is no secret: it shows damage, not malice.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from ...core.decision import Reason
from ...core.model import HostName, Uuid, is_name, parse_uuid
from ...core.record import ShutOut, VmRecord, VmState
from .holder import Holder
from .port import LeaseRow, QuarantineRow, StatementRow
from .sqlite_errors import RowError

T = TypeVar("T")
Value = str | int | float | None

LATEST = 1e11
"""No moment is later (the year 5138): dates beyond cannot be printed."""

_MACHINE_ID = re.compile(r"[0-9a-f]{32}\Z")


def canonical(value: Any) -> str:
    """JSON text that is the same for the same value, in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _sealed(table: str, read: Callable[[Sequence[Value]], object], *values: Value) -> tuple[Value, ...]:
    """A row for `table`, with its seal. ValueError for what could not be read again: it would lock everybody out."""
    try:
        read(values)
    except ValueError as error:
        raise ValueError(f"not a row for table {table}: {error}") from None
    return (*values, _seal(table, values))


def storable(text: str) -> str:
    """`text` without what UTF-8 cannot hold (bytes that were never text)."""
    return text.encode("utf-8", "backslashreplace").decode()


def when(at: float) -> float:
    """A moment that a caller gives, checked. ValueError: a bug."""
    if not (math.isfinite(at) and 0 <= at < LATEST):
        raise ValueError(f"not a moment: {at!r}")
    return float(at)


def in_words(at: float) -> str:
    """A moment for people."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---------------------------------------------------------------- a few values under names


def begin_meta(db: sqlite3.Connection) -> None:
    """What an empty store holds."""
    put_meta(db, "last_token", 0)
    put_meta(db, "history_head", [0, ""])


def meta(db: sqlite3.Connection, key: str) -> Any:
    """The value under `key`, which every store has."""
    row = db.execute("SELECT * FROM meta WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise RowError(f"table meta has no row {key!r}")
    try:
        return json.loads(_text(_unsealed("meta", row)[1]))
    except ValueError as error:
        raise RowError(f"table meta, row {key!r}: {error}") from None


def put_meta(db: sqlite3.Connection, key: str, value: Any) -> None:
    """Set the value under `key`."""
    row = _sealed("meta", lambda row: _text(row[1]), key, canonical(value))
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", row)


def last_token(db: sqlite3.Connection) -> int:
    """The highest token ever given."""
    token = meta(db, "last_token")
    if type(token) is not int or token < 0:
        raise RowError("table meta, row 'last_token': not a token")
    return token


# ---------------------------------------------------------------- from rows to values


def records(db: sqlite3.Connection) -> tuple[VmRecord, ...]:
    """Every record."""
    return _all("record", db.execute("SELECT * FROM record ORDER BY uuid"), _record)


def record(db: sqlite3.Connection, uuid: Uuid) -> VmRecord | None:
    """The record of one VM."""
    found = _all("record", db.execute("SELECT * FROM record WHERE uuid = ?", (uuid,)), _record)
    return found[0] if found else None


def put_record(db: sqlite3.Connection, new: VmRecord, now: float) -> None:
    """Write a record. ValueError for one that could not be read again: a bug."""
    row = _sealed(
        "record",
        _record,
        new.uuid,
        new.state.value,
        new.host,
        new.last_host,
        new.revision,
        new.run,
        new.ticket,
        None if new.grounds is None else new.grounds.value,
        None if new.started_at is None else when(new.started_at),
        canonical([[each.host, when(each.until)] for each in new.shut_out]),
        when(now),
    )
    db.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def leases(db: sqlite3.Connection) -> tuple[LeaseRow, ...]:
    """Every lease."""
    return _all("lease", db.execute("SELECT * FROM lease ORDER BY vm"), _lease)


def lease(db: sqlite3.Connection, vm: Uuid) -> LeaseRow | None:
    """The lease on one VM."""
    found = _all("lease", db.execute("SELECT * FROM lease WHERE vm = ?", (vm,)), _lease)
    return found[0] if found else None


def put_lease(db: sqlite3.Connection, new: LeaseRow) -> None:
    """Write a lease."""
    holder = new.holder
    row = _sealed(
        "lease",
        _lease,
        new.vm,
        new.token,
        holder.run,
        storable(holder.who),
        holder.pid,
        holder.pid_start,
        holder.boot_id,
        holder.pid_namespace,
        holder.machine,
        new.taken_at,
        new.expires_at,
    )
    db.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def quarantined(db: sqlite3.Connection) -> tuple[QuarantineRow, ...]:
    """Every host in quarantine."""
    return _all("quarantine", db.execute("SELECT * FROM quarantine ORDER BY host"), _quarantine)


def put_quarantine(db: sqlite3.Connection, new: QuarantineRow) -> None:
    """Write a quarantine."""
    row = _sealed("quarantine", _quarantine, new.host, storable(new.why), storable(new.run), new.since)
    db.execute("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?)", row)


def machines(db: sqlite3.Connection) -> dict[HostName, str]:
    """The machine-id of every host that has one here."""
    return dict(_all("machine", db.execute("SELECT * FROM machine ORDER BY host"), _machine))


def put_machine(db: sqlite3.Connection, host: HostName, machine_id: str, at: float) -> None:
    """Write a host's machine-id."""
    row = _sealed("machine", _machine, host, machine_id, when(at))
    db.execute("INSERT OR REPLACE INTO machine VALUES (?, ?, ?, ?)", row)


def statements(db: sqlite3.Connection) -> tuple[tuple[int, StatementRow], ...]:
    """Every statement with its number, oldest first."""
    return _all("statement", db.execute("SELECT * FROM statement ORDER BY id"), _statement)


def put_statement(db: sqlite3.Connection, number: int, new: StatementRow) -> None:
    """Write a statement, or its end."""
    row = _sealed(
        "statement",
        _statement,
        number,
        new.host,
        storable(new.who),
        storable(new.reason),
        new.at,
        new.expires_at,
        new.ended_at,
        storable(new.ended_why),
    )
    db.execute("INSERT OR REPLACE INTO statement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


# ---------------------------------------------------------------- what a row may hold


def _record(row: Sequence[Value]) -> VmRecord:
    uuid, state, host, last_host, revision, run, ticket, grounds, started_at, shut_out, written_at = row[:11]
    _moment(written_at)
    new = VmRecord(
        uuid=_uuid(uuid),
        state=VmState(state),
        host=None if host is None else _host(host),
        last_host=None if last_host is None else _host(last_host),
        revision=_number(revision, 1),
        run=None if run is None else _name(run),
        ticket=_number(ticket, 0),
        grounds=None if grounds is None else Reason(grounds),
        started_at=None if started_at is None else _moment(started_at),
        shut_out=_shut_out(shut_out),
    )
    if (new.host is None) != (new.state is VmState.STOPPED):
        raise ValueError(f"{new.state.value}, host {new.host}")
    if new.last_host is None and new.state is not VmState.RUNNING:
        raise ValueError(f"{new.state.value}, but no last host")
    if new.grounds is None and new.state is not VmState.RUNNING:
        raise ValueError(f"{new.state.value}, but no grounds")
    return new


def _shut_out(value: Value) -> tuple[ShutOut, ...]:
    pairs = json.loads(_text(value))
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError("shut_out is no list of a host and a moment each")
    return tuple(ShutOut(_host(host), _moment(until)) for host, until in pairs)


def _lease(row: Sequence[Value]) -> LeaseRow:
    vm, token, run, who, pid, pid_start, boot_id, pid_namespace, machine, taken_at, expires_at = row[:11]
    texts = [_text(value) for value in (who, pid_start, boot_id, pid_namespace, machine)]
    holder = Holder(_name(run), texts[0], _number(pid, 1), *texts[1:])
    return LeaseRow(_uuid(vm), _number(token, 1), holder, _moment(taken_at), _moment(expires_at))


def _quarantine(row: Sequence[Value]) -> QuarantineRow:
    return QuarantineRow(_host(row[0]), _text(row[1]), _text(row[2]), _moment(row[3]))


def _machine(row: Sequence[Value]) -> tuple[HostName, str]:
    machine_id = _text(row[1])
    if not _MACHINE_ID.match(machine_id):
        raise ValueError(f"{machine_id!r} is no machine-id")
    return _host(row[0]), machine_id


def _statement(row: Sequence[Value]) -> tuple[int, StatementRow]:
    number, host, who, reason, at, expires_at, ended_at, ended_why = row[:8]
    ended = None if ended_at is None else _moment(ended_at)
    return _number(number, 1), StatementRow(
        _host(host), _text(who), _text(reason), _moment(at), _moment(expires_at), ended, _text(ended_why)
    )


def _all(table: str, rows: sqlite3.Cursor, read: Callable[[Sequence[Value]], T]) -> tuple[T, ...]:
    values = []
    for row in rows:
        unsealed = _unsealed(table, row)
        try:
            values.append(read(unsealed))
        except ValueError as error:
            raise RowError(f"table {table}, row {str(row[0])[:80]!r}: {error}") from None
    return tuple(values)


def _unsealed(table: str, row: Sequence[Value]) -> Sequence[Value]:
    values = row[:-1]
    if row[-1] != _seal(table, values):
        raise RowError(f"table {table}, row {str(row[0])[:80]!r}: it does not match its seal")
    return values


def _seal(table: str, values: Sequence[Value]) -> str:
    # `default`: a damaged type byte turns text into bytes, which then match no seal.
    text = json.dumps([table, *values], separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


def _uuid(value: Value) -> Uuid:
    if parse_uuid(_text(value)) != value:
        raise ValueError(f"{value!r} is not written as a UUID is")
    return Uuid(str(value))


def _name(value: Value) -> str:
    if not is_name(_text(value)):
        raise ValueError(f"{value!r} is not a name")
    return str(value)


def _host(value: Value) -> HostName:
    return HostName(_name(value))


def _number(value: Value, least: int, most: int = 2**63 - 1) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is not a number from {least} to {most}")
    return value


def _moment(value: Value) -> float:
    if not isinstance(value, float) or not (math.isfinite(value) and 0 <= value < LATEST):
        raise ValueError(f"{value!r} is not a moment")
    return value
