"""At which ports the storage of a VM listens, by its definition: who sends there still, for a process that is gone."""

from __future__ import annotations

from .domain_xml import Disk, Domain

BRICKS = "bricks"
"""Gluster's daemon names its clients the ports of the bricks, of which no definition tells."""
_OF_PROTOCOL = {
    "nbd": ("10809",),
    "iscsi": ("3260",),
    "rbd": ("3300", "6789"),
    "gluster": ("24007", BRICKS),
    "nfs": ("2049",),
    "sheepdog": ("7000",),
    "ssh": ("22",),
}
"""What each protocol has where a definition names no port (libvirt, "Network disks")."""
_MOST_DIGITS, _MOST = 5, 65535


def storage_ports(domain: Domain) -> tuple[str, ...]:
    """The ports of the disks that lie behind a network, each once, with BRICKS where one is on Gluster; () without."""
    found = (port for disk in domain.disks if disk.kind == "network" for port in _ports_of(disk))
    return tuple(dict.fromkeys(found))


def _ports_of(disk: Disk) -> tuple[str, ...]:
    named = (host.rpartition(":")[2] for host in disk.hosts if ":" in host)
    numbers = (int(port) for port in named if port.isascii() and port.isdigit() and len(port) <= _MOST_DIGITS)
    return (
        *(str(number) for number in numbers if 0 < number <= _MOST),
        *_OF_PROTOCOL.get(disk.source.partition(":")[0], ()),
    )
