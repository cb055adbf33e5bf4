"""A record field by field: what each step sets, and what it leaves as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafence.core.looks import HostLook, Libvirt, Look, Silence
from hafence.core.model import HostName
from hafence.core.reasons import Reason
from hafence.core.record import (
    ShutOut,
    VmRecord,
    VmState,
    kept_from_writing,
    looked_into,
    mark_clean,
    mark_running,
    mark_starting,
    mark_stopped,
    restore,
    unseen,
)
from hafence.core.troubles import Trouble

from .make import uuid

A, B, C = (HostName(name) for name in ("kvm-01", "kvm-02", "kvm-03"))
HERE = HostLook(A, 1.0, 0.0, None, None, Libvirt.OK, {})
RUNNING = VmRecord(uuid(1), VmState.RUNNING, A, C, 5, "r0", 3, None, 7.0)


def test_stopped() -> None:
    got = mark_stopped(RUNNING, "r1", Reason.CONFIRMED_DEAD)
    assert got == VmRecord(uuid(1), VmState.STOPPED, None, A, 5, "r1", 3, Reason.CONFIRMED_DEAD, 7.0)


def test_starting() -> None:
    stopped = mark_stopped(RUNNING, "r1", Reason.POWERED_OFF)
    got = mark_starting(stopped, B, "r2", 9)
    assert got == VmRecord(uuid(1), VmState.STARTING, B, A, 5, "r2", 9, Reason.POWERED_OFF, 7.0)


def test_clean() -> None:
    starting = mark_starting(mark_stopped(RUNNING, "r1", Reason.POWERED_OFF), B, "r2", 9)
    assert mark_clean(starting) == VmRecord(uuid(1), VmState.STOPPED, None, A, 5, "r2", 9, Reason.POWERED_OFF, 7.0)


def test_running() -> None:
    starting = mark_starting(mark_stopped(RUNNING, "r1", Reason.POWERED_OFF), B, "r2", 9)
    assert mark_running(starting, B, "r3", 11.0) == VmRecord(uuid(1), VmState.RUNNING, B, A, 5, "r3", 9, None, 11.0)


def test_found_running_where_it_was_last_it_was_last_where_it_was_last_before() -> None:
    stopped = mark_stopped(RUNNING, "r1", Reason.POWERED_OFF)
    assert mark_running(stopped, A, "r2", None) == VmRecord(uuid(1), VmState.RUNNING, A, A, 5, "r2", 3, None, None)
    assert mark_running(RUNNING, A, "r2", None).last_host == C


def test_restored() -> None:
    stopped = mark_stopped(RUNNING, "r1", Reason.UNREACHABLE_CONFIRMED)
    assert restore(stopped) == VmRecord(uuid(1), VmState.RUNNING, A, None, 5, "r1", 3, None, 7.0)


def test_a_host_that_a_vm_was_taken_from_without_a_proof_is_remembered_until_somebody_looks() -> None:
    once = mark_stopped(RUNNING, "r1", Reason.UNREACHABLE_CONFIRMED)
    assert once.unproven == (A,)
    there = mark_running(mark_starting(once, B, "r1", 1), B, "r1", 5.0)
    assert there.unproven == (A,)
    twice = mark_stopped(there, "r2", Reason.OPERATOR_CONFIRMED)
    assert twice.unproven == (A, B)
    assert mark_stopped(there, "r2", Reason.CONFIRMED_DEAD).unproven == (A,), "a proof of B says nothing of A"
    assert mark_stopped(replace(twice, state=VmState.STOPPED), "r3", Reason.CONFIRMED_DEAD).unproven == (A,)
    assert mark_running(mark_starting(twice, A, "r2", 2), A, "r2", 6.0).unproven == (B,)
    assert mark_clean(mark_starting(twice, A, "r2", 2)).unproven == (B,)
    assert restore(twice).unproven == (A,)
    looks: dict[HostName, Look] = {
        A: replace(HERE, copies={uuid(1): 1}),
        B: Silence(B, 1.0, Trouble.TIMED_OUT),
        C: HERE,
    }
    assert looked_into(twice, looks).unproven == (A, B), "a copy is there, and nobody has looked"
    assert looked_into(twice, {A: replace(HERE, libvirt=Libvirt.HUNG), B: HERE}).unproven == (A,)
    assert looked_into(twice, {A: HERE, B: HERE}).unproven == ()


@pytest.mark.parametrize("reason", Reason)
def test_only_three_grounds_are_proofs(reason: Reason) -> None:
    proofs = {Reason.CONFIRMED_DEAD, Reason.POWERED_OFF, Reason.STORAGE_FENCED}
    assert mark_stopped(RUNNING, "r1", reason).proven_dead == (reason in proofs)
    assert not RUNNING.proven_dead


def test_a_host_that_is_kept_from_the_disks_is_remembered_until_the_vm_runs_there() -> None:
    once = mark_stopped(RUNNING, "r1", Reason.STORAGE_FENCED, 100.0)
    assert once.shut_out == (ShutOut(A, 100.0),)
    there = mark_running(mark_starting(once, B, "r1", 1), B, "r1", 5.0)
    assert there.shut_out == (ShutOut(A, 100.0),)
    twice = mark_stopped(there, "r2", Reason.STORAGE_FENCED, 200.0)
    assert twice.shut_out == (ShutOut(A, 100.0), ShutOut(B, 200.0))
    back = mark_running(mark_starting(twice, A, "r2", 2), A, "r2", 6.0)
    assert back.shut_out == (ShutOut(B, 200.0),)
    again = mark_stopped(replace(back, host=B, last_host=A), "r3", Reason.STORAGE_FENCED, 300.0)
    assert again.shut_out == (ShutOut(B, 300.0),)
    assert mark_stopped(back, "r3", Reason.CONFIRMED_DEAD).shut_out == (ShutOut(B, 200.0),)


def test_a_leftover_can_not_write_while_its_host_is_in_quarantine_and_its_fence_lasts() -> None:
    record = replace(RUNNING, shut_out=(ShutOut(A, 100.0), ShutOut(B, 50.0)))
    assert kept_from_writing(record, {A, B}, 49.9) == {A, B}
    assert kept_from_writing(record, {A, B}, 50.0) == {A}
    assert kept_from_writing(record, {B}, 60.0) == frozenset()
    assert kept_from_writing(RUNNING, {A, B}, 0.0) == frozenset()


def test_the_words_of_each_state() -> None:
    assert unseen(uuid(1), A).words == "running on kvm-01"
    stopped = mark_stopped(unseen(uuid(1), A), "r1", Reason.CONFIRMED_DEAD)
    assert stopped.words == "stopped (last on kvm-01)"
    assert mark_starting(stopped, B, "r1", 1).words == "being started on kvm-02 (last on kvm-01)"


def test_a_step_out_of_turn_is_a_bug() -> None:
    stopped = mark_stopped(RUNNING, "r1", Reason.CONFIRMED_DEAD)
    starting = mark_starting(stopped, B, "r1", 1)
    for out_of_turn in (
        lambda: mark_starting(RUNNING, B, "r1", 1),
        lambda: mark_clean(stopped),
        lambda: restore(RUNNING),
        lambda: restore(starting),
        lambda: VmRecord(uuid(1), VmState.STOPPED, A, None).suspect,
        lambda: VmRecord(uuid(1), VmState.RUNNING, None, A).suspect,
    ):
        with pytest.raises(AssertionError):
            out_of_turn()
