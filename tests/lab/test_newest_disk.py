"""A VM is not killed where its start elsewhere would be from an older disk than the one that it writes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_refused, assert_started, never_twice
from tests.lab.proc import run
from tests.lab.vm import FileDisk, LabVm

SUSPECT = "kvm-01"
MIB = 1 << 20


@pytest.fixture
def vm(lab: Lab) -> LabVm:
    path = lab.folder / "vms" / "first.qcow2"
    path.unlink(missing_ok=True)
    run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"])
    vm = lab.define_vm(SUSPECT, "web-01", disk=FileDisk(path, "qcow2"))
    vm.xml.write_text(vm.xml.read_text().replace("<devices>", "<features><acpi/></features><devices>"))  # to plug
    lab.hosts[SUSPECT].virsh(f"define {vm.xml}; start {vm.name}")
    lab.wait_copies(vm.uuid, 1)
    return vm


def other(lab: Lab, name: str) -> Path:
    path = lab.folder / "vms" / name
    path.unlink(missing_ok=True)
    return path


def snapshot(lab: Lab, vm: LabVm) -> str:
    path = other(lab, "first.snap1")
    words = f"snapshot-create-as {vm.name} snap1 --disk-only --no-metadata --diskspec vda,file={path}"
    lab.hosts[SUSPECT].virsh(words)
    return path.name


def pivot(lab: Lab, vm: LabVm) -> str:
    path = other(lab, "second.qcow2")
    lab.hosts[SUSPECT].virsh(f"blockcopy {vm.name} vda {path} --wait --pivot --transient-job --format qcow2")
    return path.name


def plug(lab: Lab, vm: LabVm) -> str:
    path = other(lab, "more.raw")
    path.write_bytes(bytes(MIB))
    lab.hosts[SUSPECT].virsh(f"attach-disk {vm.name} {path} vdb --live --targetbus virtio")
    return path.name


CHANGES = pytest.mark.parametrize("change", [snapshot, pivot, plug], ids=lambda change: change.__name__)


@CHANGES
@pytest.mark.parametrize("seen", ["seen", "through-a-sibling"])
def test_a_running_vm_with_other_disks_is_left_alone(lab: Lab, vm: LabVm, change, seen: str) -> None:  # type: ignore[no-untyped-def]
    admin = AdminNode(lab)
    before, newer = lab.qemus(vm.uuid), change(lab, vm)
    if seen == "through-a-sibling":
        faults.cut(lab, faults.ADMIN, SUSPECT)
    with never_twice(lab):
        foretold = admin.run_json("start-vm", vm.name, "--dry-run", "--yes")
        ended = admin.start_vm(vm.name)
    assert (foretold.code, foretold["reason"], foretold["verdict"]) == (3, "disks_differ", "still_alive"), foretold
    assert f"writes to {newer}" in foretold["message"], foretold
    assert_refused(admin, vm, ended, "disks_differ", "still_alive", before)
    assert f"writes to {newer}" in ended["message"], ended
    assert "virsh dumpxml" in " ".join(ended["ways_out"]), ended
    assert ended["host"] == SUSPECT, ended


@CHANGES
def test_from_its_definition_of_today_it_starts(lab: Lab, vm: LabVm, change) -> None:  # type: ignore[no-untyped-def]
    change(lab, vm)
    vm.xml.write_text(lab.hosts[SUSPECT].virsh(f"dumpxml --migratable {vm.name}"))
    admin = AdminNode(lab)
    assert_started(admin, vm, admin.start_vm(vm.name))


def test_under_another_path_it_is_the_same_disk(lab: Lab, vm: LabVm) -> None:
    disk = vm.disks[0]
    assert isinstance(disk, FileDisk)
    link = other(lab, "by another name.qcow2")
    link.symlink_to(disk.path)
    vm.xml.write_text(vm.xml.read_text().replace(str(disk.path), str(link)))
    admin = AdminNode(lab)
    assert_started(admin, vm, admin.start_vm(vm.name))


def test_a_fence_alone_ends_it_whatever_it_writes_to(lab: Lab, vm: LabVm) -> None:
    plug(lab, vm)
    admin = AdminNode(lab)
    ended = admin.run_json("fence", vm.name, "--yes")
    assert ended.vms[vm.name]["verdict"] == "confirmed_dead", ended


def test_a_file_that_holds_none_of_its_data_can_be_named(lab: Lab, vm: LabVm) -> None:
    name = plug(lab, vm)
    admin = AdminNode(lab, vms={vm.name: {"disks": [str(lab.folder / "vms" / name)]}})
    assert_started(admin, vm, admin.start_vm(vm.name))
