"""The SQLite file: how it is made, and what is refused before anything could be killed."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafence.effects import StoreError
from hafence.stores import open_store
from hafence.stores.port import RunRow
from hafence.stores.sqlite.file import WritableFile
from hafence.stores.sqlite.schema import STEPS, upgrade

from .engines import NOW, VM, Engine, content, fill, lease_of, sqlite_engine, stopped, unprivileged


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_engine(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the engine's store lies."""
    return tmp_path / "store" / "state.db"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that a user without rights can reach too."""
    folder = Path(tempfile.mkdtemp(prefix="hfst-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def refused(url: str, words: str, read_only: bool = True) -> None:
    """Opening is refused with these words, for writing and for reading."""
    with pytest.raises(StoreError, match=words):
        open_store(url)
    if read_only:
        with pytest.raises(StoreError, match=words):
            open_store(url, read_only=True)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_a_new_store_is_its_owners_alone_whatever_the_umask(engine: Engine, path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = engine.open()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for ending in ("", "-wal", "-shm"):
        assert stat.S_IMODE(path.with_name(path.name + ending).stat().st_mode) == 0o600
    store.close()
    assert os.listdir(path.parent) == ["state.db"]


def test_a_folder_that_was_there_keeps_its_rights(engine: Engine, path: Path) -> None:
    path.parent.mkdir(mode=0o750)
    path.parent.chmod(0o750)
    engine.open().close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750


def test_every_commit_goes_to_a_write_ahead_log_and_is_synced(engine: Engine, path: Path) -> None:
    engine.open().close()
    file = WritableFile(path)
    assert file.read(lambda db: db.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    assert file.read(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (2,)  # FULL
    file.close()


def test_a_closed_store_says_so_and_closing_twice_is_harmless(engine: Engine) -> None:
    store = engine.open()
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed database"):
        store.recall(NOW)


def test_an_empty_file_is_never_taken_for_a_new_store(engine: Engine, path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    refused(engine.url, r"is damaged: it is empty \(0 bytes\).*backup")


def test_a_store_that_is_gone_while_its_log_is_there_is_not_begun_anew(engine: Engine, path: Path) -> None:
    engine.open().close()
    path.rename(path.with_name("state.db-wal"))
    refused(engine.url, "is gone, but its state.db-wal is still there")


@pytest.mark.parametrize("bytes_", [b"hello\n", b"\0" * 8192, os.urandom(8192), b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_refused_and_left_alone(engine: Engine, path: Path, bytes_: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(bytes_)
    refused(engine.url, "damaged|not a hafence store")
    assert path.read_bytes() == bytes_


def test_a_folder_a_device_and_a_loop_are_refused(tmp_path: Path) -> None:
    refused(f"sqlite://{tmp_path}", "is a folder")
    refused("sqlite:///dev/null", "not a regular file")
    (tmp_path / "loop").symlink_to("loop")
    refused(f"sqlite://{tmp_path}/loop", "cannot be reached")
    (tmp_path / "file").write_text("")
    refused(f"sqlite://{tmp_path}/file/state.db", "cannot be")


def test_another_programs_database_is_refused_and_left_alone(engine: Engine, path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE record (uuid TEXT)")
    db.close()
    before = path.read_bytes()
    refused(engine.url, "not a hafence store")
    assert path.read_bytes() == before


def test_a_store_of_a_newer_hafence_is_refused(engine: Engine, path: Path) -> None:
    engine.open().close()
    raw(path, f"PRAGMA user_version = {len(STEPS) + 1}")
    refused(engine.url, "written by a newer hafence")


def test_an_older_schema_is_brought_up_to_date_in_one_step_or_not_at_all() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    upgrade(db)
    db.execute("INSERT INTO meta VALUES ('kept', '1', '')")
    with pytest.raises(sqlite3.OperationalError):
        upgrade(db, (*STEPS, ("ALTER TABLE meta ADD COLUMN more TEXT", "no such statement")))
    assert db.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    assert [row[1] for row in db.execute("PRAGMA table_info(meta)")] == ["key", "value", "seal"]
    upgrade(db, (*STEPS, ("ALTER TABLE meta ADD COLUMN more TEXT",)))
    assert db.execute("PRAGMA user_version").fetchone() == (len(STEPS) + 1,)
    assert db.execute("SELECT key, more FROM meta").fetchall() == [("kept", None)]
    db.close()


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER history_is_not_changed",
        "DROP TABLE quarantine",
        "CREATE TABLE extra (x)",
        "ALTER TABLE record ADD COLUMN x",
        "CREATE TRIGGER evil AFTER INSERT ON lease BEGIN DELETE FROM record; END",
    ],
)
def test_a_schema_that_is_not_hafences_is_refused(engine: Engine, path: Path, change: str) -> None:
    engine.open().close()
    raw(path, change)
    refused(engine.url, "the schema is not hafence's")


def test_statistics_that_an_admin_had_made_do_no_harm(engine: Engine, path: Path) -> None:
    store = engine.open()
    fill(store)
    before = content(store)
    store.close()
    raw(path, "ANALYZE")
    store = engine.open()
    assert content(store) == before
    assert store.check() == ()
    store.close()


def test_without_rights_it_is_said_whose_they_are_to_give(open_folder: Path) -> None:
    url = f"sqlite://{open_folder}/state.db"
    open_store(url).close()
    (open_folder / "state.db").chmod(0o000)
    with unprivileged():
        refused(url, "check")
    (open_folder / "state.db").chmod(0o444)
    with unprivileged():
        with pytest.raises(StoreError, match="cannot be written: check the rights"):
            open_store(url)
        assert open_store(url, read_only=True).recall(NOW).records == {}
    assert os.listdir(open_folder) == ["state.db"]


def test_a_store_that_cannot_be_seen_is_not_taken_for_an_empty_one(open_folder: Path) -> None:
    hidden = open_folder / "hidden"
    hidden.mkdir(mode=0o700)
    open_store(f"sqlite://{hidden}/state.db").close()
    hidden.chmod(0o000)
    with unprivileged():
        refused(f"sqlite://{hidden}/state.db", "cannot be reached: Permission denied")
    hidden.chmod(0o700)


def test_a_new_store_in_a_folder_without_rights_is_refused(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with unprivileged(), pytest.raises(StoreError, match="check that its folder"):
        open_store(f"sqlite://{open_folder}/state.db")
    assert os.listdir(open_folder) == []


def test_a_disk_that_takes_no_more_is_said_and_nothing_is_half_written(engine: Engine, path: Path) -> None:
    store = engine.open()
    fill(store)
    before = content(store)
    wal = path.with_name("state.db-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 2000, hard))
    try:
        with pytest.raises(StoreError, match="disk"):
            store.begin_run(RunRow("run-9", NOW, "alice", "start-vm", (VM,), {"padding": "x" * 30_000}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert content(store) == before
    assert store.check() == ()
    store.begin_run(RunRow("run-9", NOW, "alice", "start-vm"))
    store.close()


def test_a_store_that_another_process_holds_locked_is_given_up_after_a_while(engine: Engine, path: Path) -> None:
    store = engine.open()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="held by another process"):
        store.begin_run(RunRow("run-1", NOW, "alice", "start-vm"))
    assert store.recall(NOW).records == {}  # reading goes on
    blocker.execute("ROLLBACK")
    blocker.close()
    store.begin_run(RunRow("run-1", NOW, "alice", "start-vm"))
    store.close()


def test_a_store_that_was_replaced_under_a_run_is_noticed(engine: Engine, path: Path) -> None:
    store = engine.open()
    lease = lease_of(store)
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").rename(path)
    with pytest.raises(StoreError, match="moved or replaced"):
        store.write_record(stopped(), lease, NOW)
    path.unlink()
    with pytest.raises(StoreError, match="moved or replaced"):
        store.recall(NOW)
    store.close()


def raw(path: Path, *statements: str) -> None:
    """Change a store past hafence."""
    db = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.close()
