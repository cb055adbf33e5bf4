"""A target that lacks what the VM's definition names is none, and where no target is left nothing is killed."""

from __future__ import annotations

import shutil
import uuid as uuids
from pathlib import Path

import pytest

from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_refused, assert_started
from tests.lab.vm import LabVm

SUSPECT = "kvm-01"
TARGETS = ("kvm-02", "kvm-03", "kvm-04")


def name_in_definition(vm: LabVm, devices: str = "", memory: str = "") -> None:
    """The inventory's definition names more than the VM that runs."""
    text = Path(vm.xml).read_text()
    Path(vm.xml).write_text(text.replace("</devices>", f"{devices}</devices>").replace("<os>", f"{memory}<os>"))


def assert_started_nowhere(lab: Lab, vm: LabVm, words: str) -> None:
    """It is refused since no target has the thing, and lives on."""
    admin = AdminNode(lab)
    before = lab.qemus(vm.uuid)
    ended = admin.start_vm(vm.name)
    assert_refused(admin, vm, ended, "would_not_start", None, before)
    for target in TARGETS:
        assert f"{target} lacks {words}" in ended["message"], ended


@pytest.mark.parametrize(
    ("devices", "memory", "words"),
    [
        ("<disk type='file'><source file='/nowhere/a.img'/><target dev='vdz'/></disk>", "", "the disk /nowhere/a.img"),
        ("<interface type='network'><source network='prod-vlan7'/></interface>", "", "the network prod-vlan7"),
        ("<interface type='bridge'><source bridge='br-none'/></interface>", "", "the bridge br-none"),
        (
            "<disk type='volume'><source pool='vmpool' volume='a'/><target dev='vdz'/></disk>",
            "",
            "the volume vmpool/a",
        ),
        (
            "<disk type='network'><auth username='a'><secret type='ceph' uuid='11111111-2222-3333-4444-555555555555'/>"
            "</auth><source protocol='rbd' name='vms/a'/><target dev='vdz'/></disk>",
            "",
            "the secret 11111111-2222-3333-4444-555555555555",
        ),
        (
            "<hostdev mode='subsystem' type='pci'><source><address bus='0xfe' slot='0x1f' function='0x7'/></source>"
            "</hostdev>",
            "",
            "the passed-through device 0000:fe:1f.7",
        ),
        (
            "<hostdev mode='subsystem' type='usb'><source><vendor id='0xfffe'/><product id='0x1'/></source></hostdev>",
            "",
            "the passed-through USB device fffe:0001",
        ),
        (
            "<interface type='direct'><source dev='none0' mode='bridge'/></interface>",
            "",
            "the interface none0",
        ),
        ("<filesystem type='mount'><source dir='/nowhere'/><target dir='a'/></filesystem>", "", "the folder /nowhere"),
        (
            "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm99'/></backend></tpm>",
            "",
            "the device /dev/tpm99",
        ),
        (
            "",
            "<memoryBacking><hugepages><page size='3' unit='KiB'/></hugepages></memoryBacking>",
            "32 MiB of free huge pages",
        ),
    ],
    ids=["disk", "network", "bridge", "volume", "secret", "pci", "usb", "macvtap", "filesystem", "tpm", "hugepages"],
)
def test_nothing_is_killed_where_no_target_has_what_the_definition_names(
    lab: Lab, devices: str, memory: str, words: str
) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    name_in_definition(vm, devices, memory)
    assert_started_nowhere(lab, vm, words)


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("machine='pc'", "machine='pc-q35-99.9'", "the machine type pc-q35-99.9"),
        ("</os>", "<loader readonly='yes' type='pflash'>/nowhere/OVMF.fd</loader></os>", "the file /nowhere/OVMF.fd"),
        ("</os>", "<kernel>/nowhere/vmlinuz</kernel></os>", "the file /nowhere/vmlinuz"),
    ],
    ids=["machine", "firmware", "kernel"],
)
def test_nothing_is_killed_where_no_target_can_begin_it(lab: Lab, was: str, now: str, words: str) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    text = Path(vm.xml).read_text()
    assert was in text
    Path(vm.xml).write_text(text.replace(was, now))
    assert_started_nowhere(lab, vm, words)


def test_the_host_that_has_the_file_takes_the_vm(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    name_in_definition(vm, "<disk type='file'><source file='/var/lib/libvirt/a.img'/><target dev='vdz'/></disk>")
    image = lab.hosts["kvm-03"].path("/var/lib/libvirt/a.img")
    image.write_bytes(b"\0" * 4096)
    try:
        admin = AdminNode(lab)
        assert_started(admin, vm, admin.start_vm(vm.name), on="kvm-03")
    finally:
        image.unlink()


def test_a_device_that_a_hook_may_map_before_the_start_is_not_missed(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    name_in_definition(vm, "<disk type='block'><source dev='/dev/mapper/none'/><target dev='vdz'/></disk>")
    admin = AdminNode(lab)
    hooks = {target: lab.hosts[target].path("/etc/libvirt/hooks/qemu") for target in TARGETS}
    aside = {target: hook.rename(hook.with_name("qemu.aside")) for target, hook in hooks.items()}
    try:
        missed = admin.start_vm(vm.name, "--dry-run")
        assert (missed.code, missed["reason"]) == (3, "would_not_start"), missed
        aside["kvm-03"].rename(hooks["kvm-03"])
        foretold = admin.start_vm(vm.name, "--dry-run")
        assert (foretold.code, foretold["host"]) == (0, "kvm-03"), foretold
    finally:
        for target, kept in aside.items():
            if kept.exists():
                kept.rename(hooks[target])


def test_a_start_that_makes_nvram_anew_is_a_named_risk_and_one_that_finds_it_is_none(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    path = "/var/lib/libvirt/qemu/nvram/web-01_VARS.fd"
    text = Path(vm.xml).read_text()
    Path(vm.xml).write_text(text.replace("</os>", f"<nvram>{path}</nvram></os>"))
    admin = AdminNode(lab)
    kept = lab.hosts["kvm-02"].path(path)
    kept.parent.mkdir(parents=True, exist_ok=True)
    bare = admin.start_vm(vm.name, "--dry-run")
    assert (bare.code, bare["host"]) == (0, "kvm-02"), bare
    (risk,) = bare["residual_risk"]
    assert "is not on kvm-02, kvm-03 and kvm-04 and is made anew" in risk, bare
    kept.write_bytes(b"vars")
    try:
        found = admin.start_vm(vm.name, "--to", "kvm-02", "--dry-run")
        assert (found.code, found["residual_risk"]) == (0, []), found
    finally:
        kept.unlink()


def test_a_name_that_another_vm_has_and_an_old_memory_image_bar_a_host(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", disk=())  # the image is made of a second copy
    other = lab.define_vm("kvm-02", "web-01-other", str(uuids.uuid4()), None, 32)
    text = Path(other.xml).read_text().replace("web-01-other", "web-01")
    Path(other.xml).write_text(text)
    lab.hosts["kvm-02"].virsh(f"define {other.xml}")
    lab.hosts["kvm-03"].virsh(f"create {vm.xml}")
    lab.hosts["kvm-03"].virsh(f"define {vm.xml}")
    lab.hosts["kvm-03"].virsh("managedsave web-01")
    admin = AdminNode(lab)
    ended = admin.start_vm(vm.name, "--dry-run")
    notes = "\n".join(ended["notes"])
    assert "target kvm-02 not chosen: has another VM of the name web-01" in notes, ended
    assert "target kvm-03 not chosen: holds a managed save image of the VM" in notes, ended
    assert (ended.code, ended["host"]) == (0, "kvm-04"), ended


def test_the_host_that_has_what_libvirt_keeps_is_the_target(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    secret = str(uuids.uuid4())
    name_in_definition(
        vm,
        "<interface type='network'><source network='prod'/></interface>"
        "<disk type='volume'><source pool='vms' volume='a'/><target dev='vdy'/></disk>"
        f"<disk type='network'><auth username='a'><secret type='ceph' uuid='{secret}'/></auth>"
        "<source protocol='rbd' name='vms/a'/><target dev='vdz'/></disk>",
    )
    host = lab.hosts["kvm-03"]
    folder = host.path("/var/lib/libvirt/vms")
    folder.mkdir()
    (folder / "a").write_bytes(b"\0" * 512)
    network, keyed = host.path("/var/lib/libvirt/net.xml"), host.path("/var/lib/libvirt/secret.xml")
    network.write_text("<network><name>prod</name><forward mode='bridge'/><bridge name='eth0'/></network>")
    keyed.write_text(
        f"<secret ephemeral='no' private='yes'><uuid>{secret}</uuid><usage type='ceph'><name>a</name></usage></secret>"
    )
    pool = "pool-create-as vms dir --target /var/lib/libvirt/vms"
    host.virsh(f"net-create /var/lib/libvirt/net.xml; {pool}; secret-define /var/lib/libvirt/secret.xml")
    try:
        foretold = AdminNode(lab).start_vm(vm.name, "--dry-run")
    finally:
        host.virsh(f"net-destroy prod; pool-destroy vms; secret-undefine {secret}")
        shutil.rmtree(folder)
    assert (foretold.code, foretold["host"]) == (0, "kvm-03"), foretold
    assert "target kvm-02 not chosen: lacks the network prod, and lacks the volume vms/a" in str(foretold["notes"])
