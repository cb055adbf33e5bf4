"""Commands of the admin's own on the admin node (hooks, start commands, fence agents): bounded, without a shell."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

OUTPUT_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CommandRun:
    """What came of a command. `trouble` is '' when it ran to its end, whatever its status."""

    status: int | None
    stdout: str
    stderr: str
    seconds: float
    trouble: str = ""
    started: bool = True
    """False when the command could not even be executed."""


def run_command(
    argv: Sequence[str], within_s: float, stdin: str = "", env: Mapping[str, str] | None = None
) -> CommandRun:
    """Run a command and wait for it at most `within_s` seconds; then its whole process group is killed.

    Killing the group matters: a command that left a child behind would otherwise hold our pipe, and so us.
    """
    begun = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if env is None else {**os.environ, **env},
            start_new_session=True,
        )
    except OSError as error:
        return CommandRun(None, "", "", time.monotonic() - begun, f"{argv[0]}: {error.strerror}", started=False)
    trouble = ""
    try:
        out, err = process.communicate(stdin.encode(), timeout=max(0.0, within_s))
    except subprocess.TimeoutExpired:
        trouble = f"{argv[0]} did not end within {within_s:.0f} s"
        out, err = _kill(process)
    except BaseException:
        _kill(process)
        raise
    seconds = time.monotonic() - begun
    return CommandRun(None if trouble else process.returncode, _text(out), _text(err), seconds, trouble)


def _kill(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=2)
    except subprocess.TimeoutExpired:  # a grandchild with a session of its own still holds the pipe
        return b"", b""


def _text(output: bytes) -> str:
    return output[:OUTPUT_LIMIT].decode("utf-8", "replace")


def last_words(run: CommandRun, limit: int = 200) -> str:
    """The last line that a command of the admin's own said, made printable; for its author, in an error."""
    lines = [line for line in (run.stderr or run.stdout).splitlines() if line.strip()]
    words = "".join(char if char.isprintable() else "?" for char in lines[-1].strip()) if lines else ""
    return words if len(words) <= limit else words[: limit - 1] + "…"
