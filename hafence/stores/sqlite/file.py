"""One store file, open for writing: made, checked, and used in transactions.

A file of zero bytes is never taken for a new store: it is what a truncation leaves. So a new one is made
complete under another name and then linked into place, and no crash can leave half of one.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from ...effects import StoreError
from .errors import BUSY_S, damaged, speaking
from .place import beside, check_place, make_folder, may_write, status_of, sync_folder
from .rows import begin_meta, make_store_id
from .schema import STATE_TABLES, STEPS, check_version, schema_problems, upgrade

T = TypeVar("T")

FULL_CHECK_BYTES = 16 * 1024 * 1024
"""Up to this size the whole file is checked when it is opened (some 40 ms); beyond, all but the history."""

PROCESS = threading.RLock()
"""Held while files are opened and closed. POSIX locks belong to the process: closing any handle of a file
drops the locks that SQLite holds on it, and another process could then take this one's -wal away."""

OPEN_FOR_WRITING: Counter[tuple[int, int]] = Counter()
"""Device and inode of the stores that this process has open for writing, with how many times."""


class WritableFile:
    """A store file open for writing."""

    def __init__(self, path: Path) -> None:
        self.path = check_place(path)
        self._lock = threading.RLock()
        with PROCESS, speaking(self.path):
            if status_of(self.path) is None:
                _create(self.path)
            status = self.path.stat()
            if status.st_size == 0:
                raise damaged(self.path, "it is empty (0 bytes)")
            if not (may_write(self.path, os.R_OK | os.W_OK) and may_write(self.path.parent, os.W_OK)):
                raise StoreError(
                    f"the store {self.path} cannot be written: check the rights of the file and its folder, and that "
                    "the file system is mounted for writing"
                )
            self._inode = (status.st_dev, status.st_ino)
            self._closed = False
            self._db = connect(self.path, "mode=rw")
            try:
                _prepare(self._db, self.path, status.st_size)
            except BaseException:
                self._db.close()
                raise
            OPEN_FOR_WRITING[self._inode] += 1

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` on one consistent view."""
        return self._transact("BEGIN", work)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` alone among all processes. What it wrote is on disk on return, or none of it is when it raised."""
        return self._transact("BEGIN IMMEDIATE", work)

    def close(self) -> None:
        """Let go of the file; the last one folds the -wal into it."""
        with PROCESS, self._lock:
            if self._closed:
                return
            self._closed = True
            with suppress(sqlite3.Error):
                self._db.close()
            OPEN_FOR_WRITING[self._inode] -= 1

    def _transact(self, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock, speaking(self.path):
            self._must_be_in_place()
            self._db.execute(begin)
            try:
                answer = work(self._db)
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            return answer

    def _must_be_in_place(self) -> None:
        """Whoever puts another file in the place of an open store would have this run write into the void."""
        status = status_of(self.path)
        if status is not None and (status.st_dev, status.st_ino) == self._inode:
            return
        raise StoreError(f"the store {self.path} was moved or replaced while this run had it open: run again")


def connect(path: Path, options: str) -> sqlite3.Connection:
    """A connection to an existing file. Transactions are begun by hand."""
    uri = f"file:{quote(os.fsencode(path))}?{options}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def check_content(db: sqlite3.Connection, path: Path, size: int) -> int:
    """The schema's version. StoreError for what is another program's, a newer hafence's, or damaged."""
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA cell_size_check = ON")
    found = check_version(db, str(path))
    if found == len(STEPS):
        _refuse(path, schema_problems(db))
    _refuse(path, structure_problems(db, whole=size <= FULL_CHECK_BYTES, most=1))
    return found


def _refuse(path: Path, problems: list[str]) -> None:
    if problems:
        raise damaged(path, problems[0])


def structure_problems(db: sqlite3.Connection, whole: bool, most: int) -> list[str]:
    """What SQLite finds wrong with its pages and indexes; of the state tables only, unless `whole`."""
    checks = [f"PRAGMA integrity_check({most:d})"]
    if not whole:
        checks = [f"PRAGMA integrity_check('{table}')" for table in STATE_TABLES]
    found = [str(row[0]) for check in checks for row in db.execute(check)]
    return [line for line in found if line != "ok"]


def _prepare(db: sqlite3.Connection, path: Path, size: int) -> None:
    found = check_content(db, path, size)
    _set_durable(db, path)
    if found < len(STEPS):
        upgrade(db)
    make_store_id(db)


def _set_durable(db: sqlite3.Connection, path: Path) -> None:
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(f"the store {path} cannot use a write-ahead log there (SQLite stays in mode {mode!r})")
    # A commit is on disk before it returns: a record must not be lost that a start has relied on.
    db.execute("PRAGMA synchronous = FULL")


def _create(path: Path) -> None:
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.new-", dir=path.parent)
    draft = Path(name)
    try:
        os.fchmod(handle, 0o600)  # a strange umask takes even the owner's rights
        os.close(handle)
        db = connect(draft, "mode=rw")
        try:
            _set_durable(db, draft)
            upgrade(db)
            begin_meta(db)
        finally:
            db.close()
        with suppress(FileExistsError):  # another process was first: its store is as good
            os.link(draft, path)
        sync_folder(path.parent)
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            beside(draft, ending).unlink(missing_ok=True)
