"""Runs a program on the admin node itself: the admin node is a witness too."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable

from ...core.troubles import Trouble
from ..hosts.program import Program, ProgramResult

MOST_OUTPUT = 4 * 1024 * 1024
"""Bytes. A script that says more than this is not one of ours."""


def run_here(program: Program, within_s: float) -> ProgramResult:
    """Run `program` as the user that runs hafence, for at most `within_s` seconds."""
    began = time.monotonic()
    child = subprocess.Popen(
        program.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    talk = _Talk(child, program.on_line)
    finished = talk.carry(program.text.encode(), began + within_s)
    if not finished:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    talk.close()
    stdout, stderr = (bytes(buffer).decode("utf-8", "replace") for buffer in (talk.stdout, talk.stderr))
    seconds = time.monotonic() - began
    if not finished:
        return ProgramResult(Trouble.NO_REPLY_IN_TIME, "on the admin node itself", None, stdout, stderr, seconds)
    return ProgramResult(None, "", child.returncode, stdout, stderr, seconds)


class _Talk:
    """The three pipes of a child, and the conversation over them."""

    def __init__(self, child: subprocess.Popen[bytes], on_line: Callable[[str], str | None] | None) -> None:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        self._pipes = (child.stdin, child.stdout, child.stderr)
        self._in, self._out, self._err = (pipe.fileno() for pipe in self._pipes)
        self._on_line = on_line
        self._to_send = b""
        self._heard = 0
        self.stdout = bytearray()
        self.stderr = bytearray()

    def carry(self, text: bytes, until: float) -> bool:
        """Send and receive until the child has closed both its outputs; False when time or room ran out first."""
        self._to_send = text
        answers = self._on_line is not None
        for fd in (self._in, self._out, self._err):
            os.set_blocking(fd, False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            selector.register(self._err, selectors.EVENT_READ)
            sending = False
            open_outputs = 2
            if not text and not answers:
                self._pipes[0].close()
            while open_outputs:
                if bool(self._to_send) != sending:
                    sending = not sending
                    if sending:
                        selector.register(self._in, selectors.EVENT_WRITE)
                    else:
                        selector.unregister(self._in)
                        if not answers:
                            self._pipes[0].close()
                left = until - time.monotonic()
                if left <= 0 or len(self.stdout) + len(self.stderr) > MOST_OUTPUT:
                    return False
                for key, _ in selector.select(left):
                    if key.fd == self._in:
                        self._send()
                    elif not self._receive(key.fd):
                        selector.unregister(key.fd)
                        open_outputs -= 1
        return True

    def _send(self) -> None:
        try:
            self._to_send = self._to_send[os.write(self._in, self._to_send) :]
        except BrokenPipeError:  # it has ended; its exit status tells the rest
            self._to_send = b""

    def _receive(self, fd: int) -> bool:
        data = os.read(fd, 65536)
        if fd == self._err:
            self.stderr += data
            return bool(data)
        self.stdout += data
        while (end := self.stdout.find(b"\n", self._heard)) >= 0:
            line = self.stdout[self._heard : end].decode("utf-8", "replace")
            self._heard = end + 1
            answer = self._on_line(line) if self._on_line else None
            if answer is not None:
                self._to_send += answer.encode()
        return bool(data)

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()
