"""What happens while a start is under way: a copy turns up elsewhere, or the old one is started again by who ran it."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Going, assert_started
from tests.lab.faults_vm import wait_ended
from tests.lab.vm import LabVm, qemu_arguments

SUSPECT = "kvm-01"


def held(lab: Lab) -> tuple[AdminNode, Path]:
    """An admin node whose runs wait in a hook, after the fence, until a file is there."""
    admin = AdminNode(lab, hooks="hooks")
    gate = admin.folder / "go"
    hook = admin.folder / "hooks" / "wait"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\nuntil [ -e {shlex.quote(str(gate))} ]; do sleep 0.05; done\n")
    hook.chmod(0o755)
    return admin, gate


def begin_and_wait_for_the_death(lab: Lab, admin: AdminNode, vm: LabVm) -> Going:
    old = set(lab.qemus(vm.uuid))
    going = admin.begin("start-vm", vm.name, "--yes", "--json")
    admin.wait_step("intent_run_hooks", going)
    assert not old & set(lab.qemus(vm.uuid))
    return going


def test_what_another_manager_starts_again_is_ended_while_the_vm_starts_elsewhere(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin, gate = held(lab)
    going = begin_and_wait_for_the_death(lab, admin, vm)
    for _ in range(2):  # each returns when somebody has ended it, and who that is the risk below tells
        lab.hosts[SUSPECT].exec(qemu_arguments(vm.name, vm.uuid), check=False)
    gate.touch()
    ended = going.wait()
    assert assert_started(admin, vm, ended) != SUSPECT
    assert lab.copies(vm.uuid) == 1
    assert ["started the VM there anew" in risk for risk in ended["residual_risk"]] == [True], ended


def test_another_manager_is_named_before_it_starts_the_vm_again_seconds_later(lab: Lab) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    admin, gate = held(lab)
    with faults.respawner(lab, SUSPECT, vm, pause_s=10.0):
        going = begin_and_wait_for_the_death(lab, admin, vm)
        wait_ended(lab, vm, 2)  # by the fence, and by its watch ten seconds later
        gate.touch()
        ended = going.wait()
        assert assert_started(admin, vm, ended) != SUSPECT
        assert lab.copies(vm.uuid) == 1
    risks = ended["residual_risk"]
    assert ["was not libvirt" in risks[0], "started the VM there anew" in risks[1]] == [True, True], ended
    assert "it was not run by libvirt (a child of sh)" in ended["attempts"][0]["detail"], ended


def test_a_systemd_unit_is_stopped_and_brings_nothing_back(lab: Lab) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    admin, gate = held(lab)
    with faults.systemd_unit(lab, SUSPECT, vm, pause_s=0.5):
        going = begin_and_wait_for_the_death(lab, admin, vm)
        time.sleep(2.0)  # four times as long as the unit takes to start it again
        gate.touch()
        ended = going.wait()
        assert assert_started(admin, vm, ended) != SUSPECT
        assert lab.copies(vm.uuid) == 1
    assert ended["residual_risk"] == [], ended
    assert "the systemd unit web-01.service, which was stopped" in ended["attempts"][0]["detail"], ended


def test_a_copy_that_turns_up_on_another_host_during_the_fence_is_seen_before_the_start(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin, gate = held(lab)
    going = begin_and_wait_for_the_death(lab, admin, vm)
    lab.start_stray("kvm-03", vm)
    moved = lab.qemus(vm.uuid)
    gate.touch()
    ended = going.wait()
    assert (ended.code, ended["reason"], ended["host"]) == (3, "running_elsewhere", "kvm-03"), ended
    assert lab.qemus(vm.uuid) == moved
    assert admin.recorded(vm.name) == f"running on {SUSPECT}"
