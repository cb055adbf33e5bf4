"""The history in memory. What its entries are, and why they form one chain, is in `history_codec`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.model import Uuid
from .. import history_codec as codec
from ..codec import storable
from ..history_codec import BEGIN, END, STEP, Entry, Head
from ..port import Json, RunHistory, RunRow, RunSummary, StepRow


class History:
    """Every run's entries, in one chain."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._of_run: dict[str, list[Entry]] = {}
        """The entries of each run; the runs in the order of their beginnings."""
        self._head: Head = (0, "")

    def begin_run(self, run: RunRow) -> None:
        """Append the beginning of a run."""
        body = codec.begin_body(run)
        codec.check_new(run.run, run.run in self._of_run)
        self._append(run.run, 0, BEGIN, run.at, body)

    def add_step(self, run: str, step: StepRow) -> int:
        """Append a step; the answer is its number in the run."""
        number = self._next_number(run)
        self._append(run, number, STEP, step.at, codec.step_body(step))
        return number

    def end_run(self, run: str, at: float, exit_code: int, result: Json) -> None:
        """Append the end of a run."""
        self._append(run, self._next_number(run), END, at, codec.end_body(exit_code, result))

    def runs(self, vm: Uuid | None, limit: int) -> tuple[RunSummary, ...]:
        """The latest runs, newest first."""
        found: list[RunSummary] = []
        for entries in reversed(self._of_run.values()):
            if len(found) >= limit:
                break
            began, last = codec.began(entries[0]), entries[-1]
            if vm is None or vm in began.vms:
                found.append(RunSummary(began, codec.ended(last) if last[3] == END else None))
        return tuple(found)

    def run(self, text: str) -> RunHistory:
        """One run's history. LookupError for an id that is unknown or not unique."""
        wanted = storable(text.strip())
        names = [run for run in reversed(self._of_run) if wanted and run.startswith(wanted)]
        names.sort(key=lambda name: name != wanted)
        run = codec.choose_run(text, wanted, names[:6])
        return codec.history_of(run, self._of_run[run])

    def problems(self) -> list[str]:
        """Where the chain is broken, in words; empty when it holds."""
        return codec.chain_problems(self._entries, [*self._head])

    def _append(self, run: str, number: int, kind: str, at: float, body: Mapping[str, Any]) -> None:
        entry = codec.new_entry(self._head, run, number, kind, at, body)
        self._entries.append(entry)
        self._of_run.setdefault(run, []).append(entry)
        self._head = (entry[0], entry[7])

    def _next_number(self, run: str) -> int:
        entries = self._of_run.get(run)
        return codec.next_number(run, entries[-1][2:4] if entries else None)
