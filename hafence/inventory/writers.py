"""What a VM can write to beside its disks, by its definition (libvirt, formatdomain).

A storage fence keeps the old process from images of one storage. What else that process could go on writing to while
the VM runs elsewhere is named here, so that nobody believes it to be covered.
"""

from __future__ import annotations

from collections.abc import Mapping

_ELEMENTS = {
    ("os", "nvram"): "its NVRAM",
    ("os", "varstore"): "its NVRAM",
    ("devices", "hostdev"): "a passed-through host device",
    ("devices", "filesystem"): "a shared file system",
    ("devices", "disk", "mirror"): "a mirror of a disk",
    ("devices", "memory", "source", "path"): "persistent memory (NVDIMM or pmem)",
    ("devices", "pstore"): "a pstore",
    ("devices", "shmem"): "shared memory of the host (shmem)",
    ("devices", "tpm", "backend"): "the state of a TPM",
}
"""By the path below <domain>; launchSecurity and the memory of the guest itself are kept nowhere."""

_CHANNELS = frozenset({"serial", "parallel", "console", "channel", "smartcard"})
_KEPT = frozenset({"file", "pipe", "dev"})
"""The backends of a character device that end in a file or a device of the host; the others are talk."""
_CHANNEL = "a serial port, console or channel that goes to a file or device of the host"
_QEMU_ARG = "http://libvirt.org/schemas/domain/qemu/1.0 arg"


def writer_of(path: tuple[str, ...], attributes: Mapping[str, str]) -> str | None:
    """What the element at a path (from `domain` on) lets the VM write to, in words; None for nothing."""
    if path[-1] == _QEMU_ARG:
        return "arguments of its own for qemu (qemu:commandline)"
    inside = path[1:]
    return _ELEMENTS.get(inside) or _by_attributes(inside, attributes)


def _by_attributes(inside: tuple[str, ...], attributes: Mapping[str, str]) -> str | None:
    match inside:
        case ("os",) if attributes.get("firmware") == "efi":
            return "its NVRAM"  # libvirt makes one where none is named
        case ("os", "loader") if attributes.get("type") == "pflash" and attributes.get("stateless") != "yes":
            return "its NVRAM"
        case ("devices", "audio") if attributes.get("type") == "file":
            return "a sound file"
        case ("devices", device) if device in _CHANNELS and attributes.get("type") in _KEPT:
            return _CHANNEL
        case ("devices", device, "log") if device in _CHANNELS and "file" in attributes:
            return _CHANNEL
        case ("devices", "rng", "backend") if attributes.get("type") in _KEPT:
            return _CHANNEL
    return None
