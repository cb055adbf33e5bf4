"""A lab VM: 32 MiB, type qemu, machine pc, with a guest that writes unless it is given other disks, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr


class Qemu(NamedTuple):
    """A living qemu process: the host it is on, and its PID in the root namespace."""

    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class FileDisk:
    """A raw or qcow2 file, which every host sees. `shareable`: qemu does not lock it, so that two copies could run."""

    path: Path
    format: str = "raw"
    shareable: bool = False

    def xml(self, target: str) -> str:
        """The <disk> element."""
        return (
            f"<disk type='file' device='disk'><driver name='qemu' type='{self.format}' cache='none'/>"
            f"<source file={quoteattr(str(self.path))}/><target dev='{target}' bus='virtio'/>"
            f"{'<shareable/>' if self.shareable else ''}</disk>"
        )


@dataclass(frozen=True, slots=True)
class RbdDisk:
    """A Ceph image, reached as the hosts' own ceph.conf and keyring say."""

    pool: str
    image: str
    conf: str = "/etc/ceph/ceph.conf"
    monitors: tuple[str, ...] = ()
    """Named beside that, by address."""

    def xml(self, target: str) -> str:
        """The <disk> element."""
        name = quoteattr(f"{self.pool}/{self.image}")
        servers = "".join(f"<host name='{address}' port='6789'/>" for address in self.monitors)
        return (
            "<disk type='network' device='disk'><driver name='qemu' type='raw' cache='none'/>"
            f"<source protocol='rbd' name={name}>{servers}<config file={quoteattr(self.conf)}/></source>"
            f"<target dev='{target}' bus='virtio'/></disk>"
        )


@dataclass(frozen=True, slots=True)
class NetworkDisk:
    """What a server offers to qemu itself, without the kernel's help."""

    protocol: str
    """nbd | iscsi"""
    name: str
    address: str
    port: int
    cache: str = "none"

    def xml(self, target: str) -> str:
        """The <disk> element."""
        server = f"<host name='{self.address}' port='{self.port}'/>"
        return (
            f"<disk type='network' device='disk'><driver name='qemu' type='raw' cache='{self.cache}'/>"
            f"<source protocol='{self.protocol}' name={quoteattr(self.name)}>{server}"
            f"</source><target dev='{target}' bus='virtio'/></disk>"
        )


@dataclass(frozen=True, slots=True)
class BlockDisk:
    """A block device, which every host sees."""

    path: Path
    cache: str = "none"
    aio: str = "native"

    def xml(self, target: str) -> str:
        """The <disk> element."""
        aio = f" io='{self.aio}'" if self.aio else ""
        return (
            f"<disk type='block' device='disk'><driver name='qemu' type='raw' cache='{self.cache}'{aio}/>"
            f"<source dev={quoteattr(str(self.path))}/><target dev='{target}' bus='virtio'/></disk>"
        )


Disk = FileDisk | RbdDisk | NetworkDisk | BlockDisk


@dataclass(frozen=True, slots=True)
class LabVm:
    """A VM of the lab. `host` is where the lab started it; `xml` is its definition, for the inventory."""

    uuid: str
    name: str
    host: str
    xml: Path
    disks: tuple[Disk, ...] = ()


def domain_xml(name: str, uuid: str, disks: tuple[Disk, ...] = (), memory_mib: int = 32, emulator: str = "") -> str:
    """The definition of a VM."""
    program = f"<emulator>{emulator}</emulator>" if emulator else ""
    devices = "".join(disk.xml(f"vd{chr(ord('a') + index)}") for index, disk in enumerate(disks))
    return f"""\
<domain type='qemu'>
  <name>{escape(name)}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    {program}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {devices}
  </devices>
</domain>
"""


EMULATOR = "/run/emu/bin/kvm.real"
"""Where `Lab.another_emulator` lays qemu under another name."""


def uuid_of(argv: Sequence[str]) -> str:
    """The UUID that a qemu's arguments name, by -uuid or by what its firmware shows; '' without one."""
    if not argv or not (Path(argv[0]).name.startswith("qemu-system-") or argv[0] == EMULATOR):
        return ""
    for option, value in pairwise(argv):
        if option == "-uuid":
            return value
        if option == "-smbios" and "uuid=" in value:
            return value.split("uuid=", 1)[1].split(",", 1)[0].lower()
    return ""


def shown_by_firmware(uuid: str) -> list[str]:
    """A qemu as Proxmox VE starts it: its UUID is in what its firmware shows, and its name is a machine's."""
    argv = arguments_by_hand("109")
    return [*argv, "-smbios", f"type=1,manufacturer=x,uuid={uuid.upper()}"]


def qemu_arguments(name: str, uuid: str) -> list[str]:
    """A qemu that libvirt does not know of, as a failed migration leaves one; it names the VM as libvirt's own do."""
    return [
        *("/usr/bin/qemu-system-x86_64", "-name", f"guest={name},debug-threads=on", "-uuid", uuid),
        *("-machine", "pc", "-accel", "tcg", "-m", "32", "-nodefaults", "-no-user-config", "-display", "none"),
    ]


def arguments_by_hand(name: str) -> list[str]:
    """A qemu that somebody started by hand: it has the VM's name and no UUID."""
    argv = qemu_arguments(name, "")
    uuid = argv.index("-uuid")
    return [*argv[:uuid], *argv[uuid + 2 :]]
