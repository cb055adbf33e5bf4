"""One effect, or several together: journalled, shown, performed, journalled again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.model import Settings
from ..effects import Effect, StoreError, Together
from ..voice import Voice
from .parallel import first_may_do
from .waves import in_waves


class Journal(Protocol):
    """Where a run's steps are written down."""

    def intends(self, effect: Effect[Any]) -> None:
        """Write down that the effect is about to be performed. StoreError if that failed."""

    def records(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        """Write down what came of it. StoreError if that failed."""


class NoJournal:
    """The journal of a dry run: a dry run changes nothing anywhere."""

    def intends(self, effect: Effect[Any]) -> None:
        """Nothing is written."""

    def records(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        """Nothing is written."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An effect, or several together, whose intent is written down and shown. `at` is by time.monotonic()."""

    effect: Effect[Any]
    parts: Sequence[Effect[Any]]
    at: float

    def answer(self, answers: Sequence[Any]) -> Any:
        """What the workflow gets for what its parts were answered."""
        return tuple(answers) if isinstance(self.effect, Together) else answers[0]


class EffectRunner:
    """Takes every effect into the journal and before the people, has it performed, and takes back what came of it.

    `perform` does one plain effect, from any thread; the settings say how long it may take. All else is called
    from the one thread that plays.
    """

    def __init__(
        self,
        perform: Callable[[Effect[Any]], Any],
        settings: Settings,
        journal: Journal,
        voice: Voice,
    ) -> None:
        self._perform = perform
        self._settings = settings
        self._journal = journal
        self._voice = voice

    def begin(self, effect: Effect[Any]) -> Begun:
        """Write down and show what is about to be done. StoreError where that can't be written: then it is not done."""
        parts = effect.effects if isinstance(effect, Together) else (effect,)
        shown: list[Effect[Any]] = []
        try:
            for part in parts:
                self._journal.intends(part)
                self._voice.begins(part, part.budget_s(self._settings))
                shown.append(part)
        except StoreError as error:
            for part in shown:
                self._voice.ends(part, error, 0.0)
            raise
        return Begun(effect, parts, time.monotonic())

    def perform(self, begun: Begun) -> list[Any]:
        """Do it, several at once: the answers in their order. LeaseLost and StoreError are for the workflow."""
        calls = [lambda part=part: self._perform(part) for part in begun.parts]
        if not (isinstance(begun.effect, Together) and begun.effect.first_may_do):
            return in_waves(calls)
        return [() if answer is None else answer for answer in first_may_do(calls, lambda first: bool(first.settles))]

    def fail(self, begun: Begun, error: BaseException) -> None:
        """Show that it came to no answer."""
        seconds = time.monotonic() - begun.at
        for part in begun.parts:
            self._voice.ends(part, error, seconds)

    def end(self, begun: Begun, answers: Sequence[Any]) -> StoreError | None:
        """Show and write down what came of it. The error where that can't be written."""
        seconds = time.monotonic() - begun.at
        owed: StoreError | None = None
        for part, answer in zip(begun.parts, answers, strict=True):
            self._voice.ends(part, answer, seconds)
            try:
                self._journal.records(part, answer, seconds)
            except StoreError as error:
                owed = error
        return owed
