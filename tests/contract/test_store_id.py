"""Which store it is: an id that is made once and stays, so that hosts can tell whose run was at a VM."""

from __future__ import annotations

import re
import sqlite3
import threading
from pathlib import Path

import pytest

from hafence.effects import StoreError
from hafence.stores import open_store
from hafence.stores.memory.store import MemoryStore
from hafence.stores.port import Store

from .engines import ENGINES, Engine, content, fill, sqlite_engine


def test_a_store_has_an_id_that_stays(engine: Engine, store: Store, other: Store) -> None:
    first = store.store_id()
    assert re.fullmatch("[0-9a-f]{16}", first)
    fill(store)
    assert other.store_id() == store.store_id() == first
    store.close()
    again = engine.open()
    assert again.store_id() == first
    again.close()
    dry = engine.open(read_only=True)
    assert dry.store_id() == first
    dry.close()


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_two_stores_have_two_ids(name: str, tmp_path: Path) -> None:
    engines = [ENGINES[name](tmp_path / str(number)) for number in range(2)]
    stores = [engine.open() for engine in engines]
    assert len({store.store_id() for store in stores}) == 2
    for store in stores:
        store.close()
    for engine in engines:
        engine.stop()


@pytest.mark.parametrize("name", ["etcd", "sqlite"])
def test_a_store_that_is_not_there_has_none_and_gets_none_by_reading(name: str, tmp_path: Path) -> None:
    engine = ENGINES[name](tmp_path)
    for _ in range(2):
        dry = engine.open(read_only=True)
        assert dry.store_id() == ""
        dry.close()


def test_a_simulated_store_has_the_id_that_it_is_given() -> None:
    assert MemoryStore(store_id="00000000000000a1").store_id() == "00000000000000a1"


class TestSqlite:
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Engine:
        return sqlite_engine(tmp_path)

    @pytest.fixture
    def older(self, engine: Engine, tmp_path: Path) -> Path:
        """A store as an older hafence has left it."""
        store = engine.open()
        fill(store)
        store.close()
        path = tmp_path / "store" / "state.db"
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM meta WHERE key = 'store_id'")
        db.close()
        return path

    def test_an_older_store_gets_its_id_when_it_is_opened_to_be_written(self, engine: Engine, older: Path) -> None:
        dry = engine.open(read_only=True)
        before = content(dry)
        assert (dry.store_id(), dry.check()) == ("", ())
        store = engine.open()
        assert re.fullmatch("[0-9a-f]{16}", store.store_id())
        assert dry.store_id() == store.store_id()
        assert (content(store), store.check()) == (before, ())
        store.close()

    def test_many_that_open_an_older_store_at_once_give_it_one_id(self, engine: Engine, older: Path) -> None:
        barrier, ids = threading.Barrier(8), []

        def work() -> None:
            barrier.wait()
            store = engine.open()
            ids.append(store.store_id())
            store.close()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert len(ids) == 8
        assert len(set(ids)) == 1

    def test_a_damaged_id_is_refused(self, engine: Engine, older: Path) -> None:
        with sqlite3.connect(older) as db:
            db.execute("INSERT INTO meta VALUES ('store_id', '\"0000\"', 'x')")
        db.close()
        with pytest.raises(StoreError, match="does not match its seal"):
            open_store(f"sqlite://{older}")
