"""Two admin nodes whose clocks differ by more than a lease, or jump: two processes on one store, each with its own.

A lease ends by the clock of whoever wants it. So a clock that is off can end one early, under a run that lives and
acts. What keeps the two apart then is the token: only the later run writes, and hosts know it for the later by its
tickets, which are made of the token.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hafence.stores.port import Store

from .engines import NOW, TTL_S, VM, Worker

OFF_S = TTL_S + 10
Start = Callable[..., Worker]


class Node:
    """An admin node with a run on it, and a clock that is so far ahead."""

    def __init__(self, start_worker: Start, run: str, ahead_s: float = 0.0) -> None:
        self._worker = start_worker("by_clock", run)
        self._worker.say("go")
        self.ahead_s = ahead_s

    def does(self, what: str, after_s: float) -> str:
        """Do it so many seconds after the test began, true time; how it went."""
        self._worker.say(f"{what} {NOW + after_s + self.ahead_s}")
        return self._worker.hears()


@pytest.fixture
def node(start_worker: Start) -> Callable[..., Node]:
    return lambda run, ahead_s=0.0: Node(start_worker, run, ahead_s)


def assert_only_writer(store: Store, later: Node, earlier: Node, after_s: float) -> None:
    """The later run writes, and whatever the earlier one tries changes nothing."""
    revision = store.recall(NOW).records[VM].revision
    token = store.leases()[0].token
    for what in ("renew", "write"):
        assert earlier.does(what, after_s).startswith("LeaseLost"), what
    assert earlier.does("drop", after_s) == "dropped"
    assert store.recall(NOW).records[VM].revision == revision
    assert [row.token for row in store.leases()] == [token]
    assert later.does("write", after_s + 1) == str(revision + 1)


def test_a_node_that_is_ahead_takes_the_lease_of_a_run_that_acts_and_is_then_the_only_writer(
    store: Store, node: Callable[..., Node]
) -> None:
    right, ahead = node("run-1"), node("run-2", OFF_S)
    assert right.does("take", 0) == "Lease"
    assert right.does("write", 1) == "1"
    early = store.leases()[0].token
    assert ahead.does("take", 2) == "Lease"
    assert store.leases()[0].token > early
    assert_only_writer(store, ahead, right, 3)


def test_the_lease_of_a_node_that_is_behind_is_taken_from_it_at_once(store: Store, node: Callable[..., Node]) -> None:
    behind, right = node("run-1", -OFF_S), node("run-2")
    assert behind.does("take", 0) == "Lease"
    assert behind.does("write", 1) == "1"
    assert right.does("take", 2) == "Lease"
    assert_only_writer(store, right, behind, 3)


def test_a_node_that_is_behind_waits_longer_for_a_lease_to_end(store: Store, node: Callable[..., Node]) -> None:
    right, behind = node("run-1"), node("run-2", -OFF_S)
    assert right.does("take", 0) == "Lease"
    assert right.does("write", 1) == "1"
    assert behind.does("take", TTL_S + 1) == "Busy"
    assert behind.does("take", TTL_S + OFF_S) == "Lease"
    assert_only_writer(store, behind, right, TTL_S + OFF_S + 1)


def test_a_run_whose_clock_jumps_ahead_has_lost_its_lease_although_nobody_took_it(
    store: Store, node: Callable[..., Node]
) -> None:
    jumps = node("run-1")
    assert jumps.does("take", 0) == "Lease"
    assert jumps.does("write", 1) == "1"
    jumps.ahead_s = OFF_S
    for what in ("renew", "write"):
        assert "expired" in jumps.does(what, 2)
    assert store.recall(NOW).records[VM].revision == 1


def test_a_run_whose_clock_is_set_back_loses_its_lease_to_the_next_with_its_renewal(
    store: Store, node: Callable[..., Node]
) -> None:
    jumps, right = node("run-1"), node("run-2")
    assert jumps.does("take", 0) == "Lease"
    assert jumps.does("write", 1) == "1"
    assert right.does("take", 2) == "Busy"
    jumps.ahead_s = -OFF_S
    assert jumps.does("renew", 3) == "renewed"
    assert right.does("take", 4) == "Lease"
    assert_only_writer(store, right, jumps, 5)
