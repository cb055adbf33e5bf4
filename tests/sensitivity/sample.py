"""Rows of the table, held against the search as it is now."""

from __future__ import annotations

from functools import cache
from random import Random

from tests.mutation.mutants import Mutant

from .edits import GUARDS, PLANTED
from .mutants import MODULES, mutants
from .table import FOUND, WITH, Row, read_table
from .trial import SAFETY, Switch, search, search_behind

MOST = 400
"""Cases of one piece that a sample plays. Rows that want more are the nightly's."""


def chosen_rows(number: int, seed: str) -> dict[str, Row]:
    """Every fault planted by hand, and so many rows more, of those that say that a mutant is noticed, and soon.

    A row whose mutant is gone with the line that it changed says nothing any more; it goes when the table is written.
    """
    table = read_table()
    soon = {name: row for name, row in table.items() if row.how in (FOUND, WITH) and 0 < row.case <= MOST}
    known = [name for name in soon if name not in PLANTED and change_of(name)]
    chosen = Random(seed).sample(known, min(number, len(known)))  # a choice, not a secret
    return {name: soon[name] for name in [*(name for name in PLANTED if name in soon), *chosen]}


def check(name: str, row: Row) -> str:
    """What is no longer as the row says, or ''. The mutant is found where it was, be it by another case."""
    change = change_of(name)
    if not change:
        return f"{name}: there is no such mutant any more; the table wants writing"
    if row.how == WITH:
        guard = [edit.mutant for edit in GUARDS[row.guard]]
        [mutant] = change
        rule, _ = search_behind(mutant, guard, row.where)
    else:
        rule, _ = searched(Switch(change), row)
    return "" if rule else f"{name}: not found any more in {row.piece}"


def searched(change: Switch, row: Row) -> tuple[str, int]:
    """The search of the row's piece with a change."""
    change.on()
    try:
        return search(row.where, safety=row.rule in SAFETY)
    finally:
        change.off()


def change_of(name: str) -> list[Mutant]:
    """What is changed under that name, or nothing where there is no such mutant."""
    if name in PLANTED:
        return PLANTED[name].mutants
    path = name.split(" | ")[0]
    mutant = _mutants(path).get(name) if path in MODULES else None
    return [mutant] if mutant else []


@cache
def _mutants(path: str) -> dict[str, Mutant]:
    return mutants((path,))
