"""What a definition names that its target must have (libvirt, formatdomain), element by element.

What can't be asked in a safe way (a name with quotes, a relative path) is not asked: the start tells it, as before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..core.needs import Need, NeedKind

_PATH = re.compile(r"/[^\x00-\x1f\x7f]{1,1000}\Z")
_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.:@+-]{0,200}\Z")
"""What stands in a command of virsh unharmed: no blank, quote, semicolon or backslash, and not an option."""
_UUID = re.compile(r"[0-9A-Fa-f-]{32,36}\Z")
_NUMBER = re.compile(r"(0x[0-9A-Fa-f]{1,8}|[0-9]{1,5})\Z")
MOST = 64
"""Of one definition."""


def need_of(path: tuple[str, ...], attributes: Mapping[str, str], interface: str) -> Need | None:
    """What the element at a path (from `domain` on) needs of a host. `interface` is the type of the last interface."""
    match path[1:]:
        case ("devices", "interface", "source") if interface == "network":
            return _named(NeedKind.NETWORK, attributes.get("network", ""))
        case ("devices", "interface", "source") if interface == "bridge":
            return _named(NeedKind.BRIDGE, attributes.get("bridge", ""))
        case ("devices", "hostdev" | "interface", "source", "address"):
            return _device(attributes)
        case ("devices", "disk", "auth" | "encryption", "secret") | ("devices", "disk", "source", _, "secret"):
            uuid = attributes.get("uuid", "")
            return Need(NeedKind.SECRET, uuid.lower()) if _UUID.match(uuid) else None
    return None


def need_of_disk(kind: str, source: str, writable: bool) -> Need | None:
    """What a disk of libvirt's type `kind` needs of a host."""
    if kind in ("file", "block"):
        how = NeedKind.WRITE if writable else NeedKind.READ
        return Need(how, source, writable) if _PATH.match(source) else None
    if kind == "volume":
        pool, _, volume = source.removeprefix("volume:").partition("/")
        if _NAME.match(pool) and _NAME.match(volume):
            return Need(NeedKind.VOLUME, f"{pool} {volume}", writable)
    return None


def need_of_state(path: str) -> Need | None:
    """A file or folder in which the host keeps a part of the VM's state."""
    return Need(NeedKind.STATE, path) if _PATH.match(path) else None


def need_of_emulator(text: str) -> Need | None:
    """The program that runs the VM."""
    path = text.strip(" \t\r\n")
    return Need(NeedKind.RUN, path) if _PATH.match(path) else None


def need_of_name(name: str) -> Need | None:
    """The name must be free. One of digits is also a number by which virsh knows a running VM."""
    return _named(NeedKind.NAME, name) if not name.isdigit() else None


def _named(kind: NeedKind, name: str) -> Need | None:
    return Need(kind, name) if _NAME.match(name) else None


def _device(attributes: Mapping[str, str]) -> Need | None:
    """A PCI device by its address, or a mediated one by its UUID. Those of USB and SCSI have no fixed path."""
    if _UUID.match(uuid := attributes.get("uuid", "")):
        return Need(NeedKind.DEVICE, f"/sys/bus/mdev/devices/{uuid.lower()}")
    parts = [attributes.get(part, "0") for part in ("domain", "bus", "slot", "function")]
    if "slot" not in attributes or not all(map(_NUMBER.match, parts)):
        return None
    domain, bus, slot, function = (int(part, 16 if part.startswith("0x") else 10) for part in parts)
    return Need(NeedKind.DEVICE, f"/sys/bus/pci/devices/{domain:04x}:{bus:02x}:{slot:02x}.{function:x}")
