"""What is remembered of hosts: quarantine, machine-ids, statements."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hafence.core.model import HostName
from hafence.core.stored import Statement
from hafence.stores.port import QuarantineRow, StatementRow, Store

from .engines import NOW, A, B, C


def test_a_quarantined_host_is_recalled_with_why_and_since_when(store: Store, other: Store) -> None:
    store.quarantine(A, "fenced for web-01", "run-1", NOW)
    assert other.recall(NOW).quarantine == {A: "fenced for web-01 (since 2025-11-22T15:06:40Z, run run-1)"}


def test_a_host_fenced_again_stays_in_quarantine_since_when_it_was(store: Store) -> None:
    store.quarantine(A, "fenced", "run-1", NOW)
    store.quarantine(A, "storage fenced", "run-2", NOW + 60)
    assert store.quarantined() == (QuarantineRow(A, "storage fenced", "run-2", NOW),)


def test_a_host_that_is_taken_back_begins_a_new_life(store: Store) -> None:
    for host in (A, B):
        store.quarantine(host, "fenced", "run-1", NOW)
        store.learn_machine(host, "a" * 32, NOW)
        store.state(host, "alice", "unplugged", NOW, NOW + 3600)
    store.lift_quarantine(A, "c" * 32, NOW + 10)
    known = store.recall(NOW + 11)
    assert set(known.quarantine) == {B}
    assert known.machine_ids == {A: "c" * 32, B: "a" * 32}
    assert set(known.statements) == {B}
    assert store.statements()[0].ended_why == "the host was taken back"


def test_a_host_taken_back_without_a_machine_id_has_none(store: Store) -> None:
    store.learn_machine(A, "a" * 32, NOW)
    store.lift_quarantine(A, None, NOW)
    store.lift_quarantine(C, None, NOW)  # never quarantined: nothing to do
    assert store.recall(NOW).machine_ids == {}


def test_the_latest_machine_id_is_remembered(store: Store) -> None:
    store.learn_machine(A, "a" * 32, NOW)
    store.learn_machine(A, "b" * 32, NOW)
    assert store.recall(NOW).machine_ids == {A: "b" * 32}


def test_a_statement_holds_until_it_expires(store: Store) -> None:
    store.state(A, "alice", "unplugged", NOW, NOW + 3600)
    statement = Statement(A, "alice", "unplugged", NOW, NOW + 3600)
    assert store.recall(NOW).statements == {A: statement}
    assert store.recall(NOW + 3599.9).statements == {A: statement}
    assert store.recall(NOW + 3600).statements == {}


def test_a_statement_of_the_future_counts_for_nothing(store: Store) -> None:
    # The clock went back: how old the statement is, and whether the host has come up since, is not known.
    store.state(A, "alice", "unplugged", NOW, NOW + 3600)
    assert store.recall(NOW - 3600).statements == {}
    assert set(store.recall(NOW - 1).statements) == {A}


def test_a_spent_statement_is_over_but_not_forgotten(store: Store) -> None:
    store.state(A, "alice", "unplugged", NOW, NOW + 3600)
    store.state(B, "bob", "burnt", NOW, NOW + 3600)
    store.spend_statement(A, "kvm-01 was recovered", NOW + 1)
    store.spend_statement(A, "again", NOW + 2)
    store.spend_statement(C, "of which nothing was stated", NOW + 2)
    assert set(store.recall(NOW + 2).statements) == {B}
    assert store.statements() == (
        StatementRow(A, "alice", "unplugged", NOW, NOW + 3600, NOW + 1, "kvm-01 was recovered"),
        StatementRow(B, "bob", "burnt", NOW, NOW + 3600),
    )


def test_a_later_statement_takes_the_place_of_an_earlier_one(store: Store) -> None:
    store.state(A, "alice", "unplugged", NOW, NOW + 7200)
    store.state(A, "bob", "seen dark", NOW + 1, NOW + 60)
    assert store.recall(NOW + 2).statements[A].who == "bob"
    assert store.recall(NOW + 61).statements == {}


def test_words_that_were_never_text_are_kept_readable(store: Store) -> None:
    store.state(A, "al\udc80ice", "emoji 🔌 and \0 and ' OR 1=1; --", NOW, NOW + 60)
    statement = store.recall(NOW).statements[A]
    assert statement.who == "al\\udc80ice"
    assert statement.reason == "emoji 🔌 and \0 and ' OR 1=1; --"
    assert store.check() == ()


@pytest.mark.parametrize("host", ["", "a b", "-x", "kvm\n01", "x" * 129])
def test_what_is_no_hosts_name_is_not_stored(store: Store, host: str) -> None:
    writes: tuple[Callable[[], None], ...] = (
        lambda: store.quarantine(HostName(host), "why", "run-1", NOW),
        lambda: store.learn_machine(HostName(host), "a" * 32, NOW),
        lambda: store.state(HostName(host), "who", "why", NOW, NOW + 1),
    )
    for write in writes:
        with pytest.raises(ValueError, match="not a"):
            write()
    assert store.recall(NOW).quarantine == {}


def test_what_is_no_machine_id_is_not_stored(store: Store) -> None:
    with pytest.raises(ValueError, match="no machine-id"):
        store.learn_machine(A, "-", NOW)
    assert store.recall(NOW).machine_ids == {}
