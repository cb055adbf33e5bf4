"""What is printed, and where. A reader or a terminal that has gone must not end a run half-way through a start."""

from __future__ import annotations

import sys
from typing import Any, TextIO


def out(text: str = "") -> None:
    """A line on stdout: a command's result."""
    _print(text, sys.stdout)


def say(text: str) -> None:
    """A line on stderr: talk."""
    _print(text, sys.stderr)


def print_document(document: Any) -> None:
    """One JSON document on stdout."""
    import json

    speaks_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    out(json.dumps(document, indent=2, ensure_ascii=not speaks_unicode))


def _print(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream)
    except (OSError, ValueError):
        return
