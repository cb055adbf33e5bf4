"""The incident that all this began with, on a real Ceph: the watcher is evicted, the qemu lives, and its VM is started.

Whatever the old process does afterwards, it must not change a byte under the new one: that is looked at in the image.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.lab import faults
from tests.lab.ceph import BLOCK, Ceph, write_from_vm
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Ended, assert_refused, assert_started, never_twice
from tests.lab.proc import wait_until
from tests.lab.vm import FileDisk, LabVm, RbdDisk
from tests.lab.writer import BEYOND

pytestmark = pytest.mark.ceph
SUSPECT = "kvm-01"
OLD, NEW, LATE = 0x01, 0x0A, 0xEE
"""What is written by the old process, by the new one, and by the old one when it comes back."""


def admin_node(lab: Lab, ceph: Ceph, **ceph_settings: Any) -> AdminNode:
    return AdminNode(
        lab,
        clusters={"lab": {"ceph": {**ceph.settings(), **ceph_settings}}},
        fencing={"start_timeout": 20, "power_timeout": 40},
    )


def running(lab: Lab, ceph: Ceph, name: str = "web-01") -> tuple[LabVm, str]:
    """A VM on the suspect that has written to its image, and so holds its lock."""
    disk = ceph.create_image()
    vm = lab.start_vm(SUSPECT, name, disk=disk)
    assert write_from_vm(lab, vm, OLD) == "ok"
    return vm, disk.image


def cut_from_everyone(lab: Lab) -> None:
    """Nobody reaches the suspect any more, and it reaches nobody but the storage."""
    faults.partition(lab, [SUSPECT], [faults.ADMIN, *(name for name in lab.hosts if name != SUSPECT)])


def assert_fenced_start(lab: Lab, ended: Ended, verdict: str) -> LabVm:
    """Started on another host because its storage is fenced; the proof, its source and the risk are told."""
    assert (ended.code, ended["decision"], ended["reason"]) == (0, "started", "storage_fenced"), ended
    assert ended["verdict"] == verdict, ended
    proof = [each for each in ended["evidence"] if "read back" in each["says"]]
    assert len(proof) == 1, ended
    assert proof[0]["kind"] == "storage"
    assert "kvm-02" in proof[0]["source"], ended
    assert any("network identity" in risk for risk in ended["residual_risk"]), ended
    vm = lab.vms[ended["vm"]["name"]]
    return LabVm(vm.uuid, vm.name, ended["host"], vm.xml, vm.disks)


def assert_only_the_new_one_writes(lab: Lab, ceph: Ceph, new: LabVm, image: str) -> None:
    """The new process takes the image's lock and writes; the old one, which lives, can't change a byte of it."""
    assert write_from_vm(lab, new, NEW, timeout_s=60) == "ok"
    assert ceph.holds(image, NEW)
    assert SUSPECT in {qemu.host for qemu in lab.qemus(new.uuid)}
    assert write_from_vm(lab, new, LATE, host=SUSPECT, timeout_s=60) != "ok"
    assert ceph.holds(image, NEW)
    assert write_from_vm(lab, new, NEW, offset=BEYOND + BLOCK, timeout_s=60) == "ok"
    assert ceph.holds(image, NEW, offset=BEYOND + BLOCK)


# ---------------------------------------------------------------- the incident


def test_the_watcher_is_evicted_and_the_living_qemu_is_killed_before_the_vm_starts_elsewhere(
    lab: Lab, ceph: Ceph
) -> None:
    vm, image = running(lab, ceph)
    admin = admin_node(lab, ceph)
    with ceph.cut_storage(SUSPECT):
        ceph.wait_evicted(image)
        assert lab.copies(vm.uuid) == 1
        with never_twice(lab):
            ended = admin.start_vm(vm.name)
    assert (ended.code, ended["reason"], ended["verdict"]) == (0, "confirmed_dead", "confirmed_dead"), ended
    [qemu] = lab.qemus(vm.uuid)
    assert qemu.host == ended["host"] != SUSPECT
    assert write_from_vm(lab, vm, NEW, host=qemu.host, timeout_s=60) == "ok"
    assert ceph.holds(image, NEW)
    assert ceph.blocklist() == [] or all(SUSPECT not in each for each in ceph.blocklist())


def test_the_same_with_a_qemu_that_sigkill_does_not_end(lab: Lab, ceph: Ceph) -> None:
    vm, image = running(lab, ceph)
    admin = admin_node(lab, ceph)
    pid = lab.qemu(vm).pid
    with faults.unkillable(lab, pid):
        with ceph.cut_storage(SUSPECT):
            ceph.wait_evicted(image)
            ended = admin.start_vm(vm.name)
        new = assert_fenced_start(lab, ended, "still_alive")
        says = " ".join(each["says"] for each in ended["evidence"])
        assert "Watchers: none" in says
        assert "proves nothing" in says
        assert {qemu.pid for qemu in lab.qemus(vm.uuid)} > {pid}
        assert write_from_vm(lab, new, NEW, timeout_s=60) == "ok"
        told = admin.run("explain", ended["run"])
        assert told.code == 0
        assert "blocklist" in told.stdout
    lab.wait_copies(vm.uuid, 1)
    assert ceph.holds(image, NEW)
    assert write_from_vm(lab, new, NEW, offset=BEYOND + BLOCK, timeout_s=60) == "ok"
    assert admin.quarantined() == {SUSPECT}


def test_a_frozen_qemu_behind_a_silent_network_thaws_and_cannot_write_a_byte(lab: Lab, ceph: Ceph) -> None:
    vm, image = running(lab, ceph)
    admin = admin_node(lab, ceph)
    with faults.unkillable(lab, lab.qemu(vm).pid):
        cut_from_everyone(lab)
        ceph.wait_evicted(image)
        new = assert_fenced_start(lab, admin.start_vm(vm.name), "ambiguous")
        assert write_from_vm(lab, new, NEW, timeout_s=60) == "ok"
    assert_only_the_new_one_writes(lab, ceph, new, image)


def test_a_healthy_qemu_behind_a_silent_network_is_shut_out_alone(lab: Lab, ceph: Ceph) -> None:
    vm, image = running(lab, ceph)
    other, _ = running(lab, ceph, "web-02")
    admin = admin_node(lab, ceph)
    cut_from_everyone(lab)
    foretold = admin.run_json("start-vm", vm.name, "--dry-run")
    assert (foretold.code, foretold["reason"]) == (0, "storage_fenced"), foretold
    assert ceph.blocklist() == []
    new = assert_fenced_start(lab, admin.start_vm(vm.name), "ambiguous")
    assert_only_the_new_one_writes(lab, ceph, new, image)
    assert write_from_vm(lab, other, NEW, timeout_s=60) == "ok"
    assert f"{lab.hosts[SUSPECT].address}:0/0" not in ceph.blocklist()


def test_a_leftover_behind_a_storage_fence_is_no_second_copy(lab: Lab, ceph: Ceph) -> None:
    vm, image = running(lab, ceph)
    admin = admin_node(lab, ceph)
    with unkillable_vm(lab, vm):
        new = assert_fenced_start(lab, admin.start_vm(vm.name), "still_alive")
        assert f"{lab.hosts[SUSPECT].address}:0/0" in ceph.blocklist()
        again = admin.start_vm(vm.name)
        assert (again.code, again["reason"], again["host"]) == (0, "already_running", new.host), again
        found = {each["code"] for each in admin.run_json("audit")["findings"]}
        assert "fenced_leftover" in found
        assert "split_brain" not in found
        [process] = [each for each in lab.qemus(vm.uuid) if each.host == new.host]
        os.kill(process.pid, signal.SIGKILL)
        lab.wait_copies(vm.uuid, 1)
        moved = admin.start_vm(vm.name)
        assert (moved.code, moved["decision"]) == (0, "started"), moved
        third = LabVm(vm.uuid, vm.name, moved["host"], vm.xml, vm.disks)
        assert third.host not in (SUSPECT, new.host)
        assert write_from_vm(lab, third, NEW, timeout_s=60) == "ok"
        assert ceph.holds(image, NEW)


def test_without_a_known_client_the_whole_address_is_shut_out(lab: Lab, ceph: Ceph) -> None:
    disk = ceph.create_image()
    vm = lab.start_vm(SUSPECT, "web-01", disk=disk)
    admin = admin_node(lab, ceph)
    with faults.unkillable(lab, lab.qemu(vm).pid):
        cut_from_everyone(lab)
        ceph.wait_evicted(disk.image)
        new = assert_fenced_start(lab, admin.start_vm(vm.name), "ambiguous")
    # The new copy, which takes the lock from the old one, may have added the old one's client.
    address, entries = lab.hosts[SUSPECT].address, ceph.blocklist()
    assert f"{address}:0/0" in entries
    assert {entry.partition(":")[0] for entry in entries} == {address}
    assert_only_the_new_one_writes(lab, ceph, new, disk.image)


# ---------------------------------------------------------------- after a confirmed death


def added(admin: AdminNode) -> int:
    """How often hafence itself has shut clients out."""
    return [step for _, step in admin.steps()].count("add_entries")


def test_a_dead_client_of_an_image_without_a_lock_is_shut_out(lab: Lab, ceph: Ceph) -> None:
    disk = ceph.create_image(feature="layering")
    vm = lab.start_vm(SUSPECT, "web-01", disk=disk)
    ceph.wait_watched(disk.image)
    [client] = ceph.watchers(disk.image)
    faults.libvirtd_hung(lab, SUSPECT)  # SIGKILL comes first: nothing is closed
    admin = admin_node(lab, ceph)
    ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert ceph.blocklist() == [client]
    assert ended["residual_risk"] == []
    assert added(admin) == 1


def test_one_that_holds_its_lock_is_left_to_the_storage_itself(lab: Lab, ceph: Ceph) -> None:
    disk = ceph.create_image()
    vm = lab.start_vm(SUSPECT, "web-01", disk=disk)
    assert write_from_vm(lab, vm, OLD) == "ok"
    admin = admin_node(lab, ceph)
    assert_started(admin, vm, admin.start_vm(vm.name))
    assert added(admin) == 0


def test_a_ceph_that_nobody_can_ask_is_a_named_risk_of_a_vm_that_is_dead(lab: Lab, ceph: Ceph) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", disk=ceph.create_image())
    admin = AdminNode(lab, clusters={"lab": {"ceph": {**ceph.settings(), "keyring": "/nowhere"}}})
    ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert any("was not seen to shut out" in risk for risk in ended["residual_risk"]), ended


# ---------------------------------------------------------------- what is no storage fence


@contextmanager
def unkillable_vm(lab: Lab, vm: LabVm) -> Iterator[None]:
    with faults.unkillable(lab, lab.qemu(vm).pid):
        yield


def test_a_disk_beside_the_rbd_ones_is_not_covered(lab: Lab, ceph: Ceph) -> None:
    rbd, file = ceph.create_image(), lab.folder / "data.raw"
    file.write_bytes(bytes(1 << 20))
    vm = lab.start_vm(SUSPECT, "web-01", disk=(rbd, FileDisk(file)))
    admin = admin_node(lab, ceph)
    with unkillable_vm(lab, vm):
        ended = admin.start_vm(vm.name)
        assert_refused(admin, vm, ended, "still_alive", "still_alive", lab.qemus(vm.uuid))
    assert any("vdb (file)" in each["says"] for each in ended["evidence"]), ended
    assert ceph.blocklist() == []


def test_all_disks_must_be_covered_and_one_that_is_missing_in_ceph_is_not(lab: Lab, ceph: Ceph) -> None:
    disk = ceph.create_image()
    vm = lab.start_vm(SUSPECT, "web-01", disk=disk)
    admin = AdminNode(
        lab,
        clusters={"lab": {"ceph": ceph.settings()}},
        vms={vm.name: {"disks": ["rbd:rbd/no-such-image"]}},
        fencing={"power_timeout": 40},
    )
    with unkillable_vm(lab, vm):
        ended = admin.start_vm(vm.name)
        assert_refused(admin, vm, ended, "still_alive", "still_alive", lab.qemus(vm.uuid))
    assert ceph.blocklist() == []


@pytest.mark.parametrize("whose", ["its own", "another one's"])
def test_a_definition_that_names_the_monitors_of_another_ceph_is_not_covered(lab: Lab, ceph: Ceph, whose: str) -> None:
    disk = ceph.create_image()
    vm = lab.start_vm(SUSPECT, "web-01", disk=replace(disk, monitors=(ceph.address,)))
    ceph.wait_watched(disk.image)
    admin = admin_node(lab, ceph)
    if whose != "its own":
        definition = admin.folder / "domains" / "web-01.xml"
        definition.write_text(definition.read_text().replace(ceph.address, lab.hosts["kvm-04"].address))
    with unkillable_vm(lab, vm):
        ended = admin.start_vm(vm.name)
        if whose == "its own":
            assert_fenced_start(lab, ended, "still_alive")
            return
        assert_refused(admin, vm, ended, "still_alive", "still_alive", lab.qemus(vm.uuid))
    assert "does not call its own" in ended["message"], ended
    assert ceph.blocklist() == []


def test_a_strangers_client_is_no_storage_fence_until_it_is_named(lab: Lab, ceph: Ceph) -> None:
    vm, image = running(lab, ceph)
    argv = ceph.node.inside(["rbd", "-c", str(ceph.conf), "watch", f"rbd/{image}"])
    watch = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(ceph.watchers(image)) == 2, "the stranger watches", 30)
        with unkillable_vm(lab, vm):
            admin = admin_node(lab, ceph)
            ended = admin.start_vm(vm.name)
            assert_refused(admin, vm, ended, "still_alive", "still_alive", lab.qemus(vm.uuid))
            assert any(ceph.address in each["says"] and "mirrors" in each["says"] for each in ended["evidence"]), ended
            assert ceph.blocklist() == []
            named = admin_node(lab, ceph, mirrors=[ceph.address])
            named.environment["HAFENCE_STORE"] = f"sqlite://{admin.store}"
            ended = named.start_vm(vm.name)
            assert_fenced_start(lab, ended, "still_alive")
            assert all(each.startswith(lab.hosts[SUSPECT].address) for each in ceph.blocklist())
    finally:
        watch.kill()
        watch.wait()


def test_an_entry_that_could_not_be_added_is_no_storage_fence(lab: Lab, ceph: Ceph) -> None:
    vm, _ = running(lab, ceph)
    keyring = ceph.folder / "weak.keyring"
    words = ["auth", "get-or-create", "client.weak", "mon", "allow r", "osd", "allow rwx pool=rbd"]
    subprocess.run(["ceph", "-c", str(ceph.conf), *words, "-o", str(keyring)], check=True, capture_output=True)
    admin = admin_node(lab, ceph, user="weak", keyring=str(keyring))
    with unkillable_vm(lab, vm):
        ended = admin.start_vm(vm.name)
        assert_refused(admin, vm, ended, "still_alive", "still_alive", lab.qemus(vm.uuid))
    assert any("no lasting entry" in each["says"] for each in ended["evidence"]), ended
    assert ceph.blocklist() == []


def test_a_user_with_the_documented_rights_is_enough(lab: Lab, ceph: Ceph) -> None:
    vm, _ = running(lab, ceph)
    keyring = ceph.folder / "fence.keyring"
    mon = 'profile rbd, allow command "osd blocklist", allow command "osd blocklist ls"'
    words = ["auth", "get-or-create", "client.fence", "mon", mon, "osd", "profile rbd-read-only"]
    subprocess.run(["ceph", "-c", str(ceph.conf), *words, "-o", str(keyring)], check=True, capture_output=True)
    admin = admin_node(lab, ceph, user="fence", keyring=str(keyring))
    with unkillable_vm(lab, vm):
        assert_fenced_start(lab, admin.start_vm(vm.name), "still_alive")


def test_a_sibling_without_a_way_to_ceph_is_passed_over(lab: Lab, ceph: Ceph) -> None:
    vm, _ = running(lab, ceph)
    faults.drop_ports(lab, "kvm-02", ceph.address)
    admin = admin_node(lab, ceph)
    with unkillable_vm(lab, vm):
        ended = admin.start_vm(vm.name, "--to", "kvm-03")
    assert (ended.code, ended["reason"]) == (0, "storage_fenced"), ended
    assert any("asked on kvm-03" in each["source"] for each in ended["evidence"]), ended


# ---------------------------------------------------------------- afterwards


def test_rejoin_finds_what_is_left_and_then_lifts_the_entries(lab: Lab, ceph: Ceph) -> None:
    vm, _ = running(lab, ceph)
    admin = admin_node(lab, ceph)
    ceph.block("192.0.2.7:0/9")
    with unkillable_vm(lab, vm):
        assert_fenced_start(lab, admin.start_vm(vm.name), "still_alive")
        ended = admin.run("rejoin", SUSPECT, "--yes")
        assert ended.code == 3, ended
        assert f"still runs {vm.name}" in ended.stdout
    lab.wait_copies(vm.uuid, 1)
    ended = admin.run("rejoin", SUSPECT, "--yes")
    assert ended.code == 3, ended
    assert f"still defines {vm.name}" in ended.stdout
    assert admin.quarantined() == {SUSPECT}
    assert len(ceph.blocklist()) > 1
    lab.hosts[SUSPECT].virsh(f"undefine {vm.uuid}")
    ended = admin.run("rejoin", SUSPECT, "--yes")
    assert ended.code == 0, ended
    assert admin.quarantined() == set()
    assert ceph.blocklist() == ["192.0.2.7:0/9"]


def test_the_audit_finds_entries_that_end_and_keeps_the_host_shut_out_only_where_it_is_told_to_renew(
    lab: Lab, ceph: Ceph
) -> None:
    vm, _ = running(lab, ceph)
    admin = admin_node(lab, ceph, expire="2h")
    address = lab.hosts[SUSPECT].address
    with unkillable_vm(lab, vm):
        assert_fenced_start(lab, admin.start_vm(vm.name), "still_alive")
        entries = ceph.blocklist()
        assert f"{address}:0/0" in entries
        [client] = set(entries) - {f"{address}:0/0"}
        assert lasts_s(ceph, client) > 7000
        other = f"{lab.hosts['kvm-03'].address}:0/77"
        for each in entries:
            ceph.ceph("osd", "blocklist", "rm", each)
        for each in (client, other):
            ceph.block(each, 1500)
        runs = runs_of(admin)
        looked = admin.run("audit", "--json")
        assert storage_fence_ends(looked) == f"{SUSPECT}: 'hafence audit --renew' makes them last", looked
        assert sorted(ceph.blocklist()) == sorted([client, other])
        assert runs_of(admin) == runs
        renewed = admin.run("audit", "--renew", "--json")
        assert storage_fence_ends(renewed) == "", renewed
        assert [each["host"] for each in renewed["renewed"]] == [SUSPECT], renewed
        assert sorted(ceph.blocklist()) == sorted([client, other, f"{address}:0/0"])
        assert lasts_s(ceph, f"{address}:0/0") > 7000
        [run] = runs_of(admin) - runs
        told = admin.run("explain", run).stdout
        assert f"{run}: audit {SUSPECT}" in told, told
        assert f"shut out {address}:0/0, asked on" in told, told
        again = admin.run("audit", "--renew", "--json")
        assert storage_fence_ends(again) == "", again
        assert len(ceph.blocklist()) == 3
        assert runs_of(admin) == {*runs, run}


def test_what_can_not_be_made_to_last_is_found_with_why(lab: Lab, ceph: Ceph) -> None:
    vm, _ = running(lab, ceph)
    admin = admin_node(lab, ceph, expire="2h")
    address = lab.hosts[SUSPECT].address
    with unkillable_vm(lab, vm):
        assert_fenced_start(lab, admin.start_vm(vm.name), "still_alive")
        for each in ceph.blocklist():
            ceph.ceph("osd", "blocklist", "rm", each)
        ceph.block(f"{address}:0/0", 1500)
        runs = runs_of(admin)
        ended = admin.run("audit", "--renew", "--json")
        assert storage_fence_ends(ended) == f"{SUSPECT}: the storage can't make them last", ended
        assert (ended.code, ended["renewed"]) == (2, []), ended
        assert runs_of(admin) == runs


def runs_of(admin: AdminNode) -> set[str]:
    """The runs that are in the history."""
    return {run for run, _ in admin.steps()}


def storage_fence_ends(ended: Ended) -> str:
    """The host of the one such finding, and why its entries are let end; '' without one."""
    found = [each for each in ended["findings"] if each["code"] == "storage_fence_ends"]
    assert len(found) < 2, ended
    return "".join(f"{each['subject']}: {each['saw'].rpartition(', and ')[2]}" for each in found)


def test_an_entry_that_ceph_made_and_that_ends_soon_is_not_counted_on(lab: Lab, ceph: Ceph) -> None:
    vm, image = running(lab, ceph)
    running(lab, ceph, "web-02")
    [client] = ceph.watchers(image)
    admin = admin_node(lab, ceph, expire="2h")
    ceph.block(client, 1500)
    cut_from_everyone(lab)
    ended = admin.start_vm(vm.name)
    assert (ended.code, ended["reason"]) == (0, "storage_fenced"), ended
    assert lasts_s(ceph, client) > 7000


def lasts_s(ceph: Ceph, client: str) -> float:
    """For how long an entry of the blocklist will last."""
    [until] = [each["until"] for each in ceph.ceph("osd", "blocklist", "ls") if each["addr"] == client]
    return (datetime.strptime(until, "%Y-%m-%dT%H:%M:%S.%f%z") - datetime.now(UTC)).total_seconds()


def test_ten_volumes_are_fenced_together(lab: Lab, ceph: Ceph) -> None:
    disks: tuple[RbdDisk, ...] = tuple(ceph.create_image() for _ in range(10))
    vm = lab.start_vm(SUSPECT, "web-01", disk=disks)
    admin = admin_node(lab, ceph)
    cut_from_everyone(lab)
    assert_fenced_start(lab, admin.start_vm(vm.name), "ambiguous")
    entries = ceph.blocklist()
    assert len(entries) == 11
    assert f"{lab.hosts[SUSPECT].address}:0/0" in entries


def test_where_python_lacks_cephs_module_the_command_line_does_it(lab: Lab, ceph: Ceph) -> None:
    vm, _ = running(lab, ceph)
    sibling = lab.hosts["kvm-02"]
    programs = lab.folder / "no-python"
    programs.mkdir(exist_ok=True)
    (programs / "python3").write_text("#!/bin/sh\nexit 1\n")
    (programs / "python3").chmod(0o755)
    sibling.exec(["mount", "--bind", str(programs), "/usr/local/bin"])
    try:
        cut_from_everyone(lab)
        assert_fenced_start(lab, admin_node(lab, ceph).start_vm(vm.name), "ambiguous")
    finally:
        sibling.exec(["umount", "/usr/local/bin"])
    assert len(ceph.blocklist()) == 2
