"""Damage: a store that is not what hafence wrote is refused in words; never a wrong answer, a traceback, a hang."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hafence.core.model import parse_uuid
from hafence.effects import StoreError
from hafence.stores import open_store
from hafence.stores.codec import seal_of
from hafence.stores.port import RunRow, Store
from hafence.stores.sqlite import file as sqlite_file

from .engines import NOW, OTHER_VM, VM, content, fill, lease_of

THIRD_VM = parse_uuid("6d6f6a5a-1111-4222-8333-000000000003")


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A filled store, closed well."""
    path = tmp_path / "whole.db"
    store = open_store(f"sqlite://{path}")
    fill(store)
    store.begin_run(RunRow("long", NOW, "alice", "evacuate", (VM,), {"text": "overflow page " * 2000}))
    store.close()
    return path


def contents_of(path: Path, read_only: bool) -> tuple[object, ...] | None:
    """All that the store says, or None where it was refused in words. Any other error fails the test."""
    words = ""
    try:
        store = open_store(f"sqlite://{path}", read_only=read_only)
        try:
            found = content(store)
            if not read_only:
                store.begin_run(RunRow("after", NOW, "alice", "start-vm"))
            return found
        finally:
            store.close()
    except StoreError as error:
        words = str(error)
    assert str(path) in words
    return None


def fresh_copy(whole: Path) -> Path:
    copy = whole.with_name("copy.db")
    for ending in ("-wal", "-shm"):
        copy.with_name(copy.name + ending).unlink(missing_ok=True)
    shutil.copyfile(whole, copy)
    return copy


def test_a_flipped_byte_anywhere_is_refused_or_changes_no_answer(whole: Path) -> None:
    right = contents_of(fresh_copy(whole), read_only=True)
    assert right is not None
    image = whole.read_bytes()
    chance = random.Random(20251122)
    flips = [(place, mask) for place in range(100) for mask in (0x01, 0x80, 0xFF)]
    flips += [(chance.randrange(100, len(image)), 1 << chance.randrange(8)) for _ in range(500)]
    refusals = 0
    for place, mask in flips:
        damaged = bytearray(image)
        damaged[place] ^= mask
        for read_only in (True, False):
            copy = fresh_copy(whole)
            copy.write_bytes(damaged)
            found = contents_of(copy, read_only)
            assert found is None or found == right, (place, mask)
            refusals += found is None
    assert refusals > len(flips) / 4  # the flips do reach what is stored


def test_a_store_that_was_cut_short_is_refused(whole: Path) -> None:
    image = whole.read_bytes()
    for length in [*range(0, len(image), 512), len(image) - 1]:
        for read_only in (True, False):
            copy = fresh_copy(whole)
            copy.write_bytes(image[:length])
            assert contents_of(copy, read_only) is None, length


def test_a_page_of_zeros_or_of_another_page_is_refused_or_changes_no_answer(whole: Path) -> None:
    right = contents_of(fresh_copy(whole), read_only=True)
    image = whole.read_bytes()
    pages = [image[start : start + 4096] for start in range(0, len(image), 4096)]
    for number in range(len(pages)):
        for other in (bytes(4096), pages[(number + 1) % len(pages)]):
            copy = fresh_copy(whole)
            copy.write_bytes(b"".join([*pages[:number], other, *pages[number + 1 :]]))
            found = contents_of(copy, read_only=True)
            assert found is None or found == right, number


def test_a_damaged_log_gives_an_earlier_state_whole_or_is_refused(tmp_path: Path) -> None:
    # SQLite ends its log at the first frame that does not match its checksum: what follows was never committed.
    path = tmp_path / "live.db"
    store = open_store(f"sqlite://{path}")
    states = [content(store)]
    for number in range(12):
        store.begin_run(RunRow(f"run-{number}", NOW, "alice", "start-vm", (VM,), {"padding": "x" * 3000}))
        states.append(content(store))
    image, log = path.read_bytes(), path.with_name("live.db-wal").read_bytes()
    store.close()
    chance = random.Random(4)
    for place in [*range(32), *(chance.randrange(32, len(log)) for _ in range(60))]:
        damaged = bytearray(log)
        damaged[place] ^= 1 << chance.randrange(8)
        for read_only in (True, False):
            copy = tmp_path / "copy.db"
            copy.with_name("copy.db-shm").unlink(missing_ok=True)
            copy.write_bytes(image)
            copy.with_name("copy.db-wal").write_bytes(damaged)
            found = contents_of(copy, read_only)
            assert found is None or found in states, place


def test_a_store_beyond_the_size_of_the_full_check_still_has_its_state_checked(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "FULL_CHECK_BYTES", 0)
    right = contents_of(fresh_copy(whole), read_only=True)
    assert right is not None
    image = whole.read_bytes()
    chance = random.Random(5)
    for _ in range(150):
        place = chance.randrange(100, len(image))
        damaged = bytearray(image)
        damaged[place] ^= 1 << chance.randrange(8)
        copy = fresh_copy(whole)
        copy.write_bytes(damaged)
        found = contents_of(copy, read_only=True)
        assert found is None or found[:4] == right[:4], place


# ---------------------------------------------------------------- rows changed past hafence


def change(path: Path, sql: str, *values: object) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = ON")
    assert db.execute(sql, values).rowcount > 0
    db.close()


def reseal(path: Path, table: str, key: str) -> None:
    """Give a changed row a seal that fits, as a program that knows hafence could."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = ON")
    column = db.execute(f"PRAGMA table_info({table})").fetchone()[1]
    row = db.execute(f"SELECT * FROM {table} WHERE {column} = ?", (key,)).fetchone()
    db.execute(f"UPDATE {table} SET seal = ? WHERE {column} = ?", (seal_of(table, row[:-1]), key))
    db.close()


def test_a_row_changed_by_hand_is_refused_with_its_table_and_key(whole: Path) -> None:
    change(whole, "UPDATE record SET host = 'kvm-03' WHERE uuid = ?", VM)
    with pytest.raises(StoreError, match=f"damaged: table record, row '{VM}': it does not match its seal.*backup"):
        open_store(f"sqlite://{whole}").recall(NOW)


@pytest.mark.parametrize(
    ("table", "key", "assignment"),
    [
        ("record", VM, "state = 'paused'"),
        ("record", VM, "state = 'stopped'"),
        ("record", VM, "host = NULL"),
        ("record", VM, "host = 'a b'"),
        ("record", VM, "revision = 0"),
        ("record", VM, "revision = 'many'"),
        ("record", VM, "ticket = -1"),
        ("record", VM, "grounds = 'a_feeling'"),
        ("record", VM, "state = 'stopped', host = NULL, last_host = 'kvm-01', grounds = NULL"),
        ("record", VM, "shut_out = 'nobody'"),
        ("record", VM, "shut_out = '[\"kvm-01\"]'"),
        ("record", VM, 'shut_out = \'[["kvm-01","soon"]]\''),
        ("record", VM, "shut_out = '[[1]]'"),
        ("record", VM, "shut_out = '[[]]'"),
        ("record", VM, "started_at = 9e999"),
        ("record", VM, "started_at = 'soon'"),
        ("record", VM, "written_at = -1.0"),
        ("record", VM, "run = x'00ff'"),
        ("lease", VM, "token = 0"),
        ("lease", VM, "pid = -1"),
        ("lease", VM, "expires_at = 9e18"),
        ("lease", VM, "who = x'ff'"),
        ("quarantine", "kvm-01", "since = 1e12"),
        ("machine", "kvm-02", "machine_id = 'short'"),
        ("statement", 1, "at = 'yesterday'"),
        ("statement", 1, "host = ''"),
    ],
)
def test_a_value_that_hafence_never_writes_is_refused_even_with_a_seal_that_fits(
    whole: Path, table: str, key: object, assignment: str
) -> None:
    column = {"record": "uuid", "lease": "vm", "statement": "id"}.get(table, "host")
    change(whole, f"UPDATE {table} SET {assignment} WHERE {column} = ?", key)
    reseal(whole, table, str(key))
    for read_only in (False, True):
        with pytest.raises(StoreError, match=table):
            read_state(open_store(f"sqlite://{whole}", read_only=read_only))


def read_state(store: Store) -> None:
    try:
        store.recall(NOW)
        store.leases()
    finally:
        store.close()


def test_a_uuid_in_capitals_is_refused(whole: Path) -> None:
    change(whole, "UPDATE record SET uuid = upper(uuid) WHERE uuid = ?", OTHER_VM)
    reseal(whole, "record", OTHER_VM.upper())
    with pytest.raises(StoreError, match="not written as a UUID"):
        open_store(f"sqlite://{whole}").recall(NOW)


@pytest.mark.parametrize("key", ["last_token", "history_head"])
@pytest.mark.parametrize("value", ["-1", '"x"', "[1]", "{", "null", "1e400"])
def test_a_counter_that_is_none_is_refused_by_what_needs_it(whole: Path, key: str, value: str) -> None:
    change(whole, "UPDATE meta SET value = ? WHERE key = ?", value, key)
    reseal(whole, "meta", key)
    store = open_store(f"sqlite://{whole}")
    needing_it: dict[str, Callable[[], object]] = {
        "last_token": lambda: lease_of(store, THIRD_VM),
        "history_head": lambda: store.begin_run(RunRow("next", NOW, "alice", "start-vm")),
    }
    with pytest.raises(StoreError, match=key):
        needing_it[key]()
    assert store.check() != ()
    store.close()


def test_a_counter_that_is_gone_is_refused(whole: Path) -> None:
    change(whole, "DELETE FROM meta WHERE key = 'history_head'")
    store = open_store(f"sqlite://{whole}")
    with pytest.raises(StoreError, match="no row 'history_head'"):
        store.begin_run(RunRow("next", NOW, "alice", "start-vm"))
    store.close()


# ---------------------------------------------------------------- the chain


def edit_history(path: Path, *statements: str) -> None:
    """Change the history as someone would who takes its triggers away and puts them back."""
    db = sqlite3.connect(path, isolation_level=None)
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    assert len(triggers) == 2
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert db.execute(statement).rowcount > 0
    for _, sql in triggers:
        db.execute(sql)
    db.close()


@pytest.mark.parametrize(
    "statement", ["UPDATE history SET at = 0.0", "DELETE FROM history", "DELETE FROM history WHERE seq = 2"]
)
def test_the_history_is_neither_changed_nor_deleted(whole: Path, statement: str) -> None:
    db = sqlite3.connect(whole)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE history SET body = replace(body, 'kvm-02', 'kvm-03') WHERE seq = 2", "entry 2 was changed"),
        ("UPDATE history SET at = at + 1 WHERE seq = 2", "entry 2 was changed"),
        ("UPDATE history SET run = 'run-1' , n = 99 WHERE seq = 2", "entry 2 was changed"),
        ("DELETE FROM history WHERE seq = 3", "entries 3 to 3 are missing"),
        ("DELETE FROM history WHERE seq > 5", "entries after 5 were cut off"),
        ("DELETE FROM history", "entries after 0 were cut off"),
        ("UPDATE history SET previous = hash WHERE seq = 4", "entry 4 does not follow"),
        ("INSERT INTO history VALUES (99, 'x', 0, 'begin', 1.0, '{}', '', '')", "are missing"),
    ],
)
def test_a_history_that_was_edited_is_broken(whole: Path, statement: str, words: str) -> None:
    edit_history(whole, statement)
    for read_only in (True, False):
        store = open_store(f"sqlite://{whole}", read_only=read_only)
        problems = [problem for problem in store.check() if problem.code == "history_broken"]
        assert len(problems) == 1
        assert words in problems[0].says
        store.close()


def test_a_run_with_an_edited_step_is_not_told(whole: Path) -> None:
    edit_history(whole, "UPDATE history SET body = replace(body, 'kvm-02', 'kvm-03') WHERE seq = 2")
    store = open_store(f"sqlite://{whole}")
    with pytest.raises(StoreError, match="history: entry 2 was changed"):
        store.run("run-0")
    store.close()


def test_a_run_with_a_step_taken_out_is_not_told(whole: Path) -> None:
    edit_history(whole, "DELETE FROM history WHERE seq = 2")
    store = open_store(f"sqlite://{whole}")
    with pytest.raises(StoreError, match="a step is missing"):
        store.run("run-0")
    store.close()


def test_a_history_body_is_kept_in_one_form(whole: Path) -> None:
    db = sqlite3.connect(whole)
    for (body,) in db.execute("SELECT body FROM history").fetchall():
        assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"))
    db.close()
