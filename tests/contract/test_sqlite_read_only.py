"""Reading without a trace: no file made, none changed, whatever state the store was left in."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hafence.core.stored import Lease, PlannedWork, WorkKind
from hafence.effects import StoreError
from hafence.stores.port import RunRow, StepRow, Store
from hafence.stores.sqlite.snapshot import ReadOnlyFile

from .engines import NOW, VM, A, B, Engine, Worker, content, fill, holder, sqlite_engine, stopped


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_engine(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def trace(folder: Path) -> dict[str, tuple[str, int, int, int]]:
    """Every file's content, inode, time of change and rights; the folder's own too."""
    names = {".": folder, **{path.name: path for path in folder.iterdir()}}
    found = {}
    for name, path in names.items():
        status = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[name] = (digest, status.st_ino, status.st_mtime_ns, status.st_mode)
    return found


def read_all(engine: Engine) -> tuple[object, ...]:
    """All that a dry run, status, history or explain may read."""
    dry = engine.open(read_only=True)
    everything = content(dry)
    assert dry.check() == ()
    dry.close()
    return everything


def test_a_store_that_does_not_exist_reads_as_empty_and_is_not_made(engine: Engine, tmp_path: Path) -> None:
    recollection, *rest = read_all(engine)
    assert recollection.records == recollection.quarantine == recollection.statements == {}  # type: ignore[attr-defined]
    assert not any(rest)
    assert list(tmp_path.iterdir()) == []


def test_a_store_at_rest_is_read_without_a_trace(engine: Engine, folder: Path) -> None:
    store = engine.open()
    fill(store)
    written = content(store)
    store.close()
    before = trace(folder)
    assert read_all(engine) == written
    assert trace(folder) == before
    assert set(before) == {".", "state.db"}


def test_a_store_in_use_by_this_process_is_read_without_a_trace(engine: Engine, folder: Path) -> None:
    store = engine.open()
    fill(store)
    written, before = content(store), trace(folder)
    assert read_all(engine) == written
    for name in (".", "state.db", "state.db-wal"):  # the -shm belongs to this process, which writes
        assert trace(folder)[name] == before[name]
    store.quarantine(B, "still writable", "run-9", NOW)
    assert read_all(engine) == content(store)
    store.close()


def test_a_store_in_use_by_another_process_is_read_without_a_trace(
    engine: Engine, folder: Path, start_worker: Callable[..., Worker]
) -> None:
    store = engine.open()
    fill(store)
    written = content(store)
    store.close()
    worker = start_worker("take", "run-w", NOW)  # opened, not written yet: an empty -wal
    before = trace(folder)
    assert read_all(engine) == written
    assert trace(folder) == before
    worker.say("go")
    assert worker.hears() == "Busy"
    assert trace(folder)["state.db"] == before["state.db"]


def test_a_store_of_a_killed_run_is_read_without_a_trace(
    engine: Engine, folder: Path, start_worker: Callable[..., Worker]
) -> None:
    worker = start_worker("take", "run-w", NOW)
    worker.say("go")
    assert worker.hears() == "Lease"
    worker.kill()
    before = trace(folder)
    assert set(before) == {".", "state.db", "state.db-wal", "state.db-shm"}
    dry = engine.open(read_only=True)
    assert [row.holder.run for row in dry.leases()] == ["run-w"]
    assert trace(folder) == before


def test_a_restored_copy_with_its_log_alone_is_read_without_a_trace(engine: Engine, folder: Path) -> None:
    store = engine.open()
    fill(store)
    written = content(store)
    copies = {path: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}
    store.close()
    for path, bytes_ in copies.items():
        path.write_bytes(bytes_)
    before, temporary = trace(folder), set(os.listdir(tempfile.gettempdir()))
    assert set(before) == {".", "state.db", "state.db-wal"}
    assert read_all(engine) == written
    assert trace(folder) == before
    assert not {name for name in set(os.listdir(tempfile.gettempdir())) - temporary if name.startswith("hafence-")}


def test_every_read_sees_what_is_committed_by_then(engine: Engine) -> None:
    dry = engine.open(read_only=True)
    assert dry.recall(NOW).quarantine == {}
    store = engine.open()
    store.quarantine(A, "fenced", "run-1", NOW)
    assert set(dry.recall(NOW).quarantine) == {A}
    store.close()
    assert set(dry.recall(NOW).quarantine) == {A}
    shutil.rmtree(Path(store.name).parent)
    assert dry.recall(NOW).quarantine == {}


def test_whatever_would_write_is_refused(engine: Engine, folder: Path) -> None:
    store = engine.open()
    fill(store)
    lease = store.renew_lease(lease_in(store), 60, NOW)
    store.close()
    before = trace(folder)
    dry = engine.open(read_only=True)
    for write in (
        lambda: dry.take_lease(VM, holder(), 60, NOW),
        lambda: dry.renew_lease(lease, 60, NOW),
        lambda: dry.drop_lease(lease),
        lambda: dry.write_record(stopped(), lease, NOW),
        lambda: dry.begin_run(RunRow("run-9", NOW, "alice", "start-vm")),
        lambda: dry.add_step("run-1", StepRow(NOW, "x")),
        lambda: dry.end_run("run-1", NOW, 0, {}),
        lambda: dry.state(A, "who", "why", NOW, NOW + 1),
        lambda: dry.spend_statement(A, "why", NOW),
        lambda: dry.quarantine(A, "why", "run-1", NOW),
        lambda: dry.lift_quarantine(A, None, NOW),
        lambda: dry.learn_machine(A, "a" * 32, NOW),
        lambda: dry.plan([PlannedWork(WorkKind.DISARMED, "prod-a", "who", "why", NOW, NOW + 1)]),
        lambda: dry.end_planned(WorkKind.DISARMED, ["prod-a"]),
    ):
        with pytest.raises(StoreError, match="opened to be read only"):
            write()
    assert trace(folder) == before


def test_readers_keep_no_writer_out_and_read_no_half_of_a_write(
    engine: Engine, start_worker: Callable[..., Worker]
) -> None:
    # The writers come and go, so that the files pass through every state while they are read.
    dry = engine.open(read_only=True)
    seen = 0
    for number in range(6):
        worker = start_worker("steps", f"run-{number}", 60)
        worker.say("go")
        while True:
            assert dry.check() == ()
            runs = dry.runs()
            if runs and runs[0].row.run == f"run-{number}" and runs[0].end is not None:
                break
            seen += 1
        assert worker.hears() == "done"
        assert worker.process.wait(timeout=30) == 0
    assert seen > 0
    assert [len(dry.run(f"run-{number}").steps) for number in range(6)] == [60] * 6


def test_a_store_that_a_whole_run_changed_during_a_read_is_read_again(
    engine: Engine, folder: Path, start_worker: Callable[..., Worker]
) -> None:
    store = engine.open()
    store.begin_run(RunRow("run-0", NOW, "alice", "start-vm"))
    store.close()
    at_rest = (folder / "state.db").read_bytes()
    counts: list[int] = []

    def read_slowly(db: sqlite3.Connection) -> int:
        if not counts:
            worker = start_worker("steps", "run-1", 50)  # opens, writes, closes and ends, all during this read
            worker.say("go")
            assert worker.hears() == "done"
            assert worker.process.wait(timeout=30) == 0
            assert (folder / "state.db").read_bytes() == at_rest, "the file changed under the reader"
        counts.append(int(db.execute("SELECT count(*) FROM history").fetchone()[0]))
        return counts[-1]

    assert ReadOnlyFile(folder / "state.db").read(read_slowly) == 53
    assert counts == [1, 53]


def test_reading_beside_ones_own_writing_does_not_drop_the_writers_locks(
    engine: Engine, folder: Path, start_worker: Callable[..., Worker]
) -> None:
    # POSIX locks belong to the process: a second handle, closed, would have the next process take the -wal away.
    store = engine.open()
    store.quarantine(A, "fenced", "run-0", NOW)
    engine.open(read_only=True).recall(NOW)
    log = (folder / "state.db-wal").stat().st_ino
    worker = start_worker("steps", "run-1", 5)
    worker.say("go")
    assert worker.hears() == "done"
    assert worker.process.wait(timeout=30) == 0
    assert (folder / "state.db-wal").stat().st_ino == log
    store.quarantine(B, "fenced", "run-0", NOW)
    store.close()
    assert set(engine.open(read_only=True).recall(NOW).quarantine) == {A, B}


def lease_in(store: Store) -> Lease:
    row = store.leases()[0]
    return Lease(row.vm, row.token, row.expires_at)
