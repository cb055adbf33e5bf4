"""`capture` on real hosts: what libvirt says of a VM that runs is kept, and is what it is started from."""

from __future__ import annotations

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_started, never_twice
from tests.lab.vm import LabVm

from .test_newest_disk import CHANGES, SUSPECT, vm  # noqa: F401  # the fixture


@CHANGES
@pytest.mark.parametrize("silent", [False, True], ids=["answers", "silent"])
def test_a_captured_vm_starts_from_its_disks_of_today(lab: Lab, vm: LabVm, change, silent: bool) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    admin = AdminNode(lab)
    newer = change(lab, vm)
    kept = admin.run_json("capture", vm.name)
    assert (kept.code, kept["vms"][0]["captured"], kept["vms"][0]["host"]) == (0, True, SUSPECT), kept
    if silent:
        faults.cut(lab, faults.ADMIN, SUSPECT)
    with never_twice(lab):
        foretold = admin.run_json("start-vm", vm.name, "--dry-run", "--yes")
        ended = admin.start_vm(vm.name)
    assert foretold["definition"]["from"] == "capture", foretold
    assert_started(admin, vm, ended)
    assert (ended["definition"]["from"], ended["definition"]["host"]) == ("capture", SUSPECT), ended
    opened = lab.hosts[ended["host"]].virsh(f"domblklist {vm.name} --details")
    assert newer in opened, opened


def test_what_is_edited_after_the_capture_counts_again(lab: Lab, vm: LabVm) -> None:  # noqa: F811
    admin = AdminNode(lab)
    admin.run_json("capture", vm.name)
    path = admin.folder / "domains" / f"{vm.name}.xml"
    path.write_text(path.read_text().replace("<devices>", "<description>edited</description><devices>", 1))
    ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert ended["definition"]["from"] == "inventory", ended
    assert "edited" in lab.hosts[ended["host"]].virsh(f"dumpxml {vm.name}")


def test_no_password_reaches_the_store_and_none_is_lost(lab: Lab, vm: LabVm) -> None:  # noqa: F811
    console = "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1' passwd='s3cret&amp;1'/>"
    vm.xml.write_text(vm.xml.read_text().replace("</devices>", f"{console}</devices>"))
    host = lab.hosts[SUSPECT]
    host.virsh(f"destroy {vm.name}; define {vm.xml}; start {vm.name}")
    lab.wait_copies(vm.uuid, 1)
    admin = AdminNode(lab)
    assert admin.run_json("capture", vm.name).code == 0
    for path in admin.folder.glob("state.db*"):
        assert b"s3cret" not in path.read_bytes(), path
    assert b"graphics type='vnc'" in admin.store.read_bytes()
    ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert ended["definition"]["from"] == "capture", ended
    assert "passwd='s3cret&amp;1'" in lab.hosts[ended["host"]].virsh(f"dumpxml --security-info {vm.name}")


def test_a_vm_without_a_definition_in_the_inventory_starts_from_its_capture(lab: Lab, vm: LabVm) -> None:  # noqa: F811
    admin = AdminNode(lab, vms={vm.name: {"domain_xml": None}})
    refused = admin.start_vm(vm.name)
    assert (refused.code, refused["reason"]) == (3, "no_target"), refused
    assert f"'hafence capture {vm.name}'" in " ".join(refused["ways_out"]), refused
    assert admin.run_json("capture").code == 0
    assert_started(admin, vm, admin.start_vm(vm.name))


def test_what_does_not_run_is_not_captured(lab: Lab, vm: LabVm) -> None:  # noqa: F811
    lab.hosts[SUSPECT].virsh(f"destroy {vm.name}")
    lab.wait_copies(vm.uuid, 0)
    admin = AdminNode(lab)
    ended = admin.run_json("capture", vm.name)
    assert (ended.code, ended["vms"][0]["reason"]) == (3, "not_running"), ended
    assert admin.run_json("capture").code == 0


@CHANGES
def test_an_audit_finds_what_has_changed_and_captures_it_where_it_is_told_to(lab: Lab, vm: LabVm, change) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    admin = AdminNode(lab)
    codes = [each["code"] for each in admin.run_json("audit")["findings"]]
    assert "definition_drift" not in codes, codes
    newer = change(lab, vm)
    found = next(each for each in admin.run_json("audit")["findings"] if each["code"] == "definition_drift")
    assert (found["severity"], found["subject"]) == ("CRITICAL", vm.name), found
    assert newer in found["saw"], found
    for kept in ([vm.name], []):
        ended = admin.run_json("audit", "--capture")
        assert [each["vm"] for each in ended["captured"]] == kept, ended
        assert "definition_drift" not in [each["code"] for each in ended["findings"]], ended
    assert_started(admin, vm, admin.start_vm(vm.name))
