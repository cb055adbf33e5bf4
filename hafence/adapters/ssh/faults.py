"""What went wrong on an SSH connection, told apart: exceptions, the sibling's words and seconds to one Trouble.

The tables behind this were measured (OpenSSH 9.2, paramiko 5.1): through a tunnel a refused and an
unroutable suspect raise the same exception and differ only in the sibling's words, and a frozen
sibling looks like a silent suspect. Only words on the lists below are ever read or repeated.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, replace

from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    ChannelException,
    IncompatiblePeer,
    SSHException,
)

from ...core.troubles import Trouble


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A trouble and a note in hafence's own words, never the remote side's.

    `again` says that sshd closed the door before its banner, as it does when too many log in at once
    (MaxStartups): a bounded number of new attempts is right.
    """

    trouble: Trouble
    note: str = ""
    again: bool = False


class Broken(Exception):
    """A stage of a connection failed."""

    def __init__(self, fault: Obstacle) -> None:
        super().__init__(fault.trouble.says)
        self.fault = fault


class Overdue(Exception):
    """A call did not come back in its time."""


class SecondFactor(AuthenticationException):  # type: ignore[misc]  # paramiko ships no types
    """The host took the key and wants more: a password, or answers to questions of its own."""


ARP_FAILS_AFTER_S = 2.5
"""An unanswered ARP request ends in "no route" after 3 s (3 requests, 1 s apart). A firewall's answer comes
at once, or after the first repeated SYN (1 s) when the kernel that rejects limits the rate of its answers."""

GIVEN_UP = Obstacle(Trouble.PROTOCOL_ERROR, "this run gave up the connection")

_REFUSED = frozenset({errno.ECONNREFUSED})
_UNROUTED = frozenset({errno.EHOSTUNREACH, errno.EHOSTDOWN})

# strerror of glibc, then of musl, as sshd sends it when a forwarded connection fails.
_WORDS_REFUSED = frozenset({"Connection refused"})
_WORDS_NO_ROUTE = frozenset({"No route to host", "Host is unreachable"})
_WORDS_NO_NETWORK = frozenset({"Network is unreachable", "Network unreachable"})
_WORDS_TIMED_OUT = frozenset({"Connection timed out", "Operation timed out"})
_WORDS_NAME = frozenset(
    {
        "Name or service not known",
        "Temporary failure in name resolution",
        "No address associated with hostname",
        "Name does not resolve",
        "Try again",
    }
)
_WORDS_COULD_NOT_TRY = frozenset({"open failed"})


def no_route(seconds: float) -> Obstacle:
    """ "No route to host", which came after so many seconds."""
    if seconds < ARP_FAILS_AFTER_S:
        return Obstacle(Trouble.FAST_NO_ROUTE, f"after {seconds:.1f} s")
    return Obstacle(Trouble.NO_ROUTE)


def connect_fault(error: OSError, seconds: float) -> Obstacle:
    """Why a TCP connection of this machine's own could not be made."""
    if isinstance(error, socket.gaierror):
        return Obstacle(Trouble.NAME_UNKNOWN)
    if isinstance(error, TimeoutError):
        return Obstacle(Trouble.TIMED_OUT)
    if error.errno in _REFUSED:
        return Obstacle(Trouble.REFUSED)
    if error.errno in _UNROUTED:
        return no_route(seconds)
    if error.errno == errno.ENETUNREACH:
        return Obstacle(Trouble.FAST_NO_ROUTE, "the network is unreachable")
    return Obstacle(
        Trouble.PROTOCOL_ERROR, f"connecting failed with {errno.errorcode.get(error.errno or 0, 'an error')}"
    )


def tunnel_fault(error: Exception, words: str, seconds: float) -> Obstacle:
    """Why the sibling did not open the tunnel; `words` are its own.

    "open failed" is all that sshd says when it could not even begin to connect: no route of its own to
    that network, or a limit reached. That is the sibling's trouble and tells nothing of the suspect.
    """
    if not isinstance(error, ChannelException):
        if isinstance(error, SSHException) and "Timeout" in str(error):
            return Obstacle(Trouble.TIMED_OUT)
        return Obstacle(Trouble.SIBLING_LOST)
    if error.code in (1, 3):  # administratively prohibited, unknown channel type (RFC 4254, 5.1)
        return Obstacle(Trouble.SIBLING_FORBIDS)
    if words in _WORDS_REFUSED:
        return Obstacle(Trouble.REFUSED)
    if words in _WORDS_NO_ROUTE:
        return no_route(seconds)
    if words in _WORDS_NO_NETWORK:
        return Obstacle(Trouble.FAST_NO_ROUTE, "the sibling was told that the network is unreachable")
    if words in _WORDS_TIMED_OUT:
        return Obstacle(Trouble.TIMED_OUT)
    if words in _WORDS_NAME:
        return Obstacle(Trouble.NAME_UNKNOWN, "the sibling could not resolve it")
    if words in _WORDS_COULD_NOT_TRY or error.code == 4:  # resource shortage
        return Obstacle(Trouble.SIBLING_COULD_NOT_TRY)
    return Obstacle(Trouble.PROTOCOL_ERROR, "the sibling's words for the failed connection are not known to hafence")


def login_fault(error: Exception, banner_seen: bool) -> Obstacle:
    """Why the SSH conversation did not come as far as a login."""
    text = str(error)
    if isinstance(error, BadHostKeyException):
        return Obstacle(Trouble.HOST_KEY_CHANGED)
    if isinstance(error, SecondFactor):
        return Obstacle(Trouble.SECOND_FACTOR)
    if isinstance(error, AuthenticationException):
        if "timeout" in text:
            return Obstacle(Trouble.LOGIN_FAILED, "the login was not answered in time")
        if "EOF" in text:
            return Obstacle(Trouble.LOGIN_FAILED, "the connection was closed during the login")
        return Obstacle(Trouble.LOGIN_FAILED)
    if "No authentication methods" in text:
        return Obstacle(Trouble.LOGIN_FAILED, "there is no key to log in with")
    if isinstance(error, IncompatiblePeer):
        return Obstacle(Trouble.NO_ALGORITHM)
    if not banner_seen:
        closed = "protocol banner" in text
        return Obstacle(Trouble.NO_BANNER, "it closed the connection" if closed else "", again=closed)
    if "No existing session" in text:
        return Obstacle(Trouble.PROTOCOL_ERROR, "it stopped answering after its SSH banner")
    if isinstance(error, EOFError | OSError):
        return Obstacle(Trouble.PROTOCOL_ERROR, "the connection was closed during the key exchange")
    return Obstacle(Trouble.PROTOCOL_ERROR, f"the key exchange failed ({type(error).__name__})")


def session_fault(error: Exception) -> Obstacle:
    """Why no command could be begun on a connection that is logged in."""
    if isinstance(error, Overdue):
        return Obstacle(Trouble.NO_REPLY_IN_TIME, "it did not open a session")
    if isinstance(error, ChannelException):
        return Obstacle(Trouble.SESSION_REFUSED)
    if isinstance(error, SSHException) and "Channel closed" in str(error):
        return Obstacle(Trouble.SESSION_REFUSED, "it refused to run a command")
    return Obstacle(Trouble.CUT)


def of_sibling(fault: Obstacle) -> Obstacle:
    """A fault of the admin node's own connection to the sibling, told as the sibling's."""
    note = fault.note
    match fault.trouble:
        case Trouble.LOGIN_FAILED:
            return replace(fault, trouble=Trouble.SIBLING_LOGIN)
        case Trouble.SECOND_FACTOR:
            return Obstacle(Trouble.SIBLING_LOGIN, note or "it wants a second factor after the key")
        case Trouble.HOST_KEY_UNKNOWN:
            return replace(fault, trouble=Trouble.SIBLING_HOST_KEY, note=note or "it is not in known_hosts")
        case Trouble.HOST_KEY_CHANGED:
            return replace(fault, trouble=Trouble.SIBLING_HOST_KEY, note=note or "it has changed")
    if fault is GIVEN_UP:
        return fault
    words = _SIBLING_WORDS.get(fault.trouble, "the SSH conversation with it broke down")
    return Obstacle(Trouble.SIBLING_UNREACHABLE, f"{words}: {note}" if note else words)


_SIBLING_WORDS = {
    Trouble.TIMED_OUT: "it did not answer before the time-out",
    Trouble.NO_ROUTE: "there is no route to it",
    Trouble.FAST_NO_ROUTE: "there is no route to it",
    Trouble.REFUSED: "it refused the connection",
    Trouble.NO_BANNER: "it took the connection and sent no SSH banner",
    Trouble.NAME_UNKNOWN: "its address could not be resolved",
    Trouble.NO_ALGORITHM: "its sshd and hafence have no SSH algorithm in common",
}

SPOKE = frozenset(
    {
        Trouble.REFUSED,
        Trouble.HOST_KEY_UNKNOWN,
        Trouble.HOST_KEY_CHANGED,
        Trouble.SESSION_REFUSED,
        Trouble.NAME_UNKNOWN,
        Trouble.SIBLING_FORBIDS,
        Trouble.SIBLING_COULD_NOT_TRY,
        Trouble.SIBLING_LOST,
    }
)
"""Troubles in which the suspect or the sibling has just spoken. After any other the sibling must be seen to
work before the trouble is laid to the suspect."""
