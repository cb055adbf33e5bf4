"""Looking for signs of life of a suspect from another host, or from the admin node: the program and its reading."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Sequence

from ...core.evidence import Sign, WitnessReport
from ...core.model import Host, HostName
from ...core.wire import PROTOCOL, Faulty, ReplyFault, read_message
from .program import Program, ProgramResult, compose

WITNESS_SPARE_S = 5.0
"""How much longer than one connection's time-out a witness may take: an unanswered neighbour probe takes 3 s, an
unanswered ping its own time-out and a little."""

_SIGNS = {
    "syn-ack": Sign.SYN_ACK,
    "rst": Sign.RST,
    "ping": Sign.PING,
    "icmp-error": Sign.ICMP_ERROR,
    "neighbour": Sign.NEIGHBOUR,
}
_BLIND = re.compile(r"blind ([a-z0-9-]{1,80})\Z")
_PEERS = re.compile(r"peers asked=([0-9]{1,5}) reached=([0-9]{1,5})\Z")


def witness_program(
    nonce: str, suspect: Host, peers: Sequence[Host], timeout_s: float, host: Host | None = None
) -> Program:
    """Look for signs of life of `suspect`, and for other `peers`, from `host` (None: from the admin node).

    `timeout_s` is that of one connection. Nothing is changed but the age of one neighbour entry.
    """
    text = compose(
        ("lib", "tcp", "witness"),
        nonce,
        host.root if host else suspect.root,
        ADDRESS=_plain(suspect.address),
        PORT=str(suspect.ssh.port),
        PEERS=" ".join(f"{_plain(peer.address)}/{peer.ssh.port}" for peer in peers),
        TIMEOUT_S=str(max(1, math.ceil(timeout_s))),
    )
    return Program(text)


def _plain(address: str) -> str:
    """An IP address as the programs there print it, so that it can be compared; a name as it is."""
    try:
        return ipaddress.ip_address(address).compressed
    except ValueError:
        return address


def parse_witness(nonce: str, run: ProgramResult, witness: HostName | None, at: float) -> WitnessReport:
    """Read what a witness saw. A sign that was told counts whatever came after it; anything odd is no sight."""
    signs = frozenset[Sign]()
    blinds: list[str] = []
    peers: tuple[int, int] | None = None
    odd = ""
    message = read_message(nonce, run.stdout, run.exit_status, run.not_run)
    if run.trouble is not None:
        odd = f"{run.trouble.says} ({run.note})" if run.note else run.trouble.says
    elif isinstance(message, Faulty):
        odd = message.says
    elif run.exit_status != 0:
        odd = Faulty(ReplyFault.STATUS_CONTRADICTS, str(run.exit_status)).says
    prefix = f"{PROTOCOL} {nonce} "
    for line in [line.removeprefix(prefix) for line in run.stdout.split("\n") if line.startswith(prefix)]:
        if line.startswith("sign ") and line[5:] in _SIGNS:
            signs |= {_SIGNS[line[5:]]}
        elif match := _BLIND.match(line):
            blinds.append(match[1].replace("-", " "))
        elif match := _PEERS.match(line):
            odd = odd or (Faulty(ReplyFault.SAID_TWICE, "which peers were reached").says if peers else "")
            peers = (int(match[1]), int(match[2]))
        elif not line.startswith("hello ") and line != "end":
            odd = odd or Faulty(ReplyFault.UNKNOWN_LINE).says
    if not odd and (peers is None or peers[1] > peers[0]):
        odd = Faulty(ReplyFault.LACKING, "which peers were reached").says
    asked, reached = peers or (0, 0)
    return WitnessReport(
        witness=witness,
        at=at,
        signs=signs,
        could_look=not odd and not blinds,
        says=_words(signs, blinds, odd),
        peers_asked=asked,
        peers_reached=min(asked, reached),
    )


def _words(signs: frozenset[Sign], blinds: list[str], odd: str) -> str:
    parts = [sign.says for sign in Sign if sign in signs]
    if odd:
        parts.append(f"could not look: {odd}")
    if blinds:
        parts.append(f"could not look everywhere: {', '.join(dict.fromkeys(blinds))}")
    return "; ".join(parts) or "no sign of life"
