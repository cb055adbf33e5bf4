"""What was fenced does not come up again with its old host: by libvirt-guests, or from a saved image.

Each has its control: a VM of the same host that was not fenced comes back.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from hafence.core.left_behind import undefine_command
from hafence.core.model import Uuid
from tests.lab import faults, guard, guests
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_started

SUSPECT = "kvm-01"


@pytest.mark.two_writers("an admin's own hand, at the end")
def test_libvirt_guests_does_not_resume_a_vm_that_was_started_elsewhere(lab: Lab) -> None:
    vm, other = lab.start_vm(SUSPECT, "web-01"), lab.start_vm(SUSPECT, "web-02")
    host = lab.hosts[SUSPECT]
    guests.goes_down(host)
    assert lab.qemus() == []
    admin = AdminNode(lab, fencing={"set_aside": False})
    ended = admin.start_vm(vm.name)
    target = assert_started(admin, vm, ended)
    assert ended["residual_risk"] == [], ended
    assert "its managed save image there was set aside, and is kept" in ended["attempts"][-1]["detail"], ended
    assert "libvirt-guests no longer starts it there" in ended["attempts"][-1]["detail"], ended
    kept = [path.name for path in host.path(f"{guests.SAVES}/hafence/{vm.uuid}").glob("*/*")]
    assert kept == ["web-01.save"]
    faults.reboot(lab, SUSPECT)
    assert "Resuming guest web-02: done" in guests.comes_up(host)
    lab.wait_copies(other.uuid, 1)
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [target]
    host.virsh("start web-01")  # an admin's own hand: a new process, and no memory of the old one
    assert "web-01.save" in [path.name for path in host.path(guests.SAVES).rglob("*")]


def defined(lab: Lab, host: str = SUSPECT) -> set[str]:
    """The VMs that libvirt on a host has a definition of."""
    return set(lab.hosts[host].virsh("list", "--all", "--uuid").split())


@pytest.mark.parametrize("silent", [False, True], ids=["answers", "silent here"])
def test_nobody_starts_it_through_libvirt_where_it_was_fenced(lab: Lab, silent: bool) -> None:
    vm, other = lab.start_vm(SUSPECT, "web-01"), lab.start_vm(SUSPECT, "web-02")
    admin = AdminNode(lab)
    with faults.cut(lab, faults.ADMIN, SUSPECT) if silent else nullcontext():
        ended = admin.start_vm(vm.name)
    target = assert_started(admin, vm, ended)
    assert any("was set aside, and is kept" in note for note in ended["notes"]), ended
    assert "failed to get domain" in lab.hosts[SUSPECT].shell("virsh start web-01 2>&1", check=False).stdout
    assert (defined(lab), defined(lab, target)) == ({other.uuid}, {vm.uuid})
    assert [found["code"] for found in admin.run_json("audit")["findings"] if found["subject"] == "web-01"] == []


def test_a_host_is_taken_back_with_what_is_its_own_and_without_what_runs_elsewhere(lab: Lab) -> None:
    vm, other = lab.start_vm(SUSPECT, "web-01"), lab.start_vm(SUSPECT, "web-02")
    admin = AdminNode(lab)
    assert admin.run_json("fence", "web-01", "web-02", "--yes").code == 0
    assert defined(lab) == set()
    assert admin.start_vm(vm.name)["decision"] == "started"
    back = admin.run_json("rejoin", SUSPECT, "--yes")
    assert back.code == 0, back
    assert "libvirt there knows web-02 again" in back["message"], back
    assert "the definition of web-01, recorded elsewhere, stays set aside" in back["message"], back
    assert defined(lab) == {other.uuid}


def test_after_a_planned_move_whose_starts_all_failed_the_vm_can_be_started_where_it_was(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    for name in lab.hosts:
        if name != SUSPECT:
            faults.failing_start(lab, name)
    ended = AdminNode(lab).start_vm(vm.name)
    assert (ended.code, ended["reason"]) == (4, "start_failed"), ended
    assert (lab.qemus(vm.uuid), defined(lab)) == ([], {vm.uuid})
    (way,) = ended["ways_out"]
    assert f"on {SUSPECT}, which is well: 'virsh start {vm.uuid}'" in way, ended
    lab.hosts[SUSPECT].virsh(f"start {vm.uuid}")
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [SUSPECT]


def test_where_the_inventory_says_so_its_definition_stays_and_rejoin_wants_it_gone(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"set_aside": False})
    assert admin.run_json("fence", "web-01", "--yes").code == 0
    assert admin.start_vm(vm.name)["decision"] == "started"
    assert defined(lab) == {vm.uuid}
    back = admin.run_json("rejoin", SUSPECT, "--yes")
    assert (back.code, back["reason"]) == (3, "stale_definitions"), back
    lab.hosts[SUSPECT].virsh(undefine_command(Uuid(vm.uuid)).removeprefix("virsh "))
    assert admin.run("rejoin", SUSPECT, "--yes").code == 0


def test_an_image_of_a_vm_that_is_recorded_elsewhere_is_found_and_a_fence_sets_it_aside(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    lab.hosts[SUSPECT].virsh("managedsave web-01")
    lab.hosts["kvm-02"].virsh(f"create {vm.xml}")
    admin = AdminNode(lab, vms={"web-01": {"host": "kvm-02"}})
    found = [each for each in admin.run_json("audit")["findings"] if each["code"] == "managed_save"]
    assert [(each["severity"], each["subject"]) for each in found] == [("WARNING", "web-01")]
    ended = admin.run_json("fence", "web-01", "--host", SUSPECT, "--yes")
    assert ended.code == 0, ended
    assert [each["code"] for each in admin.run_json("audit")["findings"] if each["code"] == "managed_save"] == []
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == ["kvm-02"]


@pytest.mark.parametrize(
    "guarded",
    [
        pytest.param(True, id="guarded"),
        pytest.param(False, id="unguarded", marks=pytest.mark.two_writers("what the named risk says")),
    ],
)
def test_a_silent_host_that_boots_again_brings_its_vm_back_unless_it_is_guarded(lab: Lab, guarded: bool) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", autostart=True)
    lab.start_vm(SUSPECT, "web-02", autostart=True)
    host = lab.hosts[SUSPECT]
    if guarded:
        guard.install(host, f"VMS={vm.uuid}\n")
    admin = AdminNode(lab)
    off = faults.power_off(lab, SUSPECT)
    target = assert_started(admin, vm, admin.start_vm(vm.name), "unreachable_confirmed")
    off.heal()
    lab.wait_copies(lab.vms["web-02"].uuid, 1)  # the last one that libvirt starts
    assert sorted(qemu.host for qemu in lab.qemus(vm.uuid)) == sorted([target, *([] if guarded else [SUSPECT])])


def test_the_guard_lets_hafence_start_a_vm_and_nobody_else_once_it_was_fenced(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    for host in lab.hosts.values():
        guard.install(host)
    admin = AdminNode(lab)
    target = assert_started(admin, vm, admin.start_vm(vm.name))
    for name in (SUSPECT, *({*lab.hosts} - {SUSPECT, target})):
        said = lab.hosts[name].shell(f"virsh create {vm.xml} 2>&1", check=False).stdout
        assert "hafence-guard: hafence has not started VM" in said
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [target]


def test_a_host_with_a_saved_image_of_the_vm_is_no_target_until_the_image_is_set_aside(lab: Lab) -> None:
    vm = lab.start_vm("kvm-02", "web-01")
    lab.hosts["kvm-02"].virsh("managedsave web-01")
    lab.hosts[SUSPECT].virsh(f"create {vm.xml}")
    admin = AdminNode(lab, vms={"web-01": {"host": SUSPECT}}, fencing={"quiet_time": 0})
    to_it = admin.start_vm(vm.name, "--to", "kvm-02")
    assert (to_it.code, to_it["reason"]) == (3, "would_not_start"), to_it
    assert "kvm-02 holds a managed save image of the VM" in to_it["message"]
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [SUSPECT], "nothing was killed"
    assert_started(admin, vm, admin.start_vm(vm.name), on="kvm-03")
    assert admin.run_json("fence", "web-01", "--host", "kvm-02", "--yes").code == 0
    assert admin.run("rejoin", "kvm-02", "--yes").code == 0, "its definition was set aside"
    foretold = admin.start_vm(vm.name, "--to", "kvm-02", "--dry-run")
    assert (foretold.code, foretold["host"]) == (0, "kvm-02"), foretold
