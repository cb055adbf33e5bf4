"""Which modules hold guards, and every fail-open mutant of them."""

from __future__ import annotations

from collections.abc import Iterable

from tests.mutation.mutants import Mutant, mutants_of

from .edits import ROOT
from .operators import changes

_CORE = (
    *("attempts", "decision", "evidence", "looks", "outcome", "placement", "power", "reasons", "record", "replies"),
    *("second_level", "siblings", "troubles", "wire"),
)
MODULES = (
    *(f"hafence/core/{name}.py" for name in _CORE),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "hafence/core/storage").glob("*.py")),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "hafence/workflows").glob("*.py")),
)
"""Where a guard may stand. What else is in core/ reads the inventory, makes words, or is the audit's."""


def mutants(paths: Iterable[str]) -> dict[str, Mutant]:
    """Every mutant by its name; of those that are the same text only the first."""
    texts: set[tuple[str, str]] = set()
    found = {}
    for path in paths:
        for mutant in mutants_of(ROOT, path, changes):
            if (path, mutant.source) not in texts:
                texts.add((path, mutant.source))
                found[mutant.name] = mutant
    return found
