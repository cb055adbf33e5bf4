"""Driving a workflow: each effect is journalled, performed, journalled again, and its answer sent back in.

A consequential effect is in the journal before it is performed: nothing is killed or started whose intent
could not be written down. If what came of it can't be written, the workflow still gets the answer, and the
store's failure meets it at its next effect: a run that knows what it has done can say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..core.model import Settings
from ..effects import Effect, Interrupted, LeaseLost, Parallel, StoreError, Workflow
from ..voice import Voice
from .effect_runner import EffectRunner, Journal

R = TypeVar("R")


class Player:
    """Plays workflows. What the arguments are, EffectRunner says."""

    def __init__(
        self,
        perform: Callable[[Effect[Any]], Any],
        settings: Settings,
        journal: Journal,
        voice: Voice,
    ) -> None:
        self._effects = EffectRunner(perform, settings, journal, voice)
        self._owed: Exception | None = None

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
            except (LeaseLost, StoreError, Interrupted) as thrown:
                error = thrown

    def _one(self, effect: Effect[Any]) -> Any:
        """Perform one effect, several together, or workflows side by side."""
        if self._owed is not None:
            owed, self._owed = self._owed, None
            raise owed
        if isinstance(effect, Parallel):
            return self._side_by_side(effect)
        begun = self._effects.begin(effect)
        try:
            answers = self._effects.perform(begun)
        except (LeaseLost, StoreError, KeyboardInterrupt) as error:
            self._effects.fail(begun, error)
            raise
        self._owed = self._effects.end(begun, answers)
        return begun.answer(answers)

    def _side_by_side(self, effect: Parallel) -> tuple[Any, ...]:
        from .side_by_side import SideBySide  # most runs need none, and each import delays every VM's return

        strands = SideBySide(self._effects)
        try:
            return strands.play(effect.workflows)
        finally:
            self._owed = strands.owed
