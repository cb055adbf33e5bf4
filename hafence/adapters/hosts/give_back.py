"""Giving back, on a host that is taken back, the definitions that a fence had set aside there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...core.given_back import GivenBack
from ...core.model import Host, Settings, Uuid
from ...core.troubles import met_straight
from ...core.wire import Faulty, ReplyFault, read_message
from .program import DEFAULTS, SCAN, Program, ProgramResult, compose, ground
from .talk import Go

if TYPE_CHECKING:
    from ...effects import GiveBack

_LINE = re.compile(r"(back|left) ([0-9a-f-]{36})\Z")


def give_back_program(
    effect: GiveBack, nonce: str, host: Host, clock: Callable[[], float], *, settings: Settings = DEFAULTS
) -> Program:
    """Let libvirt on `host` know the VMs of `effect` again. `clock` is the admin node's, in seconds since the epoch."""
    known = {"VMS": " ".join(effect.vms), "NAMES": "", "ANY_NAME": "", "DISKS": ""}
    text = compose((*SCAN, "aside", "giveback"), nonce, host.root, **ground(settings), **known)
    return Program(text, Go(nonce, effect.not_after, settings.ssh_timeout_s, clock))


def parse_given_back(nonce: str, run: ProgramResult, vms: tuple[Uuid, ...]) -> GivenBack:
    """Read what came of it. Whatever is odd has given nothing back, for all that is known."""
    if run.trouble is not None:
        return GivenBack(frozenset(), met_straight(run.trouble, run.note))
    message = read_message(nonce, run.stdout, run.exit_status, run.not_run)
    if isinstance(message, Faulty):
        return GivenBack(frozenset(), message.says)
    said = [_LINE.match(line) for line in message.lines]
    words = {Uuid(match[2]): match[1] for match in said if match is not None}
    if words.keys() != set(vms) or len(said) != len(vms):
        return GivenBack(frozenset(), Faulty(ReplyFault.UNKNOWN_LINE).says)
    left = [vm for vm, word in words.items() if word == "left"]
    return GivenBack(frozenset(words.keys() - set(left)), "libvirt there did not take it" if left else "")
