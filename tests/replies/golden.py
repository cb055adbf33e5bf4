"""Replies as they were, or could be, received: one file each, named for its oddity.

exit: the exit status
stderr: a line of it (may be left out)
expect: what the reader must make of it: WORD: words that it must say
---
the script's stdout
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hafence.adapters.hosts.program import ProgramResult
from hafence.core.model import Uuid

NONCE = "00112233445566778899aabbccddeeff"
VM = Uuid("6d6f6a5a-0000-4000-8000-000000000001")
MACHINE = "3d1219c7c4c5404aaa1f6d2a48adfda4"
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Golden:
    """One file."""

    name: str
    exit_status: int
    word: str
    words: tuple[str, ...]
    stdout: str
    stderr: str = ""

    @property
    def run(self) -> ProgramResult:
        return ProgramResult(None, "", self.exit_status, self.stdout, self.stderr, 0.1)


def goldens(kind: str) -> list[Golden]:
    """Every reply of a script."""
    return [_read(path) for path in sorted((FOLDER / kind).glob("*.reply"))]


def _read(path: Path) -> Golden:
    # Not read_text: it would turn carriage returns, which are an oddity of their own, into line ends.
    head, _, stdout = path.read_bytes().decode().partition("---\n")
    exit_line, *said, expect_line = head.splitlines()
    stderr = "".join(line.removeprefix("stderr: ") + "\n" for line in said)
    word, _, words = expect_line.removeprefix("expect: ").partition(": ")
    return Golden(path.stem, int(exit_line.removeprefix("exit: ")), word, (words,), stdout, stderr)
