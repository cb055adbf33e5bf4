"""Driving a workflow: each effect is journalled, performed, journalled again, and its answer sent back in.

A consequential effect is in the journal before it is performed: nothing is killed or started whose intent
could not be written down. If what came of it can't be written, the workflow still gets the answer, and the
store's failure meets it at its next effect: a run that knows what it has done can say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ..core.model import Settings
from ..effects import Effect, Interrupted, LeaseLost, StoreError, Together, Workflow
from ..voice import Voice
from .parallel import in_parallel

R = TypeVar("R")


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


class Player:
    """Plays workflows. `perform` does one plain effect; the settings say how long it may take, for people."""

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
        self._owed: StoreError | None = None

    def play(self, workflow: Workflow[R]) -> R:
        """Play a workflow to its end. Ctrl-C reaches it as Interrupted, once; a second one ends the program."""
        answer: Any = None
        error: Exception | None = None
        while True:
            try:
                effect = workflow.throw(error) if error is not None else workflow.send(answer)
            except StopIteration as end:
                result: R = end.value
                return result
            answer, error = None, None
            try:
                answer = self._one(effect)
            except KeyboardInterrupt:
                error = Interrupted()
            except (LeaseLost, StoreError) as thrown:
                error = thrown

    def _one(self, effect: Effect[Any]) -> Any:
        """Perform one effect, or several together, with the journal before and after."""
        if self._owed is not None:
            owed, self._owed = self._owed, None
            raise owed
        parts = effect.effects if isinstance(effect, Together) else (effect,)
        for part in parts:
            self._journal.intends(part)
            self._voice.begins(part, part.budget_s(self._settings))
        begun = time.monotonic()
        try:
            answers = in_parallel([lambda part=part: self._perform(part) for part in parts])  # type: ignore[misc]
        except (LeaseLost, StoreError, KeyboardInterrupt) as error:
            for part in parts:
                self._voice.ends(part, error, time.monotonic() - begun)
            raise
        seconds = time.monotonic() - begun
        for part, answer in zip(parts, answers, strict=True):
            self._voice.ends(part, answer, seconds)
            try:
                self._journal.records(part, answer, seconds)
            except StoreError as error:
                self._owed = error
        return tuple(answers) if isinstance(effect, Together) else answers[0]
