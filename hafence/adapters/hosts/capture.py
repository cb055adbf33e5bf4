"""Fetching the definitions of VMs that run: the program, and the reading of what it says."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

from ...core.captures import FetchFault, NotFetched
from ...core.model import Host, Settings, Uuid
from ...core.troubles import met_straight
from ...core.whys import sentence
from ...core.wire import Faulty, ReplyFault, read_message, read_pairs
from .program import DEFAULTS, SCAN, Program, ProgramResult, compose, ground

MOST_BYTES = 1024 * 1024 + 32
"""What a host may send of one VM: a little more than its reader takes, which then says what is wrong."""

_FIRST = re.compile(r"capture ([0-9a-f-]{36}) (live|not-live|failed)(?: (.*))?\Z")
_PART = re.compile(r"xml ([A-Za-z0-9+/]{1,76}={0,2})\Z")

Document = bytes | NotFetched
"""What is read of one VM: its definition, or why there is none."""


def capture_program(nonce: str, host: Host, vms: Sequence[Uuid], *, settings: Settings = DEFAULTS) -> Program:
    """Ask libvirt on `host` for the definitions of VMs that run there. Read-only; it needs no release."""
    known = {"VMS": "", "NAMES": "", "ANY_NAME": "", "DISKS": "", "ASKED": " ".join(vms), "MOST": str(MOST_BYTES)}
    return Program(compose((*SCAN, "capture"), nonce, host.root, **ground(settings), **known))


def parse_capture(nonce: str, run: ProgramResult, vms: Sequence[Uuid]) -> Mapping[Uuid, Document]:
    """The documents, each or why there is none. Of a reply that is odd in any way nothing is believed."""
    if run.trouble is not None:
        return dict.fromkeys(vms, NotFetched(FetchFault.NO_ANSWER, met_straight(run.trouble, run.note)))
    message = read_message(nonce, run.stdout, run.exit_status, run.not_run)
    if isinstance(message, Faulty):
        return dict.fromkeys(vms, NotFetched(FetchFault.NO_ANSWER, message.says))
    found: dict[str, Document] | None = None
    if run.exit_status == 0 and message.end == f"lines={len(message.lines)}":
        found = _documents(message.lines)
    if found is None or found.keys() != set(vms):
        return dict.fromkeys(vms, NotFetched(FetchFault.NO_ANSWER, Faulty(ReplyFault.UNKNOWN_LINE).says))
    return {vm: found[vm] for vm in vms}


def _documents(lines: Sequence[str]) -> dict[str, Document] | None:
    """By UUID; None where a line is odd."""
    firsts: dict[str, re.Match[str]] = {}
    parts: dict[str, list[str]] = {}
    vm = ""
    for line in lines:
        if (first := _FIRST.match(line)) is not None and first[1] not in firsts:
            vm = first[1]
            firsts[vm], parts[vm] = first, []
        elif (part := _PART.match(line)) is not None and vm and firsts[vm][2] == "live":
            parts[vm].append(part[1])
        else:
            return None
    try:
        return {vm: _document(first, "".join(parts[vm])) for vm, first in firsts.items()}
    except binascii.Error:
        return None


def _document(first: re.Match[str], text: str) -> Document:
    if first[2] == "not-live":
        return NotFetched(FetchFault.NOT_LIVE)
    if first[2] == "failed":
        pairs = read_pairs(first[3] or "") or {}
        return NotFetched(FetchFault.FAILED, sentence(pairs.get("why", "")) or "without a reason")
    if not text:
        raise binascii.Error
    return base64.b64decode(text, validate=True)
