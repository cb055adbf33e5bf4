"""The store in one SQLite file: the default engine, for one admin node.

Each method is one transaction. Writers queue (BEGIN IMMEDIATE), so a comparison and the write that
depends on it cannot be parted. Files: file (open, check, transact), snapshot (read only), schema (tables),
rows, history; codec, history_codec and rules are every engine's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...core.captures import Capture
from ...core.model import HostName, Uuid
from ...core.record import VmRecord
from ...core.stored import Busy, Lease, PlannedWork, Recollection, WorkKind
from .. import codec, rules
from ..codec import RowError, when
from ..holder import Holder, is_gone
from ..port import Json, LeaseRow, Problem, QuarantineRow, RunHistory, RunRow, RunSummary, StatementRow, StepRow
from . import history as history
from . import rows as rows
from .file import WritableFile, structure_problems
from .schema import schema_problems
from .snapshot import ReadOnlyFile


class SqliteStore:
    """A `Store` in the SQLite file `path`, made if it is missing. With `read_only`, nothing is changed anywhere."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._file: WritableFile | ReadOnlyFile = ReadOnlyFile(path) if read_only else WritableFile(path)

    @property
    def name(self) -> str:
        """The path of the file."""
        return str(self._file.path)

    # ------------------------------------------------ read

    def store_id(self) -> str:
        """See Store."""
        return self._file.read(rows.store_id)

    def recall(self, now: float) -> Recollection:
        """See Store."""
        when(now)
        return self._file.read(lambda db: _recall(db, now))

    def leases(self) -> tuple[LeaseRow, ...]:
        """See Store."""
        return self._file.read(rows.leases)

    def quarantined(self) -> tuple[QuarantineRow, ...]:
        """See Store."""
        return self._file.read(rows.quarantined)

    def statements(self) -> tuple[StatementRow, ...]:
        """See Store."""
        return tuple(row for _, row in self._file.read(rows.statements))

    def planned(self) -> tuple[PlannedWork, ...]:
        """See Store."""
        return self._file.read(rows.planned)

    def captures(self, vms: Iterable[Uuid]) -> tuple[Capture, ...]:
        """See Store."""
        wanted = tuple(vms)
        return self._file.read(lambda db: rows.captures(db, wanted))

    def runs(self, vm: Uuid | None = None, limit: int = 50) -> tuple[RunSummary, ...]:
        """See Store."""
        return self._file.read(lambda db: history.runs(db, vm, limit))

    def run(self, text: str) -> RunHistory:
        """See Store."""
        return self._file.read(lambda db: history.run(db, text))

    def check(self) -> tuple[Problem, ...]:
        """See Store."""
        return self._file.read(_problems)

    # ------------------------------------------------ append

    def begin_run(self, run: RunRow) -> None:
        """See Store."""
        self._file.write(lambda db: history.begin_run(db, run))

    def add_step(self, run: str, step: StepRow) -> int:
        """See Store."""
        return self._file.write(lambda db: history.add_step(db, run, step))

    def end_run(self, run: str, at: float, exit_code: int, result: Json) -> None:
        """See Store."""
        self._file.write(lambda db: history.end_run(db, run, at, exit_code, result))

    def state(self, host: HostName, who: str, reason: str, at: float, expires_at: float) -> None:
        """See Store."""
        statement = StatementRow(host, who, reason, when(at), when(expires_at))

        def write(db: sqlite3.Connection) -> None:
            _end_statements(db, host, "another statement took its place", at)
            number = max((number for number, _ in rows.statements(db)), default=0) + 1
            rows.put_statement(db, number, statement)

        self._file.write(write)

    # ------------------------------------------------ replace

    def spend_statement(self, host: HostName, why: str, at: float) -> None:
        """See Store."""
        self._file.write(lambda db: _end_statements(db, host, why, at))

    def quarantine(self, host: HostName, why: str, run: str, at: float) -> None:
        """See Store."""

        def write(db: sqlite3.Connection) -> None:
            since = next((row.since for row in rows.quarantined(db) if row.host == host), when(at))
            rows.put_quarantine(db, QuarantineRow(host, why, run, since))

        self._file.write(write)

    def lift_quarantine(self, host: HostName, machine_id: str | None, at: float) -> None:
        """See Store."""

        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM quarantine WHERE host = ?", (host,))
            _end_statements(db, host, "the host was taken back", at)
            if machine_id is None:
                db.execute("DELETE FROM machine WHERE host = ?", (host,))
            else:
                rows.put_machine(db, host, machine_id, at)

        self._file.write(write)

    def learn_machine(self, host: HostName, machine_id: str, at: float) -> None:
        """See Store."""
        self._file.write(lambda db: rows.put_machine(db, host, machine_id, at))

    def plan(self, works: Iterable[PlannedWork]) -> None:
        """See Store."""
        new = tuple(works)

        def write(db: sqlite3.Connection) -> None:
            for work in new:
                rows.put_planned(db, work)

        self._file.write(write)

    def end_planned(self, kind: WorkKind, names: Iterable[str]) -> None:
        """See Store."""
        subjects = [(codec.subject_of(kind, name),) for name in names]
        self._file.write(lambda db: db.executemany("DELETE FROM planned WHERE subject = ?", subjects))

    def keep_capture(self, capture: Capture) -> None:
        """See Store."""
        self._file.write(lambda db: rows.put_capture(db, capture))

    # ------------------------------------------------ compare-and-set

    def take_lease(self, vm: Uuid, holder: Holder, ttl_s: float, now: float) -> Lease | Busy:
        """See Store."""
        expires_at = rules.expiry(ttl_s, now)

        def write(db: sqlite3.Connection) -> Lease | Busy:
            busy = rules.in_the_way(rows.lease(db, vm), now, is_gone)
            if busy is not None:
                return busy
            lease = Lease(vm, rules.next_token(rows.last_token(db), now), expires_at)
            rows.put_meta(db, "last_token", lease.token)
            rows.put_lease(db, rules.new_lease(lease, holder, now))
            return lease

        return self._file.write(write)

    def renew_lease(self, lease: Lease, ttl_s: float, now: float) -> Lease:
        """See Store."""
        expires_at = rules.expiry(ttl_s, now)

        def write(db: sqlite3.Connection) -> Lease:
            held = rules.still_held(rows.lease(db, lease.vm), lease, now)
            rows.put_lease(db, replace(held, expires_at=expires_at))
            return replace(lease, expires_at=expires_at)

        return self._file.write(write)

    def drop_lease(self, lease: Lease) -> None:
        """See Store."""
        self._file.write(lambda db: _delete_lease(db, lease))

    def write_record(self, record: VmRecord, lease: Lease, now: float) -> VmRecord:
        """See Store."""
        written = rules.next_record(record, lease)

        def write(db: sqlite3.Connection) -> VmRecord:
            rules.still_held(rows.lease(db, lease.vm), lease, now)
            rules.check_revision(record, rows.record(db, record.uuid))
            rows.put_record(db, written, now)
            return written

        return self._file.write(write)

    # ------------------------------------------------ the end

    def close(self) -> None:
        """See Store."""
        self._file.close()


def _recall(db: sqlite3.Connection, now: float) -> Recollection:
    statements = (row for _, row in rows.statements(db))
    return rules.recollection(
        now, rows.records(db), rows.quarantined(db), rows.machines(db), statements, rows.planned(db)
    )


def _delete_lease(db: sqlite3.Connection, lease: Lease) -> None:
    db.execute("DELETE FROM lease WHERE vm = ? AND token = ?", (lease.vm, lease.token))


def _end_statements(db: sqlite3.Connection, host: HostName, why: str, at: float) -> None:
    for number, row in rows.statements(db):
        if row.host == host and row.ended_at is None:
            rows.put_statement(db, number, rules.ended(row, why, at))


def _problems(db: sqlite3.Connection) -> tuple[Problem, ...]:
    looks: list[tuple[str, Callable[[sqlite3.Connection], list[str]]]] = [
        ("damaged", lambda db: structure_problems(db, whole=True, most=20)),
        ("schema", schema_problems),
        ("history_broken", history.chain_problems),
    ]
    for read in (
        rows.records,
        rows.leases,
        rows.quarantined,
        rows.machines,
        rows.statements,
        rows.planned,
        rows.captures,
        rows.last_token,
        rows.store_id,
    ):
        looks.append(("row", partial(_row_problems, read)))
    found: list[Problem] = []
    for code, look in looks:
        try:
            found.extend(Problem(code, line) for line in look(db))
        except (RowError, sqlite3.Error) as error:
            found.append(Problem(code, str(error)))
    return tuple(found)


def _row_problems(read: Callable[[sqlite3.Connection], object], db: sqlite3.Connection) -> list[str]:
    read(db)  # raises what is wrong with the first bad row
    return []
