"""Ceph as the incident met it: an evicted watcher is no dead qemu, a blocklist entry is a fence."""

from __future__ import annotations

import json

import pytest

from tests.lab import faults
from tests.lab.ceph import BLOCK, Ceph, queue_write, write_from_vm
from tests.lab.cluster import Lab
from tests.lab.proc import wait_until
from tests.lab.writer import BEYOND

pytestmark = pytest.mark.ceph


def test_a_vm_writes_to_its_image_and_watches_it(lab: Lab, ceph: Ceph) -> None:
    disk = ceph.create_image()
    vm = lab.start_vm("kvm-01", "web-01", disk=disk)
    assert [address.split(":")[0] for address in ceph.watchers(disk.image)] == [lab.hosts["kvm-01"].address]
    assert write_from_vm(lab, vm, 0xAB) == "ok"
    assert ceph.holds(disk.image, 0xAB)
    assert not ceph.holds(disk.image, 0xAB, offset=BEYOND + BLOCK)
    locks = json.loads(ceph.rbd("lock", "ls", f"rbd/{disk.image}", "--format", "json"))
    assert len(locks) == 1


def test_no_watcher_is_left_while_the_qemu_lives_and_later_writes_again(lab: Lab, ceph: Ceph) -> None:
    disk = ceph.create_image()
    vm = lab.start_vm("kvm-01", "web-01", disk=disk)
    assert write_from_vm(lab, vm, 0x01) == "ok"
    with ceph.cut_storage("kvm-01"):
        ceph.wait_evicted(disk.image)
        assert lab.copies(vm.uuid) == 1
    ceph.wait_watched(disk.image)
    assert write_from_vm(lab, vm, 0x02) == "ok"
    assert ceph.holds(disk.image, 0x02)


def test_a_write_that_waits_for_the_storage_comes_through_later(lab: Lab, ceph: Ceph) -> None:
    disk = ceph.create_image()
    vm = lab.start_vm("kvm-01", "web-01", disk=disk)
    assert write_from_vm(lab, vm, 0x01) == "ok"
    with ceph.cut_storage("kvm-01"):
        queue_write(lab, vm, 0x02)
        ceph.wait_evicted(disk.image)
        assert ceph.holds(disk.image, 0x01)
    wait_until(lambda: ceph.holds(disk.image, 0x02), "the write that waited", 60)


def test_a_blocklisted_qemu_cannot_write_a_byte_when_its_packets_pass_again(lab: Lab, ceph: Ceph) -> None:
    disk = ceph.create_image()
    vm = lab.start_vm("kvm-01", "web-01", disk=disk)
    assert write_from_vm(lab, vm, 0x01) == "ok"
    with ceph.cut_storage("kvm-01"):
        queue_write(lab, vm, 0x02)
        ceph.wait_evicted(disk.image)
        address = lab.hosts["kvm-01"].address
        ceph.block(address)
        assert ceph.blocklist() == [f"{address}:0/0"]
    assert "fail" in write_from_vm(lab, vm, 0x03, timeout_s=60)
    assert ceph.holds(disk.image, 0x01)
    assert lab.copies(vm.uuid) == 1


def test_a_thawed_qemu_that_was_fenced_cannot_write_over_its_successor(lab: Lab, ceph: Ceph) -> None:
    disk = ceph.create_image()
    vm = lab.start_vm("kvm-01", "web-01", disk=disk)
    assert write_from_vm(lab, vm, 0x01) == "ok"
    queue_write(lab, vm, 0x02)
    wait_until(lambda: ceph.holds(disk.image, 0x02), "the queued write", 60)
    old = lab.qemu(vm).pid
    with faults.unkillable(lab, old):
        [watcher] = ceph.watchers(disk.image)
        ceph.block(watcher)
        successor = lab.start_vm("kvm-02", "web-01", uuid=vm.uuid, disk=disk)
        assert write_from_vm(lab, successor, 0x0A, timeout_s=60) == "ok"
        assert lab.copies(vm.uuid) == 2
    assert "fail" in write_from_vm(lab, vm, 0x03, timeout_s=60)
    assert ceph.holds(disk.image, 0x0A)


def test_the_hosts_have_ceph_of_their_own(lab: Lab, ceph: Ceph) -> None:
    disk = ceph.create_image()
    said = lab.hosts["kvm-03"].exec(["rbd", "status", f"rbd/{disk.image}", "--format", "json"]).stdout
    assert json.loads(said) == {"watchers": []}


def test_each_test_finds_an_empty_blocklist(ceph: Ceph) -> None:
    assert ceph.blocklist() == []
