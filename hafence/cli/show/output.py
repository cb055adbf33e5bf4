"""What is printed, and where. A reader or a terminal that has gone must not end a run half-way through a start."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from typing import Any, TextIO


def out(text: str = "") -> None:
    """A line on stdout: a command's result."""
    _print(text, sys.stdout)


def out_folded(line: str, under: int | None = None) -> None:
    """A line on stdout that may be long. A terminal gets it folded at words, under its last column's beginning (or the
    column `under`); a pipe gets it whole, for whoever parses it.

    A quoted command is never folded inside: it is there to be marked and pasted.
    """
    if not sys.stdout.isatty():
        out(line)
        return
    width = max(40, shutil.get_terminal_size().columns - 1)
    columns = [match.end() for match in re.finditer(r" {2,}", line) if match.end() <= width // 2]
    indent = " " * (under if under is not None else columns[-1] if columns else 4)
    kept = _COMMAND.sub(lambda command: command[0].replace(" ", _STAYS), line)
    folded = textwrap.wrap(kept, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    out("\n".join(folded).replace(_STAYS, " ") if folded else line)


_COMMAND = re.compile(r"(?<!\w)'(?:hafence|virsh|rm|ssh|systemctl|ceph) [^']*'")
_STAYS = "\x00"
"""Stands for a blank at which nothing is folded."""


def say(text: str) -> None:
    """A line on stderr: talk."""
    _print(text, sys.stderr)


def print_document(document: Any) -> None:
    """One JSON document on stdout."""
    import json

    speaks_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    out(json.dumps(document, indent=2, ensure_ascii=not speaks_unicode))


def print_line(document: Any) -> None:
    """One JSON object on a line of stdout, at once: whoever follows a run reads it while the run goes on."""
    import json

    out(json.dumps(document, separators=(",", ":")))
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return  # nobody reads any more: that is no reason to stop half-way through a start


def _print(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream)
    except (OSError, ValueError):
        return
