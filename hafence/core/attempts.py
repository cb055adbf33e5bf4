"""Attempts to fence: the order, the reply, what is read of it for each VM, and what several attempts come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .model import HostName, Uuid
from .troubles import SIBLING_SIDE, Trouble


class Verdict(Enum):
    """Of one attempt. Only positive proof is CONFIRMED_DEAD; whatever is not one of three is AMBIGUOUS."""

    CONFIRMED_DEAD = "confirmed_dead"
    STILL_ALIVE = "still_alive"
    UNREACHABLE = "unreachable"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class FenceOrder:
    """Fence `vms` on `suspect` through `proxy`, in one SSH session and one command.

    `within_s` bounds the script on the suspect from the moment it says hello (its own clock; the order
    carries the absolute end in that clock), `settle_s` is the time between the two scans. With `rehearse`
    the same path is gone and nothing is killed. `not_after` (admin node's clock, seconds since the
    epoch) is the end of the lease: no destructive step may begin later.
    `proxy` is None only where the admin node itself removes a copy that this very run has started.
    """

    suspect: HostName
    proxy: HostName | None
    vms: tuple[Uuid, ...]
    within_s: float
    settle_s: float
    not_after: float
    rehearse: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an order. `exit_status` is None when none was received."""

    nonce: str
    trouble: Trouble | None
    exit_status: int | None
    stdout: str
    seconds: float
    at: float
    """When the reply was complete, by the admin node's clock."""
    note: str = ""
    """More about `trouble` in hafence's own words; never raw remote output."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The verdict on one VM of an order, the sentence that goes with it, and what the script counted."""

    verdict: Verdict
    detail: str
    facts: Mapping[str, str]
    trouble: Trouble | None = None
    machine_id: str | None = None

    @property
    def sibling_side(self) -> bool:
        """Whether the attempt failed before it said anything about the suspect."""
        return self.trouble in SIBLING_SIDE


def weigh(readings: list[Reading]) -> Verdict | None:
    """The one verdict of several attempts at one VM, in the order they were made; None without any.

    Alive beats everything: whoever saw a living task saw it. Then positive proof of death, made on the
    suspect itself. Then doubt. Unreachable is left only when nothing else was learnt, and attempts that
    failed on the sibling's side count for nothing.
    """
    told = [f.verdict for f in readings if not f.sibling_side]
    for verdict in (Verdict.STILL_ALIVE, Verdict.CONFIRMED_DEAD, Verdict.AMBIGUOUS, Verdict.UNREACHABLE):
        if verdict in told:
            return verdict
    return None
