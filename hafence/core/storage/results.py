"""What came of a storage fence: of one that was made, lifted, looked at or made to last; typed, and its words.

Whoever decides by one of these decides by its type; a sentence is made here, for people, and never read back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..evidence import Evidence, Observation, Proof
from ..second_level import SecondLevelKind, SecondLevelReply
from .port import Asker, Plan, ShutOut, StorageFence, WhyEnds

DAY_S = 86400.0
KIND = SecondLevelKind.STORAGE

# ---------------------------------------------------------------- one that was made


def no_storage_fence(
    fence: StorageFence[Any], says: str, now: float, signs: tuple[Evidence, ...] = ()
) -> SecondLevelReply:
    """A storage fence that did not come to be."""
    nothing = Observation(KIND.value, fence.says, now, says, Proof.NOTHING)
    return SecondLevelReply(KIND, False, says, (*signs, nothing))


def foretold(fence: StorageFence[Any], plan: Plan[Any]) -> SecondLevelReply:
    """What a rehearsal foretells."""
    would = f"would put {fence.listed(plan.shut_out)} on {fence.list_says} (foretold, nothing was changed)"
    return SecondLevelReply(KIND, True, would, plan.signs)


def storage_fenced(
    fence: StorageFence[Any], plan: Plan[Any], shut: ShutOut, asker: Asker, seen_at: float
) -> SecondLevelReply:
    """A storage fence that was read back."""
    proof = Observation(KIND.value, f"{shut.seen_in}, asked on {asker.says}", seen_at, shut.says, Proof.DISKS_FENCED)
    until = seen_at + fence.lasting_s if plan.whole else None
    return SecondLevelReply(KIND, True, shut.says, (*plan.signs, proof), until)


def of_the_dead(reply: SecondLevelReply) -> SecondLevelReply:
    """The same of clients whose processes are dead: no proof of a fence, for nothing was asked of the VM's other disks,
    nor of what may be started on the suspect anew."""
    notes = (Observation(KIND.value, each.source, each.at, each.says, Proof.NOTHING) for each in reply.evidence)
    return replace(reply, evidence=tuple(notes))


# ---------------------------------------------------------------- one that was lifted


@dataclass(frozen=True, slots=True)
class NoneThere:
    """The host has no entry in the list."""

    list_says: str

    @property
    def says(self) -> str:
        """In words."""
        return f"no entry on {self.list_says}"


@dataclass(frozen=True, slots=True)
class Lifted:
    """So many entries of the host were removed, and seen to be gone."""

    count: int
    list_says: str

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.count} {'entry' if self.count == 1 else 'entries'} removed from {self.list_says}"


@dataclass(frozen=True, slots=True)
class StillThere:
    """These clients were let in, and are still on the list that was read back."""

    clients: str
    list_says: str

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.clients} is still on {self.list_says}"


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Nobody could ask, or what came was no answer: which entries the host has is not known, and nothing is taken for
    granted."""

    says: str


LiftResult = NoneThere | Lifted | StillThere | NotKnown

# ---------------------------------------------------------------- how long one lasts


@dataclass(frozen=True, slots=True)
class Lasts:
    """The host's entries last until then at least (seconds since the epoch)."""

    until: float


@dataclass(frozen=True, slots=True)
class Renewed:
    """These clients were shut out, too, and the host's entries were seen (at `at`) to last until then at least."""

    clients: str
    until: float
    at: float
    list_says: str

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.clients} is on {self.list_says} for another {(self.until - self.at) / DAY_S:.0f} days"


@dataclass(frozen=True, slots=True)
class Ends:
    """Entries of the host end too soon: the first of them then, as was seen at `at`; and why they are let end."""

    clients: str
    until: float
    at: float
    why: WhyEnds
    detail: str = ""
    """More of why."""

    @property
    def says(self) -> str:
        """In words."""
        days = (self.until - self.at) / DAY_S
        detail = f" ({self.detail})" if self.detail else ""
        return f"entries end in {days:.1f} days ({self.clients}), {_WHY[self.why]}{detail}"


_WHY = {
    WhyEnds.NOT_ASKED: "and 'hafence audit --renew' makes them last",
    WhyEnds.OTHERS: "and VMs that may use its storage run on the host",
    WhyEnds.FIXED: "and the storage can't make them last",
    WhyEnds.NOT_SEEN: "and what was added to make them last was not seen",
    WhyEnds.NOT_ADDED: "and nothing is known to have been added to make them last",
}
HowLong = NoneThere | Lasts | Renewed | Ends | NotKnown
"""How long the storage fence of a host lasts."""
