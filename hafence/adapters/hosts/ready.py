"""Waiting on its host until a VM serves: the program, and the reading of what it says."""

from __future__ import annotations

import ipaddress
import re

from ...core.model import Host, Ready, Settings, Uuid
from ...core.ready import Readiness, Serves
from ...core.troubles import met_straight
from ...core.whys import sentence
from ...core.wire import Faulty, ReplyFault, read_message, read_pairs
from .program import DEFAULTS, Program, ProgramResult, compose, ground

CONNECT_S = 2
"""How long one connection may take, in whole seconds: the VM is as near to its host as can be."""
ONE_TRY_S = 5.0
"""How much longer than it was told the script may take, beside what libvirt may take for each of its answers: it may
have begun to ask right before its time was over."""

_LINE = re.compile(r"(ready|waiting) (.*)\Z")
_STATUS = {"ready": 0, "waiting": 10}


def ready_program(
    nonce: str, host: Host, vm: Uuid, ready: Ready, within_s: float, *, settings: Settings = DEFAULTS
) -> Program:
    """Ask on `host` until `vm` serves, or for so long. Read-only; it needs no release."""
    text = compose(
        ("lib", "libvirt", "tcp", "ready"),
        nonce,
        host.root,
        **ground(settings),
        VM=vm,
        PORT="" if ready.tcp is None else str(ready.tcp),
        WITHIN_MS=str(round(within_s * 1000)),
        TIMEOUT_S=str(CONNECT_S),
    )
    return Program(text)


def most_s(within_s: float, settings: Settings) -> float:
    """The most that the program takes, in seconds."""
    return within_s + ONE_TRY_S + 3 * settings.libvirt_timeout_s


def parse_ready(nonce: str, run: ProgramResult, ready: Ready, at: float) -> Readiness:
    """Read what the program said. Only the whole answer to what was asked says that the VM serves."""
    if run.trouble is not None:
        return Readiness(Serves.UNKNOWN, met_straight(run.trouble, run.note), at)
    message = read_message(nonce, run.stdout, run.exit_status, run.not_run)
    if isinstance(message, Faulty):
        return Readiness(Serves.UNKNOWN, message.says, at)
    match = _LINE.match(message.lines[0]) if len(message.lines) == 1 and not message.end else None
    pairs = read_pairs(match[2]) if match else None
    if match is None or not pairs or (match[1] == "waiting" and pairs.keys() != {"why"}):
        return Readiness(Serves.UNKNOWN, Faulty(ReplyFault.UNKNOWN_LINE).says, at)
    if run.exit_status != _STATUS[match[1]]:
        says = Faulty(ReplyFault.STATUS_CONTRADICTS, str(run.exit_status)).says
        return Readiness(Serves.UNKNOWN, says, at)
    if match[1] == "waiting":
        return Readiness(Serves.NOT_YET, sentence(pairs["why"]) or "without a reason", at)
    return _serves(pairs, ready, at)


def _serves(pairs: dict[str, str], ready: Ready, at: float) -> Readiness:
    if ready.tcp is None and pairs == {"by": "guest-agent"}:
        return Readiness(Serves.YES, "its guest agent answers", at)
    if ready.tcp is not None and pairs.keys() == {"by", "address"} and pairs["by"] == "tcp":
        try:
            address = ipaddress.ip_address(pairs["address"])
        except ValueError:
            return Readiness(Serves.UNKNOWN, Faulty(ReplyFault.UNKNOWN_LINE).says, at)
        return Readiness(Serves.YES, f"TCP port {ready.tcp} of {address} takes connections", at)
    return Readiness(Serves.UNKNOWN, Faulty(ReplyFault.UNKNOWN_LINE).says, at)
