"""What a definition names that its target must have."""

from __future__ import annotations

import pytest

from hafence.core.needs import Need, NeedKind
from hafence.inventory.domain_xml import read_domain

HEAD = "<name>web-01</name><uuid>6d6f6a5a-3c1e-4f0a-9d27-51b0a8e2c401</uuid><memory unit='MiB'>32</memory>"
NAME = Need(NeedKind.NAME, "web-01")


def needs_of(devices: str, more: str = "") -> list[tuple[str, str]]:
    """What it needs beside its name."""
    domain = read_domain(f"<domain type='qemu'>{HEAD}{more}<devices>{devices}</devices></domain>")
    assert NAME in domain.needs
    return [(need.kind.value, need.what) for need in domain.needs if need != NAME]


@pytest.mark.parametrize(
    ("devices", "wanted"),
    [
        ("<disk><source file='/srv/a b.img'/></disk>", [("write", "/srv/a b.img")]),
        ("<disk type='block'><source dev='/dev/vg/a'/></disk>", [("write", "/dev/vg/a")]),
        ("<disk device='cdrom'><source file='/srv/a.iso'/></disk>", [("read", "/srv/a.iso")]),
        ("<disk><source file='/srv/a.img'/><readonly/></disk>", [("read", "/srv/a.img")]),
        ("<disk device='cdrom'><source file='/srv/a.iso' startupPolicy='optional'/></disk>", []),
        ("<disk device='cdrom'/>", []),
        ("<disk><source file='a.img'/></disk>", []),
        ("<disk type='volume'><source pool='vms' volume='a'/></disk>", [("volume", "vms a")]),
        ("<disk type='volume'><source pool='vms; destroy a' volume='a'/></disk>", []),
        ("<interface type='network'><source network='prod'/></interface>", [("network", "prod")]),
        ("<interface type='network'><source network=\"a' b\"/></interface>", []),
        ("<interface type='bridge'><source bridge='br0'/></interface>", [("bridge", "br0")]),
        ("<interface type='user'/>", []),
        ("<emulator> /usr/bin/qemu </emulator>", [("run", "/usr/bin/qemu")]),
        ("<interface type='direct'><source dev='eno1' mode='bridge'/></interface>", [("interface", "eno1")]),
        ("<filesystem><source dir='/srv/shared'/><target dir='a'/></filesystem>", [("folder", "/srv/shared")]),
        ("<filesystem type='ram'><source usage='1024'/></filesystem>", []),
        (
            "<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>",
            [("device", "/dev/tpm0")],
        ),
        (
            "<memory model='nvdimm'><source><path>/srv/pmem</path></source><target><size>1</size></target></memory>",
            [("write", "/srv/pmem")],
        ),
        (
            "<hostdev type='usb'><source><vendor id='0x46D'/><product id='0x0a1f'/></source></hostdev>",
            [("usb", "046d 0a1f")],
        ),
        ("<hostdev type='usb'><source><vendor id='x'/><product id='0x1'/></source></hostdev>", []),
        (
            "<disk type='network'><auth username='a'><secret type='ceph' uuid='11111111-2222-3333-4444-55555555555A'/>"
            "</auth><source protocol='rbd' name='vms/a'/></disk>",
            [("secret", "11111111-2222-3333-4444-55555555555a")],
        ),
        (
            "<disk type='network'><source protocol='rbd' name='vms/a'><auth username='a'>"
            "<secret type='ceph' uuid='11111111-2222-3333-4444-555555555555'/></auth></source></disk>",
            [("secret", "11111111-2222-3333-4444-555555555555")],
        ),
        ("<disk type='network'><auth><secret usage='a'/></auth><source protocol='rbd' name='a'/></disk>", []),
        (
            "<hostdev type='pci'><source><address domain='0x0000' bus='0x65' slot='0x00' function='0x1'/></source>"
            "<address type='pci' bus='0x07' slot='0x01'/></hostdev>",
            [("device", "/sys/bus/pci/devices/0000:65:00.1")],
        ),
        (
            "<interface type='hostdev'><source><address type='pci' bus='12' slot='1'/></source></interface>",
            [("device", "/sys/bus/pci/devices/0000:0c:01.0")],
        ),
        (
            "<hostdev type='mdev'><source><address uuid='11111111-2222-3333-4444-555555555555'/></source></hostdev>",
            [("device", "/sys/bus/mdev/devices/11111111-2222-3333-4444-555555555555")],
        ),
        ("<hostdev type='usb'><source><address bus='1' device='2'/></source></hostdev>", []),
        ("<hostdev type='pci'><source><address bus='../..' slot='1'/></source></hostdev>", []),
    ],
)
def test_what_a_device_needs(devices: str, wanted: list[tuple[str, str]]) -> None:
    assert needs_of(devices) == wanted


@pytest.mark.parametrize(
    ("inside", "kib"),
    [("", 0), ("<page size='2' unit='M'/>", 2048), ("<page size='1048576'/>", 1048576), ("<page size='x'/>", 0)],
)
def test_memory_in_huge_pages_is_asked_for_by_their_size(inside: str, kib: int) -> None:
    backing = f"<memoryBacking><hugepages>{inside}</hugepages></memoryBacking>"
    assert needs_of("", backing) == [("hugepages", f"{kib} 32")]


def test_a_name_that_virsh_would_read_otherwise_is_not_asked_for() -> None:
    for name in ("12", "a b", "-a", 'a"b'):
        domain = read_domain(f"<domain><name>{name}</name><uuid>6d6f6a5a-3c1e-4f0a-9d27-51b0a8e2c401</uuid></domain>")
        assert domain.needs == ()


def test_what_it_takes_to_begin_it() -> None:
    os = "<os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes'> /usr/share/OVMF/CODE.fd </loader>"
    domain = read_domain(
        f"<domain type='kvm'>{HEAD}{os}<kernel>/boot/a</kernel><initrd>/boot/b</initrd></os><devices/>"
        "<launchSecurity type='sev'/></domain>"
    )
    assert [(need.kind.value, need.what) for need in domain.needs if need != NAME] == [
        ("device", "/dev/kvm"),
        ("machine", "q35"),
        ("file", "/usr/share/OVMF/CODE.fd"),
        ("file", "/boot/a"),
        ("file", "/boot/b"),
        ("device", "/dev/sev"),
    ]


def test_what_is_written_to_is_told_from_what_is_read() -> None:
    disks = [
        "<disk><source file='/srv/a.img'/></disk>",
        "<disk device='cdrom'><source file='/srv/a.iso'/></disk>",
        "<disk type='volume'><source pool='vms' volume='a'/></disk>",
        "<disk type='volume' device='cdrom'><source pool='isos' volume='a'/></disk>",
    ]
    domain = read_domain(f"<domain type='qemu'>{HEAD}<devices>{''.join(disks)}</devices></domain>")
    assert [need.what for need in domain.needs if need.is_written] == ["/srv/a.img", "vms a"]
