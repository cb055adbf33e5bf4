"""A start on a target: the order for it, and what is known when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .marks import Claim
from .model import HostName, Uuid


@dataclass(frozen=True, slots=True)
class HookResult:
    """What one before-start hook said. `error` is '' when it agreed."""

    name: str
    error: str


@dataclass(frozen=True, slots=True)
class StartOrder:
    """Start `vm` on `target`. `not_after`: admin node's clock; the script begins nothing later.

    `ticket` orders start and settle scripts on the target: it does nothing once it has seen a higher one. A target
    that boots forgets the tickets it has seen, so `boot_id` is the boot in which it was looked into: in another one a
    start does nothing. A run that has lost its lease can't look again. '' for a settle, and where no script starts it.

    `clock_offset_s` is the target's clock minus the admin node's, as that look has seen it: a start must be in time by
    both clocks. The admin node's may stand still while its run does not act, as that of a paused VM, or be set back.
    """

    vm: Uuid
    target: HostName
    ticket: int
    not_after: float
    within_s: float
    boot_id: str = ""
    clock_offset_s: float = 0.0
    claim: Claim | None = None
    """The mark that it leaves on the target, and that keeps it from a VM at which another store's run is."""


class StartResult(Enum):
    """What is known after a start or a settle."""

    RUNNING = "running"
    """A living qemu of the VM was seen on the target."""
    CLEAN = "clean"
    """No copy is there, and no start under way that could still bring one."""
    BARRED = "barred"
    """Another store's run may be at the VM there: this start has done nothing, and what runs there nobody has asked."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StartReply:
    """What came of a start or a settle; `says` is for people and never raw remote output."""

    result: StartResult
    says: str
    at: float
