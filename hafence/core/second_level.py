"""The second level of a fence: the suspect's power, and its way to the storage; and what one of them came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .evidence import Evidence, Proof


class SecondLevelKind(Enum):
    """Which of the two: stable words."""

    POWER = "power"
    STORAGE = "storage"

    @property
    def says(self) -> str:
        """The fence in words."""
        return _SAYS[self]


_SAYS = {SecondLevelKind.POWER: "power", SecondLevelKind.STORAGE: "storage fence"}


@dataclass(frozen=True, slots=True)
class FenceTried:
    """Evidence: a configured power or storage fence was used in this run, and whether it was observed to have worked.

    It proves nothing itself: what was observed then is evidence of its own.
    """

    level: SecondLevelKind
    done: bool
    at: float
    says: str
    kind: str = field(default="fence_tried", init=False)
    source: str = field(default="admin node", init=False)
    proves: Proof = field(default=Proof.NOTHING, init=False)


@dataclass(frozen=True, slots=True)
class SecondLevelReply:
    """What a power or storage fence came to. `evidence` proves something only where it was observed.

    `shut_out_until`: until when every client of the suspect is kept from the disks, one that is started later
    too (seconds since the epoch); None where that was not observed.
    """

    kind: SecondLevelKind
    done: bool
    says: str
    evidence: tuple[Evidence, ...]
    shut_out_until: float | None = None
