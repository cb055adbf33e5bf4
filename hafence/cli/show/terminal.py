"""A terminal: whether there is one to draw on, and whether somebody sits at it to be asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

from ...effects import Answer

_GLYPHS = {"GOOD": "✔", "BAD": "✘", "ODD": "!", "NEUTRAL": "·"}
_ASCII = {"GOOD": "+", "BAD": "x", "ODD": "!", "NEUTRAL": "-"}
_DUMB = frozenset({"", "dumb", "unknown"})


def is_screen(stream: TextIO) -> bool:
    """Whether a live view can be drawn here."""
    return stream.isatty() and os.environ.get("TERM", "") not in _DUMB


def ask(question: str) -> Answer:
    """Put a question on the terminal; only a typed yes is a yes. NOBODY without a terminal on both sides."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Answer.NOBODY
    sys.stderr.write(f"{question}\n[y/N] ")
    sys.stderr.flush()
    typed = sys.stdin.readline().strip().lower()
    return Answer.YES if typed in ("y", "yes") else Answer.NO


def can_show(letters: str, encoding: str | None) -> bool:
    """Whether a stream of that encoding has these letters."""
    try:
        letters.encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def marks_of(unicode: bool) -> Mapping[str, str]:
    """The marks of every command, each by the name of its Mark (steps.py)."""
    return _GLYPHS if unicode else _ASCII


def marks_on(stream: TextIO) -> Mapping[str, str]:
    """The same in letters that a stream has."""
    return marks_of(can_show("".join(_GLYPHS.values()), stream.encoding))
