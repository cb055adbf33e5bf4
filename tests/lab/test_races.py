"""Several people at once: one run acts on a VM, the others are told, and no VM runs twice."""

from __future__ import annotations

from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, never_twice

SUSPECT = "kvm-01"


def test_of_four_who_type_the_same_one_starts_it(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    with never_twice(lab):
        ended = [each.wait() for each in [admin.begin("start-vm", vm.name, "--yes", "--json") for _ in range(4)]]
    said = sorted((each.code, each["decision"]) for each in ended)
    assert said.count((0, "started")) == 1, said
    assert set(said) <= {(0, "started"), (0, "unchanged"), (5, "refused")}, said
    host = next(each["host"] for each in ended if each["decision"] == "started")
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [host]
    assert admin.recorded(vm.name) == f"running on {host}"


def test_four_who_wait_for_each_other_move_the_vm_once(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    words = ("start-vm", vm.name, "--yes", "--json", "--wait", "60")
    with never_twice(lab):
        ended = [each.wait() for each in [admin.begin(*words) for _ in range(4)]]
    said = sorted(each["decision"] for each in ended)
    assert said == ["started", "unchanged", "unchanged", "unchanged"], said
    assert {each.code for each in ended} == {0}
    assert len({each["host"] for each in ended}) == 1
    assert lab.copies(vm.uuid) == 1


def test_two_vms_of_one_suspect_are_started_at_once_and_a_third_is_fenced_meanwhile(lab: Lab) -> None:
    vms = [lab.start_vm(SUSPECT, f"web-{number:02}") for number in (1, 2, 3)]
    admin = AdminNode(lab)
    with never_twice(lab):
        going = [admin.begin("start-vm", vm.name, "--yes", "--json") for vm in vms[:2]]
        going.append(admin.begin("fence", vms[2].name, "--yes", "--json"))
        *starts, fenced = [each.wait() for each in going]
    for vm, ended in zip(vms, starts, strict=False):
        assert (ended.code, ended["decision"]) == (0, "started"), ended
        assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [ended["host"]]
    assert (fenced.code, fenced.vms["web-03"]["decision"]) == (0, "fenced"), fenced
    assert lab.copies(vms[2].uuid) == 0


def test_a_start_and_a_fence_of_the_same_vm_do_not_meet(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    with never_twice(lab):
        start = admin.begin("start-vm", vm.name, "--yes", "--json")
        fence = admin.begin("fence", "--host", SUSPECT, "--yes", "--json")
        started, fenced = start.wait(), fence.wait()
    codes = (started.code, fenced.code)
    assert codes in ((0, 5), (5, 0), (0, 0)), (started, fenced)
    state = admin.record(vm.name)["state"]
    assert lab.copies(vm.uuid) == (1 if state == "running" else 0), (started, fenced)
