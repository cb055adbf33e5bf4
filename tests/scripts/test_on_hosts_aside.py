"""What the fence takes away that would bring a VM back, on real hosts: of its VMs alone, and never before the proof."""

from __future__ import annotations

import pytest

from hafence.core.attempts import Verdict

from ..lab import faults, guests
from ..lab.cluster import Lab
from .conftest import Shell
from .hosts import HOST, looked

pytestmark = pytest.mark.lab


def images(lab: Lab) -> list[str]:
    """The images that libvirt would resume."""
    return sorted(path.name for path in lab.hosts[HOST].path(guests.SAVES).glob("*.save"))


def test_images_and_the_list_are_seen_by_a_look_and_left_by_a_rehearsal(lab: Lab, inside: Shell) -> None:
    vm, other = lab.start_vm(HOST, "web-01"), lab.start_vm(HOST, "web-02")
    guests.goes_down(lab.hosts[HOST])
    listed = lab.hosts[HOST].path(guests.LIST).read_text()
    seen = looked(inside)
    assert seen.saved == seen.listed == {vm.uuid, other.uuid}
    facts = inside.rehearse(vm.uuid).facts
    assert (facts.word("saved"), facts.word("guests")) == ("on", "on")
    assert images(lab) == ["web-01.save", "web-02.save"]
    assert lab.hosts[HOST].path(guests.LIST).read_text() == listed


@pytest.mark.parametrize("libvirtd", ["well", "gone"])
def test_they_are_taken_away_for_the_vms_of_the_order_alone(lab: Lab, inside: Shell, libvirtd: str) -> None:
    vm, other = lab.start_vm(HOST, "web-01"), lab.start_vm(HOST, "web-02")
    host = lab.hosts[HOST]
    guests.goes_down(host)
    if libvirtd == "gone":
        faults.libvirtd_gone(lab, HOST)
    reading = inside.fence(vm.uuid)
    assert reading.verdict is Verdict.CONFIRMED_DEAD
    assert (reading.facts.word("saved"), reading.facts.word("guests")) == ("aside", "out")
    assert images(lab) == ["web-02.save"]
    assert host.path(guests.LIST).read_text().split() == ["qemu:///system", other.uuid]
    again = inside.fence(vm.uuid)
    assert (again.facts.word("saved"), again.facts.word("guests")) == ("", "")


def test_an_image_is_whose_it_says_and_not_whose_name_it_bears(lab: Lab, inside: Shell) -> None:
    vm, other = lab.start_vm(HOST, "web-01"), lab.start_vm(HOST, "web-02")
    lab.hosts[HOST].virsh("managedsave web-01; managedsave web-02")
    folder = lab.hosts[HOST].path(guests.SAVES)
    (folder / "web-01.save").rename(folder / "x.save")
    (folder / "web-02.save").rename(folder / "web-01.save")
    assert inside.fence(vm.uuid).facts.word("saved") == "aside"
    assert images(lab) == ["web-01.save"]
    assert looked(inside).saved == {other.uuid}


def test_without_a_proof_everything_stays(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    lab.hosts[HOST].virsh("managedsave web-01")
    with faults.libvirtd_hung(lab, HOST):
        reading = inside.fence(vm.uuid)
    assert (reading.verdict, reading.facts.word("saved")) == (Verdict.AMBIGUOUS, "on")
    assert images(lab) == ["web-01.save"]


def test_an_image_that_cannot_be_moved_is_told_and_keeps_nobody_from_the_verdict(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    lab.hosts[HOST].virsh("managedsave web-01")
    lab.hosts[HOST].path(f"{guests.SAVES}/hafence").write_text("in the way")
    reading = inside.fence(vm.uuid)
    assert (reading.verdict, reading.facts.word("saved")) == (Verdict.CONFIRMED_DEAD, "failed")
    assert reading.is_armed
    assert images(lab) == ["web-01.save"]


def test_while_libvirt_guests_is_at_its_list_nothing_found_is_no_proof(lab: Lab, inside: Shell) -> None:
    vm = lab.define_vm(HOST, "web-01")
    host = lab.hosts[HOST]
    host.virsh(f"define {vm.xml}")
    host.path(guests.LIST).write_text(f"qemu:///system {vm.uuid}\n")
    host.spawn(["sh", "-c", "sleep 1000; exit", "libvirt-guests.sh", "start"])
    reading = inside.fence(vm.uuid)
    assert (reading.verdict, reading.facts.why) == (Verdict.AMBIGUOUS, "libvirt-may-be-about-to-start-it")
    assert reading.facts.word("guests") == "on"


def test_an_autostart_for_one_boot_ends_too(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    link = lab.hosts[HOST].path("/etc/libvirt/qemu/autostart/web-01.xml.once")
    link.parent.mkdir(exist_ok=True)
    link.symlink_to("/etc/libvirt/qemu/web-01.xml")
    assert inside.rehearse(vm.uuid).facts.word("autostart") == "on"
    assert inside.fence(vm.uuid).facts.word("autostart") == "disabled"
    assert not link.is_symlink()
