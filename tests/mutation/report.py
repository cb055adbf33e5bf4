"""What a hunt has found, module by module: the table that is printed, and the file that the nightly keeps."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from .mutants import Mutant


@dataclass(frozen=True, slots=True)
class Part:
    """Of one module: its mutants that were to be tried, and how many for which there was no time; the number of those
    that a test killed; the names of those that lived on, accepted or not."""

    mutants: int
    untried: int
    killed: int
    survived: tuple[str, ...]


def make_parts(mutants: Iterable[Mutant], killers: Mapping[str, str]) -> dict[str, Part]:
    """Module -> its part. `killers` has, for each mutant that was tried, the test that killed it, or ''."""
    names: dict[str, list[str]] = {}
    for mutant in mutants:
        names.setdefault(mutant.path, []).append(mutant.name)
    parts = {}
    for path, chosen in sorted(names.items()):
        tried = [name for name in chosen if name in killers]
        survived = tuple(sorted(name for name in tried if not killers[name]))
        parts[path] = Part(len(chosen), len(chosen) - len(tried), len(tried) - len(survived), survived)
    return parts


def find_faults(
    mutants: Iterable[Mutant], killers: Mapping[str, str], accepted: Collection[str], all_names: Collection[str]
) -> list[str]:
    """Survivors that nobody has accepted, and what was accepted and does not survive or is no mutant (of `all_names`,
    every mutant there is in the modules that were looked at)."""
    tried = {mutant.name for mutant in mutants if mutant.name in killers}
    survivors = {name for name in tried if not killers[name]}
    return [
        *(f"survived: {name}" for name in sorted(survivors - set(accepted))),
        *(
            f"accepted, but it is killed by {killers[name]}: {name}"
            for name in sorted(set(accepted) & tried - survivors)
        ),
        *(f"accepted, but there is no such mutant: {name}" for name in sorted(set(accepted) - set(all_names))),
    ]


def print_table(parts: Mapping[str, Part]) -> None:
    """For people."""
    print(f"\n{'module':42} mutants  killed  survived  no time for")
    for path, part in parts.items():
        print(f"{path:42} {part.mutants:7} {part.killed:7} {len(part.survived):9} {part.untried:12}")


def write_report(parts: Mapping[str, Part], file: Path) -> None:
    """For whoever looks into it the next morning."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({path: asdict(part) for path, part in parts.items()}, indent=1) + "\n")
