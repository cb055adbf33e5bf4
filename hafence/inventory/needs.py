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
_USB = re.compile(r"0x[0-9A-Fa-f]{1,4}\Z")
_NUMBER = re.compile(r"(0x[0-9A-Fa-f]{1,8}|[0-9]{1,5})\Z")
MOST = 64
"""Of one definition."""


def need_of(path: tuple[str, ...], attributes: Mapping[str, str], interface: str) -> Need | None:
    """What the element at a path (from `domain` on) needs of a host. `interface` is the type of the last interface."""
    match path[1:]:
        case () if attributes.get("type") == "kvm":
            return Need(NeedKind.DEVICE, "/dev/kvm")
        case ("launchSecurity",) if attributes.get("type", "").startswith("sev"):
            return Need(NeedKind.DEVICE, "/dev/sev")
        case ("os", "type"):
            return _named(NeedKind.MACHINE, attributes.get("machine", ""))
        case ("devices", "interface", "source") if interface == "direct":
            return _named(NeedKind.INTERFACE, attributes.get("dev", ""))
        case ("devices", "interface", "source") if interface == "network":
            return _named(NeedKind.NETWORK, attributes.get("network", ""))
        case ("devices", "interface", "source") if interface == "bridge":
            return _named(NeedKind.BRIDGE, attributes.get("bridge", ""))
        case ("devices", "hostdev" | "interface", "source", "address"):
            return _device(attributes)
        case ("devices", "tpm", "backend", "device"):
            return _at(NeedKind.DEVICE, attributes.get("path", ""))
        case ("devices", "filesystem", "source"):
            return _at(NeedKind.FOLDER, attributes.get("dir", ""))
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


_IN_TEXT = {
    ("devices", "emulator"): NeedKind.RUN,
    ("os", "loader"): NeedKind.FILE,
    ("os", "kernel"): NeedKind.FILE,
    ("os", "initrd"): NeedKind.FILE,
    ("devices", "memory", "source", "path"): NeedKind.WRITE,
}
"""Elements whose text is a path."""


def need_of_text(path: tuple[str, ...], text: str) -> Need | None:
    """What the text of the element at a path (from `domain` on) needs of a host."""
    kind = _IN_TEXT.get(path[1:])
    return None if kind is None else _at(kind, text.strip(" \t\r\n"))


def need_of_usb(vendor: str, product: str) -> Need | None:
    """A USB device by its kind; one by its place on the bus may be anything on another host."""
    parts = [int(part, 16) for part in (vendor, product) if _USB.match(part)]
    return Need(NeedKind.USB, " ".join(f"{part:04x}" for part in parts)) if len(parts) == 2 else None


def need_of_name(name: str) -> Need | None:
    """The name must be free. One of digits is also a number by which virsh knows a running VM."""
    return _named(NeedKind.NAME, name) if not name.isdigit() else None


def _at(kind: NeedKind, path: str) -> Need | None:
    return Need(kind, path, kind is NeedKind.WRITE) if _PATH.match(path) else None


def _named(kind: NeedKind, name: str) -> Need | None:
    return Need(kind, name) if _NAME.match(name) else None


def _device(attributes: Mapping[str, str]) -> Need | None:
    """A PCI device by its address, or a mediated one by its UUID. What lies under a SCSI address differs by host."""
    if _UUID.match(uuid := attributes.get("uuid", "")):
        return Need(NeedKind.DEVICE, f"/sys/bus/mdev/devices/{uuid.lower()}")
    parts = [attributes.get(part, "0") for part in ("domain", "bus", "slot", "function")]
    if "slot" not in attributes or not all(map(_NUMBER.match, parts)):
        return None
    domain, bus, slot, function = (int(part, 16 if part.startswith("0x") else 10) for part in parts)
    return Need(NeedKind.DEVICE, f"/sys/bus/pci/devices/{domain:04x}:{bus:02x}:{slot:02x}.{function:x}")
