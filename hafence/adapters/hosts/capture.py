"""Fetching the definition of a VM that runs: the program, and the reading of what it says."""

from __future__ import annotations

import base64
import binascii
import re

from ...core.captures import FetchFault, NotFetched
from ...core.model import Host, Settings, Uuid
from ...core.troubles import met_straight
from ...core.whys import sentence
from ...core.wire import Faulty, ReplyFault, read_message, read_pairs
from .program import DEFAULTS, SCAN, Program, ProgramResult, compose, ground

MOST_BYTES = 1024 * 1024 + 32
"""What a host may send: a little more than its reader takes, which then says what is wrong."""

_FIRST = re.compile(r"capture ([0-9a-f-]{36}) (live|not-live|failed)(?: (.*))?\Z")
_PART = re.compile(r"xml ([A-Za-z0-9+/]{1,76}={0,2})\Z")


def capture_program(nonce: str, host: Host, vm: Uuid, *, settings: Settings = DEFAULTS) -> Program:
    """Ask libvirt on `host` for the definition of a VM that runs there. Read-only; it needs no release."""
    known = {"VMS": vm, "NAMES": "", "ANY_NAME": "", "DISKS": "", "MOST": str(MOST_BYTES)}
    return Program(compose((*SCAN, "capture"), nonce, host.root, **ground(settings), **known))


def parse_capture(nonce: str, run: ProgramResult, vm: Uuid) -> bytes | NotFetched:
    """The document, or why there is none. Whatever is odd is none."""
    if run.trouble is not None:
        return NotFetched(FetchFault.NO_ANSWER, met_straight(run.trouble, run.note))
    message = read_message(nonce, run.stdout, run.exit_status, run.not_run)
    if isinstance(message, Faulty):
        return NotFetched(FetchFault.NO_ANSWER, message.says)
    first = _FIRST.match(message.lines[0]) if message.lines else None
    parts = [_PART.match(line) for line in message.lines[1:]]
    if first is None or first[1] != vm or run.exit_status != 0 or message.end != f"lines={len(parts)}":
        return _odd()
    if first[2] == "not-live":
        return NotFetched(FetchFault.NOT_LIVE)
    if first[2] == "failed":
        pairs = read_pairs(first[3] or "") or {}
        return NotFetched(FetchFault.FAILED, sentence(pairs.get("why", "")) or "without a reason")
    if not parts or None in parts:
        return _odd()
    try:
        return base64.b64decode("".join(part[1] for part in parts if part), validate=True)
    except binascii.Error:
        return _odd()


def _odd() -> NotFetched:
    return NotFetched(FetchFault.NO_ANSWER, Faulty(ReplyFault.UNKNOWN_LINE).says)
