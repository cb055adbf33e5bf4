"""The lines in which a script on a host answers, and the one reading of them.

    hafence/1 NONCE hello clock=1763824000.123 machine=HEX32|- host=NAME boot=ID
    hafence/1 NONCE …                              (what the script has to say, a line each)
    hafence/1 NONCE end …

Lines that do not begin with `hafence/` are other programs' talk (a `.bashrc`, a banner) and are passed over. A reply
is whole when it begins with a hello and stops with an end, all under the nonce of its order; whatever is missing,
doubled, foreign or truncated makes it a Faulty one, from which nothing may be concluded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

PROTOCOL = "hafence/1"
SHOWN = 20
"""Characters of a host's own text that may be repeated, if they are printable."""


class ReplyFault(Enum):
    """Why a reply proves nothing: stable words."""

    NOTHING_CAME = "nothing_came"
    OTHER_PROTOCOL = "other_protocol"
    FOREIGN_NONCE = "foreign_nonce"
    NO_BEGINNING = "no_beginning"
    BEGINS_TWICE = "begins_twice"
    AFTER_ITS_END = "after_its_end"
    TRUNCATED = "truncated"
    UNKNOWN_LINE = "unknown_line"
    SAID_TWICE = "said_twice"
    WRONG_COUNT = "wrong_count"
    LACKING = "lacking"
    NO_UUID = "no_uuid"
    OTHER_VMS = "other_vms"
    OTHER_MACHINE = "other_machine"
    SAME_MACHINE = "same_machine"
    STATUS_CONTRADICTS = "status_contradicts"
    NO_SHELL = "no_shell"
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True)
class Faulty:
    """A reply that proves nothing. `about` says of what, in checked words."""

    fault: ReplyFault
    about: str = ""
    hello: Hello | None = field(default=None, compare=False)
    """How the reply began, where it did: who it was that said no more."""

    @property
    def says(self) -> str:
        """The sentence for people."""
        return _SAYS[self.fault].format(about=self.about)


_SAYS = {
    ReplyFault.NOTHING_CAME: "no line of the protocol came back ({about})",
    ReplyFault.OTHER_PROTOCOL: f"the reply speaks another protocol ({{about}}); this is {PROTOCOL}",
    ReplyFault.FOREIGN_NONCE: "the reply belongs to another order (foreign nonce)",
    ReplyFault.NO_BEGINNING: "the reply has no beginning",
    ReplyFault.BEGINS_TWICE: "the reply begins twice",
    ReplyFault.AFTER_ITS_END: "the reply goes on after its end",
    ReplyFault.TRUNCATED: "the reply is truncated",
    ReplyFault.UNKNOWN_LINE: "the reply has a line that this version does not know",
    ReplyFault.SAID_TWICE: "the reply says twice: {about}",
    ReplyFault.WRONG_COUNT: "the reply's count of its lines does not agree with its lines",
    ReplyFault.LACKING: "the reply does not say {about}",
    ReplyFault.NO_UUID: "the reply holds something that is no UUID",
    ReplyFault.OTHER_VMS: "the reply speaks of other VMs than the order",
    ReplyFault.OTHER_MACHINE: (
        "another machine answered (not the machine-id that {about} had; if reinstalled: 'hafence rejoin {about}')"
    ),
    ReplyFault.SAME_MACHINE: (
        "another host of the cluster answered at its address: it is the same machine as {about} (do they share a host"
        " key?)"
    ),
    ReplyFault.STATUS_CONTRADICTS: "the reply and its exit status ({about}) contradict each other",
    ReplyFault.NO_SHELL: "the host has no POSIX shell or lacks 'timeout' (exit 127)",
    ReplyFault.NOT_RUN: (
        "the host did not run the script (exit 1): sudo wants a password, or a forced command stands in the way"
    ),
}


@dataclass(frozen=True, slots=True)
class Hello:
    """How a script begins: its host's clock in seconds since the epoch, which machine it is, and since which boot."""

    clock: float
    machine_id: str | None
    boot_id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A whole reply: its hello, and its lines without version and nonce. `end` is what follows the word `end`."""

    hello: Hello
    lines: tuple[str, ...]
    end: str


_HELLO = re.compile(
    r"hello clock=([0-9]{1,12}(?:\.[0-9]{1,9})?) machine=([0-9a-f]{32}|-) host=([A-Za-z0-9._-]{1,255}|-)"
    r"(?: boot=([0-9a-f-]{1,64}))?\Z"
)
_PAIR = re.compile(r"([a-z_]{1,20})=([A-Za-z0-9._,:@-]{0,80})\Z")


def read_hello(nonce: str, line: str) -> Hello | None:
    """The hello in a line of a script, or None."""
    prefix = f"{PROTOCOL} {nonce} "
    return _hello(line.removeprefix(prefix)) if line.startswith(prefix) else None


def _hello(words: str) -> Hello | None:
    match = _HELLO.match(words)
    if match is None:
        return None
    return Hello(float(match[1]), None if match[2] == "-" else match[2], None if match[4] in (None, "-") else match[4])


def read_message(nonce: str, stdout: str, exit_status: int | None) -> Message | Faulty:
    """The reply in a script's output. Of a program that left no line of it, as far as its exit status tells why."""
    hello: Hello | None = None
    lines: list[str] = []
    for line in stdout.split("\n"):
        if not line.startswith("hafence/"):
            continue
        version, _, rest = line.partition(" ")
        its_nonce, _, rest = rest.partition(" ")
        if version != PROTOCOL:
            return Faulty(ReplyFault.OTHER_PROTOCOL, _short(version))
        if its_nonce != nonce:
            return Faulty(ReplyFault.FOREIGN_NONCE)
        if hello is None:
            hello = _hello(rest)
            if hello is None:
                return Faulty(ReplyFault.NO_BEGINNING)
        elif lines and _is_end(lines[-1]):
            return Faulty(ReplyFault.AFTER_ITS_END, hello=hello)
        elif rest.startswith("hello "):
            return Faulty(ReplyFault.BEGINS_TWICE, hello=hello)
        else:
            lines.append(rest)
    if hello is None:
        return _nothing_came(stdout, exit_status)
    if not lines or not _is_end(lines[-1]):
        return Faulty(ReplyFault.TRUNCATED, hello=hello)
    return Message(hello, tuple(lines[:-1]), lines[-1].removeprefix("end").removeprefix(" "))


def _is_end(line: str) -> bool:
    return line == "end" or line.startswith("end ")


def _short(text: str) -> str:
    return text[:SHOWN] if text[:SHOWN].isprintable() else "unprintable"


def _nothing_came(stdout: str, exit_status: int | None) -> Faulty:
    if exit_status == 127:
        return Faulty(ReplyFault.NO_SHELL)
    if exit_status == 1:
        return Faulty(ReplyFault.NOT_RUN)
    return Faulty(ReplyFault.NOTHING_CAME, f"{len(stdout)} characters, exit {exit_status}")


def read_pairs(text: str) -> dict[str, str] | None:
    """`KEY=VALUE …` as a dict, None if it is anything else or names a key twice."""
    pairs: dict[str, str] = {}
    for word in text.split(" ") if text else []:
        match = _PAIR.match(word)
        if not match or match[1] in pairs:
            return None
        pairs[match[1]] = match[2]
    return pairs
