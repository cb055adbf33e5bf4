"""Rows of the state tables in SQLite. What they stand for is in `codec`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from ...core.captures import Capture
from ...core.model import HostName, Uuid
from ...core.record import VmRecord
from ...core.stored import PlannedWork
from .. import codec
from ..capture_codec import capture_row, read_capture
from ..codec import Row
from ..port import LeaseRow, QuarantineRow, StatementRow

# ---------------------------------------------------------------- a few values under names


def begin_meta(db: sqlite3.Connection) -> None:
    """What an empty store holds."""
    put_meta(db, "last_token", 0)
    put_meta(db, "history_head", [0, ""])


def meta(db: sqlite3.Connection, key: str) -> Any:
    """The value under `key`, which every store has."""
    return codec.read_meta(key, _meta_row(db, key))


def put_meta(db: sqlite3.Connection, key: str, value: Any) -> None:
    """Set the value under `key`."""
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", codec.meta_row(key, value))


def last_token(db: sqlite3.Connection) -> int:
    """The highest token ever given."""
    return codec.read_last_token(_meta_row(db, "last_token"))


def store_id(db: sqlite3.Connection) -> str:
    """Which store this is; '' for one that has no id yet."""
    row = _meta_row(db, "store_id")
    return codec.read_store_id(codec.read_meta("store_id", row)) if row else ""


def make_store_id(db: sqlite3.Connection) -> None:
    """Give a store its id, in one transaction, if it has none: a new one, or one that an older hafence has made."""
    if store_id(db):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        if not store_id(db):
            put_meta(db, "store_id", codec.new_store_id())
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _meta_row(db: sqlite3.Connection, key: str) -> Row | None:
    row: Row | None = db.execute("SELECT * FROM meta WHERE key = ?", (key,)).fetchone()
    return row


# ---------------------------------------------------------------- state


def records(db: sqlite3.Connection) -> tuple[VmRecord, ...]:
    """Every record."""
    return codec.read_all("record", db.execute("SELECT * FROM record ORDER BY uuid"), codec.read_record)


def record(db: sqlite3.Connection, uuid: Uuid) -> VmRecord | None:
    """The record of one VM."""
    found = codec.read_all("record", db.execute("SELECT * FROM record WHERE uuid = ?", (uuid,)), codec.read_record)
    return found[0] if found else None


def put_record(db: sqlite3.Connection, new: VmRecord, now: float) -> None:
    """Write a record. ValueError for one that could not be read again: a bug."""
    row = codec.record_row(new, now)
    db.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def leases(db: sqlite3.Connection) -> tuple[LeaseRow, ...]:
    """Every lease."""
    return codec.read_all("lease", db.execute("SELECT * FROM lease ORDER BY vm"), codec.read_lease)


def lease(db: sqlite3.Connection, vm: Uuid) -> LeaseRow | None:
    """The lease on one VM."""
    found = codec.read_all("lease", db.execute("SELECT * FROM lease WHERE vm = ?", (vm,)), codec.read_lease)
    return found[0] if found else None


def put_lease(db: sqlite3.Connection, new: LeaseRow) -> None:
    """Write a lease."""
    row = codec.lease_row(new)
    db.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def quarantined(db: sqlite3.Connection) -> tuple[QuarantineRow, ...]:
    """Every host in quarantine."""
    return codec.read_all("quarantine", db.execute("SELECT * FROM quarantine ORDER BY host"), codec.read_quarantine)


def put_quarantine(db: sqlite3.Connection, new: QuarantineRow) -> None:
    """Write a quarantine."""
    db.execute("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?)", codec.quarantine_row(new))


def machines(db: sqlite3.Connection) -> dict[HostName, str]:
    """The machine-id of every host that has one here."""
    return dict(codec.read_all("machine", db.execute("SELECT * FROM machine ORDER BY host"), codec.read_machine))


def put_machine(db: sqlite3.Connection, host: HostName, machine_id: str, at: float) -> None:
    """Write a host's machine-id."""
    db.execute("INSERT OR REPLACE INTO machine VALUES (?, ?, ?, ?)", codec.machine_row(host, machine_id, at))


def statements(db: sqlite3.Connection) -> tuple[tuple[int, StatementRow], ...]:
    """Every statement with its number, oldest first."""
    return codec.read_all("statement", db.execute("SELECT * FROM statement ORDER BY id"), codec.read_statement)


def put_statement(db: sqlite3.Connection, number: int, new: StatementRow) -> None:
    """Write a statement, or its end."""
    row = codec.statement_row(number, new)
    db.execute("INSERT OR REPLACE INTO statement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def planned(db: sqlite3.Connection) -> tuple[PlannedWork, ...]:
    """All planned work, by subject."""
    return codec.read_all("planned", db.execute("SELECT * FROM planned ORDER BY subject"), codec.read_planned)


def put_planned(db: sqlite3.Connection, new: PlannedWork) -> None:
    """Write planned work."""
    db.execute("INSERT OR REPLACE INTO planned VALUES (?, ?, ?, ?, ?, ?)", codec.planned_row(new))


def captures(db: sqlite3.Connection, vms: Iterable[Uuid] | None = None) -> tuple[Capture, ...]:
    """The captured definitions of these VMs, or every one."""
    if vms is None:
        return codec.read_all("capture", db.execute("SELECT * FROM capture ORDER BY vm"), read_capture)
    rows = (row for vm in sorted(set(vms)) for row in db.execute("SELECT * FROM capture WHERE vm = ?", (vm,)))
    return codec.read_all("capture", rows, read_capture)


def put_capture(db: sqlite3.Connection, new: Capture) -> None:
    """Write a captured definition."""
    db.execute("INSERT OR REPLACE INTO capture VALUES (?, ?, ?, ?, ?, ?)", capture_row(new))
