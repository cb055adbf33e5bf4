"""Many processes at once, and processes that are killed in the middle: nothing is won twice, nothing is lost."""

from __future__ import annotations

import random
from collections.abc import Callable

from hafence.stores.port import Store

from .engines import NOW, TTL_S, VM, Engine, Worker, lease_of, stranger

Start = Callable[..., Worker]


def hear_from_all(workers: list[Worker]) -> list[str]:
    """Let them go at the same moment, and hear what each has come to."""
    for worker in workers:
        worker.say("go")
    return [worker.hears() for worker in workers]


def test_of_twenty_processes_one_takes_the_lease(store: Store, start_worker: Start) -> None:
    workers = [start_worker("take", f"run-{number}", NOW) for number in range(20)]
    answers = hear_from_all(workers)
    assert sorted(answers) == ["Busy"] * 19 + ["Lease"]
    assert store.leases()[0].holder.run == f"run-{answers.index('Lease')}"


def test_of_twenty_processes_one_takes_over_an_expired_lease(store: Store, start_worker: Start) -> None:
    store.take_lease(VM, stranger(), TTL_S, NOW)
    workers = [start_worker("take", f"run-{number}", NOW + TTL_S) for number in range(20)]
    assert sorted(hear_from_all(workers)) == ["Busy"] * 19 + ["Lease"]


def test_of_eight_processes_one_takes_over_from_a_dead_one(store: Store, start_worker: Start) -> None:
    dead = start_worker("take", "run-dead", NOW)
    assert hear_from_all([dead]) == ["Lease"]
    workers = [start_worker("take", f"run-{number}", NOW) for number in range(8)]
    dead.kill()
    assert sorted(hear_from_all(workers)) == ["Busy"] * 7 + ["Lease"]


def test_eight_processes_count_to_eight_hundred_in_one_record_and_lose_none(store: Store, start_worker: Start) -> None:
    token = lease_of(store).token
    workers = [start_worker("count", token, 100) for _ in range(8)]
    assert hear_from_all(workers) == ["done"] * 8
    record = store.recall(NOW).records[VM]
    assert (record.revision, record.ticket) == (800, 800)


def test_eight_processes_write_one_history_without_a_gap(store: Store, start_worker: Start) -> None:
    workers = [start_worker("steps", f"run-{number}", 40) for number in range(8)]
    assert hear_from_all(workers) == ["done"] * 8
    for summary in store.runs():
        assert [step.data["number"] for step in store.run(summary.row.run).steps] == list(range(40))
    assert len(store.runs()) == 8
    assert store.check() == ()


def test_eight_processes_that_find_no_store_make_one_between_them(engine: Engine, start_worker: Start) -> None:
    workers = [start_worker("open_at_once") for _ in range(8)]
    assert hear_from_all(workers) == ["0"] * 8
    store = engine.open()
    assert len(store.runs()) == 8
    assert store.check() == ()
    store.close()


def test_a_killed_writer_loses_nothing_that_it_was_told_is_written(engine: Engine, start_worker: Start) -> None:
    chance = random.Random(7)
    written = 0
    for round_number in range(12):
        worker = start_worker("hammer", f"run-{round_number}")
        worker.say("go")
        for _ in range(chance.randint(1, 40)):
            written = int(worker.hears())
        unheard = worker.kill()
        if unheard:
            written = int(unheard[-1])

        dry = engine.open(read_only=True)
        seen = dry.recall(NOW).records[VM].revision
        assert dry.check() == ()
        dry.close()
        store = engine.open()
        revision = store.recall(NOW).records[VM].revision
        assert seen == revision
        assert revision in (written, written + 1)  # the last write may have been on its way to being told
        assert store.check() == ()
        steps = store.run(f"run-{round_number}").steps
        assert steps[-1].data["revision"] in (revision, revision + 1)
        store.close()
        written = revision
