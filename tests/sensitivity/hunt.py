"""The whole hunt: every mutant in a forked child of one process that has recorded what the search says."""

from __future__ import annotations

import gc
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hafence.sim.search import collect_seldom
from tests.mutation.accepted import read_accepted
from tests.mutation.hunt import TIME, Children
from tests.mutation.mutants import Mutant

from .corpus import Corpus, Piece, piece_of, pieces
from .edits import GUARDS, PLANTED
from .table import ACCEPTED, FOUND, NO_MORE, OPEN, SAME, WITH, Row
from .trial import SAFETY, NotTried, Reach, Switch, Trial, search, try_mutant

ACCEPTED_FILE = Path(__file__).with_name("accepted.txt")
_NOT_TRIED = "null"


class Hunt:
    """What the search says, which of it runs which function, and the children that try mutants on it."""

    def __init__(self, paths: Sequence[str], jobs: int, these: Sequence[Piece]) -> None:
        self._jobs = jobs
        self._corpus, self._reach = Corpus(), Reach()
        begun = time.monotonic()
        collect_seldom()
        self._corpus.record(these)
        self._reach.learn(self._corpus, paths)
        heard = f"{len(self._corpus.talks)} conversations in {self._corpus.cases} cases"
        print(f"{heard}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        gc.freeze()

    def each(self, mutants: Mapping[str, Mutant], guard: Sequence[Mutant] = ()) -> dict[str, Trial | None]:
        """Try each, with a guard gone too or without; None where the change can't be made."""
        came: dict[str, Trial | None] = {}
        begun = time.monotonic()

        def end(mutant: Mutant, said: str) -> None:
            came[mutant.name] = Trial("budget", "(endless)") if said == TIME else _trial_of(said)
            if len(came) % 100 == 0:
                print(f"{len(came)} of {len(mutants)}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)

        children = Children(self._jobs, end)
        for mutant in mutants.values():
            children.begin(mutant, self._work(mutant, guard))
        children.wait()
        return came

    def _work(self, mutant: Mutant, guard: Sequence[Mutant]) -> Callable[[], str]:
        everything = list(self._corpus.talks.values())
        talks = self._reach.get((mutant.path, mutant.where), []) if mutant.where else everything

        def work() -> str:
            try:
                return json.dumps(try_mutant(mutant, talks, guard))
            except NotTried:
                return _NOT_TRIED
            except Exception:  # what it does is no effect that the simulated world could even refuse
                return json.dumps(Trial("bug", "(nonsense)"))

        return work


def _trial_of(said: str) -> Trial | None:
    told = json.loads(said)
    return None if told is None else Trial(*told)


# ---------------------------------------------------------------- what becomes of each


def judged(mutants: Mapping[str, Mutant], jobs: int, *, deep: bool) -> dict[str, Row]:
    """The row of each mutant: by the cases without a fault, and, where asked to go `deep`, by all of them.

    Most are found by the first thousand cases, and only what is left is worth the hours that the others take.
    """
    paths = sorted({mutant.path for mutant in mutants.values()})
    rows = _rows(mutants, Hunt(paths, jobs, pieces(small=True)), "without a fault")
    if deep and (left := {name: mutants[name] for name, row in rows.items() if row.how not in (FOUND, WITH)}):
        rows |= _rows(left, Hunt(paths, jobs, pieces()), "of the whole search")
    return accepted({name: rows[name] for name in mutants})


def judged_planted() -> dict[str, Row]:
    """The row of each fault that is planted by hand."""
    rows = {}
    for name, planted in PLANTED.items():
        change = Switch(planted.mutants)
        change.on()
        try:
            rule, number = search(piece_of(planted.piece))
        finally:
            change.off()
        missed = Row(OPEN, says=f"in the {number} cases of {planted.piece}")
        rows[name] = Row(FOUND, rule, planted.piece, number) if rule else missed
    return accepted(rows)


def accepted(rows: Mapping[str, Row]) -> dict[str, Row]:
    """The same rows, with the reason for each that need not be found."""
    reasons = Accepted(ACCEPTED_FILE.read_text())
    return {
        name: Row(ACCEPTED, says=why) if row.how == OPEN and (why := reasons.why(name)) else row
        for name, row in rows.items()
    }


def _rows(mutants: Mapping[str, Mutant], hunt: Hunt, which: str) -> dict[str, Row]:
    """`which`: the cases that were recorded, for people."""
    rows = {name: _row(trial, which) for name, trial in hunt.each(mutants).items()}
    rows.update(_behind_guards({name: mutants[name] for name, row in rows.items() if row.how == OPEN}, hunt))
    return rows


def _row(trial: Trial | None, which: str) -> Row:
    if trial is None:
        return Row(OPEN, says="the change can't be made while everything is loaded")
    if trial.rule and (trial.case or trial.rule not in SAFETY):
        return Row(FOUND, trial.rule, trial.piece, trial.case)
    if not trial.parted:
        return Row(SAME, says=f"in every case {which}")
    if not trial.more:
        return Row(NO_MORE, says=f"in the cases {which}; in {trial.fewer} it starts less often")
    return Row(OPEN, says=f"and it starts more often in {trial.more} cases {which}")


def _behind_guards(left: Mapping[str, Mutant], hunt: Hunt) -> dict[str, Row]:
    """Of each mutant that was not noticed: with which guard gone too it is."""
    rows: dict[str, Row] = {}
    for name, edits in GUARDS.items():
        guard = [edit.mutant for edit in edits]
        places = {(each.path, each.where) for each in guard}
        tasks = {
            it: mutant for it, mutant in left.items() if it not in rows and (mutant.path, mutant.where) not in places
        }
        for it, trial in hunt.each(tasks, guard).items():
            if trial is not None and trial.case:
                rows[it] = Row(WITH, trial.rule, trial.piece, trial.case, name)
    return rows


class Accepted:
    """The mutants that need not be found, each with a written reason; a `*` in a name stands for anything."""

    def __init__(self, text: str) -> None:
        self._reasons = {re.compile(_pattern(name)): why for name, why in read_accepted(text).items()}

    def why(self, name: str) -> str:
        """The reason, or ''."""
        return next((why for pattern, why in self._reasons.items() if pattern.fullmatch(name)), "")


def _pattern(name: str) -> str:
    return ".*".join(re.escape(part) for part in name.split("*"))
