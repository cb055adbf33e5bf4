"""The conversation with a script on a host: its hello, hafence's "go", and the lines of its reply.

The grammar of a fence's reply, and its reading, are in core/replies.py; the other scripts speak the same way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ...core.model import Uuid, is_name
from ...core.replies import PROTOCOL
from .program import Program, ProgramResult

_HELLO = re.compile(
    r"hello clock=([0-9]{1,12}(?:\.[0-9]{1,9})?) machine=([0-9a-f]{32}|-) host=([A-Za-z0-9._-]{1,255}|-)\Z"
)


class Go:
    """Releases a script, once, when it has said hello: tells it until when it may act, in its own clock.

    `not_after` is the end of the run's lease by `clock` (the admin node's), `within_s` bounds the script from its
    hello on. The host's clock is the one that it has just told, so no offset between the two matters, and a
    host that freezes and wakes up an hour later finds the deadline behind it. `latest` is the latest deadline by the
    host's own clock, for what an admin node must not send when it is its clock that is not to be trusted.
    """

    def __init__(
        self, nonce: str, not_after: float, within_s: float, clock: Callable[[], float], latest: float = math.inf
    ) -> None:
        self._prefix = f"{PROTOCOL} {nonce} "
        self._nonce = nonce
        self._not_after = not_after
        self._within_s = within_s
        self._clock = clock
        self._latest = latest
        self.sent = False
        """Whether the script may have been released. As long as it is False, the script has changed nothing."""

    def __call__(self, line: str) -> str | None:
        """What to answer to a line of the script."""
        hello = _HELLO.match(line.removeprefix(self._prefix)) if line.startswith(self._prefix) else None
        if hello is None or self.sent:
            return None
        deadline = min(self._latest, float(hello[1]) + min(self._within_s, self._not_after - self._clock()))
        self.sent = True
        return f"go {self._nonce} {max(0.0, deadline):.3f}\n"


def name_list(vms: Iterable[Uuid], names: Mapping[Uuid, str]) -> str:
    """`UUID=NAME …` for a script's NAMES: by its name, too, a qemu is known that somebody started without a UUID.

    A VM without a name, or with one that could be read as anything else, is left out: it is known by its UUID alone.
    """
    return " ".join(f"{vm}={names[vm]}" for vm in vms if is_name(names.get(vm, "")))


def was_released(program: Program) -> bool:
    """Whether the script may have begun to change anything. False is certain, whatever came of the run."""
    return not isinstance(program.on_line, Go) or program.on_line.sent


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply that is whole: what stood in its hello, and its lines without version and nonce, the end included."""

    clock: float
    machine_id: str | None
    lines: tuple[str, ...]


def read_said(nonce: str, stdout: str) -> Heard | str:
    """The reply in a script's output, or the sentence that says what is wrong with it; '' if there is none at all.

    Lines that do not begin with `hafence/` are other programs' talk and are passed over.
    """
    hello: re.Match[str] | None = None
    lines: list[str] = []
    for line in stdout.split("\n"):
        if not line.startswith("hafence/"):
            continue
        version, _, rest = line.partition(" ")
        its_nonce, _, rest = rest.partition(" ")
        if version != PROTOCOL:
            return f"the reply speaks another protocol; this is {PROTOCOL}"
        if its_nonce != nonce:
            return "the reply belongs to another order (foreign nonce)"
        if hello is None:
            hello = _HELLO.match(rest)
            if hello is None:
                return "the reply has no beginning"
        elif lines and is_end(lines[-1]):
            return "the reply goes on after its end"
        elif rest.startswith("hello "):
            return "the reply begins twice"
        else:
            lines.append(rest)
    if hello is None:
        return ""
    if not lines or not is_end(lines[-1]):
        return "the reply is truncated"
    return Heard(float(hello[1]), None if hello[2] == "-" else hello[2], tuple(lines))


def is_end(line: str) -> bool:
    """Whether this line is the last of a reply."""
    return line == "end" or line.startswith("end ")


def no_reply(run: ProgramResult) -> str:
    """Why a run that ended by itself has left no line of the protocol, as far as its exit status tells."""
    if run.exit_status == 127:
        return "the host has no POSIX shell or lacks 'timeout' (exit 127)"
    if run.exit_status == 1:
        return "the host did not run the script (exit 1): sudo wants a password, or a forced command stands in the way"
    return f"no line of the protocol came back ({len(run.stdout)} characters, exit {run.exit_status})"


_PAIR = re.compile(r"([a-z_]{1,20})=([A-Za-z0-9._,:-]{0,80})\Z")


def read_pairs(text: str) -> dict[str, str] | None:
    """`KEY=VALUE …` as a dict, None if it is anything else or names a key twice."""
    pairs: dict[str, str] = {}
    for word in text.split(" ") if text else []:
        match = _PAIR.match(word)
        if not match or match[1] in pairs:
            return None
        pairs[match[1]] = match[2]
    return pairs
