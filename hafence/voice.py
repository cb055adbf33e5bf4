"""How a run speaks while it goes on: the seam between the runner and whatever shows it to a person."""

from __future__ import annotations

from typing import Any, Protocol

from .effects import Answer, Effect


class Voice(Protocol):
    """Shown as it happens: a live view on a terminal, plain lines in a pipe, nothing with --quiet.

    Calls come from the thread that plays the story. `budget_s` is the most that the effect may take, or None.
    """

    def begins(self, effect: Effect[Any], budget_s: float | None) -> None:
        """The effect is about to be performed; its intent is in the journal."""

    def ends(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        """The effect has been performed. `answer` is what the story gets, or the exception that it gets."""

    def tells(self, text: str) -> None:
        """Something worth knowing."""

    def asks(self, question: str) -> Answer:
        """Put a question to the admin. NOBODY where there is no terminal to answer on."""
