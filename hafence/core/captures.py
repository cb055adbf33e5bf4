"""Definitions of running VMs as they were fetched from their hosts, and from which definition a VM is started.

A definition in a file is of the day on which somebody wrote it. A snapshot, a moved disk or a hot-plug since then is
not in it, and a start from it is a start from an older disk. A capture is what libvirt itself says of the running VM.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from .model import HostName, Uuid


@dataclass(frozen=True, slots=True)
class Capture:
    """A VM's definition as libvirt on `host` gave it while the VM ran there, at `at` (seconds since the epoch).

    `beside` is the digest of the definition that the inventory had then, '' where it had none that could be read. The
    document bears no password: they were taken out of it.
    """

    vm: Uuid
    host: HostName
    at: float
    beside: str
    xml: str = field(repr=False)

    @property
    def digest(self) -> str:
        """By which two captures are told apart."""
        return digest_of(self.xml)


def _in_words(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def digest_of(xml: str) -> str:
    """Of a definition's characters, as they are sent to libvirt."""
    return hashlib.sha256(xml.encode("utf-8", "surrogatepass")).hexdigest()


class Origin(Enum):
    """Where a definition comes from: stable words."""

    INVENTORY = "inventory"
    CAPTURE = "capture"


def origin_of(inventory_digest: str, capture: Capture | None) -> Origin:
    """Whether the capture or the inventory's definition is the newer one. `inventory_digest` is that of the definition
    in the inventory today, '' without one that can be read.

    By content, and not by time: a file's time changes with each copy and checkout of it, and clocks differ. What stands
    in the inventory counts again from the moment on at which it is another than the one beside which the capture was
    taken: whoever edits it after that wants it so. Without any there, a capture is all that is known.
    """
    if capture is None or inventory_digest not in ("", capture.beside):
        return Origin.INVENTORY
    return Origin.CAPTURE


@dataclass(frozen=True, slots=True)
class Source:
    """From which definition a VM would be started, or why from none."""

    why_not: str = ""
    """Why there is none from which it could be started, in words; '' where there is one."""
    capture: Capture | None = None
    """The latest one, used or not; None where there is none."""
    origin: Origin = Origin.INVENTORY
    other_disks: bool = False
    """Whether a capture is passed over, since the inventory was edited after it, that names other disks."""

    @property
    def is_capture(self) -> bool:
        """Whether it is the capture from which the VM would be started."""
        return self.origin is Origin.CAPTURE

    @property
    def says(self) -> str:
        """In words."""
        if self.capture is None:
            return "the inventory's"
        taken = f"captured on {self.capture.host} at {_in_words(self.capture.at)}"
        if self.is_capture:
            return taken
        return f"the inventory's, which was edited since another one was {taken}"


class FetchFault(Enum):
    """Why a definition could not be fetched: stable words."""

    NOT_LIVE = "not_live"
    """libvirt does not run the VM there: what it keeps of it may be of any day."""
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    REFUSED = "refused"
    """What came is none that could be started from: what `inventory check` refuses is refused here."""


@dataclass(frozen=True, slots=True)
class NotFetched:
    """Why there is no capture. `about` says more, in words."""

    why: FetchFault
    about: str = ""

    @property
    def says(self) -> str:
        """For a sentence that begins with the host's name."""
        return _NOT_FETCHED[self.why].format(self.about)


_NOT_FETCHED = {
    FetchFault.NOT_LIVE: "does not run it by libvirt's word",
    FetchFault.NO_ANSWER: "did not answer: {}",
    FetchFault.FAILED: "gave no definition: {}",
    FetchFault.REFUSED: "gave a definition that can't be used: it {}",
}
