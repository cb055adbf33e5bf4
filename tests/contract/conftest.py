"""Every engine in turn, each with an empty store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hafence.stores.port import Store

from .engines import ENGINES, Engine, Worker, stop_shared_etcd


@pytest.fixture(scope="session", autouse=True)
def _end_of_what_is_shared() -> Iterator[None]:
    yield
    stop_shared_etcd()


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = ENGINES[request.param](tmp_path)
    yield engine
    engine.stop()


@pytest.fixture
def store(engine: Engine) -> Iterator[Store]:
    store = engine.open()
    yield store
    store.close()


@pytest.fixture
def other(engine: Engine, store: Store) -> Iterator[Store]:
    """The same store, opened a second time."""
    other = engine.open()
    yield other
    other.close()


@pytest.fixture
def start_worker(engine: Engine) -> Iterator[Callable[..., Worker]]:
    """Starts processes that work on the store; whatever is left of them is killed in the end."""
    workers: list[Worker] = []

    def start(*words: object) -> Worker:
        workers.append(Worker(engine.url, *words))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
