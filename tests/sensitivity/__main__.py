"""`python -m tests.sensitivity [--sample N] [MODULE…]`: faults that open a guard, each given to the search alone.

Without `--sample`: records what the search tells the workflows, tries every mutant of the modules on it, and where one
is not noticed takes away one guard more. `--write` writes the table. Exit 1 where one is not noticed and the table
does not say so, in a module that the table has rows of.

With `--sample N`: the faults that are planted by hand and so many rows of the table, chosen by `--seed` (the day,
unless told), each searched anew where it was found. Exit 1 where one is not found any more.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import time
from collections.abc import Mapping

from .edits import PLANTED
from .hunt import judged, judged_planted
from .mutants import MODULES, mutants
from .sample import change_of, check, chosen_rows
from .table import OPEN, Row, read_table, summary, write_table

NEW = Row("")
"""Stands for a row that the table has not."""


def main() -> int:
    """Do what was asked for."""
    asked = _arguments()
    if asked.sample is not None:
        return _sample(asked.sample, asked.seed)
    return _hunt(asked.modules, asked.jobs, asked.write, asked.deep)


def _hunt(modules: list[str], jobs: int, write: bool, deep: bool) -> int:
    begun = time.monotonic()
    paths = [path for path in MODULES if not modules or any(word in path for word in modules)]
    these, before = mutants(paths), read_table()
    rows = {**judged_planted(), **judged(these, jobs, deep=deep)}
    if write:
        others = {name: row for name, row in before.items() if name not in rows and row_stands(name, paths)}
        write_table(in_order({**others, **rows}))
    print(summary(rows))
    left = [name for name, row in rows.items() if row.how == OPEN]
    print(*(f"{name}\n    {rows[name].words}" for name in left), sep="\n")
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    tabled = {module_of(name) for name in before}
    return 1 if any(module_of(name) in tabled and before.get(name, NEW).how != OPEN for name in left) else 0


def row_stands(name: str, paths: list[str]) -> bool:
    """Whether a row that was not tried now still says something: of a module that was left out, and of a mutant."""
    return module_of(name) not in paths and bool(change_of(name))


def module_of(name: str) -> str:
    """The module that a fault is in. One that the table has no row of was never tried."""
    return "planted" if name in PLANTED else name.split(" | ")[0]


def in_order(rows: Mapping[str, Row]) -> dict[str, Row]:
    """First what is planted, then module by module in the order of its text."""
    return {name: rows[name] for name in [*PLANTED, *mutants(MODULES)] if name in rows}


def _sample(number: int, seed: str) -> int:
    rows = chosen_rows(number, seed)
    wrong = [fault for name, row in rows.items() if (fault := check(name, row))]
    print(f"{len(rows)} rows by the seed {seed!r}: {len(wrong)} no longer hold", *wrong, sep="\n")
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sensitivity", description=main.__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="check so many rows of the table")
    parser.add_argument("--seed", default=datetime.date.today().isoformat(), help="of the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--deep", action="store_true", help="try what is left on every case of the search, too")
    parser.add_argument("--write", action="store_true", help="write the table")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="a part of a module's path")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
