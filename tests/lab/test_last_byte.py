"""The last byte: what a process has written lands before it is called dead, or never, or the VM is not started.

The disk is the judge, read behind every qemu's back. Each row was seen to end with the old copy's bytes over the new
copy's where the fence asked no more than whether a process lives.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import faults
from tests.lab.ceph import Ceph, queue_write, write_from_vm
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Ended, assert_refused, assert_started, never_twice
from tests.lab.proc import wait_until
from tests.lab.storage import Array, HangingPath, Nbd, block_of, loop, make_file, wait_quiet
from tests.lab.vm import BlockDisk, LabVm
from tests.lab.writer import BEYOND

SUSPECT = "kvm-01"
OLD, NEW, LATE = 0x01, 0x0A, 0xEE


def running_on(lab: Lab, array: Array) -> LabVm:
    vm = lab.start_vm(SUSPECT, "web-01", disk=array.disk)
    wait_quiet(lab, vm)
    assert write_from_vm(lab, vm, OLD) == "ok"
    assert array.holds(OLD)
    return vm


def copy_of(lab: Lab, vm: LabVm, ended: Ended) -> LabVm:
    return LabVm(vm.uuid, vm.name, ended["host"], vm.xml, vm.disks)


@pytest.mark.parametrize("gone", ["", "gone already", "gone already, and its definition, too"])
@pytest.mark.parametrize("kind", ["array", "iscsi", "gluster"])
def test_what_the_kernel_still_sends_for_the_dead_never_arrives(
    lab: Lab, request: pytest.FixtureRequest, kind: str, gone: str
) -> None:
    """Of a leftover that was gone already its storage is known by its definition alone: the host's, or hafence's."""
    array: Array = request.getfixturevalue(kind)
    vm = running_on(lab, array)
    admin = AdminNode(lab)
    cut = array.cut(SUSPECT)
    queue_write(lab, vm, LATE)
    if gone:
        lab.kill_qemu(vm)
        wait_until(lambda: array.queued_bytes(lab.hosts[SUSPECT]) > 1, "the kernel sends for the dead")
    if gone.endswith("too"):
        lab.hosts[SUSPECT].virsh(f"undefine {vm.uuid}")
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert "reset that still held bytes" in ended["attempts"][0]["detail"], ended
    assert array.queued_bytes(lab.hosts[SUSPECT]) == 0
    assert write_from_vm(lab, copy_of(lab, vm, ended), NEW) == "ok"
    cut.heal()
    assert array.holds(NEW)


def test_without_a_way_to_end_it_the_vm_waits_until_it_has_landed(lab: Lab, array: Nbd) -> None:
    vm = running_on(lab, array)
    admin = AdminNode(lab)
    cut = array.cut(SUSPECT)
    queue_write(lab, vm, LATE)
    with faults.missing_program(lab, SUSPECT, "ss"):
        ended = admin.start_vm(vm.name)
        assert_refused(admin, vm, ended, "ambiguous", "ambiguous")
        assert "'ss' (iproute2) is missing" in ended["message"], ended
        assert not lab.copies(vm.uuid)
        cut.heal()
        wait_until(lambda: array.holds(LATE), "it lands", 60)
        ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert write_from_vm(lab, copy_of(lab, vm, ended), NEW) == "ok"
    assert array.holds(NEW)


def test_a_leftover_whose_storage_answers_is_fenced_without_ado(lab: Lab, array: Nbd) -> None:
    vm = running_on(lab, array)
    admin = AdminNode(lab)
    ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert "reset" not in ended["attempts"][0]["detail"], ended


@pytest.mark.ceph
@pytest.mark.parametrize("feature", ["layering", "exclusive-lock"])
def test_nor_does_it_over_ceph_with_a_lock_on_the_image_or_without(lab: Lab, ceph: Ceph, feature: str) -> None:
    disk = ceph.create_image(feature=feature, guest=False)
    vm = lab.start_vm(SUSPECT, "web-01", disk=disk)
    wait_quiet(lab, vm)
    assert write_from_vm(lab, vm, OLD) == "ok"
    admin = AdminNode(lab, fencing={"start_timeout": 20})
    cut = ceph.cut_storage(SUSPECT)
    queue_write(lab, vm, LATE)
    ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert "still held bytes" in ended["attempts"][0]["detail"], ended
    assert write_from_vm(lab, copy_of(lab, vm, ended), NEW, timeout_s=60) == "ok"
    cut.heal()
    assert ceph.holds(disk.image, NEW)


# ---------------------------------------------------------------- a page cache


def test_pages_of_a_device_that_somebody_else_has_open_are_on_the_disk_before_the_vm_starts(lab: Lab) -> None:
    file = make_file(lab.folder / "lv" / "disk.raw")
    with loop(file) as device, device.open("rb"):
        vm = lab.start_vm(SUSPECT, "web-01", disk=BlockDisk(device, cache="writeback", aio="threads"))
        admin = AdminNode(lab)
        wait_quiet(lab, vm)
        with device.open("r+b", buffering=0) as written:  # pages are the device's, whoever writes them
            written.seek(BEYOND)
            written.write(bytes([LATE]) * 4096)
        assert block_of(file) != bytes([LATE]) * 4096, "the cache keeps it for now"
        with faults.libvirtd_hung(lab, SUSPECT):
            ended = admin.run_json("fence", vm.name, "--yes")
        assert ended.vms[vm.name]["verdict"] == "confirmed_dead", ended
        assert block_of(file) == bytes([LATE]) * 4096


# ---------------------------------------------------------------- a path that hangs


def writing_when_it_hangs(lab: Lab, path: HangingPath, aio: str) -> LabVm:
    vm = lab.start_vm(SUSPECT, "web-01", disk=BlockDisk(path.device, aio=aio))
    assert write_from_vm(lab, vm, OLD) == "ok"
    path.hang()
    queue_write(lab, vm, LATE)
    wait_until(path.in_flight, "it is under way")
    return vm


def test_a_request_that_outlives_its_process_is_waited_for(lab: Lab) -> None:
    with HangingPath(lab) as path:
        vm = writing_when_it_hangs(lab, path, "io_uring")
        admin = AdminNode(lab)
        ended = admin.start_vm(vm.name)
        assert not lab.copies(vm.uuid), "SIGKILL ends it"
        assert path.in_flight()
        assert_refused(admin, vm, ended, "ambiguous", "ambiguous")
        assert "under way to its disk, whose path hangs" in ended["message"], ended
        path.returns()
        wait_until(lambda: block_of(path.file) == bytes([LATE]) * 4096, "it lands")
        ended = admin.start_vm(vm.name)
        assert_started(admin, vm, ended)


def test_where_the_kernel_does_not_count_requests_one_that_outlives_its_process_is_not_seen(lab: Lab) -> None:
    with loop(make_file(lab.folder / "lv" / "disk.raw")) as device:
        vm = lab.start_vm(SUSPECT, "web-01", disk=BlockDisk(device, aio="io_uring"))
        admin = AdminNode(lab)
        counts = Path(f"/sys/block/{device.name}/queue/iostats")
        counts.write_text("0")
        ended = admin.run_json("fence", vm.name, "--yes")
        assert ended.vms[vm.name]["verdict"] == "ambiguous", ended
        assert "write 1 to queue/iostats" in ended.vms[vm.name]["message"], ended
        counts.write_text("1")
        ended = admin.start_vm(vm.name)
        assert_started(admin, vm, ended)


def test_a_process_that_its_request_holds_on_to_is_alive(lab: Lab) -> None:
    with HangingPath(lab) as path:
        vm = writing_when_it_hangs(lab, path, "native")
        admin = AdminNode(lab)
        ended = admin.start_vm(vm.name)
        assert_refused(admin, vm, ended, "still_alive", "still_alive")
        path.returns()
