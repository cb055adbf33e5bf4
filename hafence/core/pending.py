"""Runs that need a person, until a later run has settled what they left (exit 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .model import Uuid
from .outcome import Decision, Exit

SETTLING = frozenset({Decision.STARTED, Decision.FENCED, Decision.FAILED, Decision.UNCHANGED})
"""A run that ended so on a VM has seen what was left of it: a refusal has not."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run that has ended came to for one VM."""

    run: str
    vm: Uuid
    decision: Decision
    exit: int
    reason: str
    says: str
    at: float
    who: str


def unsettled(newest_first: Iterable[Ended]) -> tuple[Ended, ...]:
    """Of each VM the latest run that needs a person, where no later one has settled it; the newest first."""
    told: dict[Uuid, Ended | None] = {}
    for each in newest_first:
        if each.vm not in told and (each.exit == Exit.NEEDS_PERSON or each.decision in SETTLING):
            told[each.vm] = each if each.exit == Exit.NEEDS_PERSON else None
    return tuple(each for each in told.values() if each is not None)


def decision_of(result: Mapping[str, object]) -> Decision | None:
    """The decision in a result as it was stored; None for a word that this hafence does not know."""
    try:
        return Decision(result.get("decision"))
    except ValueError:
        return None
