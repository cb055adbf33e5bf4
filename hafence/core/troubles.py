"""How far an attempt came that did not run to its end, what that says about the suspect, and what would help."""

from __future__ import annotations

from enum import Enum


class Trouble(Enum):
    """How far an attempt came when it did not run to its end: stable words.

    The sibling's own troubles say nothing about the suspect: the next sibling is asked. Of the suspect's,
    only time-outs and missing routes mean unreachable, and only from a sibling that was seen to work right after.
    """

    SIBLING_UNREACHABLE = "sibling_unreachable"
    SIBLING_LOGIN = "sibling_login"
    SIBLING_HOST_KEY = "sibling_host_key"
    SIBLING_FORBIDS = "sibling_forbids"
    SIBLING_LOST = "sibling_lost"
    SIBLING_COULD_NOT_TRY = "sibling_could_not_try"
    SIBLING_FROZEN = "sibling_frozen"
    TIMED_OUT = "timed_out"
    NO_ROUTE = "no_route"
    FAST_NO_ROUTE = "fast_no_route"
    REFUSED = "refused"
    NO_BANNER = "no_banner"
    HOST_KEY_UNKNOWN = "host_key_unknown"
    HOST_KEY_CHANGED = "host_key_changed"
    LOGIN_FAILED = "login_failed"
    LOGIN_BY_ADDRESS = "login_by_address"
    SECOND_FACTOR = "second_factor"
    NO_ALGORITHM = "no_algorithm"
    SESSION_REFUSED = "session_refused"
    CUT = "cut"
    NO_REPLY_IN_TIME = "no_reply_in_time"
    NAME_UNKNOWN = "name_unknown"
    PROTOCOL_ERROR = "protocol_error"

    @property
    def says(self) -> str:
        """The sentence for people, about a suspect behind a sibling."""
        return _SAYS[self]


_SAYS = {
    Trouble.SIBLING_UNREACHABLE: "the sibling could not be reached",
    Trouble.SIBLING_LOGIN: "the login on the sibling failed",
    Trouble.SIBLING_HOST_KEY: "the sibling's host key is unknown or has changed",
    Trouble.SIBLING_FORBIDS: "the sibling forbids forwarding to the suspect",
    Trouble.SIBLING_LOST: "the sibling was lost midway",
    Trouble.SIBLING_COULD_NOT_TRY: (
        "the sibling could not even try to connect: it has no route of its own, or hit a limit"
    ),
    Trouble.SIBLING_FROZEN: "nothing answered, and the sibling itself was not seen to work right after",
    Trouble.TIMED_OUT: "the suspect did not answer before the time-out",
    Trouble.NO_ROUTE: "the sibling found no route to the suspect",
    Trouble.FAST_NO_ROUTE: "'no route', too fast for an unanswered ARP request: perhaps a firewall spoke",
    Trouble.REFUSED: "the suspect refused the connection: its kernel lives",
    Trouble.NO_BANNER: "the suspect took the connection and sent no SSH banner: its kernel lives",
    Trouble.HOST_KEY_UNKNOWN: "the suspect's host key is not in known_hosts",
    Trouble.HOST_KEY_CHANGED: "the suspect's host key has changed: another machine may hold its address",
    Trouble.LOGIN_FAILED: "the suspect refused the login",
    Trouble.LOGIN_BY_ADDRESS: (
        "the suspect refused the login, which it takes from this machine's address: it goes by the address that it sees"
    ),
    Trouble.SECOND_FACTOR: "the suspect wants a second factor after the key, and nobody is asked for one",
    Trouble.NO_ALGORITHM: "the suspect's sshd and hafence have no SSH algorithm in common",
    Trouble.SESSION_REFUSED: "the suspect refused to open a session",
    Trouble.CUT: "the suspect's session was lost midway",
    Trouble.NO_REPLY_IN_TIME: "the suspect did not finish before the time-out",
    Trouble.NAME_UNKNOWN: "the address could not be resolved",
    Trouble.PROTOCOL_ERROR: "the SSH conversation broke down",
}


SIBLING_SIDE = frozenset(
    {
        Trouble.SIBLING_UNREACHABLE,
        Trouble.SIBLING_LOGIN,
        Trouble.SIBLING_HOST_KEY,
        Trouble.SIBLING_FORBIDS,
        Trouble.SIBLING_LOST,
        Trouble.SIBLING_COULD_NOT_TRY,
        Trouble.SIBLING_FROZEN,
    }
)
"""Troubles after which the next sibling is asked: nothing was learnt about the suspect."""


SILENT = frozenset({Trouble.TIMED_OUT, Trouble.NO_ROUTE, Trouble.FAST_NO_ROUTE})
"""FAST_NO_ROUTE is here since a cluster that keeps asking for a dead host's address has ARP requests under
way at any time, and the answer to a new connection is then fast too. It is the weakest of the three: no
policy believes it unless a witness has looked (see decision.py)."""


_WAY_OUT = {
    Trouble.REFUSED: "start sshd there, or power the host off and say so with 'hafence confirm-dead'",
    Trouble.NO_BANNER: "the host is overloaded or short of memory: free it, or power it off and 'hafence confirm-dead'",
    Trouble.HOST_KEY_UNKNOWN: "collect its key while you trust the network: 'hafence inventory scan-keys'",
    Trouble.HOST_KEY_CHANGED: "find out which machine holds the address before anything else",
    Trouble.LOGIN_FAILED: "check the key and the user of this host: 'hafence audit' rehearses the login",
    Trouble.LOGIN_BY_ADDRESS: (
        "let the key in from the siblings' addresses, too: from= in its authorized_keys, and Match Address and"
        " AllowUsers in its sshd_config"
    ),
    Trouble.SECOND_FACTOR: "let hafence's key suffice there: 'AuthenticationMethods publickey' for its user",
    Trouble.NO_ALGORITHM: "allow one that hafence knows in the sshd_config there, too",
    Trouble.SESSION_REFUSED: "raise MaxSessions there, or see why the session was refused",
    Trouble.FAST_NO_ROUTE: "look for a firewall on the suspect or on the sibling",
    Trouble.NAME_UNKNOWN: "give the host's address as an IP address",
    Trouble.SIBLING_FORBIDS: "allow forwarding to the suspect's SSH port on the sibling (permitopen)",
    Trouble.SIBLING_COULD_NOT_TRY: "check the sibling's routes to the suspect",
    Trouble.SIBLING_LOGIN: "check the key and the user of the sibling",
    Trouble.SIBLING_HOST_KEY: "collect the sibling's key: 'hafence inventory scan-keys'",
}


def met_straight(trouble: Trouble, note: str = "") -> str:
    """A trouble on the admin node's own way to a host: the words above are for a suspect behind a sibling."""
    words = trouble.says.replace("the suspect's", "its").replace("the suspect", "it")
    words = words.replace("the sibling found", "there is")
    return f"{words} ({note})" if note else words


def way_out(trouble: Trouble) -> str:
    """What an admin can do about a trouble."""
    return own_way_out(trouble) or "run the command again; 'hafence audit' shows which fence paths work"


def own_way_out(trouble: Trouble) -> str:
    """What helps against this trouble and no other; '' where nothing is known."""
    return _WAY_OUT.get(trouble, "")
