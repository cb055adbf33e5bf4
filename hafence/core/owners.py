"""Who ran a VM's process on the suspect: libvirt, a systemd unit, or another manager that may start it again.

The script on the suspect sees it before the kill, by the process' cgroup and parent (adapters/hosts/scripts/owners.sh).
What libvirt runs it does not start again by itself, but with the host (its autostart, which a fence disables). Of
anything else only a unit that was stopped, and that nothing would start again, is known to stay down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class RunBy(Enum):
    """Who ran it: stable words."""

    LIBVIRT = "libvirt"
    UNIT = "unit"
    """A service of systemd."""
    OTHER = "other"


class UnitStop(Enum):
    """What became of a unit: stable words."""

    NONE = ""
    """It was no unit."""
    STOPPED = "stopped"
    STARTS_AGAIN = "starts-again"
    """Stopped, and enabled for the host's next boot, or started by another unit (a timer, a socket)."""
    FAILED = "failed"
    SHARED = "shared"
    """Not stopped, since others run in it, too, or it could not be seen who does."""
    NEVER = "never"
    """Not stopped, since it is the host's (sshd, libvirt, a login's) or a container's."""
    FORETOLD = "foretold"
    """A rehearsal: it would be stopped."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who ran a VM. `unit`: the service or scope in which its process lay; `parent`: the program whose child it was."""

    by: RunBy
    unit: str = ""
    parent: str = ""
    stop: UnitStop = UnitStop.NONE

    @property
    def may_return(self) -> bool:
        """Whether it may start the VM again on the suspect."""
        return self.by is not RunBy.LIBVIRT and self.stop not in (UnitStop.STOPPED, UnitStop.FORETOLD)

    @property
    def says(self) -> str:
        """In words, to follow the verdict; '' for libvirt, where there is nothing to say."""
        if self.by is RunBy.LIBVIRT:
            return ""
        if self.by is RunBy.UNIT:
            return f"it was run by the systemd unit {self.unit or '?'}{_STOP_SAYS[self.stop]}"
        shown = [f"a child of {self.parent}"] if self.parent else []
        shown += [f"in {self.unit}"] if self.unit else []
        return f"it was not run by libvirt ({', '.join(shown) or 'nothing shows what started it'})"


_STOP_SAYS = {
    UnitStop.NONE: "",
    UnitStop.STOPPED: ", which was stopped",
    UnitStop.STARTS_AGAIN: ", which was stopped, and is enabled or started by another unit: disable it there",
    UnitStop.FAILED: ", which could not be stopped: stop and disable it there",
    UnitStop.SHARED: ", in which others run, too, so that it was not stopped: take the VM out of it",
    UnitStop.NEVER: ", which is not hafence's to stop: take the VM out of it",
    UnitStop.FORETOLD: ", which would be stopped",
}

OWNER_KEYS = ("by", "unit", "parent", "stop")


def read_owner(words: Mapping[str, str]) -> Owner | None:
    """Who ran it, by the script's or the history's words; None where they don't say. ValueError for an unknown word."""
    if not words.get("by"):
        return None
    by, stop = RunBy(words["by"]), UnitStop(words.get("stop", ""))
    return Owner(by, words.get("unit", ""), words.get("parent", ""), stop)


def owner_words(owner: Owner | None) -> dict[str, str]:
    """The words that `read_owner` reads, those that say something."""
    if owner is None:
        return {}
    words = {"by": owner.by.value, "unit": owner.unit, "parent": owner.parent, "stop": owner.stop.value}
    return {key: value for key, value in words.items() if value}
