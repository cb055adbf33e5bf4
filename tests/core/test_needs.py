"""What a definition names that a target lacks: in words, and as a reason against the target."""

from __future__ import annotations

from hafence.core.backing import FileBacking
from hafence.core.model import Host, HostName, Vm, parse_uuid
from hafence.core.needs import Lack, Lacking, Need, NeedKind
from hafence.core.placement import Against, Room, Unfit, choose_targets
from tests.core.make import look
from tests.core.telling import assert_told

VM = parse_uuid("6d6f6a5a-0000-4000-8000-000000000001")
SUSPECT, SECOND, THIRD = map(HostName, ("kvm-01", "kvm-02", "kvm-03"))
HOSTS = [Host(name, "a", name) for name in (SUSPECT, SECOND, THIRD)]
ROOM = Room(None, {}, {}, vm=Vm(VM, "web-01", SUSPECT))
WHAT = {
    NeedKind.WRITE: "/srv/a.qcow2",
    NeedKind.READ: "/srv/a.iso",
    NeedKind.FILE: "/usr/share/OVMF/OVMF_CODE.fd",
    NeedKind.FOLDER: "/srv/shared",
    NeedKind.RUN: "/usr/bin/qemu-system-x86_64",
    NeedKind.DEVICE: "/sys/bus/pci/devices/0000:65:00.0",
    NeedKind.USB: "046d 0a1f",
    NeedKind.MACHINE: "pc-q35-7.2",
    NeedKind.INTERFACE: "eno1",
    NeedKind.HUGEPAGES: "2048 1024",
    NeedKind.NETWORK: "prod",
    NeedKind.BRIDGE: "br0",
    NeedKind.VOLUME: "vms web-01",
    NeedKind.STATE: "/var/lib/libvirt/qemu/nvram/web-01_VARS.fd",
    NeedKind.SECRET: "11111111-2222-3333-4444-555555555555",
    NeedKind.NAME: "web-01",
}


def test_what_a_target_lacks_in_words() -> None:
    disk = Need(NeedKind.WRITE, "/srv/a.qcow2")
    lacks = {kind.value: Lack(Need(kind, what), Lacking.MISSING) for kind, what in WHAT.items()}
    assert lacks.keys() == {kind.value for kind in NeedKind}
    lacks |= {how.value: Lack(disk, how) for how in Lacking}
    lacks |= {
        "hugepages of the default size": Lack(Need(NeedKind.HUGEPAGES, "0 32"), Lacking.MISSING),
        "a device of the host": Lack(Need(NeedKind.DEVICE, "/dev/kvm"), Lacking.MISSING),
        "taken": Lack(Need(NeedKind.NAME, "web-01"), Lacking.TAKEN),
    }
    assert_told("needs", {case: [f"kvm-02 {lack.says}", lack.way] for case, lack in lacks.items()})


def test_a_host_that_lacks_something_is_no_target_and_one_that_has_all_is() -> None:
    lack = Lack(Need(NeedKind.NETWORK, "prod"), Lacking.MISSING)
    looks = {SECOND: look("kvm-02", lacking=(lack,)), THIRD: look("kvm-03")}
    placement = choose_targets(SUSPECT, HOSTS, ROOM, {}, looks)
    assert placement.targets == (THIRD,)
    assert dict(placement.excluded)[SECOND] == Unfit(Against.LACKS, lack.says, lack.way)
    other = Lack(Need(NeedKind.BRIDGE, "br0"), Lacking.MISSING)
    both = choose_targets(SUSPECT, HOSTS[:2], ROOM, {}, {SECOND: look("kvm-02", lacking=(lack, other))})
    assert dict(both.excluded)[SECOND] == Unfit(
        Against.LACKS,
        "lacks the network prod, and lacks the bridge br0",
        "give it the network prod, which the VM's definition names; give it the bridge br0, which the VM's definition"
        " names",
    )
    assert placement.would_not_start
    assert not choose_targets(SUSPECT, HOSTS[:1], ROOM, {}, {}).would_not_start


def test_state_that_is_made_anew_bars_no_host_and_is_told_of_the_targets_that_lack_it() -> None:
    state = Need(NeedKind.STATE, "/var/lib/libvirt/qemu/nvram/web-01_VARS.fd")
    looks = {SECOND: look("kvm-02", lacking=(Lack(state, Lacking.MISSING),)), THIRD: look("kvm-03")}
    placement = choose_targets(SUSPECT, HOSTS, ROOM, {}, looks)
    assert placement.targets == (SECOND, THIRD)
    assert placement.without_state == (SECOND,)
    hangs = {SECOND: look("kvm-02", lacking=(Lack(state, Lacking.SILENT),))}
    assert choose_targets(SUSPECT, HOSTS[:2], ROOM, {}, hangs).without_state == ()


def test_an_old_image_of_the_vm_bars_a_host_and_another_vms_does_not() -> None:
    other = parse_uuid("6d6f6a5a-0000-4000-8000-000000000002")
    looks = {
        SECOND: look("kvm-02", saved=frozenset({VM})),
        THIRD: look("kvm-03", saved=frozenset({other})),
    }
    placement = choose_targets(SUSPECT, HOSTS, ROOM, {}, looks)
    assert placement.targets == (THIRD,)
    assert dict(placement.excluded)[SECOND].against is Against.SAVED_IMAGE
    assert placement.would_not_start


def test_a_look_of_fewer_needs_tells_of_these_alone() -> None:
    disk, prod = Need(NeedKind.WRITE, "/srv/a.img", is_written=True), Need(NeedKind.NETWORK, "prod")
    lacks, lies = Lack(prod, Lacking.MISSING), {disk: FileBacking("nfs", "0", 7)}
    whole = look("kvm-02", lacking=(lacks,), backings=lies)
    assert whole.of_needs({disk}) == look("kvm-02", backings=lies)
    assert whole.of_needs({prod}) == look("kvm-02", lacking=(lacks,))
    assert [each.tells_of_needs for each in (whole, whole.of_needs({disk}), whole.of_needs({prod}))] == [True] * 3
    assert not whole.of_needs(()).tells_of_needs
