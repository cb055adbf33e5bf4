"""When etcd says no: whether that is certain, and what would help."""

from __future__ import annotations

from typing import Any

from ..url import EtcdPlace
from .reply import OddReply, document_in
from .wire import Answer

_INVALID, _NOT_FOUND, _EXISTS, _FORBIDDEN, _EXHAUSTED, _PRECONDITION = 3, 5, 6, 7, 8, 9
_OUT_OF_RANGE, _UNIMPLEMENTED, _UNAUTHENTICATED = 11, 12, 16
_CERTAIN = frozenset(
    {
        _INVALID,
        _NOT_FOUND,
        _EXISTS,
        _FORBIDDEN,
        _EXHAUSTED,
        _PRECONDITION,
        _OUT_OF_RANGE,
        _UNIMPLEMENTED,
        _UNAUTHENTICATED,
    }
)
"""gRPC's codes of what was not done. After any other (no leader, time-out, unknown) it may have been, or may be yet."""


class Refused(Exception):
    """A request that was certainly not carried out."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self._code = code
        self._message = message

    @property
    def wants_login(self) -> bool:
        """The token is unknown or too old: etcd's own end after five minutes, and a member that was started anew."""
        return self._code == _UNAUTHENTICATED or "auth store is old" in self._message or self._no_user

    @property
    def means_no_logins(self) -> bool:
        """The cluster has no authentication switched on."""
        return self._code == _PRECONDITION

    @property
    def lease_is_gone(self) -> bool:
        """The lease of etcd's own, under which something was to be put, has ended."""
        return self._code == _NOT_FOUND

    @property
    def _no_user(self) -> bool:
        return "user name is empty" in self._message

    def in_words(self, place: EtcdPlace) -> str:
        """What it means, with the way out."""
        if self._no_user or (self._code in (_FORBIDDEN, _UNAUTHENTICATED) and not place.user):
            return "it wants a user: add user= and password_file= or password_command= to its URL"
        if self._code == _FORBIDDEN:
            return (
                f"user {place.user} may not read and write the keys under {place.prefix}: grant that "
                f"(etcdctl role grant-permission ROLE --prefix=true readwrite {place.prefix})"
            )
        if self._code == _EXHAUSTED and "space" in self._message:
            return "its database is full: compact and defragment it, then 'etcdctl alarm disarm'"
        if "too large" in self._message:
            return "what is to be written is larger than it takes: raise its --max-request-bytes"
        if "compacted" in self._message:
            return "what was being read was compacted away meanwhile: run again"
        return f"it says {self._message!r}"


def refusal_in(answer: Answer) -> Refused | None:
    """Why an answer that is no 200 says no; None where the outcome is not known. Raises OddReply."""
    try:
        document: dict[str, Any] = document_in(answer.body)
    except OddReply:
        if answer.status < 500:
            raise OddReply(_not_in_json(answer)) from None
        return None
    code, message = document.get("code"), document.get("message", document.get("error"))
    if type(code) is not int or not isinstance(message, str):
        if answer.status >= 500:
            return None
        raise OddReply(f"HTTP status {answer.status} without a reason")
    if code == _EXHAUSTED and "space" not in message:
        return None  # too many requests: it may take the next one
    return Refused(code, _plain(message)) if code in _CERTAIN else None


def _not_in_json(answer: Answer) -> str:
    if b"HTTPS server" in answer.body[:200]:
        return "it wants TLS (add ca= to the URL)"
    if answer.status == 404:
        return "it has no JSON gateway under /v3 (an etcd before 3.4, or one started without it)"
    return f"HTTP status {answer.status} without a reason"


def _plain(message: str) -> str:
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in message[:200])
