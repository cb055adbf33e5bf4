"""Rows of the table, held against the search as it is now."""

from __future__ import annotations

from random import Random

from tests.mutation.mutants import Mutant

from .edits import GUARDS
from .mutants import MODULES, mutants
from .table import FOUND, WITH, Row, read_table
from .trial import SAFETY, Switch, search, search_behind

MOST = 400
"""Cases of one piece that a sample plays. Rows that want more are the nightly's."""


def chosen_rows(number: int, seed: str) -> list[tuple[str, Row]]:
    """So many rows that say that a mutant is noticed, and soon."""
    rows = [(name, row) for name, row in read_table().items() if row.how in (FOUND, WITH) and 0 < row.case <= MOST]
    return Random(seed).sample(rows, min(number, len(rows)))  # noqa: S311  # a choice, not a secret


def check(name: str, row: Row) -> str:
    """What is no longer as the row says, or ''. The mutant is found where it was, be it by another case."""
    mutant = mutant_of(name)
    if mutant is None:
        return f"{name}: there is no such mutant any more; the table wants writing"
    if row.how == WITH:
        guard = [edit.mutant for edit in GUARDS[row.guard]]
        rule, _ = search_behind(mutant, guard, row.where)
    else:
        rule, _ = searched(Switch([mutant]), row)
    return "" if rule else f"{name}: not found any more in {row.piece}"


def searched(change: Switch, row: Row) -> tuple[str, int]:
    """The search of the row's piece with a change."""
    change.on()
    try:
        return search(row.where, safety=row.rule in SAFETY)
    finally:
        change.off()


def mutant_of(name: str) -> Mutant | None:
    """The mutant of that name, or None."""
    path = name.split(" | ")[0]
    if path not in MODULES:
        return None
    return mutants((path,)).get(name)
