"""One store file, open for reading only, with nothing changed on disk: no -wal or -shm made, none touched.

SQLite's own `mode=ro` does make and change these files when the store is in WAL mode. So every read takes
the way that leaves no trace in the state in which the files are (content and times; run by root, SQLite
sets the -wal's owner to what it is, which moves its ctime):

- no file: an empty store, in memory;
- -wal and -shm: a run has it open, or one was killed; `readonly_shm` reads past both;
- neither: it was closed well, and all is in the file: `immutable`;
- -wal without -shm: left over from a restored copy; a copy of both is read in a temporary folder.

While it reads it shares the lock that the last writer would need to fold the -wal into the file and
delete it. So a -wal that is absent after the read was absent all the time, and the file did not change.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

from ...effects import StoreError
from ..codec import RowError
from .errors import BUSY_S, damaged, speaking
from .file import OPEN_FOR_WRITING, PROCESS, check_content, connect
from .place import beside, check_place, status_of
from .rows import begin_meta
from .schema import STEPS, upgrade

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

# SQLite's SHARED lock on a database file: where it lies and how long it is (file format, "locking page").
_SHARED_FIRST = 0x40000002
_SHARED_SIZE = 510

_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""What SQLite may say while a writer is just opening, recovering or closing."""


class _Unsettled(Exception):
    """A writer changed the files meanwhile: look again."""


class ReadOnlyFile:
    """A store file that is only read. Every read sees what is committed by then."""

    def __init__(self, path: Path) -> None:
        self.path = check_place(path)
        self.read(self._check)

    def read(self, work: Work[T]) -> T:
        """Do `work` on one consistent view. It may be done again when a writer came in between."""
        give_up_at = time.monotonic() + BUSY_S
        with PROCESS, speaking(self.path):
            while True:
                try:
                    return self._read_once(work)
                except _Unsettled as unsettled:
                    if time.monotonic() > give_up_at:
                        raise unsettled.__cause__ or StoreError(
                            f"the store {self.path} changed for {BUSY_S:.0f} s without a pause: run again"
                        ) from None
                    time.sleep(0.01)

    def write(self, work: Work[T]) -> NoReturn:
        """Refuse."""
        raise StoreError(f"the store {self.path} was opened to be read only")

    def close(self) -> None:
        """Nothing is held between reads."""

    def _check(self, db: sqlite3.Connection) -> None:
        status = status_of(self.path)
        if check_content(db, self.path, status.st_size if status else 0) < len(STEPS):
            raise StoreError(
                f"the store {self.path} was written by an older hafence and has to be brought up to date: "
                "any command that writes does so; 'hafence store check' is one"
            )

    def _read_once(self, work: Work[T]) -> T:
        check_place(self.path)
        status = status_of(self.path)
        if status is None:
            return _read_empty(work)
        if status.st_size == 0:
            raise damaged(self.path, "it is empty (0 bytes)")
        with _held_still(self.path):
            wal, shm = beside(self.path, "-wal"), beside(self.path, "-shm")
            if status_of(wal) and status_of(shm):
                return _read_in_use(self.path, work)
            if status_of(wal):
                return _read_copy(self.path, wal, shm, work)
            return _read_at_rest(self.path, wal, work)


def _read_empty(work: Work[T]) -> T:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        upgrade(db)
        begin_meta(db)
        return work(db)


def _read_in_use(path: Path, work: Work[T]) -> T:
    try:
        with closing(connect(path, "mode=ro&readonly_shm=1")) as db:
            return _in_one_view(db, work)
    except sqlite3.OperationalError as error:
        if (error.sqlite_errorcode or 0) & 0xFF in _PASSING:
            raise _Unsettled from error
        raise


def _read_at_rest(path: Path, wal: Path, work: Work[T]) -> T:
    try:
        with closing(connect(path, "mode=ro&immutable=1")) as db:
            answer = _in_one_view(db, work)
    except (sqlite3.Error, RowError):
        if status_of(wal):
            raise _Unsettled from None
        raise
    if status_of(wal):
        raise _Unsettled
    return answer


def _read_copy(path: Path, wal: Path, shm: Path, work: Work[T]) -> T:
    with tempfile.TemporaryDirectory(prefix="hafence-") as folder:
        copy = Path(folder) / "copy.db"
        shutil.copyfile(path, copy)
        shutil.copyfile(wal, beside(copy, "-wal"))
        if status_of(shm):
            raise _Unsettled  # a writer has come: the two copies may not belong together
        with closing(connect(copy, "mode=rw")) as db:
            return _in_one_view(db, work)


def _in_one_view(db: sqlite3.Connection, work: Work[T]) -> T:
    db.execute("BEGIN")
    return work(db)


@contextmanager
def _held_still(path: Path) -> Iterator[None]:
    """Keep other processes from folding the -wal into the file and deleting it."""
    status = path.stat()
    if OPEN_FOR_WRITING[(status.st_dev, status.st_ino)]:
        # This very process has it open, so the -wal stays. A second handle, closed, would drop its locks.
        yield
        return
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        except (BlockingIOError, PermissionError):
            raise _Unsettled from None
        yield
    finally:
        os.close(handle)
