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

from .attempts import FenceOrder, Reading, Reply, Verdict
from .model import Uuid
from .troubles import SILENT

PROTOCOL = "hafence/1"
STATUS_DEAD, STATUS_ALIVE, STATUS_UNKNOWN = 0, 10, 11


_HELLO = re.compile(
    r"hello clock=([0-9]{1,12}(?:\.[0-9]{1,9})?) machine=([0-9a-f]{32}|-) host=([A-Za-z0-9._-]{1,255}|-)\Z"
)
_VM = re.compile(r"vm ([0-9a-f-]{36}) (dead|alive|unknown)((?: [a-z_]{1,20}=[A-Za-z0-9._,:-]{0,80})*)\Z")
_END = re.compile(r"end vms=([0-9]{1,6})\Z")
_EXPECTED_STATUS = {"dead": STATUS_DEAD, "alive": STATUS_ALIVE, "unknown": STATUS_UNKNOWN}


def interpret(order: FenceOrder, reply: Reply, known_machine_id: str | None = None) -> dict[Uuid, Reading]:
    """Read a reply: one finding for each VM of the order.

    `known_machine_id` is what this host said at an earlier, trusted look; another machine behind the
    address makes the whole reply ambiguous. Nothing here turns an error into a verdict: whatever is
    missing, doubled, contradictory, foreign, truncated or at odds with the exit status is AMBIGUOUS.
    """
    if reply.trouble is not None:
        verdict = Verdict.UNREACHABLE if reply.trouble in SILENT else Verdict.AMBIGUOUS
        detail = f"{reply.trouble.value} ({reply.note})" if reply.note else reply.trouble.value
        return {vm: Reading(verdict, detail, {}, reply.trouble) for vm in order.vms}
    parsed = _parse(order, reply, known_machine_id)
    if isinstance(parsed, str):
        return {vm: Reading(Verdict.AMBIGUOUS, parsed, {}) for vm in order.vms}
    return parsed


def _parse(order: FenceOrder, reply: Reply, known_machine_id: str | None) -> dict[Uuid, Reading] | str:
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
    return {vm: _reading(*words[vm], hello[2]) for vm in order.vms}


_VERDICTS = {"dead": Verdict.CONFIRMED_DEAD, "alive": Verdict.STILL_ALIVE, "unknown": Verdict.AMBIGUOUS}


def _reading(state: str, pairs: str, machine: str) -> Reading:
    facts = dict(pair.split("=") for pair in pairs.split())
    detail = {
        "dead": "no living task of the VM in two scans",
        "alive": "a task of the VM lives",
        "unknown": "the script on the suspect could not tell",
    }[state]
    why = facts.get("why")
    killed = facts.get("killed", "0")
    if state == "dead" and killed not in ("", "0"):
        detail = f"{killed} leftover{'s' if killed != '1' else ''} killed; {detail}"
    if why:
        detail = f"{detail}: {why.replace('-', ' ')}"
    return Reading(_VERDICTS[state], detail, facts, None, None if machine == "-" else machine)


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
