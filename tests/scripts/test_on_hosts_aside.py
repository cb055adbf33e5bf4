"""What the fence takes away that would bring a VM back, on real hosts: of its VMs alone, and never before the proof."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace

import pytest

from hafence.adapters.hosts import kvm
from hafence.adapters.hosts.watch import Stay
from hafence.core.attempts import Reading, Verdict
from hafence.core.given_back import GivenBack
from hafence.core.model import HostName, Uuid
from hafence.effects import GiveBack

from ..lab import faults, guests
from ..lab.cluster import Lab
from ..lab.vm import FileDisk, LabVm
from .conftest import NONCE, Shell
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


# ---------------------------------------------------------------- definitions


def with_snapshots(lab: Lab) -> LabVm:
    """A VM that runs, with a snapshot of a snapshot."""
    path = lab.folder / "vms" / "web-01.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"], check=True)
    vm = lab.define_vm(HOST, "web-01", disk=FileDisk(path, "qcow2"))
    snapshots = "snapshot-create-as web-01 before; snapshot-create-as web-01 after"
    lab.hosts[HOST].virsh(f"define {vm.xml}; {snapshots}; start web-01")
    return vm


def known(lab: Lab) -> set[str]:
    """The VMs that libvirt has a definition of."""
    return set(lab.hosts[HOST].virsh("list", "--all", "--uuid").split())


def fence_aside(inside: Shell, vm: str) -> Reading:
    return inside.fence_all(replace(inside.order(vm), aside=True))[Uuid(vm)]


def give_back(inside: Shell, *vms: LabVm, lease_s: float = 60.0) -> GivenBack:
    effect = GiveBack(HostName(HOST), tuple(Uuid(vm.uuid) for vm in vms), time.time() + lease_s)
    program = kvm.give_back_program(effect, NONCE, inside.host, time.time, settings=inside.settings)
    return kvm.parse_given_back(NONCE, inside.run(program), effect.vms)


def test_a_definition_is_set_aside_and_given_back_with_its_snapshots(lab: Lab, inside: Shell) -> None:
    vm, other = with_snapshots(lab), lab.start_vm(HOST, "web-02")
    host = lab.hosts[HOST]
    before = host.virsh("dumpxml", "web-01", "--inactive", "--security-info")
    reading = fence_aside(inside, vm.uuid)
    assert (reading.verdict, reading.facts.word("definition")) == (Verdict.CONFIRMED_DEAD, "aside")
    assert "its definition there was set aside" in reading.detail
    assert known(lab) == {other.uuid}
    assert looked(inside).aside == {vm.uuid}
    assert host.path("/var/lib/libvirt/hafence").stat().st_mode & 0o077 == 0
    assert fence_aside(inside, vm.uuid).facts.word("definition") == "", "there is none any more"
    assert give_back(inside, vm) == GivenBack(frozenset({Uuid(vm.uuid)}))
    assert host.virsh("dumpxml", "web-01", "--inactive", "--security-info") == before
    assert host.virsh("snapshot-list", "web-01", "--name").split() == ["after", "before"]
    assert host.virsh("snapshot-parent", "web-01", "after").split() == ["before"]
    assert looked(inside).aside == frozenset()


def test_a_fence_that_is_not_told_to_leaves_the_definition(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    assert inside.fence(vm.uuid).facts.word("definition") == ""
    assert known(lab) == {vm.uuid}


def test_without_an_answer_of_libvirt_the_definition_stays_and_that_is_said(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    with faults.libvirtd_hung(lab, HOST):
        reading = fence_aside(inside, vm.uuid)
    assert (reading.verdict, reading.facts.word("definition")) == (Verdict.CONFIRMED_DEAD, "kept")
    assert known(lab) == {vm.uuid}
    assert looked(inside).aside == frozenset(), "nothing of it is there twice"


def test_a_watch_sets_it_aside_at_its_end_and_not_before(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    program = inside.fence_program(replace(inside.order(vm.uuid), watch=True, aside=True))
    assert isinstance(program.on_line, Stay)
    program.on_line.begin(lambda: inside.run(program, 60.0))
    assert known(lab) == {vm.uuid}
    report = program.on_line.end(15.0, aside=True)
    assert (report.whole, report.definitions) == (True, {Uuid(vm.uuid): True})
    assert known(lab) == set()


def test_what_can_t_be_given_back_is_kept(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    assert fence_aside(inside, vm.uuid).facts.word("definition") == "aside"
    faults.libvirtd_gone(lab, HOST)
    assert give_back(inside, vm) == GivenBack(frozenset(), "libvirt there did not take it")
    assert give_back(inside, vm, lease_s=-1.0).vms == frozenset()
    lab.hosts[HOST].start_libvirtd()
    assert give_back(inside, vm).vms == {vm.uuid}
    assert give_back(inside, vm).vms == frozenset(), "there is nothing more"


def test_a_saved_image_is_set_aside_before_the_definition_and_is_never_removed(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    lab.hosts[HOST].virsh("managedsave web-01")
    facts = fence_aside(inside, vm.uuid).facts
    assert (facts.word("saved"), facts.word("definition")) == ("aside", "aside")
    assert known(lab) == set()
    kept = lab.hosts[HOST].path(f"{guests.SAVES}/hafence/{vm.uuid}")
    assert [path.name for path in kept.glob("*/*")] == ["web-01.save"]


def test_with_an_image_that_cannot_be_moved_the_definition_stays(lab: Lab, inside: Shell) -> None:
    vm = lab.start_vm(HOST, "web-01")
    lab.hosts[HOST].virsh("managedsave web-01")
    (lab.hosts[HOST].path(guests.SAVES) / "hafence").write_text("in the way of the folder")
    facts = fence_aside(inside, vm.uuid).facts
    assert (facts.word("saved"), facts.word("definition")) == ("failed", "kept")
    assert images(lab) == ["web-01.save"]
    assert known(lab) == {vm.uuid}
