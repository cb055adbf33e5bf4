"""The survivors that are accepted, each with a written reason: `accepted.txt`.

A block begins with `because:` and the reason, which may go on in the next lines; then come the names of mutants, each
on a line that begins with `hafence/`. Lines that begin with `#` are talk. What is not read so is an error.
"""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).with_name("accepted.txt")


class BadList(Exception):
    """The list can't be read."""


def read_accepted(text: str) -> dict[str, str]:
    """Mutant's name -> reason."""
    reasons: dict[str, str] = {}
    reason, open_block = "", False
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            open_block = False
        elif line.startswith("because: "):
            reason, open_block = line.removeprefix("because: ").strip(), True
        elif line.startswith("hafence/"):
            if len(reason) < 20 or line in reasons:
                raise BadList(f"accepted.txt:{number}: a mutant without a reason, or listed twice")
            reasons[line], open_block = reason, False
        elif open_block:
            reason += " " + line.strip()
        else:
            raise BadList(f"accepted.txt:{number}: neither a reason nor a mutant")
    return reasons
