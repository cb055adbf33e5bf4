"""What of a VM is kept by its host and not in its disks, by its definition (libvirt, formatdomain).

libvirt makes NVRAM and the state of an emulated TPM anew where there is none: boot entries and Secure Boot keys are
lost, and what the guest has sealed to its TPM can no longer be opened.
"""

from __future__ import annotations

from collections.abc import Mapping

NVRAM = "its NVRAM (boot entries, Secure Boot keys)"
TPM_STATE = "the state of its TPM"
NVRAM_ELSEWHERE = ""
"""It is kept in the storage (a network or block NVRAM), whatever else the definition says of firmware."""


def bound_by(path: tuple[str, ...], attributes: Mapping[str, str]) -> str | None:
    """What the element at a path (from `domain` on) leaves to the host, in words; None for nothing."""
    match path[1:]:
        case ("os", "nvram") if attributes.get("type", "file") != "file":
            return NVRAM_ELSEWHERE
        case ("os", "nvram") | ("os", "varstore"):
            return NVRAM
        case ("os",) if attributes.get("firmware") == "efi":
            return NVRAM
        case ("devices", "tpm", "backend"):
            return "a TPM of the host" if attributes.get("type") == "passthrough" else TPM_STATE
        case ("devices", "hostdev"):
            return "a device of the host that is passed through"
        case ("devices", "interface") if attributes.get("type") == "hostdev":
            return "a device of the host that is passed through"
        case ("devices", "memory") if attributes.get("model") in ("nvdimm", "virtio-pmem"):
            return "persistent memory (NVDIMM or pmem)"
        case ("launchSecurity",):
            return "encrypted memory (launchSecurity), which hosts of one kind alone offer"
    return None


def bound(found: list[str | None]) -> tuple[str, ...]:
    """All that was found, each once."""
    words = dict.fromkeys(word for word in found if word)
    if NVRAM_ELSEWHERE in found:
        words.pop(NVRAM, None)
    return tuple(words)
