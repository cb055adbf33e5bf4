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


def out_folded(line: str) -> None:
    """A line on stdout that may be long. A terminal gets it folded at words, under its last column's beginning; a pipe
    gets it whole, for whoever parses it.
    """
    if not sys.stdout.isatty():
        out(line)
        return
    width = max(40, shutil.get_terminal_size().columns - 1)
    columns = [match.end() for match in re.finditer(r" {2,}", line) if match.end() <= width // 2]
    indent = " " * (columns[-1] if columns else 4)
    folded = textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    out("\n".join(folded) if folded else line)


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
