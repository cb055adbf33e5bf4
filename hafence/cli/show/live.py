"""The live view: each step as it happens, with its sibling, its clock and its budget. The only rich.

Only ever on a terminal: in a pipe rich is 80 columns wide and cuts UUIDs. NO_COLOR is honoured by rich.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...effects import Answer, Ask, Effect, Start
from .steps import Line, Mark, Steps
from .tally import Tally
from .terminal import ask, can_show, marks_of

REDRAWS_PER_S = 10
WIDEST = 120
"""Columns; a line that is longer than this is hard to read."""
_STYLES = {Mark.GOOD: "green", Mark.BAD: "bold red", Mark.ODD: "yellow", Mark.NEUTRAL: "dim"}
_TURNING = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_TURNING = "|/-\\"


class _Screen:
    """A console on one terminal, and the letters that its encoding has."""

    def __init__(self, stream: TextIO) -> None:
        self.console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self.unicode = can_show("".join(marks_of(unicode=True).values()) + _TURNING, stream.encoding)

    @property
    def width(self) -> int:
        """Columns to draw in. The last ones stay free: a `^C` that the terminal echoes there would wrap the line,
        and the live view would then wipe the wrong one."""
        return max(20, min(self.console.width - 3, WIDEST))

    def glyph(self, mark: Mark) -> Text:
        """A mark, coloured."""
        return Text(marks_of(self.unicode)[mark.name], _STYLES[mark])

    def turning(self) -> Text:
        """What shows that time passes."""
        frames = _TURNING if self.unicode else _ASCII_TURNING
        return Text(frames[int(time.monotonic() * REDRAWS_PER_S) % len(frames)], "cyan")

    def text(self, words: str, style: str = "") -> Text:
        """Words that this terminal can show, whatever is in them."""
        if not self.unicode:
            words = words.encode("ascii", "backslashreplace").decode()
        return Text(words, style)


def _row(screen: _Screen, mark: Text, clock: str, words: Text, took: str) -> Table:
    """One line of the view: the words wrap within their own column, so that 80 columns stay readable."""
    row = Table.grid(padding=(0, 1), expand=True)
    row.width = screen.width
    row.add_column(width=1)
    row.add_column(width=9, no_wrap=True, style="dim")
    row.add_column(ratio=1, overflow="fold")
    row.add_column(justify="right", no_wrap=True, style="dim")
    row.add_row(mark, clock, words, took)
    return row


def _clock() -> str:
    return f"{datetime.now(UTC):%H:%M:%S}Z"


class LiveView:
    """A voice for a terminal: what is done stays, what goes on turns, its clock beside its budget."""

    def __init__(self, steps: Steps, stream: TextIO, title: str, verbose: bool) -> None:
        self._steps = steps
        self._title = title
        self._verbose = verbose
        self._screen = _Screen(stream)
        self._going: dict[int, tuple[str, float, float | None]] = {}
        self._starting: set[int] = set()
        self._begun_starts = False
        self._lock = threading.Lock()
        self._live = Live(
            get_renderable=self._draw,
            console=self._screen.console,
            refresh_per_second=REDRAWS_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> LiveView:
        self._safely(lambda: self._screen.console.print(self._screen.text(self._title, "bold")))
        self._safely(self._live.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._safely(self._live.stop)

    def begins(self, effect: Effect[Any], budget_s: float | None) -> None:
        """Show the step as going on."""
        doing = self._steps.doing(effect)
        if doing:
            with self._lock:
                self._going[id(effect)] = (doing, time.monotonic(), budget_s)
                if isinstance(effect, Start):
                    self._starting.add(id(effect))
                    self._begun_starts = True

    def ends(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        """Let the step stand with what it came to."""
        with self._lock:
            self._going.pop(id(effect), None)
            self._starting.discard(id(effect))
        if isinstance(effect, Ask) and isinstance(answer, Answer) and answer is not Answer.NOBODY:
            return  # question and answer stand on the screen already
        lines = self._steps.done(effect, answer)
        took = f"{seconds:.1f} s" if self._steps.doing(effect) else ""
        for number, line in enumerate(lines):
            self._print(line, _clock() if number == 0 else "", took if number == 0 else "")
        if self._verbose and not lines:
            self._print(Line(Mark.NEUTRAL, self._steps.small(effect)), _clock(), f"{seconds:.3f} s")

    def tells(self, text: str) -> None:
        """Something worth knowing."""
        self._print(Line(Mark.NEUTRAL, text), _clock(), "")

    def asks(self, question: str) -> Answer:
        """Ask on the terminal, with the moving part out of the way."""
        self._safely(self._live.stop)
        try:
            return ask(question)
        finally:
            self._safely(self._live.start)

    def _print(self, line: Line, clock: str, took: str) -> None:
        words = self._screen.text(f"{line.subject}: {line.text}" if line.subject else line.text)
        row = _row(self._screen, self._screen.glyph(line.mark), clock, words, took)
        self._safely(lambda: self._screen.console.print(row))

    def _draw(self) -> RenderableType:
        with self._lock:
            going, starting = list(self._going.values()), len(self._starting)
        rows = []
        for doing, since, budget_s in going:
            spent = time.monotonic() - since
            took = f"{spent:.1f} s" if budget_s is None else f"{spent:.1f} of {budget_s:g} s"
            rows.append(_row(self._screen, self._screen.turning(), _clock(), self._screen.text(doing), took))
        tally = self._steps.tally
        if tally is not None and self._begun_starts and not tally.is_over():
            rows.append(self._tallied(tally, starting))
        return Group(*rows)

    def _tallied(self, tally: Tally, starting: int) -> Table:
        """How far all have come, below what goes on."""
        words = tally.words(starting)
        bar = tally.bar(self._screen.width - len(words) - 2, self._screen.unicode)
        row = Table.grid(padding=(0, 2))
        row.add_row(self._screen.text(words, "bold"), self._screen.text(bar, "cyan"))
        return row

    def _safely(self, call: Callable[[], object]) -> None:
        """A terminal that has gone (a lost SSH session) must not stop a run half-way through a start."""
        try:
            call()
        except (OSError, ValueError):
            return


def draw_outcomes(outcomes: Sequence[tuple[Mark, str, Sequence[tuple[str, str]]]], stream: TextIO) -> None:
    """The end of a run: a headline and its facts for each VM."""
    screen = _Screen(stream)
    for mark, headline, facts in outcomes:
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.width = screen.width
        grid.add_column(width=1)
        grid.add_column(width=9, no_wrap=True, style="dim")
        grid.add_column(ratio=1, overflow="fold")
        before = ""
        for label, says in facts:
            grid.add_row("", "" if label == before else label, screen.text(says))
            before = label
        title = Table.grid(padding=(0, 1))
        title.add_row(screen.glyph(mark), screen.text(headline, f"bold {_STYLES[mark]}"))
        try:
            screen.console.print(title)
            screen.console.print(grid)
        except (OSError, ValueError):
            return
