"""A VM whose process lives and that does not run: libvirt's state and its reason, and what helps.

libvirt calls a VM started that it has paused a moment later, on an I/O error of its disk perhaps. "Started" means that
libvirt says running.
"""

from __future__ import annotations

from dataclasses import dataclass

from .model import Uuid


@dataclass(frozen=True, slots=True)
class Halted:
    """How libvirt says that it is: the words of `virsh domstate --reason`, with a hyphen for what is no letter."""

    state: str
    reason: str

    @property
    def says(self) -> str:
        """In words."""
        known = _REASONS if self.state == "paused" else {"unknown": ""}
        why = known.get(self.reason, self.reason.replace("-", " "))
        return f"{self.state.replace('-', ' ')} ({why})" if why else self.state.replace("-", " ")

    def way_out(self, vm: Uuid) -> str:
        """What to do on its host."""
        resume = f"'virsh resume {vm}' there"
        known = _WAYS if self.state == "paused" else {}
        return known.get(self.reason, f"see why in its log there (/var/log/libvirt/qemu), then {resume}").format(resume)


_REASONS = {
    "i-o-error": "an I/O error of one of its disks",
    "crashed": "its guest has crashed",
    "panicked": "its guest has panicked",
    "migrating": "it is being migrated",
    "migration": "it is being migrated",
    "starting-up": "libvirt has not let it go yet",
    "user": "somebody has paused it",
    "unknown": "",
}
_WAYS = {
    "i-o-error": "see that its disks can be read and written there and are not full, then {}",
    "migrating": "see where that migration comes from, and let it end",
    "migration": "see where that migration comes from, and let it end",
    "user": "see who has paused it, and why, then {}",
}
