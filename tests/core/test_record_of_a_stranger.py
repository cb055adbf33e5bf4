"""The record of a VM that no run has touched, and of one that was found where no run had put it."""

from __future__ import annotations

from hafence.core.model import HostName
from hafence.core.record import VmRecord, VmState, mark_running, record_of, unseen

from .make import uuid, vm

A, B, C = (HostName(name) for name in ("kvm-01", "kvm-02", "kvm-03"))


def test_a_vm_that_no_run_has_touched_runs_where_the_inventory_says_and_nothing_more_is_known() -> None:
    record = record_of(vm(1, host="kvm-02"), {})
    assert record == VmRecord(uuid(1), VmState.RUNNING, B, None, 0, None, 0, None, None, ())
    assert record == unseen(uuid(1), B)


def test_a_vm_recorded_on_one_host_and_found_on_another_was_last_on_the_first() -> None:
    recorded = VmRecord(uuid(1), VmState.RUNNING, A, C, 5, "r0", 3, None, 7.0)
    found = mark_running(recorded, B, "r1", None)
    assert (found.host, found.last_host) == (B, A)
