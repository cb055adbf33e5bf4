"""Workflows side by side: one thread drives all of them, and their effects are performed in threads of their own.

So the journal, the voice and Ctrl-C belong to one thread however many workflows there are: the journal has each intent
before its result, and nobody is asked two questions at once.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from inspect import GEN_CLOSED, getgeneratorstate
from typing import Any

from ..effects import Ask, Effect, Interrupted, LeaseLost, Parallel, StoreError, Tell, Together, Touches, Workflow
from .effect_runner import Begun, EffectRunner
from .parallel import MOST_AT_ONCE, take

_REACHES_OUT = Touches.HOSTS | Touches.STORAGE | Touches.POWER


@dataclass(slots=True, eq=False)
class _Strand:
    """One workflow under way; the first, without a workflow, stands for whoever asked for all of them."""

    workflow: Workflow[Any] | None
    above: _Strand | None
    place: int
    owed: Exception | None = None
    """What it meets at its next effect: what came of its last one could not be written, or Ctrl-C was pressed."""
    answers: list[Any] = field(default_factory=list)
    """What the workflows that it has asked for side by side ended in."""
    first: BaseException | None = None
    """The first error that one of those ended in."""


class SideBySide:
    """Plays workflows side by side. For one use."""

    def __init__(self, effects: EffectRunner) -> None:
        self._effects = effects
        self._ready: deque[tuple[_Strand, Any, BaseException | None]] = deque()
        """Strands that can go on, each with the answer or the error that it gets."""
        self._held: deque[tuple[_Strand, Effect[Any]]] = deque()
        """Those whose effect waits until fewer are under way."""
        self._going: dict[int, tuple[_Strand, Begun]] = {}
        self._done: queue.SimpleQueue[tuple[int, list[Any], BaseException | None]] = queue.SimpleQueue()
        self._alive: dict[_Strand, None] = {}
        self._number = 0
        self.owed: Exception | None = None
        """What came of the last effect of all could not be written: for the next effect of whoever asked."""

    def play(self, workflows: Sequence[Workflow[Any]]) -> tuple[Any, ...]:
        """What they end in, in their order. The first error that one ended in is raised when all have ended."""
        top = _Strand(None, None, 0)
        self._fork(top, workflows)
        while True:
            try:
                while self._alive:
                    if self._ready:
                        self._go_on(*self._ready.popleft())
                    else:
                        self._take(*take(self._done))
                break
            except KeyboardInterrupt:
                self._interrupt()
        self.owed = top.owed
        if top.first is not None:
            raise top.first
        return tuple(top.answers)

    # ------------------------------------------------ the strands

    def _fork(self, strand: _Strand, workflows: Sequence[Workflow[Any]]) -> None:
        """Let workflows begin side by side. In this order, Ctrl-C between any two lines loses nobody."""
        strand.answers, strand.first = [None] * len(workflows), None
        parts = dict.fromkeys(_Strand(workflow, strand, place) for place, workflow in enumerate(workflows))
        self._alive.update(parts)
        self._ready.extend((part, None, None) for part in parts)
        if not workflows:
            self._join(strand)

    def _go_on(self, strand: _Strand, answer: Any, error: BaseException | None) -> None:
        """Give a workflow its answer, and begin what it asks for next."""
        assert strand.workflow is not None, "who asked for all of them is not driven here"
        try:
            effect = strand.workflow.throw(error) if error is not None else strand.workflow.send(answer)
        except StopIteration as end:
            self._ended(strand, end.value, None)
            return
        except Exception as ended:  # raised where all of them were asked for
            self._ended(strand, None, ended)
            return
        if strand.owed is not None:
            owed, strand.owed = strand.owed, None
            self._ready.append((strand, None, owed))
        elif isinstance(effect, Parallel):
            self._fork(strand, effect.workflows)
        elif _reaches_out(effect) and len(self._going) >= MOST_AT_ONCE:
            self._held.append((strand, effect))
        else:
            self._begin(strand, effect)

    def _ended(self, strand: _Strand, value: Any, error: BaseException | None) -> None:
        above = strand.above
        assert above is not None, "only strands that are driven end"
        above.answers[strand.place] = value
        above.first = above.first or error
        above.owed = above.owed or strand.owed
        del self._alive[strand]
        if not self._waits(above):
            self._join(above)

    def _waits(self, strand: _Strand) -> bool:
        """Whether a workflow that it has asked for side by side goes on."""
        return any(each.above is strand for each in self._alive)

    def _join(self, strand: _Strand) -> None:
        """All that a strand has asked for side by side has ended: it goes on with that."""
        if strand.above is None:
            return
        first = strand.first
        if first is None or isinstance(first, LeaseLost | StoreError | Interrupted):
            self._ready.append((strand, tuple(strand.answers), first))
        else:  # a bug is no answer, and no workflow's to handle
            self._ended(strand, None, first)

    # ------------------------------------------------ their effects

    def _begin(self, strand: _Strand, effect: Effect[Any]) -> None:
        try:
            begun = self._effects.begin(effect)
        except StoreError as error:
            self._ready.append((strand, None, error))
            return
        self._number += 1
        number = self._number
        self._going[number] = strand, begun
        if isinstance(effect, Ask | Tell):  # people hear one voice, and are asked one question at a time
            self._perform(number, begun)
        else:
            threading.Thread(target=self._perform, args=(number, begun), daemon=True).start()

    def _perform(self, number: int, begun: Begun) -> None:
        try:
            self._done.put((number, self._effects.perform(begun), None))
        except Exception as error:  # handed over whole to the thread that plays
            self._done.put((number, [], error))

    def _take(self, number: int, answers: list[Any], error: BaseException | None) -> None:
        """What an effect came to. Of one that Ctrl-C has left behind, nobody wants to know any more."""
        if number not in self._going:
            return
        strand, begun = self._going.pop(number)
        if error is None:
            strand.owed = strand.owed or self._effects.end(begun, answers)
            self._ready.append((strand, begun.answer(answers), None))
        else:
            self._effects.fail(begun, error)
            if isinstance(error, LeaseLost | StoreError):
                self._ready.append((strand, None, error))
            else:
                assert strand.workflow is not None, "who asked for all of them is not driven here"
                strand.workflow.close()
                self._ended(strand, None, error)
        while self._held and len(self._going) < MOST_AT_ONCE:
            self._begin(*self._held.popleft())

    def _interrupt(self) -> None:
        """Ctrl-C: each workflow that waits gets Interrupted there, one that has its answer already at its next effect.

        It may have come at any point of this thread: whoever is found nowhere was just being driven.
        """
        going, self._going = self._going, {}
        held, self._held = self._held, deque()
        for _, begun in going.values():
            self._effects.fail(begun, KeyboardInterrupt())
        waiting = {strand for strand, _ in (*going.values(), *held)}
        for strand in list(self._alive):
            assert strand.workflow is not None, "who asked for all of them is not driven here"
            if any(each is strand for each, _, _ in self._ready):
                strand.owed = Interrupted()
            elif getgeneratorstate(strand.workflow) == GEN_CLOSED:
                self._ended(strand, None, Interrupted())
            elif strand in waiting or not self._waits(strand):
                self._ready.append((strand, None, Interrupted()))


def _reaches_out(effect: Effect[Any]) -> bool:
    parts = effect.effects if isinstance(effect, Together) else (effect,)
    return any(part.touches & _REACHES_OUT for part in parts)
