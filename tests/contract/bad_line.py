"""A line to etcd that loses what is said: a relay on loopback that cuts connections when it is told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Cut = Callable[[bytes], bool]
"""Of one request, whole: is it to be lost?"""


Bend = Callable[[bytes, bytes], bytes | None]
"""Of one request and its answer, whole: what is said instead before the line is cut; None: nothing else."""


@dataclass
class BadLine:
    """The relay. `swallow`: which requests are lost on their way. `lose`: which answers are, once all is done."""

    port: int
    swallow: Cut = lambda _request: False
    lose: Cut = lambda _request: False
    bend: Bend = lambda _request, _answer: None
    lost: list[bytes] = field(default_factory=list)


@contextmanager
def bad_line(to_port: int) -> Iterator[BadLine]:
    server = socket.create_server(("127.0.0.1", 0))
    line = BadLine(server.getsockname()[1])
    threading.Thread(target=_serve, args=(server, line, to_port), daemon=True).start()
    try:
        yield line
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def _serve(server: socket.socket, line: BadLine, to_port: int) -> None:
    while True:
        try:
            near, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_relay, args=(near, line, to_port), daemon=True).start()


def _relay(near: socket.socket, line: BadLine, to_port: int) -> None:
    # Either end may be gone by the time something is passed on.
    with suppress(OSError), near, socket.create_connection(("127.0.0.1", to_port)) as far:
        while request := _message(near):
            if line.swallow(request):
                line.lost.append(request)
                return
            far.sendall(request)
            answer = _message(far)
            if line.lose(request):
                line.lost.append(request)
                return
            instead = line.bend(request, answer)
            if instead is not None:
                near.sendall(instead)
                return
            near.sendall(answer)


def _message(sock: socket.socket) -> bytes:
    """One HTTP message; b'' at the end. Chunked ones (errors) end at the zero chunk and its trailer."""
    got = b""
    while True:
        head, found, body = got.partition(b"\r\n\r\n")
        if found:
            lines = head.lower().split(b"\r\n")
            lengths = [int(text.split(b":")[1]) for text in lines if text.startswith(b"content-length:")]
            if lengths and len(body) >= lengths[0]:
                return got
            if not lengths and b"\r\n0\r\n" in b"\r\n" + body and got.endswith(b"\r\n\r\n"):
                return got
        try:
            part = sock.recv(65536)
        except OSError:
            return b""
        if not part:
            return b""
        got += part
