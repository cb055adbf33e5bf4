"""What stands under every workflow: records are written under a lease, and not at all in a dry run."""

from __future__ import annotations

import math

import pytest

from hafence.core.stored import Lease
from hafence.effects import RenewLease, WriteRecord
from hafence.workflows.vm_run import VmRun

from . import stage
from .drive import Desk, shown
from .stage import RUNNING, STOPPED, WEB, book, seen

LEASE = Lease(WEB.uuid, 7, 110.0)


def vm_run(lease: Lease | None, **wishes: bool) -> VmRun:
    return VmRun(stage.run(book(), **wishes), WEB, RUNNING, lease)


def test_a_dry_run_takes_its_step_and_writes_nothing() -> None:
    dry, desk = vm_run(None, dry_run=True), Desk(book(), [seen()])
    desk.run(dry.write(STOPPED))
    assert (dry.record, desk.log) == (STOPPED, [])


def test_a_step_is_written_under_the_lease_and_the_stored_record_goes_on() -> None:
    wet, desk = vm_run(LEASE), Desk(book(), [seen()])
    desk.run(wet.write(STOPPED))
    assert desk.log == [shown(WriteRecord(STOPPED, LEASE))]
    assert (wet.record.state, wet.record.revision) == (STOPPED.state, STOPPED.revision + 1)


def test_a_step_without_a_lease_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Desk(book(), [seen()]).run(vm_run(None).write(STOPPED))


def test_a_lease_is_renewed_and_its_new_end_bounds_what_follows() -> None:
    wet, desk = vm_run(LEASE), Desk(book(), [seen()])
    assert desk.run(wet.renew()) == 220.0
    assert desk.log == [shown(RenewLease(LEASE))]
    assert wet.lease == Lease(WEB.uuid, 7, 220.0)


def test_without_a_lease_nothing_is_bounded_by_one() -> None:
    assert Desk(book(), [seen()]).run(vm_run(None, dry_run=True).renew()) == math.inf
