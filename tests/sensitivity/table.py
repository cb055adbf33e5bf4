"""The checked-in table: what became of every mutant. `table.txt`, two lines for each:

    hafence/core/decision.py | _judge | if verdict is None: => if False:
        found: grounds in confirm alone/0 unkillable-unseen by case 1

Read after a change of the product or of the search as one reads a golden file. What is accepted has its reason in
`accepted.txt`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .corpus import Piece, piece_of

FILE = Path(__file__).with_name("table.txt")

FOUND, WITH, ACCEPTED, OPEN = "found", "found with", "accepted", "NOT FOUND"
SAME, NO_MORE = "changes nothing", "starts no more often"


class Row(NamedTuple):
    """What became of a mutant. `how` is one of the words above."""

    how: str
    rule: str = ""
    piece: str = ""
    case: int = 0
    guard: str = ""
    """Of WITH: the guard behind it, which has to be gone too."""
    says: str = ""
    """Of ACCEPTED: why. Of the others that are not found: what was seen."""

    @property
    def words(self) -> str:
        """The row in the table."""
        match self.how:
            case "found":
                return f"{FOUND}: {self.rule} in {self.piece} by case {self.case}"
            case "found with":
                return f"{WITH} {self.guard}: {self.rule} in {self.piece} by case {self.case}"
        return f"{self.how}: {self.says}"

    @property
    def where(self) -> Piece:
        """The piece of the search in which it was found."""
        return piece_of(self.piece)


def row_of(words: str) -> Row:
    """The row that `words` is of."""
    how, _, rest = words.partition(": ")
    if how == FOUND or how.startswith(WITH):
        rule, _, rest = rest.partition(" in ")
        piece, _, case = rest.partition(" by case ")
        guard = how.removeprefix(WITH).strip() if how != FOUND else ""
        return Row(WITH if guard else FOUND, rule, piece, int(case), guard)
    return Row(how, says=rest)


def read_table(file: Path = FILE) -> dict[str, Row]:
    """Mutant's name -> its row; nothing where there is no table yet."""
    if not file.exists():
        return {}
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {name: row_of(words.strip()) for name, words in zip(lines[::2], lines[1::2], strict=True)}


def write_table(rows: Mapping[str, Row], file: Path = FILE) -> None:
    """Write it, with its summary at the head."""
    body = "".join(f"{name}\n    {row.words}\n" for name, row in rows.items())
    head = "".join(f"# {line}\n" for line in summary(rows).splitlines())
    file.write_text(head + "\n" + body)


def summary(rows: Mapping[str, Row]) -> str:
    """How many of each kind, and the figure: of those that start a VM more often in the cases tried, how many are seen.

    It says nothing of those that change nothing there: cases with faults, or another guard gone, may tell them apart.
    """
    counts = Counter(row.how for row in rows.values())
    noticed, missed = counts[FOUND] + counts[WITH], counts[OPEN]
    lines = [f"{counts[how]:5} {how}" for how in (FOUND, WITH, SAME, NO_MORE, ACCEPTED, OPEN)]
    share = 100 * noticed / (noticed + missed) if noticed + missed else 0.0
    head = f"{len(rows)} faults; noticed: {share:.1f} % of those that start a VM more often in the cases tried"
    return "\n".join([head, *lines])
