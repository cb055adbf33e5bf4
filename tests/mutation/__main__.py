"""`python -m tests.mutation [MODULE…]`: the hunt, and what came of it.

Fails when a mutant survives that is not accepted, and when an accepted one no longer survives or exists.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .accepted import FILE as ACCEPTED
from .accepted import read_accepted
from .changed import changed_lines, find_base, only_changed
from .mutants import mutants_of
from .report import find_faults, make_parts, print_table, write_report
from .session import hunt, modules

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Hunt, compare with what is accepted, report."""
    asked = _arguments()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    accepted = read_accepted(ACCEPTED.read_text())
    everything = list(modules(ROOT))
    chosen = [path for path in everything if not asked.modules or any(word in path for word in asked.modules)]
    lines = None
    if asked.changed is not None:
        base = asked.changed or find_base(ROOT)
        if base is None:
            print("mutation: there is no history here that says what is new: nothing is hunted")
            return 0
        lines = changed_lines(ROOT, base)
        chosen = [path for path in chosen if path in lines]
        print(f"mutation: what has changed since {base[:12]}: {', '.join(chosen) or 'nothing in the pure rooms'}")
    existing = [mutant for path in chosen for mutant in mutants_of(ROOT, path)]
    mutants = existing if lines is None else only_changed(existing, lines)
    killers = hunt(ROOT, mutants, asked.jobs, asked.within)
    faults = find_faults(
        mutants,
        killers,
        [name for name in accepted if _module(name) in chosen],
        {mutant.name for mutant in existing},
    )
    faults += [f"accepted, and there is no such module: {name}" for name in accepted if _module(name) not in everything]
    parts = make_parts(mutants, killers)
    if parts:
        print_table(parts)
    if asked.report is not None:
        write_report(parts, asked.report)
    for fault in faults:
        print(f"mutation: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=main.__doc__)
    parser.add_argument(
        "--changed", nargs="?", const="", metavar="COMMIT", help="only lines that are new since COMMIT (the main line)"
    )
    parser.add_argument("--within", type=float, metavar="S", help="try no further mutant after so many seconds")
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write what was found, as JSON")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="a part of a module's path")
    return parser.parse_args()


def _module(name: str) -> str:
    return name.split(" | ")[0]


if __name__ == "__main__":
    sys.exit(main())
