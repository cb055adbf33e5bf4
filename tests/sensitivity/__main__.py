"""`python -m tests.sensitivity [--sample N] [MODULE…]`: the fail-open mutants, each given to the search alone.

Without `--sample`: records what the search tells the workflows, tries every mutant of the modules on it, and where one is
not noticed takes away one guard more. `--write` writes the table. Exit 1 where a mutant opens something and is neither
found, nor found with a guard, nor accepted with a reason.

With `--sample N`: only so many rows of the table, chosen by `--seed` (the day, unless told), each searched anew where it
was found.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import time

from .hunt import Hunt, judged
from .mutants import MODULES, mutants
from .sample import check, chosen_rows
from .table import OPEN, Row, read_table, summary, write_table


def main() -> int:
    """Do what was asked for."""
    asked = _arguments()
    if asked.sample is not None:
        return _sample(asked.sample, asked.seed)
    return _hunt(asked.modules, asked.jobs, asked.write)


def _hunt(modules: list[str], jobs: int, write: bool) -> int:
    begun = time.monotonic()
    paths = [path for path in MODULES if not modules or any(word in path for word in modules)]
    these = mutants(paths)
    rows: dict[str, Row] = {name: row for name, row in read_table().items() if name.split(" | ")[0] not in paths}
    rows.update(judged(these, Hunt(paths, jobs)))
    if write:
        write_table({name: rows[name] for name in mutants(MODULES) if name in rows})
    print(summary({name: rows[name] for name in these}))
    left = [f"{name}\n    {row.words}" for name, row in rows.items() if name in these and row.how == OPEN]
    print(*left, sep="\n")
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    return 1 if left else 0


def _sample(number: int, seed: str) -> int:
    wrong = [fault for name, row in chosen_rows(number, seed) if (fault := check(name, row))]
    print(f"{number} rows by the seed {seed!r}: {len(wrong)} no longer hold", *wrong, sep="\n")
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sensitivity", description=main.__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="check so many rows of the table")
    parser.add_argument("--seed", default=datetime.date.today().isoformat(), help="of the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true", help="write the table")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="a part of a module's path")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
