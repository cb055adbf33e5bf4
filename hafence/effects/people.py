"""Time, and the people at the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..core.outcome import Outcome
from ..core.risks import Risk
from .base import Effect, Journalled, Touches


@dataclass(frozen=True, slots=True)
class Now(Effect[float]):
    """The admin node's clock, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Uptime(Effect[float]):
    """Seconds since the admin node booted."""


@dataclass(frozen=True, slots=True)
class Sleep(Effect[None]):
    """Let time pass."""

    seconds: float


class Answer(Enum):
    """What a person said."""

    YES = "yes"
    NO = "no"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Ask(Effect[Answer], journalled=Journalled.RESULT, touches=Touches.PEOPLE):
    """Show something to the admin and ask whether to go on. NOBODY where nobody can answer."""

    question: str


@dataclass(frozen=True, slots=True)
class NoteOutcome(Effect[None]):
    """What has come of one VM of several, as soon as that is known: for whoever follows the run."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Tell(Effect[None], journalled=Journalled.RESULT):
    """Say something worth knowing as it happens: words, or the risk of a start that is about to be sent."""

    text: str
    risk: Risk | None = None
