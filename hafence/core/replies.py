"""The fence order, the reply to it, and the one reading of a reply: `interpret()`.

An exit status cannot carry a verdict: ssh ends with 255 for a refused connection, a remote `exit 255`
and a killed remote shell alike, and `timeout` ends with 124 on both ends. So the script on the suspect
prints lines that carry the protocol version, the order's nonce, the VM and the verdict, and exits with
a status that must agree with them:

    hafence/1 NONCE hello clock=1763824000.123 machine=HEX32|- host=NAME
    hafence/1 NONCE vm UUID dead|alive|unknown KEY=VALUE …        (once for each VM of the order)
    hafence/1 NONCE end vms=N

Exit status: 0 when every VM is dead, 10 when one is alive, 11 otherwise. Lines that do not begin with
`hafence/` are other programs' talk (a `.bashrc`, a banner) and are passed over; a line that does begin so
and is not exactly one of the above makes the whole reply ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .model import HostName, Uuid
from .whys import sentence

PROTOCOL = "hafence/1"
STATUS_DEAD, STATUS_ALIVE, STATUS_UNKNOWN = 0, 10, 11


class Verdict(Enum):
    """Of one attempt. Only positive proof is CONFIRMED_DEAD; whatever is not one of three is AMBIGUOUS."""

    CONFIRMED_DEAD = "confirmed_dead"
    STILL_ALIVE = "still_alive"
    UNREACHABLE = "unreachable"
    AMBIGUOUS = "ambiguous"


class Trouble(Enum):
    """How far an attempt came when it did not run to its end; the value is the sentence for people.

    The sibling's own troubles say nothing about the suspect: the next sibling is asked. Of the suspect's,
    only time-outs and missing routes mean unreachable, and only from a sibling that was seen to work right after.
    """

    SIBLING_UNREACHABLE = "the sibling could not be reached"
    SIBLING_LOGIN = "the login on the sibling failed"
    SIBLING_HOST_KEY = "the sibling's host key is unknown or has changed"
    SIBLING_FORBIDS = "the sibling forbids forwarding to the suspect"
    SIBLING_LOST = "the sibling was lost midway"
    SIBLING_COULD_NOT_TRY = "the sibling could not even try to connect: it has no route of its own, or hit a limit"
    SIBLING_FROZEN = "nothing answered, and the sibling itself was not seen to work right after"
    TIMED_OUT = "the suspect did not answer before the time-out"
    NO_ROUTE = "the sibling found no route to the suspect"
    FAST_NO_ROUTE = "'no route', too fast for an unanswered ARP request: perhaps a firewall spoke"
    REFUSED = "the suspect refused the connection: its kernel lives"
    NO_BANNER = "the suspect took the connection and sent no SSH banner: its kernel lives"
    HOST_KEY_UNKNOWN = "the suspect's host key is not in known_hosts"
    HOST_KEY_CHANGED = "the suspect's host key has changed: another machine may hold its address"
    LOGIN_FAILED = "the suspect refused the login"
    SESSION_REFUSED = "the suspect refused to open a session"
    CUT = "the suspect's session was lost midway"
    NO_REPLY_IN_TIME = "the suspect did not finish before the time-out"
    NAME_UNKNOWN = "the address could not be resolved"
    PROTOCOL_ERROR = "the SSH conversation broke down"


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

_SILENT = frozenset({Trouble.TIMED_OUT, Trouble.NO_ROUTE, Trouble.FAST_NO_ROUTE})
"""FAST_NO_ROUTE is here since a cluster that keeps asking for a dead host's address has ARP requests under
way at any time, and the answer to a new connection is then fast too. It is the weakest of the three: no
policy believes it unless a witness has looked (see decision.py)."""

_WAY_OUT = {
    Trouble.REFUSED: "start sshd there, or power the host off and say so with 'hafence confirm-dead'",
    Trouble.NO_BANNER: "the host is overloaded or short of memory: free it, or power it off and 'hafence confirm-dead'",
    Trouble.HOST_KEY_UNKNOWN: "collect its key while you trust the network: 'hafence inventory scan-keys'",
    Trouble.HOST_KEY_CHANGED: "find out which machine holds the address before anything else",
    Trouble.LOGIN_FAILED: "check the key and the user of this host: 'hafence audit' rehearses the login",
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
    words = trouble.value.replace("the suspect's", "its").replace("the suspect", "it")
    words = words.replace("the sibling found", "there is")
    return f"{words} ({note})" if note else words


def way_out(trouble: Trouble) -> str:
    """What an admin can do about a trouble."""
    return _WAY_OUT.get(trouble, "run the command again; 'hafence audit' shows which fence paths work")


@dataclass(frozen=True, slots=True)
class FenceOrder:
    """Fence `vms` on `suspect` through `proxy`, in one SSH session and one command.

    `within_s` bounds the script on the suspect from the moment it says hello (its own clock; the order
    carries the absolute end in that clock), `settle_s` is the time between the two scans. With `rehearse`
    the same path is gone and nothing is killed. `not_after` (admin node's clock, seconds since the
    epoch) is the end of the lease: no destructive step may begin later.
    `proxy` is None only where the admin node itself removes a copy that this very run has started.
    """

    suspect: HostName
    proxy: HostName | None
    vms: tuple[Uuid, ...]
    within_s: float
    settle_s: float
    not_after: float
    rehearse: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an order. `exit_status` is None when none was received."""

    nonce: str
    trouble: Trouble | None
    exit_status: int | None
    stdout: str
    seconds: float
    at: float
    """When the reply was complete, by the admin node's clock."""
    note: str = ""
    """More about `trouble` in hafence's own words; never raw remote output."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one VM of an order, the sentence that goes with it, and what the script counted."""

    verdict: Verdict
    detail: str
    facts: Mapping[str, str]
    trouble: Trouble | None = None
    machine_id: str | None = None

    @property
    def sibling_side(self) -> bool:
        """Whether the attempt failed before it said anything about the suspect."""
        return self.trouble in SIBLING_SIDE


_HELLO = re.compile(
    r"hello clock=([0-9]{1,12}(?:\.[0-9]{1,9})?) machine=([0-9a-f]{32}|-) host=([A-Za-z0-9._-]{1,255}|-)\Z"
)
_VM = re.compile(r"vm ([0-9a-f-]{36}) (dead|alive|unknown)((?: [a-z_]{1,20}=[A-Za-z0-9._,:-]{0,80})*)\Z")
_END = re.compile(r"end vms=([0-9]{1,6})\Z")
_EXPECTED_STATUS = {"dead": STATUS_DEAD, "alive": STATUS_ALIVE, "unknown": STATUS_UNKNOWN}


def interpret(order: FenceOrder, reply: Reply, known_machine_id: str | None = None) -> dict[Uuid, Finding]:
    """Read a reply: one finding for each VM of the order.

    `known_machine_id` is what this host said at an earlier, trusted look; another machine behind the
    address makes the whole reply ambiguous. Nothing here turns an error into a verdict: whatever is
    missing, doubled, contradictory, foreign, truncated or at odds with the exit status is AMBIGUOUS.
    """
    if reply.trouble is not None:
        verdict = Verdict.UNREACHABLE if reply.trouble in _SILENT else Verdict.AMBIGUOUS
        detail = f"{reply.trouble.value} ({reply.note})" if reply.note else reply.trouble.value
        return {vm: Finding(verdict, detail, {}, reply.trouble) for vm in order.vms}
    parsed = _parse(order, reply, known_machine_id)
    if isinstance(parsed, str):
        return {vm: Finding(Verdict.AMBIGUOUS, parsed, {}) for vm in order.vms}
    return parsed


def _parse(order: FenceOrder, reply: Reply, known_machine_id: str | None) -> dict[Uuid, Finding] | str:
    """The findings, or the sentence that says why the reply proves nothing."""
    hello: re.Match[str] | None = None
    ended = False
    words: dict[str, tuple[str, str]] = {}
    for line in reply.stdout.split("\n"):
        if not line.startswith("hafence/"):
            continue
        version, _, rest = line.partition(" ")
        if version != PROTOCOL:
            return f"the reply speaks another protocol ({_short(version)}); this is {PROTOCOL}"
        nonce, _, rest = rest.partition(" ")
        if nonce != reply.nonce:
            return "the reply belongs to another order (foreign nonce)"
        if ended:
            return "the reply goes on after its end"
        if match := _HELLO.match(rest):
            if hello:
                return "the reply begins twice"
            hello = match
        elif not hello:
            return "the reply has no beginning"
        elif match := _VM.match(rest):
            if match[1] in words:
                return f"the reply speaks twice of VM {match[1]}"
            words[match[1]] = (match[2], match[3])
        elif match := _END.match(rest):
            ended = True
            if int(match[1]) != len(words):
                return "the reply's count of VMs does not agree with its lines"
        else:
            return "the reply has a line that this version does not know"
    if not hello:
        return _no_reply(reply)
    if not ended:
        return "the reply is truncated"
    if set(words) != set(order.vms):
        return "the reply speaks of other VMs than the order"
    if known_machine_id and hello[2] != known_machine_id:
        name = order.suspect
        return f"another machine answered (not the machine-id that {name} had; if reinstalled: 'hafence rejoin {name}')"
    states = {state for state, _ in words.values()}
    expected = max(_EXPECTED_STATUS[state] for state in states) if states else STATUS_UNKNOWN
    if reply.exit_status != expected:
        return f"the reply and its exit status ({reply.exit_status}) contradict each other"
    return {vm: _finding(*words[vm], hello[2]) for vm in order.vms}


_VERDICTS = {"dead": Verdict.CONFIRMED_DEAD, "alive": Verdict.STILL_ALIVE, "unknown": Verdict.AMBIGUOUS}


def _finding(state: str, pairs: str, machine: str) -> Finding:
    facts = dict(pair.split("=") for pair in pairs.split())
    detail = {
        "dead": "no living task of the VM in two scans",
        "alive": "a task of the VM lives",
        "unknown": "the script on the suspect could not tell",
    }[state]
    why = sentence(facts)
    killed = facts.get("killed", "0")
    if state == "dead" and killed not in ("", "0"):
        detail = f"{killed} leftover{'s' if killed != '1' else ''} killed; {detail}"
    if why:
        detail = f"{detail}: {why}"
    return Finding(_VERDICTS[state], detail, facts, None, None if machine == "-" else machine)


def _no_reply(reply: Reply) -> str:
    if reply.exit_status == 127:
        return "the suspect has no POSIX shell or lacks 'timeout' (exit 127)"
    if reply.exit_status == 1:
        return (
            "the suspect did not run the script (exit 1): sudo wants a password, or a forced command stands in the way"
        )
    return (
        f"the suspect's reply holds no line of the protocol ({len(reply.stdout)} characters, exit {reply.exit_status})"
    )


def _short(text: str) -> str:
    return text[:20] if text[:20].isprintable() else "unprintable"


def weigh(findings: list[Finding]) -> Verdict | None:
    """The one verdict of several attempts at one VM, in the order they were made; None without any.

    Alive beats everything: whoever saw a living task saw it. Then positive proof of death, made on the
    suspect itself. Then doubt. Unreachable is left only when nothing else was learnt, and attempts that
    failed on the sibling's side count for nothing.
    """
    told = [f.verdict for f in findings if not f.sibling_side]
    for verdict in (Verdict.STILL_ALIVE, Verdict.CONFIRMED_DEAD, Verdict.AMBIGUOUS, Verdict.UNREACHABLE):
        if verdict in told:
            return verdict
    return None
