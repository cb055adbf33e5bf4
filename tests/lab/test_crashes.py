"""A run that is killed, or held up, at any step: the command is run again, and one qemu lives, never two."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Ended, Going, assert_started, never_twice, wait_for, wait_starting
from tests.lab.vm import LabVm

SUSPECT, TARGET = "kvm-01", "kvm-02"

JOURNAL = (
    *("begin", "look_at", "intent_fence", "fence", "intent_run_hooks", "run_hooks", "look_at"),
    *("write_record", "write_record", "intent_start", "start", "look_at", "end_watch", "write_record", "end"),
)
"""What a start writes into its history, row by row. The first test holds it to that, so that no step is forgotten."""

FENCE_JOURNAL = ("begin", "look_at", "intent_fence", "fence", "quarantine", "look_at", "write_record", "end")
"""The same of `fence`."""


def rows_of_first_run(db: sqlite3.Connection, vm: LabVm) -> int:
    """How many rows the history has of the first run that was about this VM."""
    first = "SELECT run FROM history WHERE n = 0 AND instr(body, ?) ORDER BY seq LIMIT 1"
    return int(db.execute(f"SELECT count(*) FROM history WHERE run = ({first})", (vm.uuid,)).fetchone()[0])


def kill_at(admin: AdminNode, command: str, vm: LabVm, rows: int, whole: int) -> int:
    """Run a command, SIGKILL it as soon as it has written so many rows. Returns how many of `whole` it has written."""
    going = admin.begin(command, vm.name, "--yes", "--json")
    with contextlib.closing(sqlite3.connect(f"file:{admin.store}?mode=ro", uri=True)) as db:
        end = time.monotonic() + 60
        while rows_of_first_run(db, vm) < rows and going.process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        ended = going.kill()
        written = rows_of_first_run(db, vm)
        # One that has only its last row left to write may end between two looks; then it has written that one, too.
        assert ended.code == -signal.SIGKILL or (rows >= whole - 1 and written == whole), ended
        return written


@pytest.mark.timeout(600)
def test_a_run_killed_at_every_step_and_run_again_leaves_exactly_one_qemu(lab: Lab) -> None:
    vms = [lab.start_vm(SUSPECT, f"web-{number:02}") for number in range(len(JOURNAL) + 1)]
    admin = AdminNode(lab)
    reached: list[int] = []
    with never_twice(lab), ThreadPoolExecutor(2) as pool:
        whole = admin.start_vm(vms[0].name)
        assert_started(admin, vms[0], whole)
        assert tuple(step for _, step in admin.steps()) == JOURNAL
        again = []
        for rows, vm in enumerate(vms[1:]):
            reached.append(kill_at(admin, "start-vm", vm, rows, len(JOURNAL)))
            again.append(pool.submit(admin.start_vm, vm.name))
        ended = [future.result() for future in again]
    for rows, vm, last in zip(reached, vms[1:], ended, strict=True):
        assert last.code == 0, (rows, last)
        assert last["decision"] in ("started", "unchanged"), (rows, last)
        assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [last["host"]], (rows, last)
        assert admin.recorded(vm.name) == f"running on {last['host']}", (rows, last)
        assert last["host"] != SUSPECT
    # It was killed where it was meant to be: hardly two of the kills fell on the same step.
    assert len(set(reached)) >= len(JOURNAL) - 3, reached


def test_a_fence_killed_at_every_step_and_run_again_leaves_no_qemu_and_the_vm_is_startable(lab: Lab) -> None:
    vms = [lab.start_vm(SUSPECT, f"web-{number:02}") for number in range(len(FENCE_JOURNAL) + 1)]
    admin = AdminNode(lab)
    reached: list[int] = []
    with never_twice(lab):
        whole = admin.run_json("fence", vms[0].name, "--yes")
        assert (whole.code, whole["vms"][0]["decision"]) == (0, "fenced"), whole
        assert tuple(step for _, step in admin.steps()) == FENCE_JOURNAL
        for rows, vm in enumerate(vms[1:]):
            reached.append(kill_at(admin, "fence", vm, rows, len(FENCE_JOURNAL)))
            again = admin.run_json("fence", vm.name, "--yes")
            assert (again.code, again["vms"][0]["verdict"]) == (0, "confirmed_dead"), (rows, again)
            assert lab.copies(vm.uuid) == 0, (rows, again)
            assert admin.recorded(vm.name) == f"stopped (last on {SUSPECT})", (rows, again)
        assert_started(admin, vms[-1], admin.start_vm(vms[-1].name))
    assert len(set(reached)) >= len(FENCE_JOURNAL) - 2, reached


def test_a_run_killed_after_it_believed_a_silent_host_dead_and_run_again(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    faults.power_off(lab, SUSPECT)
    with never_twice(lab):
        going = admin.begin("start-vm", vm.name, "--json")
        admin.wait_step("write_record", going)
        going.kill()
        ended = admin.run_json("start-vm", vm.name)
    assert ended.code == 0, ended
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [ended["host"]], ended


@pytest.mark.parametrize("operation", ["prepare", "started"])
def test_a_run_killed_while_libvirt_is_at_the_start_and_the_next_settles_it_there_first(
    lab: Lab, operation: str
) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    with never_twice(lab):
        slow = faults.slow_start(lab, TARGET, operation)
        going = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_start", going)
        wait_starting(lab, TARGET, vm)
        killed = going.kill()
        assert killed.stdout == ""
        again = admin.begin("start-vm", vm.name, "--to", "kvm-03", "--json")
        admin.wait_step("intent_settle", again)
        slow.heal()
        ended = again.wait()
    run = admin.steps()[0][0]
    assert_started(admin, vm, ended, on=TARGET)
    assert f"the start of run {run} had worked" in ended["message"], ended
    assert lab.copies(vm.uuid) == 1


def test_a_run_killed_under_a_start_that_fails_and_the_next_starts_it_elsewhere(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    with never_twice(lab):
        slow = faults.slow_start(lab, TARGET)
        faults.failing_start(lab, TARGET)
        going = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_start", going)
        wait_starting(lab, TARGET, vm)
        going.kill()
        slow.heal()
        ended = admin.run_json("start-vm", vm.name)
    assert_started(admin, vm, ended, on="kvm-03")
    assert any("came to nothing" in note for note in ended["notes"]), ended


HELD_AT = ("look_at", "intent_fence", "write_record", "intent_start")


def hold_at(admin: AdminNode, vm: LabVm, step: str, count: int) -> Going:
    """Start the VM and SIGSTOP the run at a step. Not within a write: that would hold up the store for everybody."""
    going = admin.begin("start-vm", vm.name, "--yes", "--json")
    admin.wait_step(step, going, count)
    with contextlib.closing(sqlite3.connect(admin.store, timeout=0, isolation_level=None)) as db:
        while True:
            going.signal(signal.SIGSTOP)
            try:
                db.execute("BEGIN IMMEDIATE")
                db.execute("ROLLBACK")
                return going
            except sqlite3.OperationalError:
                going.signal(signal.SIGCONT)
                time.sleep(0.002)


def test_runs_held_up_until_others_took_over_do_no_harm_when_they_wake(lab: Lab) -> None:
    vms = [lab.start_vm(SUSPECT, f"web-{number:02}") for number in range(len(HELD_AT))]
    shortest = {"lease": 15, "ssh_timeout": 5, "start_timeout": 5, "power_timeout": 5}
    admin = AdminNode(lab, fencing=shortest)
    with never_twice(lab):
        held = [hold_at(admin, vm, step, _so_far(admin, step) + 1) for vm, step in zip(vms, HELD_AT, strict=True)]
        try:
            busy = admin.start_vm(vms[-1].name)
            assert busy.code == 5, busy
            wait_for(lambda: not admin.status()["leases"], "the leases have expired", 40)
            taking_over = [admin.begin("start-vm", vm.name, "--yes", "--json") for vm in vms]
            others = [going.wait() for going in taking_over]
            for vm, ended in zip(vms, others, strict=True):
                assert_started(admin, vm, ended)
            running = lab.qemus()
        finally:
            for going in held:
                going.signal(signal.SIGCONT)
        woken: list[Ended] = [going.wait() for going in held]
    for step, ended in zip(HELD_AT, woken, strict=True):
        assert (step, ended.code, ended["reason"]) == (step, 5, "busy"), ended
        assert "lost its lease" in ended["message"], ended
    assert lab.qemus() == running
    for vm, ended in zip(vms, others, strict=True):
        assert admin.recorded(vm.name) == f"running on {ended['host']}"


def _so_far(admin: AdminNode, step: str) -> int:
    return [kind for _, kind in admin.steps()].count(step)
