"""The reply to a fence order, and the one reading of it: `interpret()`.

An exit status cannot carry a verdict: ssh ends with 255 for a refused connection, a remote `exit 255`
and a killed remote shell alike, and `timeout` ends with 124 on both ends. So the script on the suspect
prints lines (core/wire.py) that carry the protocol version, the order's nonce, the VM and the verdict, and exits with
a status that must agree with them:

    hafence/1 NONCE vm UUID dead|alive|unknown KEY=VALUE …        (once for each VM of the order)
    hafence/1 NONCE end vms=N [status=S]

Exit status: 0 when every VM is dead, 10 when one is alive, 11 otherwise. A script that stays to watch
(order.watch) says it at its end line, before it ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .attempts import Facts, FenceOrder, FenceReport, Reading, Reply, Verdict
from .model import Uuid
from .owners import OWNER_KEYS, read_owner
from .troubles import SILENT
from .wire import Faulty, Hello, Message, ReplyFault, read_message, read_pairs

STATUS_DEAD, STATUS_ALIVE, STATUS_UNKNOWN = 0, 10, 11

_VM = re.compile(r"vm ([0-9a-f-]{36}) (dead|alive|unknown)(?: (.*))?\Z")
_END = re.compile(r"vms=([0-9]{1,6})(?: status=([0-9]{1,3}))?\Z")
_STATES = {
    "dead": (Verdict.CONFIRMED_DEAD, STATUS_DEAD),
    "alive": (Verdict.STILL_ALIVE, STATUS_ALIVE),
    "unknown": (Verdict.AMBIGUOUS, STATUS_UNKNOWN),
}
_WHOLE = re.compile(r"[0-9]{1,9}\Z")
_TYPED = frozenset({"found", "killed", "state", "why", *OWNER_KEYS})


def interpret(order: FenceOrder, reply: Reply) -> FenceReport:
    """Read a reply: one reading for each VM of the order.

    Nothing here turns an error into a verdict: whatever is missing, doubled, contradictory, foreign, truncated, from
    another machine or at odds with the exit status is AMBIGUOUS.
    """
    return FenceReport(_readings(order, reply), reply.seconds, reply.at)


def _readings(order: FenceOrder, reply: Reply) -> Mapping[Uuid, Reading]:
    if reply.trouble is not None:
        verdict = Verdict.UNREACHABLE if reply.trouble in SILENT else Verdict.AMBIGUOUS
        return dict.fromkeys(order.vms, Reading(verdict, trouble=reply.trouble, note=reply.note))
    told = _told(order, reply)
    if isinstance(told, Faulty):
        return dict.fromkeys(order.vms, Reading(Verdict.AMBIGUOUS, fault=told))
    return told


def _told(order: FenceOrder, reply: Reply) -> Mapping[Uuid, Reading] | Faulty:
    message = read_message(reply.nonce, reply.stdout, reply.exit_status, reply.not_run)
    wrong = wrong_machine(order, message.hello) if message.hello else None
    if wrong is not None:
        return wrong
    if isinstance(message, Faulty):
        return message
    readings = _each_vm(message)
    if isinstance(readings, Faulty):
        return readings
    end = _END.match(message.end)
    if end is None:
        return Faulty(ReplyFault.UNKNOWN_LINE)
    if int(end[1]) != len(readings):
        return Faulty(ReplyFault.WRONG_COUNT)
    if set(readings) != set(order.vms):
        return Faulty(ReplyFault.OTHER_VMS)
    expected = max((status for _, status in readings.values()), default=STATUS_UNKNOWN)
    if reply.exit_status != expected or (end[2] is not None and int(end[2]) != expected):
        return Faulty(ReplyFault.STATUS_CONTRADICTS, str(reply.exit_status))
    return {vm: reading for vm, (reading, _) in readings.items()}


def wrong_machine(order: FenceOrder, hello: Hello) -> Faulty | None:
    """Why whoever says this hello is not the suspect of the order, or None.

    Asked before a script is let go, so that nothing is killed on a machine that is not meant, and again of its reply.
    """
    for name, boot_id in order.others:
        if hello.boot_id == boot_id:
            return Faulty(ReplyFault.SAME_MACHINE, name)
    if order.machine_id and hello.machine_id != order.machine_id:
        return Faulty(ReplyFault.OTHER_MACHINE, order.suspect)
    return None


def _each_vm(message: Message) -> dict[Uuid, tuple[Reading, int]] | Faulty:
    """The reading of each VM that the lines speak of, and the exit status that goes with it."""
    readings: dict[Uuid, tuple[Reading, int]] = {}
    for line in message.lines:
        match = _VM.match(line)
        facts = read_facts(match[3] or "") if match else None
        if match is None or facts is None:
            return Faulty(ReplyFault.UNKNOWN_LINE)
        vm = Uuid(match[1])
        if vm in readings:
            return Faulty(ReplyFault.SAID_TWICE, f"VM {vm}")
        verdict, status = _STATES[match[2]]
        readings[vm] = (Reading(verdict, facts, machine_id=message.hello.machine_id), status)
    return readings


def read_facts(text: str) -> Facts | None:
    """What a script says of a VM, from its `KEY=VALUE …`; None if it is anything else."""
    pairs = read_pairs(text)
    if pairs is None:
        return None
    try:
        owner = read_owner(pairs)
    except ValueError:
        return None
    more = tuple(sorted((key, value) for key, value in pairs.items() if key not in _TYPED))
    found, killed = _count(pairs, "found"), _count(pairs, "killed")
    return Facts(found, killed, pairs.get("state", ""), pairs.get("why", ""), more, owner)


def _count(pairs: Mapping[str, str], key: str) -> int | None:
    text = pairs.get(key, "")
    return int(text) if _WHOLE.match(text) else None
