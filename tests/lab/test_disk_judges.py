"""The disk is the judge: a guest that writes (writer.py) runs on each kind of disk, is fenced and started elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab.ceph import Ceph
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_started, never_twice
from tests.lab.fault import Fault
from tests.lab.proc import wait_until
from tests.lab.storage import SIZE, Array, loop
from tests.lab.vm import BlockDisk, Disk, FileDisk
from tests.lab.writer import SECTOR, SECTORS, Told, boot_sectors, read_told

SUSPECT = "kvm-01"


class Judged(NamedTuple):
    """A disk that is read behind every qemu's back, and how a host loses its way to it."""

    disk: Disk
    read: Callable[[], bytes]
    cut: Callable[[], Fault] | None = None

    def told(self) -> Told:
        return read_told(self.read()[: SECTORS * SECTOR])


def new_disk(lab: Lab) -> Path:
    path = lab.folder / "vms" / "writer.raw"
    path.write_bytes(boot_sectors().ljust(SIZE, b"\0"))
    return path


@pytest.fixture
def on_file(lab: Lab) -> Judged:
    path = new_disk(lab)
    return Judged(FileDisk(path), path.read_bytes)


@pytest.fixture
def on_block(lab: Lab) -> Iterator[Judged]:
    path = new_disk(lab)
    with ExitStack() as stack:
        device = stack.enter_context(loop(path))
        yield Judged(BlockDisk(device), path.read_bytes)
        lab.reset()  # nobody has it open when it goes


def on_array(array: Array) -> Judged:
    with array.file.open("r+b") as file:
        file.write(boot_sectors())
    return Judged(array.disk, array.file.read_bytes, lambda: array.cut(SUSPECT))


@pytest.fixture
def on_nbd(array: Array) -> Judged:
    return on_array(array)


@pytest.fixture
def on_iscsi(iscsi: Array) -> Judged:
    return on_array(iscsi)


@pytest.fixture
def on_gluster(gluster: Array) -> Judged:
    return on_array(gluster)


@pytest.fixture
def on_rbd(lab: Lab, ceph: Ceph) -> Judged:
    disk = ceph.import_image(new_disk(lab), "layering")
    return Judged(disk, lambda: ceph.read(disk.image, 0, SECTORS * SECTOR), lambda: ceph.cut_storage(SUSPECT))


@pytest.mark.parametrize(
    "kind",
    ["on_file", "on_block", "on_nbd", "on_iscsi", "on_gluster", pytest.param("on_rbd", marks=pytest.mark.ceph)],
)
def test_the_new_copys_writes_are_the_last(lab: Lab, request: pytest.FixtureRequest, kind: str) -> None:
    judged: Judged = request.getfixturevalue(kind)
    vm = lab.start_vm(SUSPECT, "web-01", disk=judged.disk)
    wait_until(lambda: judged.told().writes > 10, "the guest writes", 60)
    admin = AdminNode(lab, fencing={"start_timeout": 20})
    cut = judged.cut() if judged.cut else None
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    wait_until(lambda: judged.told().begun == 2 and judged.told().writes > 10, "the new guest writes", 60)
    if cut is not None:
        assert "still held bytes" in ended["attempts"][0]["detail"], ended
        cut.heal()
    seen = judged.told()
    wait_until(lambda: judged.told().writes > seen.writes + 20, "it goes on", 60)
    assert judged.told()._replace(writes=0) == Told(begun=2, writes=0, is_late=False)


def test_a_write_of_an_older_copy_is_seen(lab: Lab, array: Array, on_nbd: Judged) -> None:
    """The judge itself: what a dead copy had under way lands when its network heals."""
    assert on_nbd.cut is not None
    vm = lab.start_vm(SUSPECT, "web-01", disk=on_nbd.disk)
    wait_until(lambda: on_nbd.told().writes > 10, "the guest writes", 60)
    cut = on_nbd.cut()
    wait_until(lambda: array.queued_bytes(lab.hosts[SUSPECT], of_the_dead=False) > SECTOR, "a write is under way")
    lab.kill_qemu(vm)
    lab.hosts["kvm-02"].virsh(f"create {vm.xml}")
    wait_until(lambda: on_nbd.told().begun == 2 and on_nbd.told().writes > 10, "the new guest writes", 60)
    assert not on_nbd.told().is_late
    cut.heal()
    wait_until(lambda: on_nbd.told().is_late, "the old write lands", 60)


@pytest.mark.two_writers("the judge of every other test must be able to see them")
def test_two_copies_of_one_vm_tell_of_each_other(lab: Lab) -> None:
    """A control: what the lab asks after each test, of a VM that somebody has started twice."""
    vm = lab.start_vm(SUSPECT, "web-01")
    disk = vm.disks[0]
    assert isinstance(disk, FileDisk)
    wait_until(lambda: read_told(disk.path.read_bytes()).writes, "the first has begun", 60)
    assert lab.late_writers() == []
    lab.hosts["kvm-02"].virsh(f"create {vm.xml}")
    assert lab.copies(vm.uuid) == 2
