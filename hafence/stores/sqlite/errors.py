"""What SQLite and the file system say when something is wrong, in words that help."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...effects import StoreError
from ..codec import RowError

BUSY_S = 5.0
"""How long a write waits for another process's before it fails."""


@contextmanager
def speaking(path: Path) -> Iterator[None]:
    """Turn every error of the file, of SQLite and of a row's content into a StoreError about `path`."""
    try:
        yield
    except RowError as error:
        raise damaged(path, str(error)) from None
    except sqlite3.Error as error:
        raise _of_sqlite(path, error) from None
    except UnicodeDecodeError:
        raise damaged(path, "it holds text that is none") from None
    except MemoryError:
        # A flipped byte in a length makes SQLite ask for more memory than there is.
        raise damaged(path, "a row claims to be larger than memory") from None
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be used: {error.strerror or error}; check that its folder exists and is "
            "yours to read and write, or name another one with --store"
        ) from None


def damaged(path: Path, what: str) -> StoreError:
    """The error for a store whose content cannot be trusted."""
    return StoreError(
        f"the store {path} is damaged: {what}. Put it back from a backup; or, with no hafence running, move it (and "
        "its -wal and -shm) away: hafence then takes every VM to run where the inventory says, so see to it first that "
        "the inventory is true"
    )


def _of_sqlite(path: Path, error: sqlite3.Error) -> StoreError:
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError | sqlite3.IntegrityError):
        return StoreError(f"the store {path} was used wrongly, which is a bug in hafence: {error}")
    # The low byte is the kind of error, the rest its variety.
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"the store {path} has been held by another process for {BUSY_S:.0f} s: see who has it open "
            f"(fuser -v {path}), then run again"
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"the store {path} cannot grow: the disk is full. Make room, then run again")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return StoreError(
            f"the store {path} cannot be written ({error}): check the rights of the file and its folder, and that the "
            "file system is mounted for writing"
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(
            f"the store {path} cannot be opened: check the rights of the file, of its -wal and -shm, and of its folder"
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(f"the disk under the store {path} failed ({error}): see the kernel's log and the space left")
    if code == sqlite3.SQLITE_NOTADB:
        return damaged(path, "it is not a SQLite database, or its first page is gone")
    return damaged(path, f"SQLite says: {error}")
