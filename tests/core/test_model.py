"""Names, UUIDs, records, outcomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafence.core.model import HostName, is_name, parse_uuid
from hafence.core.outcome import Decision, Exit, Outcome, exit_of
from hafence.core.reasons import Reason
from hafence.core.record import (
    ShutOut,
    VmState,
    kept_from_writing,
    mark_clean,
    mark_running,
    mark_starting,
    mark_stopped,
    restore,
    unseen,
)

from .make import host, inventory, uuid, vm

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


def test_each_dash_of_a_uuid_has_its_place() -> None:
    for place in (8, 13, 18, 23):
        moved = WRITTEN[:place] + WRITTEN[place + 1] + "-" + WRITTEN[place + 2 :]
        assert len(moved) == 36
        with pytest.raises(ValueError, match="not a UUID"):
            parse_uuid(moved)


def test_a_uuid_that_nobody_has_is_told_as_such_and_a_part_of_one_is_found_dashed_or_not() -> None:
    book = inventory(vms=[vm(1, name="web-01"), vm(20, name="db-01")])
    with pytest.raises(LookupError, match="no VM") as none:
        book.find_vm(str(uuid(99)))
    assert str(none.value) == (
        f"no VM '{uuid(99)}' in inventory.yaml: give a UUID, a name, or the unique beginning of a UUID"
    )
    for beginning in (str(uuid(20))[:-1], str(uuid(20))[:-1].replace("-", ""), str(uuid(20))[:-1].upper()):
        assert book.find_vm(beginning).name == "db-01"


def test_five_of_many_that_begin_alike_are_named() -> None:
    book = inventory(vms=[vm(number) for number in range(7, 0, -1)])
    with pytest.raises(LookupError) as many:
        book.find_vm("6d6f6a5a-0000")
    names = ", ".join(f"vm-{number:02d} ({uuid(number)})" for number in range(3, 8))
    assert str(many.value) == f"'6d6f6a5a-0000' is the beginning of 7 UUIDs: {names}"


def test_members_of_a_cluster_are_told_by_name_and_alike_every_time() -> None:
    book = inventory([host("kvm-03"), host("kvm-01"), host("kvm-02", cluster="other")])
    assert [member.name for member in book.members("prod")] == ["kvm-01", "kvm-03"]
    assert book.members("prod") == book.members("prod")
    assert book.members("nobody") == ()
    assert book.cluster_of(HostName("kvm-02")).name == "other"


def test_a_host_is_found_by_its_name_only() -> None:
    assert inventory().find_host("kvm-02").name == "kvm-02"
    with pytest.raises(LookupError, match="no host 'kvm-99'"):
        inventory().find_host("kvm-99")


def test_the_way_of_a_record_through_a_start() -> None:
    record = unseen(uuid(1), A)
    assert (record.state, record.suspect, record.words) == (VmState.RUNNING, A, "running on kvm-01")
    stopped = mark_stopped(record, "r1", Reason.CONFIRMED_DEAD)
    assert (stopped.state, stopped.host, stopped.suspect) == (VmState.STOPPED, None, A)
    starting = mark_starting(stopped, B, "r1", 7)
    assert (starting.state, starting.host, starting.suspect, starting.ticket) == (VmState.STARTING, B, A, 7)
    assert "being started on kvm-02 (last on kvm-01)" in starting.words
    running = mark_running(starting, B, "r1", 5.0)
    assert (running.state, running.host, running.suspect, running.started_at) == (VmState.RUNNING, B, B, 5.0)
    assert running.last_host == A


def test_a_failed_start_is_stopped_again_and_silence_is_undone() -> None:
    starting = mark_starting(mark_stopped(unseen(uuid(1), A), "r1", Reason.UNREACHABLE_CONFIRMED), B, "r1", 7)
    stopped = mark_clean(starting)
    assert (stopped.state, stopped.host, stopped.suspect) == (VmState.STOPPED, None, A)
    assert "stopped (last on kvm-01)" in stopped.words
    back = restore(stopped)
    assert (back.state, back.host, back.suspect) == (VmState.RUNNING, A, A)


def test_a_start_in_flight_can_be_neither_restored_nor_started_again() -> None:
    starting = mark_starting(mark_stopped(unseen(uuid(1), A), "r1", Reason.UNREACHABLE_CONFIRMED), B, "r1", 7)
    with pytest.raises(AssertionError):
        restore(starting)
    with pytest.raises(AssertionError):
        mark_starting(starting, A, "r2", 8)
    with pytest.raises(AssertionError):
        mark_clean(unseen(uuid(1), A))


def test_a_leftover_behind_a_storage_fence_is_harmless_in_quarantine_and_until_its_time() -> None:
    fenced = mark_stopped(unseen(uuid(1), A), "r1", Reason.STORAGE_FENCED, shut_out_until=100.0)
    assert fenced.proven_dead
    running = mark_running(mark_starting(fenced, B, "r1", 7), B, "r1", 5.0)
    assert running.shut_out == (ShutOut(A, 100.0),)
    assert kept_from_writing(running, {A}, 99.9) == {A}
    assert kept_from_writing(running, {A}, 100.0) == frozenset()
    assert kept_from_writing(running, {B}, 50.0) == frozenset()


def test_a_fence_of_single_clients_leaves_nobody_harmless() -> None:
    assert mark_stopped(unseen(uuid(1), A), "r1", Reason.STORAGE_FENCED).shut_out == ()


def test_leftovers_of_several_hosts_are_remembered_until_the_vm_is_back_there_or_dead_there() -> None:
    first = mark_stopped(unseen(uuid(1), A), "r1", Reason.STORAGE_FENCED, 100.0)
    on_b = mark_running(mark_starting(first, B, "r1", 7), B, "r1", 5.0)
    second = mark_stopped(on_b, "r2", Reason.STORAGE_FENCED, 200.0)
    assert second.shut_out == (ShutOut(A, 100.0), ShutOut(B, 200.0))
    assert mark_stopped(on_b, "r2", Reason.CONFIRMED_DEAD).shut_out == (ShutOut(A, 100.0),)
    assert mark_running(mark_starting(second, A, "r2", 9), A, "r2", 6.0).shut_out == (ShutOut(B, 200.0),)
    again = mark_stopped(first, "r3", Reason.STORAGE_FENCED, 300.0)
    assert again.shut_out == (ShutOut(A, 300.0),)


@pytest.mark.parametrize("grounds", list(Reason))
def test_only_a_proof_keeps_a_vm_stopped_whose_start_fails(grounds: Reason) -> None:
    proofs = {"confirmed_dead", "powered_off", "storage_fenced"}
    assert mark_stopped(unseen(uuid(1), A), "r1", grounds).proven_dead is (grounds.value in proofs)


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
