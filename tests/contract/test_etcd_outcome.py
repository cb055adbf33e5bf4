"""A write whose answer was lost takes effect once: by what the store answers, and by what is there afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hafence.core.record import mark_starting
from hafence.core.stored import Lease, PlannedWork, WorkKind
from hafence.effects import LeaseLost, StoreError
from hafence.stores import open_store
from hafence.stores.port import RunRow, StepRow, Store

from .bad_line import BadLine, bad_line
from .engines import NOW, TTL_S, VM, A, B, Engine, content, etcd_engine, holder, lease_of, shared_etcd, stopped


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return etcd_engine(tmp_path_factory.mktemp("etcd"))


@pytest.fixture
def line(engine: Engine) -> Iterator[BadLine]:
    with bad_line(shared_etcd().members[0].port) as line:
        yield line


@pytest.fixture
def far(engine: Engine, line: BadLine) -> Iterator[Store]:
    """The store over the bad line, with a run, a lease and a record in it."""
    far = open_store(engine.url.replace(str(shared_etcd().members[0].port), str(line.port)))
    far.begin_run(RunRow("run-1", NOW, "alice", "start-vm"))
    yield far
    line.lose = lambda _request: False
    far.close()


def writes(request: bytes) -> bool:
    return b"request_put" in request or b"request_delete_range" in request


def lose_the_next_write(line: BadLine) -> None:
    line.lose = lambda request: writes(request) and not line.lost


FAR = PlannedWork(WorkKind.DISARMED, "far", "bob", "rewiring", NOW, NOW + 60)
WRITES: dict[str, Callable[[Store, Lease], object]] = {
    "begin_run": lambda store, _: store.begin_run(RunRow("run-2", NOW, "alice", "start-vm")),
    "add_step": lambda store, _: store.add_step("run-1", StepRow(NOW, "step")),
    "end_run": lambda store, _: store.end_run("run-1", NOW, 0, {}),
    "state": lambda store, _: store.state(A, "alice", "unplugged", NOW, NOW + 60),
    "spend": lambda store, _: store.spend_statement(A, "recovered", NOW),
    "plan": lambda store, _: store.plan([PlannedWork(WorkKind.DISARMED, "prod-a", "ann", "why", NOW, NOW + 60)]),
    "end": lambda store, _: store.end_planned(WorkKind.DISARMED, ["far"]),
    "quarantine": lambda store, _: store.quarantine(A, "fenced", "run-1", NOW),
    "lift": lambda store, _: store.lift_quarantine(A, "a" * 32, NOW),
    "learn": lambda store, _: store.learn_machine(A, "a" * 32, NOW),
    "take": lambda store, lease: store.take_lease(VM, holder("run-2"), TTL_S, NOW + TTL_S),
    "renew": lambda store, lease: store.renew_lease(lease, TTL_S, NOW + 1),
    "drop": lambda store, lease: store.drop_lease(lease),
    "record": lambda store, lease: store.write_record(stopped(), lease, NOW),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_whose_answer_was_lost_takes_effect_once_and_is_answered_as_ever(
    engine: Engine, far: Store, line: BadLine, name: str
) -> None:
    near = engine.open()
    lease = lease_of(near)
    near.state(A, "bob", "seen dark", NOW, NOW + 60)
    near.plan([FAR])
    before = content(near)
    plain = open_store(engine.url + "-twin")  # the same writes over a good line
    plain.begin_run(RunRow("run-1", NOW, "alice", "start-vm"))
    twin_lease = lease_of(plain)
    plain.state(A, "bob", "seen dark", NOW, NOW + 60)
    plain.plan([FAR])
    expected = WRITES[name](plain, twin_lease)

    lose_the_next_write(line)
    answer = WRITES[name](far, lease)

    assert len(line.lost) == 1
    assert answer == expected
    assert content(near) == content(plain) != before
    assert near.check() == ()
    plain.close()
    near.close()


def test_the_second_write_of_a_run_is_as_safe_as_the_first(engine: Engine, far: Store, line: BadLine) -> None:
    for number in range(1, 20):
        line.lost.clear()
        lose_the_next_write(line)
        assert far.add_step("run-1", StepRow(NOW, "step")) == number
        assert line.lost
    assert len(far.run("run-1").steps) == 19
    assert far.check() == ()


def test_a_record_that_was_written_before_a_take_over_is_told_as_written_and_written_once(
    engine: Engine, far: Store, line: BadLine
) -> None:
    near = engine.open()
    lease = lease_of(near)

    def take_over(request: bytes) -> bool:
        """By the time the answer is lost, another run holds the lease and has written the next revision."""
        if not writes(request) or line.lost:
            return False
        later = lease_of(near, run="run-2", now=NOW + TTL_S)
        near.write_record(mark_starting(near.recall(NOW).records[VM], B, "run-2", 9), later, NOW + TTL_S)
        return True

    line.lose = take_over
    assert far.write_record(stopped(), lease, NOW).revision == 1
    assert near.recall(NOW).records[VM].run == "run-2"
    assert near.recall(NOW).records[VM].revision == 2
    near.close()


def test_a_record_that_a_take_over_came_before_is_not_written(engine: Engine, far: Store, line: BadLine) -> None:
    near = engine.open()
    lease = lease_of(near)

    def take_over(request: bytes) -> bool:
        """The request never arrives, and when it is sent again another run holds the lease."""
        if not writes(request) or line.lost:
            return False
        lease_of(near, run="run-2", now=NOW + TTL_S)
        return True

    line.swallow = take_over
    with pytest.raises(LeaseLost, match="taken over by run run-2"):
        far.write_record(stopped(), lease, NOW + 1)
    assert line.lost
    assert near.recall(NOW).records == {}
    near.close()


def test_a_line_that_loses_every_answer_ends_in_an_error_that_says_what_is_not_known(
    engine: Engine, far: Store, line: BadLine
) -> None:
    lease = lease_of(far)
    line.lose = writes
    with pytest.raises(StoreError, match="may have been written, or may be yet"):
        far.write_record(stopped(), lease, NOW)
    assert len(set(line.lost)) == 1  # repeated word for word
    line.lose = lambda _request: False
    near = engine.open()
    assert near.recall(NOW).records[VM].revision == 1
    assert near.check() == ()
    assert far.recall(NOW) == near.recall(NOW)
    near.close()
