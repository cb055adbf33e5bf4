"""Every exit code of the contract but 1 (a bug), with the real command and what it leaves behind."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from pathlib import Path

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Ended, assert_refused, assert_started, never_twice, wait_for, wait_starting
from tests.lab.vm import LabVm

SUSPECT, TARGET = "kvm-01", "kvm-02"


def assert_settled(admin: AdminNode, vm: LabVm, run: str) -> None:
    """The next run finds the start of the run before it to have worked, and starts nothing."""
    ended = admin.run_json("start-vm", vm.name)
    assert_started(admin, vm, ended, on=TARGET)
    assert run in ended["message"], ended
    assert admin.lab.copies(vm.uuid) == 1


# ---------------------------------------------------------------- 0, 2, 6, 7: before anything is touched


def test_2_a_line_that_cannot_be_meant(lab: Lab) -> None:
    lab.define_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    lines = (
        ("start-vm",),
        ("start-vm", "no-such-vm"),
        ("start-vm", "web-01", "--to", "no-such-host"),
        ("start-vm", "web-01", "--sibling", SUSPECT),
        ("fence",),
        ("no-such-command",),
    )
    for words in lines:
        ended = admin.run(*words)
        assert (ended.code, ended.stdout) == (2, ""), (words, ended)
        assert admin.steps() == [], words


def test_6_an_inventory_with_errors_names_each_with_its_line_and_touches_nothing(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, hosts={"kvm-02": {"cluster": "nowhere"}}, fencing={"unreachable": "maybe"})
    before = lab.qemus(vm.uuid)
    ended = admin.start_vm(vm.name)
    assert ended.code == 6, ended
    errors = ended["error"]["errors"]
    assert ended["error"]["exit"] == 6
    assert {error["path"] for error in errors} >= {"hosts.kvm-02.cluster", "fencing.unreachable"}, ended
    assert all(error["line"] > 1 and error["file"] == str(admin.inventory) for error in errors), ended
    assert lab.qemus(vm.uuid) == before


def damage(path: Path) -> None:
    path.write_bytes(b"this is no database, and never was\n" * 100)


def test_7_a_store_that_cannot_be_read_or_written_and_nothing_is_killed(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    before = lab.qemus(vm.uuid)
    damage(admin.store)
    folder = admin.folder / "is-a-folder"
    folder.mkdir()
    for words in ((), ("--store", f"sqlite://{folder}"), ("--store", "sqlite:///proc/nowhere/state.db")):
        for command in ("start-vm", "fence"):
            ended = admin.run_json(command, vm.name, "--yes", *words)
            assert ended.code == 7, ended
            assert ended["error"]["exit"] == 7
            assert ended["error"]["errors"] == []
    assert lab.qemus(vm.uuid) == before


# ---------------------------------------------------------------- 4: fenced, and no start succeeded


def all_starts_fail(lab: Lab) -> list[faults.Fault]:
    return [faults.failing_start(lab, name) for name in lab.hosts if name != SUSPECT]


def test_4_after_a_confirmed_death_the_vm_is_stopped_and_the_next_run_works(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    failing = all_starts_fail(lab)
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
        assert ended.code == 4, ended
        assert (ended["decision"], ended["reason"], ended["host"]) == ("failed", "start_failed", None), ended
        assert "it is safe" in ended["message"]
        assert admin.recorded(vm.name) == f"stopped (last on {SUSPECT})"
        assert lab.qemus(vm.uuid) == []
        assert admin.status()["leases"] == []
        for fault in failing:
            fault.heal()
        assert_started(admin, vm, admin.run_json("start-vm", vm.name), on=TARGET)


def test_4_after_unreachable_the_record_is_what_it_was(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    faults.power_off(lab, SUSPECT)
    all_starts_fail(lab)
    ended = admin.run_json("start-vm", vm.name)
    assert (ended.code, ended["decision"], ended["reason"]) == (4, "failed", "start_failed"), ended
    assert admin.recorded(vm.name) == f"running on {SUSPECT}"
    assert lab.qemus(vm.uuid) == []


def test_4_a_store_that_is_lost_after_the_fence_and_the_next_run_works(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    with never_twice(lab):
        going = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_fence", going)
        with contextlib.closing(sqlite3.connect(admin.store, timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # another program holds the file, and does not let go
            ended = going.wait()
        assert ended.code == 4, ended
        assert (ended["decision"], ended["reason"]) == ("failed", "store_error"), ended
        assert "may have been killed" in ended["message"], ended
        assert admin.recorded(vm.name) == f"running on {SUSPECT}"
        assert_started(admin, vm, admin.run_json("start-vm", vm.name), on=TARGET)


def test_3_and_not_4_where_the_definition_cannot_be_read(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    before = lab.qemus(vm.uuid)
    (admin.folder / "domains/web-01.xml").write_text("<domain><name>web-01</name>")
    ended = admin.start_vm(vm.name)
    assert_refused(admin, vm, ended, "no_target", None, before)
    assert ended["attempts"] == []


# ---------------------------------------------------------------- 5: another run is at it


def test_5_busy_says_by_whom_and_wait_waits(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    slow = faults.slow_start(lab, TARGET)
    with never_twice(lab):
        first = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_start", first)
        second = admin.start_vm(vm.name)
        assert second.code == 5, second
        assert (second["decision"], second["reason"]) == ("refused", "busy"), second
        assert f"pid {first.process.pid}" in second["message"], second
        fenced = admin.run_json("fence", vm.name, "--yes")
        assert (fenced.code, fenced.vms[vm.name]["reason"]) == (5, "busy"), fenced
        third = admin.begin("start-vm", vm.name, "--yes", "--json", "--wait", "60")
        slow.heal()
        assert_started(admin, vm, first.wait(), on=TARGET)
        ended = third.wait()
    assert (ended.code, ended["decision"], ended["reason"]) == (0, "unchanged", "already_running"), ended


# ---------------------------------------------------------------- 8: a person has to look


def test_8_a_target_that_is_lost_during_the_start_and_the_next_run_settles_it_there(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"start_timeout": 3})
    with never_twice(lab):
        slow = faults.slow_start(lab, TARGET)
        going = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_start", going)
        wait_starting(lab, TARGET, vm)
        frozen = faults.frozen_host(lab, TARGET)
        ended = going.wait()
        assert_unknown(admin, vm, ended)
        again = admin.run_json("start-vm", vm.name)  # still frozen: nothing is started anywhere else
        assert_unknown(admin, vm, again)
        frozen.heal()
        slow.heal()
        lab.wait_copies(vm.uuid, 1)
        assert_settled(admin, vm, ended["run"])


def test_8_a_start_that_is_slower_than_its_time(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"start_timeout": 2})
    with never_twice(lab):
        slow = faults.slow_start(lab, TARGET)
        ended = admin.start_vm(vm.name)
        assert_unknown(admin, vm, ended)
        slow.heal()
        lab.wait_copies(vm.uuid, 1)
        assert_settled(admin, vm, ended["run"])


def assert_unknown(admin: AdminNode, vm: LabVm, ended: Ended) -> None:
    assert ended.code == 8, ended
    assert (ended["decision"], ended["reason"], ended["host"]) == ("failed", "start_unknown", TARGET), ended
    assert TARGET in ended["message"]
    assert admin.recorded(vm.name) == f"being started on {TARGET} (last on {SUSPECT})"
    assert admin.status()["leases"] == []


def test_8_two_copies_are_seen_before_anything_is_done(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    lab.start_stray("kvm-03", vm)
    lab.wait_copies(vm.uuid, 2)
    before = lab.qemus(vm.uuid)
    admin = AdminNode(lab)
    ended = admin.start_vm(vm.name)
    assert ended.code == 8, ended
    assert (ended["decision"], ended["reason"]) == ("refused", "two_copies"), ended
    assert SUSPECT in ended["message"]
    assert "kvm-03" in ended["message"]
    assert lab.qemus(vm.uuid) == before


def test_8_a_copy_that_shows_up_after_the_start_and_the_new_one_is_destroyed(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    slow = faults.slow_start(lab, TARGET, "started")
    going = admin.begin("start-vm", vm.name, "--yes", "--json")
    admin.wait_step("intent_start", going)
    lab.wait_copies(vm.uuid, 1)
    lab.start_stray("kvm-04", vm)
    slow.heal()
    ended = going.wait()
    assert ended.code == 8, ended
    assert (ended["decision"], ended["reason"]) == ("failed", "two_copies"), ended
    assert "TWO COPIES" in ended["message"]
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == ["kvm-04"]
    assert admin.recorded(vm.name) == "running on kvm-04"


# ---------------------------------------------------------------- 130: Ctrl-C


def test_130_during_the_fence_says_so_and_the_next_run_works(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    with never_twice(lab):
        going = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_fence", going)
        going.signal(signal.SIGINT)
        ended = going.wait()
        assert ended.code == 130, ended
        assert (ended["decision"], ended["reason"]) == ("failed", "interrupted"), ended
        assert f"recorded as running on {SUSPECT}" in ended["message"], ended
        assert "safe" in ended["message"], ended
        assert admin.status()["leases"] == []
        assert_started(admin, vm, admin.start_vm(vm.name), on=TARGET)


def test_130_before_anything_was_done_says_that_nothing_was(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"connect_timeout": 5})
    faults.sshd_hung(lab, "kvm-04")  # so that the round of looks lasts
    before = lab.qemus(vm.uuid)
    going = admin.begin("start-vm", vm.name, "--yes", "--json")
    wait_for(lambda: admin.store.exists() and admin.status()["leases"], "the run has its lease")
    going.signal(signal.SIGTERM)  # a service manager's way to say the same
    ended = going.wait()
    assert ended.code == 130, ended
    assert (ended["decision"], ended["reason"]) == ("refused", "interrupted"), ended
    assert "nothing was killed and nothing started" in ended["message"], ended
    assert lab.qemus(vm.uuid) == before
    assert admin.status()["leases"] == []


def test_130_during_the_start_says_where_it_may_come_up_and_the_next_run_settles_it(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    with never_twice(lab):
        slow = faults.slow_start(lab, TARGET)
        going = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_start", going)
        wait_starting(lab, TARGET, vm)
        going.signal(signal.SIGINT)
        ended = going.wait()
        assert ended.code == 130, ended
        assert f"a start was sent to {TARGET}" in ended["message"], ended
        assert admin.recorded(vm.name) == f"being started on {TARGET} (last on {SUSPECT})"
        assert admin.status()["leases"] == []
        slow.heal()
        ended_again = admin.run_json("start-vm", vm.name)
        assert_started(admin, vm, ended_again, on=TARGET)
        assert ended["run"] in ended_again["message"]
