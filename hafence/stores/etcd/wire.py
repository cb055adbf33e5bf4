"""One member of an etcd cluster, spoken to over HTTP: its JSON gateway. What comes back is bytes, judged elsewhere.

A call ends in one of three ways, which must never be taken for each other: an answer; nothing was sent (`Unsent`); or
something was sent and what became of it is not known (`Lost`).
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CONNECT_S = 2.0
"""For one TCP connection, and again for the TLS on it."""

REPLY_MOST = 32 * 1024 * 1024
"""Bytes of an answer. Who sends more is no etcd that holds a hafence store, or was asked for too much at once."""


class Unsent(Exception):
    """No connection came about: nothing has happened. The message is for people."""


class Lost(Exception):
    """The request may have been carried out. The message is for people."""


class TooLong(Exception):
    """The answer is longer than REPLY_MOST."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a member said."""

    status: int
    body: bytes


def tls_context(ca: str, cert: str = "", key: str = "") -> ssl.SSLContext:
    """TLS that believes members only whose certificate `ca` has signed for the name that they are called by.

    Raises OSError (which ssl.SSLError is) for a file that cannot be used.
    """
    context = ssl.create_default_context(cafile=ca)
    if cert:
        # Without the callable, a key with a passphrase would make OpenSSL ask for it on the terminal.
        context.load_cert_chain(cert, key, password=lambda: "")
    return context


class Member:
    """One member. Its connection is kept from call to call. Not for several threads at once."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self.name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._host = host
        self._port = port
        self._context = context
        self._sock: socket.socket | None = None

    def call(self, path: str, body: bytes, token: str, within_s: float) -> Answer:
        """POST `body`, and hear the answer within `within_s` seconds. Raises Unsent, Lost or TooLong."""
        give_up_at = time.monotonic() + within_s
        sock = self._connected(min(within_s, CONNECT_S))
        keep = False
        try:
            sock.settimeout(max(0.001, give_up_at - time.monotonic()))
            sock.sendall(self._request(path, body, token))
            answer, keep = _hear(sock, give_up_at)
        # ValueError: a chunk's length, or a header, that is none. AssertionError: http.client's own surprise.
        except (OSError, http.client.HTTPException, ValueError, AssertionError) as error:
            hint = "; does it want TLS? Then add ca= to the URL" if _is_cut(error) and self._context is None else ""
            raise Lost(f"{self.name} {_in_words(error)}{hint}") from None
        finally:
            if not keep:
                self.close()  # a half-read answer must never be taken for the next one's
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _connected(self, within_s: float) -> socket.socket:
        if self._sock is not None and select.select([self._sock], [], [], 0)[0]:
            self.close()  # it was closed at the other end, or something came that nobody asked for
        if self._sock is None:
            sock = None
            try:
                sock = socket.create_connection((self._host, self._port), within_s)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context is not None:
                    sock = self._context.wrap_socket(sock, server_hostname=self._host)
            except (OSError, UnicodeError) as error:
                if sock is not None:
                    sock.close()
                raise Unsent(f"{self.name} {_in_words(error)}") from None
            self._sock = sock
        return self._sock

    def _request(self, path: str, body: bytes, token: str) -> bytes:
        lines = [f"POST {path} HTTP/1.1", f"Host: {self.name}", "Content-Type: application/json"]
        if token:
            lines.append(f"Authorization: {token}")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _hear(sock: socket.socket, give_up_at: float) -> tuple[Answer, bool]:
    """The answer, and whether the connection can be used again."""
    response = http.client.HTTPResponse(_Paced(sock, give_up_at), method="POST")  # type: ignore[arg-type]
    try:
        response.begin()
        parts, size = [], 0
        while part := response.read(1024 * 1024):
            size += len(part)
            if size > REPLY_MOST:
                raise TooLong
            parts.append(part)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return Answer(response.status, b"".join(parts)), not response.will_close
    finally:
        response.close()


class _Paced:
    """A socket whose file may be read until a moment: a member that sends a byte now and then ends in time, too."""

    def __init__(self, sock: socket.socket, give_up_at: float) -> None:
        self._reader = _PacedReader(sock, give_up_at)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The reading end."""
        return io.BufferedReader(self._reader)


class _PacedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, give_up_at: float) -> None:
        self._sock = sock
        self._give_up_at = give_up_at

    def readable(self) -> bool:
        return True

    def readinto(self, into: WriteableBuffer) -> int:
        left_s = self._give_up_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)
        return self._sock.recv_into(into)


def _is_cut(error: Exception) -> bool:
    return isinstance(error, ConnectionResetError | http.client.IncompleteRead)


def _in_words(error: Exception) -> str:
    """What went wrong, never in the member's own words."""
    match error:
        case TimeoutError():
            return "did not answer in time"
        case ssl.SSLCertVerificationError():
            return f"shows a certificate that is not believed ({error.verify_message})"
        case ssl.SSLError():
            return f"does not speak TLS as it should ({error.reason or 'unknown reason'})"
        case socket.gaierror():
            return "is a name that cannot be looked up"
        case _ if _is_cut(error):
            return "closed the connection before its answer was whole"
        case OSError():
            return f"cannot be spoken to ({error.strerror or 'no reason given'})"
        case _:
            return "answered something that is not HTTP"
