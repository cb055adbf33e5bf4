"""The fence on real hosts: libvirtd answers, hangs, is gone; qemu is in the kernel's hands."""

from __future__ import annotations

import pytest

from hafence.core.attempts import Verdict
from hafence.core.starts import StartResult

from ..lab import faults
from ..lab.cluster import Lab
from .conftest import Shell
from .hosts import HOST, start

pytestmark = pytest.mark.lab


def test_libvirt_destroys_a_vm_and_its_autostart_ends(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01", autostart=True)
    assert inside.rehearse(vm.uuid).facts.word("autostart") == "on"
    finding = inside.fence(vm.uuid)
    assert finding.verdict is Verdict.CONFIRMED_DEAD
    facts = {key: finding.facts.word(key) for key in ("found", "killed", "destroy", "autostart")}
    assert facts == {"found": "1", "killed": "1", "destroy": "ok", "autostart": "disabled"}
    assert lab.copies(vm.uuid) == 0
    assert "web-01" not in lab.hosts[HOST].virsh("list --all --autostart --name")


def test_a_hung_libvirtd_stops_neither_the_kill_nor_the_end_of_autostart(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01", autostart=True)
    with faults.libvirtd_hung(lab, HOST):
        finding = inside.fence(vm.uuid, within_s=6)
        assert finding.verdict is Verdict.CONFIRMED_DEAD
        assert (finding.facts.word("destroy"), finding.facts.word("autostart")) == ("timeout", "disabled")
        assert lab.copies(vm.uuid) == 0
    lab.hosts[HOST].stop_libvirtd()
    lab.hosts[HOST].start_libvirtd()
    assert lab.copies(vm.uuid) == 0


def test_a_short_budget_is_not_spent_on_a_hung_libvirtd_alone(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    with faults.libvirtd_hung(lab, HOST):
        assert inside.fence(vm.uuid, within_s=2).verdict is Verdict.CONFIRMED_DEAD
    assert lab.copies(vm.uuid) == 0


def test_an_absent_libvirtd_does_not_stop_the_kill(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    with faults.libvirtd_gone(lab, HOST):
        finding = inside.fence(vm.uuid)
    assert (finding.verdict, finding.facts.word("killed")) == (Verdict.CONFIRMED_DEAD, "1")
    assert lab.copies(vm.uuid) == 0


def test_without_virsh_the_kill_is_made(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    with faults.missing_program(lab, HOST, "virsh"):
        finding = inside.fence(vm.uuid)
    assert (finding.verdict, finding.facts.word("destroy")) == (Verdict.CONFIRMED_DEAD, "absent")


@pytest.mark.parametrize("program", ["grep", "sleep", "readlink", "tr"])
def test_without_a_program_that_it_needs_nothing_is_dead(lab: Lab, inside: Shell, program: str) -> None:
    vm = lab.start_vm(HOST, "web-01")
    with faults.missing_program(lab, HOST, program):
        finding = inside.fence(vm.uuid)
    assert (finding.verdict, finding.facts.word("why")) == (Verdict.AMBIGUOUS, f"lacks-{program}")
    assert lab.copies(vm.uuid) == 1


def test_libvirts_copy_and_a_stray_one_are_both_killed(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    lab.start_stray(HOST, vm)
    lab.wait_copies(vm.uuid, 2)
    finding = inside.fence(vm.uuid)
    assert (finding.verdict, finding.facts.word("killed")) == (Verdict.CONFIRMED_DEAD, "2")
    assert lab.copies(vm.uuid) == 0


def test_a_qemu_in_the_kernels_hands_is_alive(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    with faults.unkillable(lab, lab.qemu(vm).pid):
        assert inside.rehearse(vm.uuid).facts.word("state") == "D"
        finding = inside.fence(vm.uuid, within_s=4)
        assert finding.verdict is Verdict.STILL_ALIVE
        assert (finding.facts.word("state"), finding.facts.word("why")) == ("D", "survived-sigkill")


def test_a_real_qemu_whose_leader_has_ended_is_killed(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    faults.zombie_leader(lab, lab.qemu(vm).pid)
    finding = inside.fence(vm.uuid)
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "1")
    assert lab.copies(vm.uuid) == 0


def test_a_stopped_qemu_is_killed(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    faults.stopped(lab, lab.qemu(vm).pid)
    assert inside.fence(vm.uuid, within_s=8).verdict is Verdict.CONFIRMED_DEAD
    assert lab.copies(vm.uuid) == 0


def test_a_start_of_ours_that_is_under_way_leaves_the_verdict_open(lab: Lab, inside: Shell) -> None:
    vm = lab.define_vm(HOST, "web-01")
    with faults.slow_start(lab, HOST):
        assert start(inside, vm, within_s=2).result is StartResult.UNKNOWN
        finding = inside.fence(vm.uuid, within_s=5)
    assert (finding.verdict, finding.facts.word("why")) == (Verdict.AMBIGUOUS, "a-start-is-under-way")


def test_a_libvirtd_that_hangs_and_may_be_starting_its_vms_leaves_the_verdict_open(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01", autostart=True)
    lab.hosts[HOST].virsh("destroy web-01")
    with faults.libvirtd_hung(lab, HOST):
        finding = inside.fence(vm.uuid, within_s=6)
    assert (finding.verdict, finding.facts.word("why")) == (Verdict.AMBIGUOUS, "libvirt-may-be-about-to-start-it")


def test_twenty_vms_of_libvirt_are_destroyed_in_one_go(lab: Lab, inside: Shell) -> None:
    vms = [lab.start_vm(HOST, f"vm-{number:02}", persistent=False) for number in range(20)]
    findings = inside.fence_all(inside.order(*(vm.uuid for vm in vms), within_s=20))
    assert {(finding.verdict, finding.facts.why) for finding in findings.values()} == {(Verdict.CONFIRMED_DEAD, "")}
    assert {finding.facts.word("killed") for finding in findings.values()} == {"1"}
    assert all(lab.copies(vm.uuid) == 0 for vm in vms)
