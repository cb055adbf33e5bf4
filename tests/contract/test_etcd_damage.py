"""A store in etcd that was changed past hafence: refused in words, or nothing that is said changes."""

from __future__ import annotations

import base64
import json
import random
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hafence.effects import StoreError
from hafence.stores import open_store
from hafence.stores.codec import meta_row
from hafence.stores.etcd.rows import VALUE_MOST
from hafence.stores.etcd.view import PAGE
from hafence.stores.port import RunRow, StepRow, Store

from .engines import NOW, VM, Engine, content, fill, lease_of, shared_etcd
from .etcd_parts import post


class Keys:
    """The keys of one store, as another program reads and writes them."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._url = shared_etcd().members[0].url

    def all(self) -> dict[str, bytes]:
        end = self.prefix[:-1] + "0"
        answer = self._post("range", {"key": _text(self.prefix), "range_end": _text(end)})
        return {
            base64.b64decode(each["key"]).decode(): base64.b64decode(each.get("value", ""))
            for each in answer.get("kvs", [])
        }

    def put(self, key: str, value: bytes) -> None:
        self._post("put", {"key": _text(key), "value": base64.b64encode(value).decode()})

    def delete(self, key: str) -> None:
        self._post("deleterange", {"key": _text(key)})

    def _post(self, what: str, document: object) -> dict[str, Any]:
        return post(f"{self._url}/v3/kv/{what}", document)


def _text(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


@pytest.fixture
def keys() -> Keys:
    return Keys(f"/damage-{secrets.token_hex(4)}/")


@pytest.fixture
def engine(keys: Keys) -> Engine:
    return Engine("etcd", shared_etcd().url(keys.prefix.strip("/")))


@pytest.fixture
def store(engine: Engine) -> Iterator[Store]:
    store = engine.open()
    fill(store)
    yield store
    store.close()


def read(engine: Engine) -> tuple[object, ...] | None:
    """All that the store says, or None where it was refused in words."""
    try:
        store = engine.open(read_only=True)
        try:
            return content(store)
        finally:
            store.close()
    except StoreError as error:
        words = str(error)
    assert "damage-" in words
    return None


def of_tables(keys: Keys) -> dict[str, bytes]:
    return {key: value for key, value in keys.all().items() if not key.startswith(f"{keys.prefix}writer/")}


def test_a_flipped_bit_in_any_value_is_refused_or_changes_no_answer(engine: Engine, store: Store, keys: Keys) -> None:
    right, chance = content(store), random.Random(5)
    refusals = flips = 0
    for key, value in of_tables(keys).items():
        for _ in range(6):
            damaged = bytearray(value)
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
            keys.put(key, bytes(damaged))
            found = read(engine)
            assert found is None or found == right, (key, damaged)
            assert store_check_finds(engine) or damaged == value
            refusals, flips = refusals + (found is None), flips + 1
        keys.put(key, value)
    assert refusals > flips / 2


def store_check_finds(engine: Engine) -> bool:
    try:
        store = engine.open(read_only=True)
        try:
            return store.check() != ()
        finally:
            store.close()
    except StoreError:
        return True


def test_a_row_that_was_deleted_is_found_where_it_is_not_meant_to_go_away(
    engine: Engine, store: Store, keys: Keys
) -> None:
    for key, value in of_tables(keys).items():
        table = key.removeprefix(keys.prefix).partition("/")[0]
        keys.delete(key)
        if table in ("meta", "history", "begin", "run"):
            assert store_check_finds(engine), key
        keys.put(key, value)


def test_a_row_under_another_ones_key_is_refused(engine: Engine, store: Store, keys: Keys) -> None:
    rows = of_tables(keys)
    records = [key for key in rows if "/record/" in key]
    keys.put(records[0], rows[records[1]])
    assert read(engine) is None
    assert store_check_finds(engine)


def test_values_that_are_no_rows_are_refused(engine: Engine, store: Store, keys: Keys) -> None:
    key = next(key for key in of_tables(keys) if "/record/" in key)
    for value in (b"", b"[", b"{}", b"[]", b"[[]]", b"[true]", b"[1]", b"[" * 9999, b"z", b"zz", b"\xff", b"null"):
        keys.put(key, value)
        assert read(engine) is None, value
        assert store_check_finds(engine)


def test_keys_that_hafence_does_not_write_are_found(engine: Engine, store: Store, keys: Keys) -> None:
    keys.put(f"{keys.prefix}other/x", b"1")
    assert [problem.code for problem in store.check()] == ["row"]
    assert "other/x is none of hafence's" in store.check()[0].says


def test_a_prefix_that_holds_something_else_is_refused_and_left_alone(engine: Engine, keys: Keys) -> None:
    keys.put(f"{keys.prefix}config", b"x")
    for read_only in (True, False):
        with pytest.raises(StoreError, match="no hafence store"):
            engine.open(read_only=read_only)
    assert keys.all() == {f"{keys.prefix}config": b"x"}


def test_a_store_of_a_newer_hafence_is_refused_and_left_alone(engine: Engine, store: Store, keys: Keys) -> None:
    newer = json.dumps(list(meta_row("schema", [2, "x"]))).encode()
    keys.put(f"{keys.prefix}meta/schema", newer)
    before = of_tables(keys)
    for read_only in (True, False):
        with pytest.raises(StoreError, match="written by a newer hafence"):
            engine.open(read_only=read_only)
    with pytest.raises(StoreError, match="newer"):
        store.quarantine("kvm-09", "why", "run-1", NOW)  # type: ignore[arg-type]
    assert of_tables(keys) == before


def test_a_store_that_was_deleted_or_made_anew_under_a_run_is_seen(engine: Engine, store: Store, keys: Keys) -> None:
    for key in keys.all():
        keys.delete(key)
    with pytest.raises(StoreError, match="has no row 'schema'"):
        lease_of(store, now=NOW + 999)
    engine.open().close()
    with pytest.raises(StoreError, match="made anew"):
        lease_of(store, now=NOW + 999)
    assert {key.removeprefix(keys.prefix) for key in keys.all()} == {
        *("meta/history_head", "meta/last_token", "meta/schema")
    }


def test_reading_changes_nothing_not_even_where_there_is_no_store(engine: Engine, keys: Keys) -> None:
    store = engine.open(read_only=True)
    assert not any(content(store)[1:])
    assert store.check() == ()
    with pytest.raises(StoreError, match="read only"):
        lease_of(store)
    store.close()
    assert keys.all() == {}


def test_the_mark_of_a_writer_goes_with_it(engine: Engine, store: Store, keys: Keys) -> None:
    assert any("/writer/" in key for key in keys.all())
    store.close()
    assert keys.all() == of_tables(keys)


def test_a_long_step_is_packed_and_one_that_is_too_long_is_refused(engine: Engine, store: Store, keys: Keys) -> None:
    long = StepRow(NOW, "look_at", VM, {"saw": ["the same again and again"] * 200_000})
    store.begin_run(RunRow("long", NOW, "alice", "audit"))
    store.add_step("long", long)
    assert store.run("long").steps == (long,)
    noise = StepRow(NOW, "noise", VM, {"saw": random.Random(1).randbytes(VALUE_MOST).hex()})
    with pytest.raises(StoreError, match="more than etcd takes"):
        store.add_step("long", noise)
    assert store.check() == ()


def test_many_long_rows_are_fetched_piece_by_piece(engine: Engine, store: Store) -> None:
    chance = random.Random(2)
    store.begin_run(RunRow("many", NOW, "alice", "audit"))
    steps = tuple(StepRow(NOW, "noise", None, {"saw": chance.randbytes(500_000).hex()}) for _ in range(47))
    for step in steps:
        store.add_step("many", step)
    assert store.run("many").steps == steps  # 35 MB in base64: more than one answer may hold
    assert store.check() == ()


def test_more_runs_than_one_answer_holds_are_listed_in_order(engine: Engine, store: Store) -> None:
    for number in range(PAGE + 20):
        store.begin_run(RunRow(f"r{number:04d}", NOW + number, "alice", "audit", (VM,) if number % 3 == 0 else ()))
    names = [summary.row.run for summary in store.runs(limit=PAGE * 2)]
    assert names == [*(f"r{number:04d}" for number in range(PAGE + 19, -1, -1)), "run-1", "run-0"]
    assert [summary.row.run for summary in store.runs(VM, limit=3)] == ["r1017", "r1014", "r1011"]
    assert store.run("r0000").row.run == "r0000"
    assert store.check() == ()


def test_a_sqlite_store_and_an_etcd_store_say_the_same(engine: Engine, store: Store, tmp_path: Path) -> None:
    other = open_store(f"sqlite://{tmp_path}/state.db")
    fill(other)
    assert content(other) == content(store)
    other.close()
