"""Passwords: read where the inventory says, when they are needed, and never said again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from .commands import run_command

SECRET_S = 10.0
"""How long a password_command may take."""


def read_secret(options: Iterable[tuple[str, str | tuple[str, ...]]], environment: Mapping[str, str]) -> str | None:
    """The password that the options name a source of, None if they name none.

    Raises OSError or ValueError, whose words never hold it.
    """
    for name, value in options:
        match name:
            case "password_file":
                try:
                    return _one_line(Path(str(value)).read_text(encoding="utf-8"), f"{value}")
                except UnicodeError:
                    raise ValueError(f"{value} is not UTF-8") from None
            case "password_env":
                secret = environment.get(str(value))
                if secret is None:
                    raise ValueError(f"{value} is not in the environment")
                try:
                    secret.encode()
                except UnicodeError:
                    raise ValueError(f"{value} is not UTF-8") from None
                return _one_line(secret, f"{value}")
            case "password_command":
                argv = [*value] if isinstance(value, tuple) else shlex.split(value)
                run = run_command(argv, SECRET_S)
                if run.status != 0:
                    raise ValueError(f"password_command failed ({run.trouble or f'exit {run.status}'})")
                if run.flooded or "\ufffd" in run.stdout:  # a beginning, or bytes that were never text
                    raise ValueError("password_command does not print one line of UTF-8")
                return _one_line(run.stdout, "password_command")
    return None


def _one_line(text: str, source: str) -> str:
    """A secret is one line: a second one would be another option to a fence agent."""
    lines = text.rstrip("\n").split("\n")
    if len(lines) != 1 or not lines[0] or "\r" in lines[0] or "\0" in lines[0]:
        raise ValueError(f"{source} does not hold exactly one line")
    return lines[0]
