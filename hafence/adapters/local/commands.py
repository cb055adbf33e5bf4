"""Commands of the admin's own on the admin node (hooks, start commands, fence agents): bounded, without a shell."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

OUTPUT_LIMIT = 1024 * 1024
"""Bytes kept of each output. The rest is read and dropped: a command that never stops talking must not fill memory."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What came of a command. `trouble` is '' when it ran to its end, whatever its status."""

    status: int | None
    stdout: str
    stderr: str
    seconds: float
    trouble: str = ""
    started: bool = True
    """False when the command could not even be executed."""
    flooded: bool = False
    """Whether it said more than is kept: what is here is a beginning, of which nothing may be concluded."""


def run_command(
    argv: Sequence[str], within_s: float, stdin: str = "", env: Mapping[str, str] | None = None
) -> CommandResult:
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
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument, or what no argument can hold
        why = error.strerror if isinstance(error, OSError) else "can't be executed as it is written"
        return CommandResult(None, "", "", time.monotonic() - begun, f"{argv[0]}: {why}", started=False)
    pipes = _Pipes(process, stdin.encode())
    try:
        ended = pipes.carry(begun + within_s)
        if not ended:
            _kill(process)
            pipes.carry(time.monotonic() + 1)  # what it said before; a grandchild may still hold the pipe
    except BaseException:
        _kill(process)
        raise
    finally:
        pipes.close()
    return CommandResult(
        process.returncode if ended else None,
        _text(pipes.kept[0]),
        _text(pipes.kept[1]),
        time.monotonic() - begun,
        "" if ended else f"{argv[0]} did not end within {within_s:.0f} s",
        flooded=pipes.flooded,
    )


class _Pipes:
    """The three pipes of a process."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self._process = process
        self._to_send = stdin
        self._in = process.stdin
        self._outs = [process.stdout, process.stderr]
        self._open = list(self._outs)
        self.kept = (bytearray(), bytearray())
        self.flooded = False
        for pipe in (self._in, *self._outs):
            os.set_blocking(pipe.fileno(), False)

    def carry(self, until: float) -> bool:
        """Feed and read until both outputs have ended, and the process too; False when time ran out first."""
        with selectors.DefaultSelector() as selector:
            for pipe in self._open:
                selector.register(pipe, selectors.EVENT_READ)
            if not self._in.closed:
                selector.register(self._in, selectors.EVENT_WRITE)
            while self._open:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                for key, _ in selector.select(left):
                    if not (self._send() if key.fileobj is self._in else self._receive(key.fileobj)):
                        selector.unregister(key.fileobj)
                        if key.fileobj is self._in:
                            self._in.close()
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _send(self) -> bool:
        """Whether there is more to send."""
        try:
            self._to_send = self._to_send[os.write(self._in.fileno(), self._to_send) :] if self._to_send else b""
        except BrokenPipeError:  # it does not want to hear; its exit status tells the rest
            self._to_send = b""
        return bool(self._to_send)

    def _receive(self, pipe: object) -> bool:
        """Whether the output goes on."""
        number = 0 if pipe is self._outs[0] else 1
        data = os.read(self._outs[number].fileno(), 65536)
        room = OUTPUT_LIMIT - len(self.kept[number])
        self.kept[number].extend(data[:room])
        self.flooded |= len(data) > room
        if not data:
            self._open.remove(self._outs[number])
        return bool(data)

    def close(self) -> None:
        for pipe in (self._in, *self._outs):
            with suppress(OSError):
                pipe.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(2)


def _text(output: bytes | bytearray) -> str:
    return output.decode("utf-8", "replace")


def last_words(run: CommandResult, limit: int = 200) -> str:
    """The last line that a command of the admin's own said, made printable; for its author, in an error."""
    lines = [line for line in (run.stderr or run.stdout).splitlines() if line.strip()]
    return printable(lines[-1].strip(), limit) if lines else ""


def printable(text: str, limit: int = 200) -> str:
    """A line of somebody else's, of at most `limit` characters, with nothing in it that a terminal would obey."""
    words = "".join(char if char.isprintable() else "?" for char in text[: limit + 1])
    return words if len(words) <= limit else words[: limit - 1] + "…"
