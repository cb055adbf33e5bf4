"""The checked-in report: what was hunted, with which texts, and how it ended. `report.json`.

A module's part holds as long as the module is as it was, and so is every test that killed a mutant of it. New tests
can only kill more, so they make nothing stale. What the report leaves to the nightly hunt, which believes none of it: a
change elsewhere (the simulator, another module) after which a test no longer reaches what it reached.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path(__file__).with_name("report.json")
OF_ALL = ("tests/mutation/operators.py", "tests/mutation/mutants.py")
"""Another set of mutants is another hunt."""


@dataclass(frozen=True, slots=True)
class Part:
    """Of one module: its mutants, how many died, how many are accepted; the digest of each file that this rests on."""

    mutants: int
    killed: int
    accepted: int
    files: dict[str, str]


def read_report(file: Path = FILE) -> dict[str, Part]:
    """Module -> its part; nothing where there is no report yet."""
    if not file.exists():
        return {}
    return {path: Part(**part) for path, part in json.loads(file.read_text()).items()}


def write_report(parts: Mapping[str, Part], file: Path = FILE) -> None:
    """Write it for review."""
    file.write_text(json.dumps({path: asdict(parts[path]) for path in sorted(parts)}, indent=1) + "\n")


def make_part(root: Path, path: str, killers: Mapping[str, str], accepted: int) -> Part:
    """The part of a module whose hunt ended well: mutant's name -> the test that killed it."""
    files = {path, *OF_ALL}
    for killer in set(killers.values()):
        files.update(files_of(root, killer))
    survived = sum(not killer for killer in killers.values())
    return Part(len(killers), len(killers) - survived, accepted, {it: digest(root / it) for it in sorted(files)})


def is_fresh(root: Path, part: Part | None) -> bool:
    """Whether all that the part rests on is as it was."""
    return part is not None and all(digest(root / path) == known for path, known in part.files.items())


def digest(path: Path) -> str:
    """Of a file's text; of one that is gone, no digest that any had."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else "gone"


def files_of(root: Path, killer: str) -> Iterable[str]:
    """The files that a test is made of: its own, and the data that it reads."""
    file, _, rest = killer.partition("::")
    if not (root / file).is_file():
        return
    yield file
    for name in re.findall(r'assert_told\(\s*"(\w+)"', (root / file).read_text()):
        yield f"tests/core/told/{name}.txt"
    if found := re.fullmatch(r"test_scenario\[(.+)\]", rest):
        for path in sorted((root / "tests/scenarios" / found[1]).iterdir()):
            yield str(path.relative_to(root))
    if file.startswith("tests/replies/"):
        for path in sorted((root / "tests/replies").glob("*/*.reply")):
            yield str(path.relative_to(root))
