"""One mutant, or one without the guard behind it, before the cases of the search: does the oracle notice, and does the
product start more often?"""

from __future__ import annotations

import ast
import importlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType
from typing import Any, NamedTuple

from hafence.sim.case import CasePlayer, Played
from hafence.sim.commands import read_command
from tests.mutation.hunt import code_of, dotted, function_of
from tests.mutation.mutants import Mutant

from .corpus import Case, Corpus, Piece, Talk, departs, starts_in

CASES = 3000
"""Cases that are played of those in which a mutant parts from what hafence does."""
SECONDS = 90.0
"""Processor time for them."""
SAFETY = frozenset({"split_brain", "grounds", "copies", "record", "refusal"})
"""Rules of the oracle that a start too many breaks; the others are broken by starts that do not come."""


class NotTried(Exception):
    """A change that can't be made while everything is loaded: of an enum, a default."""


class Trial(NamedTuple):
    """What came of a mutant."""

    rule: str = ""
    """The rule that was broken, or ''."""
    piece: str = ""
    """In which piece of the search (Piece.words)."""
    case: int = 0
    """By which case of it, counted from 1."""
    parted: int = 0
    """Conversations in which the workflows did anything else than hafence's."""
    more: int = 0
    """Of the cases that were played, those with more starts than hafence's, and with fewer."""
    fewer: int = 0


# ---------------------------------------------------------------- the change


class Switch:
    """A change of the product that is loaded: on or off."""

    def __init__(self, mutants: Sequence[Mutant]) -> None:
        self._sides: list[tuple[Any, str, Any, Any]] = []
        """(whose attribute, its name, as it is, as it is changed)"""
        for mutant in mutants:
            self._sides += _of_function(mutant) if mutant.where else _of_table(mutant)

    def on(self) -> None:
        """Make the change."""
        for owner, name, _, changed in self._sides:
            setattr(owner, name, changed)

    def off(self) -> None:
        """Take it back."""
        for owner, name, known, _ in self._sides:
            setattr(owner, name, known)


def _of_function(mutant: Mutant) -> Iterator[tuple[Any, str, Any, Any]]:
    _, _, function = function_of(importlib.import_module(dotted(mutant.path)), mutant.where)
    changed = code_of(compile(mutant.source, function.__code__.co_filename, "exec"), mutant.where)
    if changed.co_freevars != function.__code__.co_freevars:
        raise NotTried(mutant.name)
    yield function, "__code__", function.__code__, changed


def _of_table(mutant: Mutant) -> Iterator[tuple[Any, str, Any, Any]]:
    """A name that a module's own level gives to another value than before, wherever it was imported to."""
    module = importlib.import_module(dotted(mutant.path))
    for statement in ast.parse(mutant.source).body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
            continue
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        if statement.lineno <= mutant.line <= (statement.end_lineno or 0) and isinstance(target, ast.Name):
            value = eval(compile(ast.Expression(statement.value), mutant.path, "eval"), vars(module))
            known = vars(module)[target.id]
            rooms = [room for name, room in sys.modules.items() if name.startswith("hafence")]
            for room in rooms:
                if vars(room).get(target.id) is known:
                    yield room, target.id, known, value
            return
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
            for place in {place for code in seen if (place := places[code]) is not None}:
                self.setdefault(place, []).append(talk)


# ---------------------------------------------------------------- the trial


def broken(played: Played, safety: bool = True) -> str:
    """The rule that a case broke: one that a start too many breaks, else (unless `safety`) any; '' for none."""
    rules = [violation.rule for violation in played.violations]
    return next((rule for rule in rules if rule in SAFETY), "" if safety or not rules else rules[0])


def search(piece: Piece, most: int | None = None, safety: bool = True) -> tuple[str, int]:
    """The search alone: the rule that is broken first in a piece of it, and by which case; ('', n) where none is."""
    number = 0
    for _, played in piece.cases(piece.player()):
        number += 1
        if rule := broken(played, safety):
            return rule, number
        if number == most:
            break
    return "", number


def search_behind(mutant: Mutant, guard: Sequence[Mutant], piece: Piece) -> tuple[str, int]:
    """The same of a mutant without the guard behind it, where nothing is broken when the guard alone is gone."""
    change, both = Switch([mutant]), Switch([*guard, mutant])
    own = [events for events, _ in piece.cases(piece.player())]
    without, alone = piece.player(), piece.player()
    for number, events in enumerate(own, 1):
        both.on()
        if rule := broken(without.play(events)):
            change.off()
            if not broken(alone.play(events)):
                return rule, number
        both.off()
    return "", len(own)


def try_mutant(mutant: Mutant, talks: Sequence[Talk], guard: Sequence[Mutant] = ()) -> Trial:
    """Make the change, and play what differs until the oracle notices; then have the search find it.

    With a `guard`, both are gone, and what the oracle has against the guard's being gone alone does not count.
    """
    change, both = Switch([mutant]), Switch([*guard, mutant])
    came = Trial()
    players: dict[Piece, CasePlayer] = {}
    end = time.process_time() + SECONDS
    parted: list[Talk] = []
    tried: set[tuple[Piece, Any]] = set()
    searched: set[Piece] = set()
    change.on()
    for case in _cases(talks, parted):
        if len(tried) >= CASES or time.process_time() > end:
            break
        if (case.piece, case.events) in tried or case.piece in searched:
            continue
        tried.add((case.piece, case.events))
        player = players.setdefault(case.piece, case.piece.player())
        both.on()
        played = player.play(case.events)
        starts = starts_in(case.events, played)
        came = came._replace(more=came.more + (starts > case.starts), fewer=came.fewer + (starts < case.starts))
        rule = broken(played, safety=False)
        if not rule:
            continue
        if guard:
            change.off()
            alone = bool(broken(case.piece.player().play(case.events)))
            both.on()
            if alone or rule not in SAFETY or case.piece in searched:
                continue
            searched.add(case.piece)
            both.off()
            rule, number = search_behind(mutant, guard, case.piece)
            change.on()
            if rule:
                came = came._replace(rule=rule, piece=case.piece.words, case=number)
                break
        if rule in SAFETY:
            searched.add(case.piece)
            rule, number = search(case.piece)
            if rule:
                came = came._replace(rule=rule, piece=case.piece.words, case=number)
                break
        elif not came.rule:
            came = came._replace(rule=rule, piece=case.piece.words)
    return came._replace(parted=len(parted))


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
