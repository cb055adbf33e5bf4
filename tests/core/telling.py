"""What core says to people, held against a file that a person has read: `tests/core/told/NAME.txt`.

The words of a refusal are what an admin acts on at night, so they are kept as a whole, beside what they are said
of. After a wanted change run the test once with HAFENCE_BLESS=1, and read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from hafence.core.evidence import Sign
from hafence.core.troubles import Trouble, met_straight

FOLDER = Path(__file__).parent / "told"
BLESSING = os.environ.get("HAFENCE_BLESS") == "1"


OF_OTHERS = [(trouble.says, trouble.value) for trouble in Trouble]
OF_OTHERS += [(met_straight(trouble), trouble.value) for trouble in Trouble]
OF_OTHERS += [(sign.says, sign.value) for sign in Sign]
"""Sentences that stand in the middle of others, and that have a file of their own: elsewhere their word stands for
them, so that a reworded one changes one file."""


def _masked(line: str) -> str:
    for sentence, word in OF_OTHERS:
        line = line.replace(sentence, f"<{word}>")
    return line


def assert_told(name: str, told: Mapping[str, Iterable[str]], whole: bool = False) -> None:
    """Every case with its lines reads as in the file. `whole`: this is the file of the sentences of others."""
    lines_of = {case: [line if whole else _masked(line) for line in lines] for case, lines in told.items()}
    text = "\n".join(f"{case}\n" + "".join(f"    {line}\n" for line in lines) for case, lines in lines_of.items())
    path = FOLDER / f"{name}.txt"
    if BLESSING:
        path.write_text(text)
    assert path.read_text() == text, "as wanted? HAFENCE_BLESS=1 writes it"


def assert_told_of(name: str, case: str, lines: Iterable[str]) -> None:
    """One case reads as in the file, which `assert_told` holds as a whole."""
    if not BLESSING:
        assert [f"    {line}" for line in lines] == _blocks(name)[case], "as wanted? HAFENCE_BLESS=1 writes it"


@cache
def _blocks(name: str) -> dict[str, list[str]]:
    blocks = (block.splitlines() for block in (FOLDER / f"{name}.txt").read_text().split("\n\n"))
    return {case: lines for case, *lines in blocks}
