"""How a run speaks: which voice fits the place where it is heard, and the voices that need no screen.

Without --json the talk goes to stdout, with it to stderr. On a terminal it is the live view (live.py); in
a pipe, a file or on a dumb terminal, plain lines; with --quiet, nothing until the result.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TextIO

from ...core.model import Inventory, Vm
from ...effects import Answer, Effect
from ...voice import Voice
from ..context import Options
from .steps import Line, Steps
from .terminal import ask, is_screen
from .times import timestamp


def open_voice(
    options: Options, inventory: Inventory | None, title: str, batch: Collection[Vm] = ()
) -> AbstractContextManager[Voice]:
    """The voice for this command, as a context in which it speaks. `batch`: the VMs of a run over many."""
    steps = Steps(inventory, batch)
    if options.quiet:
        return nullcontext(QuietVoice())
    stream = sys.stderr if options.json else sys.stdout
    if is_screen(stream):
        from .live import LiveView

        return LiveView(steps, stream, title, options.verbose > 0)
    return nullcontext(PlainVoice(steps, stream, options.verbose > 0))


class QuietVoice:
    """Says nothing; still asks, since a run that may ask has been started by a person."""

    def begins(self, effect: Effect[Any], budget_s: float | None) -> None:
        """Nothing is shown."""

    def ends(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        """Nothing is shown."""

    def tells(self, text: str) -> None:
        """Nothing is shown."""

    def asks(self, question: str) -> Answer:
        """Ask on the terminal."""
        return ask(question)


class PlainVoice:
    """One line per step, each with its time in UTC: for pipes, files and logs."""

    def __init__(self, steps: Steps, stream: TextIO, verbose: bool) -> None:
        self._steps = steps
        self._stream = stream
        self._verbose = verbose

    def begins(self, effect: Effect[Any], budget_s: float | None) -> None:
        """With -v: what is about to be done."""
        doing = self._steps.doing(effect)
        if self._verbose and doing:
            self._print(f"{doing} (at most {budget_s:g} s)" if budget_s is not None else doing)

    def ends(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        """What the step came to."""
        lines = self._steps.done(effect, answer)
        took = f" ({seconds:.2f} s)" if self._steps.doing(effect) else ""
        for line in lines:
            self._print(f"{_logged(line)}{took}")
        if self._verbose and not lines:
            self._print(f"{self._steps.small(effect)} ({seconds:.3f} s)")

    def tells(self, text: str) -> None:
        """Something worth knowing."""
        self._print(text)

    def asks(self, question: str) -> Answer:
        """Ask on the terminal."""
        return ask(question)

    def _print(self, text: str) -> None:
        try:
            print(f"{timestamp(time.time())} {text}", file=self._stream, flush=True)
        except (OSError, ValueError):
            return  # nobody reads any more: that is no reason to stop half-way through a start


def _logged(line: Line) -> str:
    return f"{line.prefix} {line.text}" if line.prefix else line.text
