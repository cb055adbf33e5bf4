"""Records: compare-and-set under a lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hafence.core.model import HostName
from hafence.core.record import VmRecord, VmState, mark_clean, mark_running, mark_starting, restore
from hafence.effects import LeaseLost
from hafence.stores.port import Store

from .engines import NOW, OTHER_VM, TTL_S, VM, A, B, Engine, lease_of, stopped


def test_a_vm_that_no_run_has_touched_has_no_record(store: Store) -> None:
    assert store.recall(NOW).records == {}


def test_every_step_of_a_record_comes_back_as_it_was_written(engine: Engine, store: Store) -> None:
    lease = lease_of(store)
    record = store.write_record(stopped(), lease, NOW)
    steps: tuple[Callable[[VmRecord], VmRecord], ...] = (
        lambda old: mark_starting(old, B, "run-1", 2**53 + 1),
        mark_clean,
        lambda old: mark_starting(old, B, "run-1", 2**53 + 2),
        lambda old: mark_running(old, B, "run-1", NOW + 0.123456789),
    )
    for expected, step in enumerate(steps, start=2):
        record = store.write_record(step(record), lease, NOW)
        assert record.revision == expected
        again = engine.open()
        assert again.recall(NOW).records == {VM: record}
        again.close()
    assert record == VmRecord(VM, VmState.RUNNING, B, A, 5, "run-1", 2**53 + 2, None, NOW + 0.123456789)


def test_a_record_without_a_last_host_comes_back(store: Store) -> None:
    lease = lease_of(store)
    record = store.write_record(restore(stopped()), lease, NOW)
    assert store.recall(NOW).records[VM] == record
    assert record.last_host is None


def test_a_record_that_changed_meanwhile_is_not_overwritten(store: Store, other: Store) -> None:
    lease = lease_of(store)
    first = store.write_record(stopped(), lease, NOW)
    second = other.write_record(mark_starting(first, B, "run-1", 7), lease, NOW)
    for stale in (first, replace(first, revision=0), replace(second, revision=3)):
        with pytest.raises(LeaseLost, match="revision 2"):
            store.write_record(stale, lease, NOW)
    assert store.recall(NOW).records[VM] == second


def test_a_record_is_not_written_after_its_lease_expired(store: Store) -> None:
    lease = lease_of(store)
    with pytest.raises(LeaseLost, match="expired"):
        store.write_record(stopped(), lease, NOW + TTL_S)
    assert store.recall(NOW).records == {}


def test_a_lease_that_says_of_itself_that_it_lasts_does_not(store: Store) -> None:
    lease = replace(lease_of(store), expires_at=NOW + 10 * TTL_S)
    with pytest.raises(LeaseLost, match="expired"):
        store.write_record(stopped(), lease, NOW + TTL_S)


def test_a_record_is_not_written_without_or_after_a_dropped_lease(store: Store) -> None:
    lease = lease_of(store)
    store.drop_lease(lease)
    with pytest.raises(LeaseLost):
        store.write_record(stopped(), lease, NOW)


def test_after_a_take_over_only_the_new_holder_writes(store: Store, other: Store) -> None:
    old = lease_of(store)
    record = store.write_record(stopped(), old, NOW)
    new = lease_of(other, run="run-2", now=NOW + TTL_S)
    with pytest.raises(LeaseLost, match="taken over by run run-2"):
        store.write_record(mark_starting(record, B, "run-1", 7), old, NOW + TTL_S)
    assert other.write_record(mark_starting(record, B, "run-2", 8), new, NOW + TTL_S).revision == 2


def test_the_lease_of_one_vm_writes_no_other(store: Store) -> None:
    with pytest.raises(ValueError, match="gives no right"):
        store.write_record(stopped(OTHER_VM), lease_of(store, VM), NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(stopped(), host=B),
        replace(stopped(), last_host=None),
        replace(stopped(), state=VmState.STARTING),
        replace(stopped(), state=VmState.RUNNING),
        replace(stopped(), last_host=HostName("a b; rm -rf /")),
        replace(stopped(), ticket=-1),
        replace(stopped(), started_at=float("nan")),
    ],
    ids=["stopped with a host", "no last host", "starting nowhere", "running nowhere", "a name", "ticket", "nan"],
)
def test_a_record_that_could_not_be_read_again_is_not_written(store: Store, wrong: VmRecord) -> None:
    with pytest.raises(ValueError, match="not a"):
        store.write_record(wrong, lease_of(store), NOW)
    assert store.recall(NOW).records == {}
    assert store.check() == ()
