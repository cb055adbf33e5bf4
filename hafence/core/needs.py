"""What a VM's definition names and its target must have: a start that lacks one of these things fails.

The list goes with the look that is made of each target anyway, and the target answers with the numbers of those that it
lacks (scripts/needs.sh). So a start is refused before the kill, and not after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class NeedKind(Enum):
    """What kind of thing a definition names: the words of scripts/needs.sh."""

    WRITE = "write"
    """A file or device that is written to."""
    READ = "read"
    """A file or device that is read, a CD-ROM's image perhaps."""
    FILE = "file"
    """A file that is no disk: firmware, a kernel."""
    FOLDER = "folder"
    """What the VM shares with its host."""
    RUN = "run"
    """The emulator."""
    DEVICE = "device"
    """A device of the host itself, by its path: one that is passed through below /sys, another below /dev."""
    USB = "usb"
    """`VENDOR PRODUCT`: a device of that kind that is passed through, four hexadecimal digits each."""
    MACHINE = "machine"
    """A machine type that the host's qemu offers."""
    HUGEPAGES = "hugepages"
    """`KIB MIB`: memory in huge pages of that size, 0 for the default one."""
    NETWORK = "network"
    BRIDGE = "bridge"
    INTERFACE = "interface"
    """An interface of the host through which the VM's own goes out (macvtap)."""
    VOLUME = "volume"
    """`POOL VOLUME`."""
    STATE = "state"
    """A file or folder with a part of the VM's state, which is made anew where it is missing."""
    SECRET = "secret"  # noqa: S105  # the kind of thing, no password
    NAME = "name"
    """The VM's name in libvirt, which must be free there or its own."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a definition names."""

    kind: NeedKind
    what: str
    is_written: bool = False
    """Whether the VM writes to it: then it must be the same on every host, and not only be there."""

    @property
    def thing(self) -> str:
        """A disk in words, without an article."""
        return self.says.removeprefix("the ")

    @property
    def says(self) -> str:
        """The thing in words."""
        match self.kind:
            case NeedKind.WRITE | NeedKind.READ:
                return f"the disk {self.what}"
            case NeedKind.STATE:
                return f"the state of the VM in {self.what}"
            case NeedKind.RUN:
                return f"the emulator {self.what}"
            case NeedKind.DEVICE if self.what.startswith("/dev/"):
                return f"the device {self.what}"
            case NeedKind.DEVICE:
                return f"the passed-through device {self.what.rsplit('/', 1)[-1]}"
            case NeedKind.USB:
                return f"the passed-through USB device {self.what.replace(' ', ':')}"
            case NeedKind.MACHINE:
                return f"the machine type {self.what}"
            case NeedKind.HUGEPAGES:
                size, mib = self.what.split(" ")
                return f"{mib} MiB of free huge pages" + ("" if size == "0" else f" of {size} KiB")
            case NeedKind.VOLUME:
                return f"the volume {self.what.replace(' ', '/', 1)}"
        return f"the {self.kind.value} {self.what}"


class Lacking(Enum):
    """In what way a thing is not there."""

    MISSING = "missing"
    READ_ONLY = "read-only"
    SILENT = "silent"
    """Its storage did not answer."""
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Lack:
    """What a target lacks."""

    need: Need
    how: Lacking

    @property
    def says(self) -> str:
        """For a sentence that begins with the host's name."""
        return _SAYS[self.how].format(self.need.says, self.need.what)

    @property
    def way(self) -> str:
        """What would help there."""
        return _WAYS[self.how].format(self.need.says, self.need.what)


_SAYS = {
    Lacking.MISSING: "lacks {0}",
    Lacking.READ_ONLY: "can't write to {0}",
    Lacking.SILENT: "gets no answer from the storage of {0}",
    Lacking.TAKEN: "has another VM of the name {1}",
}
_WAYS = {
    Lacking.MISSING: "give it {0}, which the VM's definition names",
    Lacking.READ_ONLY: "let it write to {0}",
    Lacking.SILENT: "see why the storage of {0} does not answer there",
    Lacking.TAKEN: "rename or undefine the other VM {1} there",
}
