"""One mutant, or two at once, before the cases of the search: does the oracle notice, and does it start more often?"""

from __future__ import annotations

import ast
import importlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType
from typing import Any, NamedTuple

from hafence.sim.case import CasePlayer
from hafence.sim.commands import read_command
from tests.mutation.hunt import dotted, patch
from tests.mutation.mutants import Mutant

from .corpus import Case, Corpus, Piece, Talk, departs, starts_in

CASES = 3000
"""Cases that are played of those in which a mutant parts from what hafence does."""
SECONDS = 120.0
"""Processor time for them."""
SAFETY = frozenset({"split_brain", "grounds", "copies", "record", "refusal"})
"""Rules of the oracle that a start too many breaks; the others are broken by starts that do not come."""


class NotTried(Exception):
    """A change that can't be made while everything is loaded: of an enum, a default, a docstring."""


class Trial(NamedTuple):
    """What came of a mutant."""

    rule: str
    """The rule that was broken, or ''."""
    piece: str
    """In which piece of the search (Piece.words), or ''."""
    parted: int
    """Conversations in which the workflows did anything else than hafence's."""
    more: int
    """Of the cases that were played, those with more starts than hafence's, and with fewer."""
    fewer: int


def change(mutant: Mutant) -> None:
    """Make the change in the product that is loaded. NotTried where that is not possible."""
    if mutant.where:
        patch(mutant)
        return
    module = importlib.import_module(dotted(mutant.path))
    name, value = _table(mutant, vars(module))
    known = vars(module)[name]
    for each in [each for key, each in sys.modules.items() if key.startswith("hafence")]:
        if vars(each).get(name) is known:
            setattr(each, name, value)


def _table(mutant: Mutant, names: dict[str, Any]) -> tuple[str, Any]:
    """The name that a module's own level gives to another value than before, and the value."""
    for statement in ast.parse(mutant.source).body:
        if statement.lineno <= mutant.line <= (statement.end_lineno or 0):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
            value = getattr(statement, "value", None)
            if isinstance(target, ast.Name) and value is not None:
                return target.id, eval(compile(ast.Expression(value), mutant.path, "eval"), names)
    raise NotTried(mutant.name)


# ---------------------------------------------------------------- which conversations to try


class Reach(dict[tuple[str, str], list[Talk]]):
    """(module's path, function) -> the conversations in which it is run."""

    def learn(self, corpus: Corpus, paths: Iterable[str]) -> None:
        """Have every conversation again, which must go as it went, and see what it calls."""
        wanted = set(paths)
        places: dict[CodeType, tuple[str, str] | None] = {}
        for talk in corpus.talks.values():
            seen: set[CodeType] = set()

            def note(frame: Any, event: str, _: object, seen: set[CodeType] = seen) -> None:
                if event == "call":
                    seen.add(frame.f_code)

            sys.setprofile(note)
            try:
                parted = departs(talk, read_command(talk.inventory, talk.words)[0])
            finally:
                sys.setprofile(None)
            assert not parted, f"without any mutant: {talk.words} in {talk.cases[0]}"
            for code in seen:
                if code not in places:
                    path = code.co_filename[code.co_filename.rfind("hafence/") :]
                    places[code] = (path, code.co_qualname.split(".<locals>")[0]) if path in wanted else None
                if (place := places[code]) is not None:
                    self.setdefault(place, []).append(talk)


# ---------------------------------------------------------------- the trial


def try_mutants(mutants: Sequence[Mutant], corpus: Corpus, talks: Sequence[Talk]) -> Trial:
    """Make the changes, and play what differs until the oracle notices. This process is another one afterwards."""
    for mutant in mutants:
        change(mutant)
    rule, piece, more, fewer, played = "", "", 0, 0, 0
    parted: list[Talk] = []
    players: dict[Piece, CasePlayer] = {}
    end = time.process_time() + SECONDS
    tried: set[tuple[Piece, Any]] = set()
    for case in _cases(talks, parted):
        if (case.piece, case.events) in tried:
            continue
        if played >= CASES or time.process_time() > end:
            break
        tried.add((case.piece, case.events))
        played += 1
        player = players.setdefault(case.piece, case.piece.player())
        came = player.play(case.events)
        rules = [violation.rule for violation in came.violations]
        broken = next((each for each in rules if each in SAFETY), "")
        starts = starts_in(case.events, came)
        more += starts > case.starts
        fewer += starts < case.starts
        if broken or (rules and not rule):
            rule, piece = broken or rules[0], case.piece.words
        if broken:
            break
    return Trial(rule, piece, len(parted), more, fewer)


def _cases(talks: Sequence[Talk], parted: list[Talk]) -> Iterator[Case]:
    """Of each conversation that goes another way the first case, then the others of all of them in turn."""
    for talk in talks:
        if departs(talk, read_command(talk.inventory, talk.words)[0]):
            parted.append(talk)
            yield talk.cases[0]
    longest = max((len(talk.cases) for talk in parted), default=0)
    for number in range(1, longest):
        for talk in parted:
            if number < len(talk.cases):
                yield talk.cases[number]


def search(mutants: Sequence[Mutant], piece: Piece, most: int | None = None) -> tuple[str, int]:
    """The search alone: the rule that is broken first in a piece of it, and by which case; ('', n) where none is."""
    for mutant in mutants:
        change(mutant)
    number = 0
    for _, came in piece.cases(piece.player()):
        number += 1
        rules = [violation.rule for violation in came.violations]
        if rules:
            return next((each for each in rules if each in SAFETY), rules[0]), number
        if number == most:
            break
    return "", number
