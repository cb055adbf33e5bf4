"""One program on an open connection: its text to stdin, its output back, its exit status as it came.

Fabric's `run` feeds stdin a byte per 10 ms and can't answer a line; this talks on a channel itself.
Three threads (stdin, stdout, stderr) move the bytes, so that a program of megabytes and its output
never wait for each other; the caller waits for them until its deadline and no longer. They end when the
channel is closed.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...core.troubles import Trouble
from ..hosts.program import Program, remote_command
from .faults import Obstacle, session_fault
from .link import CLOSE_S, Link, within

STDOUT_LIMIT = 4 * 1024 * 1024
STDERR_LIMIT = 64 * 1024
CHUNK = 32 * 1024

STREAMS_END_S = 1.0
"""How long output may still come after the exit status. A background process that a command left behind holds
the streams open for as long as it lives."""

_LOOK_AGAIN_S = 0.25
_END_OF_INPUT = None


@dataclass(frozen=True, slots=True)
class Talked:
    """What came back. `exit_status` is None when none was received; `fault` is None when one was."""

    fault: Obstacle | None
    exit_status: int | None = None
    stdout: str = ""
    stderr: str = ""


class _Streams:
    """The three streams of one running command."""

    def __init__(self, channel: Any, program: Program) -> None:
        self._channel = channel
        self._on_line = program.on_line
        self._to_send: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._to_send.put(program.text.encode())
        if program.on_line is None:
            self._to_send.put(_END_OF_INPUT)
        self.stdout: list[bytes] = []
        self.stderr: list[bytes] = []
        self.flooded = False
        self.error: Exception | None = None
        self.out_ended = threading.Event()
        self.err_ended = threading.Event()
        for work in (self._send, self._read_stdout, self._read_stderr):
            threading.Thread(target=work, daemon=True).start()

    def stop_sending(self) -> None:
        """Let the sending thread end."""
        self._to_send.put(_END_OF_INPUT)

    def _send(self) -> None:
        # A command that ends early closes its stdin; its exit status tells what that means.
        with contextlib.suppress(Exception):
            while (data := self._to_send.get()) is not _END_OF_INPUT:
                for start in range(0, len(data), CHUNK):
                    self._channel.sendall(data[start : start + CHUNK])
            self._channel.shutdown_write()

    def _read_stdout(self) -> None:
        size = 0
        begun = b""
        try:
            while chunk := self._channel.recv(CHUNK):
                size += len(chunk)
                if size > STDOUT_LIMIT:
                    self.flooded = True
                    return
                self.stdout.append(chunk)
                if self._on_line is not None:
                    *lines, begun = (begun + chunk).split(b"\n")
                    self._answer(self._on_line, lines)
        except Exception as error:  # from on_line: a bug, and the caller's to see
            self.error = error
        finally:
            self.out_ended.set()

    def _answer(self, on_line: Callable[[str], str | None], lines: list[bytes]) -> None:
        for line in lines:
            answer = on_line(line.decode("utf-8", "replace"))
            if answer is not None:
                self._to_send.put(answer.encode())

    def _read_stderr(self) -> None:
        size = 0
        try:
            # Read on beyond the limit: unread output would stop the command.
            while chunk := self._channel.recv_stderr(CHUNK):
                if size < STDERR_LIMIT:
                    self.stderr.append(chunk[: STDERR_LIMIT - size])
                size += len(chunk)
        finally:
            self.err_ended.set()


def talk(link: Link, program: Program, within_s: float) -> Talked:
    """Run the program's command, send it the text, and wait for its end at most `within_s` seconds.

    An exception of `program.on_line` is raised here. A command that could not be waited for lives on over
    there: it has to bound itself.
    """
    deadline = time.monotonic() + within_s
    command = remote_command(link.host, within_s + program.stays_s, program.command)

    def until() -> float:
        return deadline + program.stays_s if program.stays() else deadline

    try:
        channel = within(within_s, partial(_begin, link, command, within_s))
    except Exception as error:
        fault = session_fault(error)
        # A connection that has just died closes its channels first, which looks like a refusal.
        if fault.trouble is Trouble.SESSION_REFUSED and not link.answers():
            fault = Obstacle(Trouble.CUT)
        return Talked(fault)
    streams = _Streams(channel, program)
    try:
        ended = _await_end(channel, streams, until)
    finally:
        streams.stop_sending()
    if streams.error is not None:
        raise streams.error
    stdout = b"".join(streams.stdout).decode("utf-8", "replace")
    stderr = b"".join(streams.stderr).decode("utf-8", "replace")
    if streams.flooded:
        return Talked(
            Obstacle(Trouble.PROTOCOL_ERROR, f"more than {STDOUT_LIMIT >> 20} MiB of output"), None, stdout, stderr
        )
    if not ended:
        return Talked(Obstacle(Trouble.NO_REPLY_IN_TIME), None, stdout, stderr)
    status = channel.exit_status
    with contextlib.suppress(Exception):
        within(CLOSE_S, channel.close)
    if status < 0:
        return Talked(Obstacle(Trouble.CUT), None, stdout, stderr)
    return Talked(None, status, stdout, stderr)


def _begin(link: Link, command: str, within_s: float) -> Any:
    # Longer than `within`, whose clock is monotonic: paramiko's is the wall clock.
    channel = link.wire.open_session(timeout=within_s + 5)
    channel.exec_command(command)
    return channel


def _await_end(channel: Any, streams: _Streams, until: Callable[[], float]) -> bool:
    """Wait for the streams to end and the exit status to come. False when the moment `until` which came first."""

    def left_s() -> float:
        return max(0.0, until() - time.monotonic())

    while not streams.out_ended.wait(min(_LOOK_AGAIN_S, left_s())):
        if not left_s():
            return False
        if channel.status_event.is_set():
            read = len(streams.stdout)
            quiet = not streams.out_ended.wait(min(STREAMS_END_S, left_s()))
            if quiet and len(streams.stdout) == read:
                break
    if streams.flooded or streams.error is not None:
        return True
    if streams.out_ended.is_set():
        streams.err_ended.wait(min(STREAMS_END_S, left_s()))
    return bool(channel.status_event.wait(left_s()))
