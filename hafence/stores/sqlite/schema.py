"""The tables, and how an older store is brought up to date.

Plain column checks and not STRICT tables: those would keep a store from SQLite before 3.37, which
Enterprise Linux 9 has. Every row bears a seal (see rows.py), and what is read is checked again.
State tables have no index beside their key: a damaged one could hide a row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ...effects import StoreError

APPLICATION_ID = 0x48464E43  # "HFNC", in the file's header
STATE_TABLES = ("meta", "record", "lease", "quarantine", "machine", "statement", "planned", "capture")

_V1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL, seal TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE record (
        uuid TEXT PRIMARY KEY NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'stopped', 'starting')),
        host TEXT, last_host TEXT,
        revision INTEGER NOT NULL CHECK (typeof(revision) = 'integer' AND revision > 0),
        run TEXT,
        ticket INTEGER NOT NULL CHECK (typeof(ticket) = 'integer' AND ticket >= 0),
        grounds TEXT, started_at REAL, shut_out TEXT NOT NULL,
        written_at REAL NOT NULL, seal TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE lease (
        vm TEXT PRIMARY KEY NOT NULL,
        token INTEGER NOT NULL CHECK (typeof(token) = 'integer' AND token > 0),
        run TEXT NOT NULL, who TEXT NOT NULL, pid INTEGER NOT NULL, pid_start TEXT NOT NULL,
        boot_id TEXT NOT NULL, pid_namespace TEXT NOT NULL, machine TEXT NOT NULL,
        taken_at REAL NOT NULL, expires_at REAL NOT NULL, seal TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE quarantine (
        host TEXT PRIMARY KEY NOT NULL, why TEXT NOT NULL, run TEXT NOT NULL, since REAL NOT NULL,
        seal TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE machine (
        host TEXT PRIMARY KEY NOT NULL, machine_id TEXT NOT NULL, learnt_at REAL NOT NULL,
        seal TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE statement (
        id INTEGER PRIMARY KEY NOT NULL, host TEXT NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL,
        at REAL NOT NULL, expires_at REAL NOT NULL, ended_at REAL, ended_why TEXT NOT NULL, seal TEXT NOT NULL)""",
    """CREATE TABLE history (
        seq INTEGER PRIMARY KEY NOT NULL, run TEXT NOT NULL, n INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('begin', 'step', 'end')),
        at REAL NOT NULL, body TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL,
        UNIQUE (run, n))""",
    "CREATE INDEX history_begin ON history (seq) WHERE n = 0",
    """CREATE TRIGGER history_is_not_changed BEFORE UPDATE ON history
        BEGIN SELECT RAISE(ABORT, 'history is append-only'); END""",
    """CREATE TRIGGER history_is_not_deleted BEFORE DELETE ON history
        BEGIN SELECT RAISE(ABORT, 'history is append-only'); END""",
)

_V2 = (
    """CREATE TABLE planned (
        subject TEXT PRIMARY KEY NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL,
        since REAL NOT NULL, until REAL NOT NULL, seal TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE capture (
        vm TEXT PRIMARY KEY NOT NULL, host TEXT NOT NULL, at REAL NOT NULL, beside TEXT NOT NULL, xml TEXT NOT NULL,
        seal TEXT NOT NULL) WITHOUT ROWID""",
)

STEPS: tuple[tuple[str, ...], ...] = (_V1, _V2)
"""Step i takes a store from version i to i + 1. A step that has been released is never edited."""


def version(db: sqlite3.Connection) -> int:
    """The schema's version; 0 for an empty database."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def upgrade(db: sqlite3.Connection, steps: Sequence[Sequence[str]] = STEPS) -> None:
    """Bring a database to the version that `steps` lead to: all in one transaction, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in steps[version(db) :]:
            for statement in step:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
        db.execute(f"PRAGMA user_version = {len(steps):d}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def check_version(db: sqlite3.Connection, name: str) -> int:
    """The version of a store that this hafence can read. StoreError for another program's or a newer one's."""
    application = db.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise StoreError(f"{name} is a SQLite database, but not a hafence store: name another file with --store")
    found = version(db)
    if found > len(STEPS):
        raise StoreError(
            f"the store {name} was written by a newer hafence (schema {found}; this one knows {len(STEPS)}): "
            "use that version, here too"
        )
    return found


def schema_problems(db: sqlite3.Connection) -> list[str]:
    """How the tables and triggers differ from those of the newest version, in words."""
    model = sqlite3.connect(":memory:", isolation_level=None)
    try:
        upgrade(model)
        wanted, found = _objects(model), _objects(db)
    finally:
        model.close()
    names = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    return [f"the schema is not hafence's: {', '.join(repr(name) for name in names)}"] if names else []


def _objects(db: sqlite3.Connection) -> dict[str, tuple[str, str, str | None]]:
    # An admin's ANALYZE leaves statistics behind, which change no answer.
    rows = db.execute("SELECT name, type, tbl_name, sql FROM sqlite_master WHERE name NOT GLOB 'sqlite_stat[0-9]'")
    return {str(name): (kind, table, sql) for name, kind, table, sql in rows}
