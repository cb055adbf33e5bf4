"""Names, UUIDs, records, outcomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafence.core.decision import Reason
from hafence.core.model import HostName, is_name, parse_uuid
from hafence.core.outcome import Decision, Exit, Outcome, exit_of
from hafence.core.record import (
    VmState,
    mark_clean,
    mark_running,
    mark_starting,
    mark_stopped,
    restore,
    unseen,
)

from .make import inventory, uuid, vm

A, B = HostName("kvm-01"), HostName("kvm-02")
WRITTEN = "6D6F6A5A-0000-4000-8000-000000000001"


@pytest.mark.parametrize("text", [WRITTEN, WRITTEN.lower(), WRITTEN.replace("-", ""), WRITTEN.lower().replace("-", "")])
def test_a_uuid_is_one_uuid_however_it_is_written(text: str) -> None:
    assert parse_uuid(text) == uuid(1)


@given(st.text(max_size=50))
def test_what_is_no_uuid_is_refused(text: str) -> None:
    digits = text.lower().replace("-", "")
    if len(digits) == 32 and all(c in "0123456789abcdef" for c in digits):
        return
    with pytest.raises(ValueError, match="not a UUID"):
        parse_uuid(text)


@pytest.mark.parametrize(
    "odd", ["6d6f6a5a0-000-4000-8000-000000000001", WRITTEN + "\n", "\uff16" + WRITTEN[1:], "-" * 36]
)
def test_dashes_in_odd_places_and_foreign_digits_are_refused(odd: str) -> None:
    with pytest.raises(ValueError, match="not a UUID"):
        parse_uuid(odd)


def test_names_hold_nothing_that_a_shell_reads() -> None:
    assert is_name("web-01.example_2")
    for bad in ("", "-rf", "a b", "a;b", "$(x)", "a\n", "é", "a" * 129, "../x", "a/b"):
        assert not is_name(bad), bad


def test_a_vm_is_found_by_uuid_name_or_unique_prefix() -> None:
    book = inventory(vms=[vm(1, name="web-01"), vm(2, name="db-01"), vm(12, name="6d")])
    for text in (WRITTEN, WRITTEN.replace("-", ""), "web-01", str(uuid(1)), str(uuid(1)).upper()):
        assert book.find_vm(text).name == "web-01"
    assert book.find_vm("6d").name == "6d"
    assert book.find_vm(str(uuid(12))[:-1].replace("-", "") + "2").name == "6d"
    with pytest.raises(LookupError, match="beginning of 3 UUIDs"):
        book.find_vm("6d6f6a5a")
    with pytest.raises(LookupError, match="no VM"):
        book.find_vm("nothing")
    with pytest.raises(LookupError, match="no VM"):
        book.find_vm("")


def test_a_host_is_found_by_its_name_only() -> None:
    assert inventory().find_host("kvm-02").name == "kvm-02"
    with pytest.raises(LookupError, match="no host 'kvm-99'"):
        inventory().find_host("kvm-99")


def test_the_way_of_a_record_through_a_start() -> None:
    record = unseen(uuid(1), A)
    assert (record.state, record.suspect, record.words) == (VmState.RUNNING, A, "running on kvm-01")
    stopped = mark_stopped(record, "r1", True)
    assert (stopped.state, stopped.host, stopped.suspect) == (VmState.STOPPED, None, A)
    starting = mark_starting(stopped, B, "r1", 7)
    assert (starting.state, starting.host, starting.suspect, starting.ticket) == (VmState.STARTING, B, A, 7)
    assert "being started on kvm-02 (last on kvm-01)" in starting.words
    running = mark_running(starting, B, "r1", 5.0)
    assert (running.state, running.host, running.suspect, running.started_at) == (VmState.RUNNING, B, B, 5.0)
    assert running.last_host == A


def test_a_failed_start_is_stopped_again_and_silence_is_undone() -> None:
    starting = mark_starting(mark_stopped(unseen(uuid(1), A), "r1", False), B, "r1", 7)
    stopped = mark_clean(starting)
    assert (stopped.state, stopped.host, stopped.suspect) == (VmState.STOPPED, None, A)
    assert "stopped (last on kvm-01)" in stopped.words
    back = restore(stopped)
    assert (back.state, back.host, back.suspect) == (VmState.RUNNING, A, A)


def test_a_start_in_flight_can_be_neither_restored_nor_started_again() -> None:
    starting = mark_starting(mark_stopped(unseen(uuid(1), A), "r1", False), B, "r1", 7)
    with pytest.raises(AssertionError):
        restore(starting)
    with pytest.raises(AssertionError):
        mark_starting(starting, A, "r2", 8)
    with pytest.raises(AssertionError):
        mark_clean(unseen(uuid(1), A))


def outcome(code: Exit) -> Outcome:
    return Outcome("r", uuid(1), "web-01", A, Decision.STARTED, None, Reason.CONFIRMED_DEAD, "", exit=code)


@pytest.mark.parametrize(
    ("codes", "exits"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 4], 4),
        ([4, 3, 0], 3),
        ([3, 8, 4], 8),
        ([0, 5], 5),
        ([8, 130], 130),
    ],
)
def test_of_several_vms_the_weightiest_exit_counts(codes: list[int], exits: int) -> None:
    assert exit_of([outcome(Exit(code)) for code in codes]) == exits
