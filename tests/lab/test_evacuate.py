"""`hafence evacuate`: the VMs of one real host, fenced in one session and started elsewhere."""

from __future__ import annotations

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode

SUSPECT = "kvm-01"
NAMES = ("web-01", "web-02", "web-03")


def test_all_vms_of_a_host_start_elsewhere_after_one_fence(lab: Lab) -> None:
    vms = [lab.start_vm(SUSPECT, name) for name in NAMES]
    other = lab.start_vm("kvm-02", "web-09")
    lives = lab.qemu(other)
    admin = AdminNode(lab)
    before = [lab.qemus(vm.uuid) for vm in vms]
    planned = admin.run_json("evacuate", SUSPECT, "--yes", "--dry-run")
    assert planned.code == 0, planned
    assert {told["decision"] for told in planned.vms.values()} == {"started"}, planned
    assert [lab.qemus(vm.uuid) for vm in vms] == before, "a dry run kills nothing"
    ended = admin.run_json("evacuate", SUSPECT, "--yes")
    assert ended.code == 0, ended
    assert {told["reason"] for told in ended.vms.values()} == {"confirmed_dead"}, ended
    assert {name: told["host"] for name, told in ended.vms.items()} == {
        name: told["host"] for name, told in planned.vms.items()
    }
    assert [lab.copies(vm.uuid) for vm in vms] == [1, 1, 1]
    assert SUSPECT not in {qemu.host for vm in vms for qemu in lab.qemus(vm.uuid)}
    assert lab.qemu(other) == lives
    again = admin.run_json("evacuate", SUSPECT, "--yes")
    assert (again.code, again.vms) == (0, {}), again


def test_one_that_nothing_kills_stays_and_the_others_start(lab: Lab) -> None:
    stuck, *others = [lab.start_vm(SUSPECT, name) for name in NAMES]
    admin = AdminNode(lab, fencing={"ssh_timeout": 5})
    faults.unkillable(lab, lab.qemu(stuck).pid)
    ended = admin.run_json("evacuate", SUSPECT, "--yes")
    assert ended.code == 3, ended
    assert {name: told["reason"] for name, told in ended.vms.items()} == {
        "web-01": "still_alive",
        "web-02": "confirmed_dead",
        "web-03": "confirmed_dead",
    }, ended
    assert admin.recorded("web-01") == f"running on {SUSPECT}"
    assert [qemu.host for qemu in lab.qemus(stuck.uuid)] == [SUSPECT]
    assert [lab.copies(vm.uuid) for vm in others] == [1, 1]
    assert SUSPECT not in {qemu.host for vm in others for qemu in lab.qemus(vm.uuid)}


def test_nobody_to_ask_leaves_every_healthy_vm_alone(lab: Lab) -> None:
    vms = [lab.start_vm(SUSPECT, name) for name in NAMES[:2]]
    before = [lab.qemus(vm.uuid) for vm in vms]
    ended = AdminNode(lab).run_json("evacuate", SUSPECT)
    assert ended.code == 3, ended
    assert {told["reason"] for told in ended.vms.values()} == {"suspect_healthy"}, ended
    assert [lab.qemus(vm.uuid) for vm in vms] == before


def test_a_host_that_is_switched_off_is_left_by_all_of_its_vms(lab: Lab) -> None:
    vms = [lab.start_vm(SUSPECT, name) for name in NAMES[:2]]
    admin = AdminNode(lab, fencing={"connect_timeout": 2})
    faults.power_off(lab, SUSPECT)
    ended = admin.run_json("evacuate", SUSPECT)
    assert ended.code == 0, ended
    assert {told["reason"] for told in ended.vms.values()} == {"unreachable_confirmed"}, ended
    assert [lab.copies(vm.uuid) for vm in vms] == [1, 1]
    assert admin.quarantined() == {SUSPECT}
