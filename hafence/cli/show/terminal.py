"""A terminal: whether there is one to draw on, and whether somebody sits at it to be asked."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from ...effects import Answer

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


def plain_marks(stream: TextIO) -> dict[str, str]:
    """The marks of every command, in letters that a stream has."""
    speaks_unicode = (stream.encoding or "").lower().replace("-", "") == "utf8"
    return {"ok": "✔", "note": "·", "bad": "✘"} if speaks_unicode else {"ok": "+", "note": "-", "bad": "x"}
