"""Rows and the values they stand for, whatever engine keeps them. The store is input: nothing read is trusted.

Every row ends in a seal, a SHA-256 over the table's name and the row's other columns. An engine notices a
damaged page, but not a flipped bit in a host's name. The seal is no secret: it shows damage, not malice.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from ..core.model import HostName, Uuid, is_name
from ..core.reasons import Reason
from ..core.record import ShutOut, VmRecord, VmState
from ..core.stored import PlannedWork, WorkKind
from .holder import Holder
from .port import LeaseRow, QuarantineRow, StatementRow

T = TypeVar("T")
Value = str | int | float | None
Row = Sequence[Value]

LATEST = 1e11
"""No moment is later (the year 5138): dates beyond cannot be printed."""

_MACHINE_ID = re.compile(r"[0-9a-f]{32}\Z")
_STORE_ID = re.compile(r"[0-9a-f]{16}\Z")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


class RowError(Exception):
    """A row is not what hafence writes. The message names the table and the key."""


def canonical(value: Any) -> str:
    """JSON text that is the same for the same value, in ASCII."""
    return _CANONICAL.encode(value)


def storable(text: str) -> str:
    """`text` without what UTF-8 cannot hold (bytes that were never text)."""
    return text.encode("utf-8", "backslashreplace").decode()


def when(at: float) -> float:
    """A moment that a caller gives, checked. ValueError: a bug."""
    if not (math.isfinite(at) and 0 <= at < LATEST):
        raise ValueError(f"not a moment: {at!r}")
    return float(at)


# ---------------------------------------------------------------- from values to rows


def meta_row(key: str, value: Any) -> Row:
    """A row of table meta: a value under a name."""
    return sealed("meta", lambda row: text_in(row[1]), key, canonical(value))


def record_row(new: VmRecord, now: float) -> Row:
    """A record's row. ValueError for one that could not be read again, which is a bug; so with the others."""
    return sealed("record", read_record, *record_columns(new, now))


def lease_row(new: LeaseRow) -> Row:
    """A lease's row."""
    return sealed("lease", read_lease, *lease_columns(new))


def quarantine_row(new: QuarantineRow) -> Row:
    """A quarantine's row."""
    return sealed("quarantine", read_quarantine, *quarantine_columns(new))


def machine_row(host: HostName, machine_id: str, at: float) -> Row:
    """A machine-id's row."""
    return sealed("machine", read_machine, *machine_columns(host, machine_id, at))


def statement_row(number: int, new: StatementRow) -> Row:
    """A statement's row."""
    return sealed("statement", read_statement, *statement_columns(number, new))


def planned_row(new: PlannedWork) -> Row:
    """The row of planned work."""
    return sealed("planned", read_planned, *planned_columns(new))


def sealed(table: str, read: Callable[[Row], object], *values: Value) -> Row:
    """A row for `table`, with its seal. ValueError for what could not be read again: it would lock everybody out."""
    read_again(table, read, values)
    return (*values, seal_of(table, values))


def read_again(table: str, read: Callable[[Row], T], values: Row) -> T:
    """What would be read of the columns of a row, once it is stored. ValueError for what could not be."""
    try:
        return read(values)
    except ValueError as error:
        raise ValueError(f"not a row for table {table}: {error}") from None


# ---------------------------------------------------------------- the columns of a row, without its seal


def record_columns(new: VmRecord, now: float) -> Row:
    """A record's columns."""
    return (
        new.uuid,
        new.state.value,
        new.host,
        new.last_host,
        new.revision,
        new.run,
        new.ticket,
        None if new.grounds is None else new.grounds.value,
        None if new.started_at is None else when(new.started_at),
        canonical([*([each.host, when(each.until)] for each in new.shut_out), *([host] for host in new.unproven)]),
        when(now),
    )


def lease_columns(new: LeaseRow) -> Row:
    """A lease's columns."""
    holder = new.holder
    return (
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


def quarantine_columns(new: QuarantineRow) -> Row:
    """A quarantine's columns."""
    return (new.host, storable(new.why), storable(new.run), new.since)


def machine_columns(host: HostName, machine_id: str, at: float) -> Row:
    """A machine-id's columns."""
    return (host, machine_id, when(at))


def statement_columns(number: int, new: StatementRow) -> Row:
    """A statement's columns."""
    return (
        number,
        new.host,
        storable(new.who),
        storable(new.reason),
        new.at,
        new.expires_at,
        new.ended_at,
        storable(new.ended_why),
    )


def subject_of(kind: WorkKind, name: str) -> str:
    """The key of planned work. ValueError for what is no name: in etcd it becomes a part of a key."""
    return f"{kind.value}/{_name(name)}"


def planned_columns(new: PlannedWork) -> Row:
    """The columns of planned work."""
    return (new.subject, storable(new.who), storable(new.reason), when(new.since), when(new.until))


# ---------------------------------------------------------------- from rows to values


def read_all(table: str, rows: Iterable[Row], read: Callable[[Row], T]) -> tuple[T, ...]:
    """What each row of a table stands for. RowError names the first that is not hafence's."""
    values = []
    for row in rows:
        whole = unsealed(table, row)
        try:
            values.append(read(whole))
        except ValueError as error:
            raise RowError(f"table {table}, row {str(row[0])[:80]!r}: {error}") from None
    return tuple(values)


def read_meta(key: str, row: Row | None) -> Any:
    """The value under `key`, which every store has."""
    if row is None:
        raise RowError(f"table meta has no row {key!r}")
    try:
        return json.loads(text_in(unsealed("meta", row)[1]))
    except ValueError as error:
        raise RowError(f"table meta, row {key!r}: {error}") from None


def read_last_token(row: Row | None) -> int:
    """The highest token ever given."""
    token = read_meta("last_token", row)
    if type(token) is not int or token < 0:
        raise RowError("table meta, row 'last_token': not a token")
    return token


def new_store_id() -> str:
    """The id of a store that is made now."""
    return secrets.token_hex(8)


def read_store_id(value: Any) -> str:
    """The id of a store. RowError for what is none."""
    if not isinstance(value, str) or not _STORE_ID.match(value):
        raise RowError("table meta: the store's id is none")
    return value


def unsealed(table: str, row: Row) -> Row:
    """A row without its seal, once that was seen to match."""
    values = row[:-1]
    if not row or row[-1] != seal_of(table, values):
        raise RowError(f"table {table}, row {str(row[0] if row else '')[:80]!r}: it does not match its seal")
    return values


def seal_of(table: str, values: Row) -> str:
    """The seal of a row."""
    # `default`: a damaged type byte turns text into bytes, which then match no seal.
    text = json.dumps([table, *values], separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def read_record(row: Row) -> VmRecord:
    """The record in a row. ValueError for what hafence does not write; so with the others."""
    uuid, state, host, last_host, revision, run, ticket, grounds, started_at, shut_out, written_at = row[:11]
    _moment(written_at)
    left = _left_behind(shut_out)
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
        shut_out=tuple(ShutOut(_host(pair[0]), _moment(pair[1])) for pair in left if len(pair) == 2),
        unproven=tuple(_host(one[0]) for one in left if len(one) == 1),
    )
    if (new.host is None) != (new.state is VmState.STOPPED):
        raise ValueError(f"{new.state.value}, host {new.host}")
    if new.last_host is None and new.state is not VmState.RUNNING:
        raise ValueError(f"{new.state.value}, but no last host")
    if new.grounds is None and new.state is not VmState.RUNNING:
        raise ValueError(f"{new.state.value}, but no grounds")
    return new


def _left_behind(value: Value) -> list[list[Value]]:
    """The hosts on which a process of the VM may have been left: shut out until a moment, or, alone, unproven.

    Both in one column, so that a store of before needs no new one; who knows of no lone host refuses such a record.
    """
    each = json.loads(text_in(value))
    if not isinstance(each, list) or not all(isinstance(one, list) and len(one) in (1, 2) for one in each):
        raise ValueError("shut_out is no list of a host, with a moment or alone")
    return each


def read_lease(row: Row) -> LeaseRow:
    """The lease in a row."""
    vm, token, run, who, pid, pid_start, boot_id, pid_namespace, machine, taken_at, expires_at = row[:11]
    texts = [text_in(value) for value in (who, pid_start, boot_id, pid_namespace, machine)]
    holder = Holder(_name(run), texts[0], _number(pid, 1), *texts[1:])
    return LeaseRow(_uuid(vm), _number(token, 1), holder, _moment(taken_at), _moment(expires_at))


def read_quarantine(row: Row) -> QuarantineRow:
    """The quarantine in a row."""
    return QuarantineRow(_host(row[0]), text_in(row[1]), text_in(row[2]), _moment(row[3]))


def read_machine(row: Row) -> tuple[HostName, str]:
    """The host and the machine-id in a row."""
    machine_id = text_in(row[1])
    if not _MACHINE_ID.match(machine_id):
        raise ValueError(f"{machine_id!r} is no machine-id")
    return _host(row[0]), machine_id


def read_statement(row: Row) -> tuple[int, StatementRow]:
    """The statement in a row, with its number."""
    number, host, who, reason, at, expires_at, ended_at, ended_why = row[:8]
    ended = None if ended_at is None else _moment(ended_at)
    return _number(number, 1), StatementRow(
        _host(host), text_in(who), text_in(reason), _moment(at), _moment(expires_at), ended, text_in(ended_why)
    )


def read_planned(row: Row) -> PlannedWork:
    """The planned work in a row."""
    subject, who, reason, since, until = row[:5]
    kind, _, name = text_in(subject).partition("/")
    return PlannedWork(WorkKind(kind), _name(name), text_in(who), text_in(reason), _moment(since), _moment(until))


def text_in(value: Value) -> str:
    """A column that holds text. ValueError for another."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


def _uuid(value: Value) -> Uuid:
    if not _UUID.match(text_in(value)):
        raise ValueError(f"{value!r} is not written as a UUID is")
    return Uuid(str(value))


def _name(value: Value) -> str:
    if not is_name(text_in(value)):
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


uuid_in, host_in, moment_in = _uuid, _host, _moment
"""The same for the codecs of other files."""
