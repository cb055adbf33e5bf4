"""`python -m tests.mutation [MODULE…]`: the hunt, its report, and what CI says of it.

Fails when a mutant survives that is not accepted, and when an accepted one no longer survives or exists.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from .accepted import FILE as ACCEPTED
from .accepted import read_accepted
from .mutants import Mutant, modules, mutants_of
from .report import Part, is_fresh, make_part, read_report, write_report
from .session import hunt

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Hunt, compare with what is accepted, report."""
    asked = _arguments()
    begun = time.monotonic()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    accepted, report = read_accepted(ACCEPTED.read_text()), read_report()
    everything = list(modules(ROOT))
    chosen = [path for path in everything if not asked.modules or any(word in path for word in asked.modules)]
    if asked.changed:
        chosen = [path for path in chosen if not is_fresh(ROOT, report.get(path))]
    faults = [f"accepted, and there is no such module: {name}" for name in accepted if _module(name) not in everything]
    report = {path: part for path, part in report.items() if path in everything}
    hunted: list[str] = []
    for path in sorted(chosen, key=lambda path: (ROOT / path).stat().st_size):
        if asked.within is not None and time.monotonic() - begun > asked.within:
            continue
        hunted.append(path)
        mutants = mutants_of(ROOT, path)
        killers = _hunt_apart(mutants, asked.jobs)
        found = _faults(mutants, killers, {it for it in accepted if _module(it) == path})
        faults += found
        if not found:
            report[path] = make_part(ROOT, path, killers, sum(not killer for killer in killers.values()))
        if asked.write:
            write_report(report)
    _print_report(everything, report, hunted, chosen, asked.write)
    for fault in faults:
        print(f"mutation: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _hunt_apart(mutants: list[Mutant], jobs: int) -> dict[str, str]:
    """The hunt for one module in a process of its own, in which nothing of hafence is loaded yet."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                Path(file.name).write_text(json.dumps(hunt(ROOT, mutants, jobs)))
                status = 0
            except BaseException as error:
                print(f"mutation: {error}", file=sys.stderr)
            finally:
                sys.stdout.flush()
                os._exit(status)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
            raise SystemExit(f"mutation: the hunt in {mutants[0].path} did not end well")
        killers: dict[str, dict[str, str]] = json.load(file)
    return killers[mutants[0].path]


def _print_report(
    everything: list[str], report: Mapping[str, Part], hunted: list[str], chosen: list[str], written: bool
) -> None:
    print(f"\n{'module':36} mutants  killed  accepted")
    for path in everything:
        part = report.get(path)
        how = "hunted now" if path in hunted else "NOT HUNTED HERE: no time left" if path in chosen else "as reported"
        how = how if part or path in chosen else "NEVER ENDED WELL: has survivors that nobody has judged"
        numbers = f"{part.mutants:7} {part.killed:7} {part.accepted:9}" if part else f"{'-':>7} {'-':>7} {'-':>9}"
        print(f"{path:36} {numbers}  {how}")
    if [path for path in chosen if not (written and path in hunted)]:
        print("The report is not up to date: 'make mutation' hunts what is missing and writes it.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=main.__doc__)
    parser.add_argument("--changed", action="store_true", help="only modules for which the report no longer holds")
    parser.add_argument("--within", type=float, help="begin no further module after so many seconds")
    parser.add_argument("--write", action="store_true", help="write the report of what ended well")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="a part of a module's path")
    return parser.parse_args()


def _module(name: str) -> str:
    return name.split(" | ")[0]


def _faults(mutants: list[Mutant], killers: Mapping[str, str], accepted: set[str]) -> list[str]:
    names = {mutant.name for mutant in mutants}
    survivors = {name for name in names if not killers[name]}
    return [
        *(f"survived: {name}" for name in sorted(survivors - accepted)),
        *(f"accepted, but it is killed by {killers[name]}: {name}" for name in sorted(accepted & names - survivors)),
        *(f"accepted, but there is no such mutant: {name}" for name in sorted(accepted - names)),
    ]


if __name__ == "__main__":
    sys.exit(main())
