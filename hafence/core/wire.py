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
    NOT_FOUND = "not_found"
    NOT_EXECUTABLE = "not_executable"
    NO_TIMEOUT = "no_timeout"
    NO_SUDO = "no_sudo"
    SUDO_PASSWORD = "sudo_password"  # noqa: S105  # a word for what is wanted, not a secret
    SUDO_TTY = "sudo_tty"
    SUDO_FORBIDS = "sudo_forbids"
    SUDO_NO_PROGRAM = "sudo_no_program"
    SUDO_ACCOUNT = "sudo_account"
    SUDO_BROKEN = "sudo_broken"
    SUDO_OTHER = "sudo_other"
    NO_LOGIN = "no_login"
    OTHER_USER = "other_user"
    RESTRICTED = "restricted"


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

    @property
    def way_out(self) -> str:
        """What an admin can do about it; '' where nothing but a look into the host helps."""
        return _WAYS_OUT.get(self.fault, "")


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
    ReplyFault.NO_SHELL: "the host has no /bin/sh that could be run",
    ReplyFault.NOT_RUN: "the login did not run the script (exit 1): is there a forced command, or no shell?",
    ReplyFault.NOT_FOUND: "a program was not found there (exit 127): sudo, 'timeout' or a POSIX shell",
    ReplyFault.NOT_EXECUTABLE: "its programs can't be executed (exit 126): is its root disk dead, or mounted noexec?",
    ReplyFault.NO_TIMEOUT: "the host lacks 'timeout' (coreutils)",
    ReplyFault.NO_SUDO: "the host has no sudo",
    ReplyFault.SUDO_PASSWORD: "sudo wants a password there: no NOPASSWD rule lets this user become root",
    ReplyFault.SUDO_TTY: "sudo wants a terminal there (requiretty in its sudoers)",
    ReplyFault.SUDO_FORBIDS: "sudo lets this user run nothing as root there",
    ReplyFault.SUDO_NO_PROGRAM: "sudo finds no 'timeout' there (secure_path in its sudoers)",
    ReplyFault.SUDO_ACCOUNT: "sudo does not take this user's account there: it is expired or locked",
    ReplyFault.SUDO_BROKEN: "sudo itself does not work there (its files, their owner or their rights)",
    ReplyFault.SUDO_OTHER: "sudo did not run the script there",
    ReplyFault.NO_LOGIN: "this user's login is switched off there (nologin)",
    ReplyFault.OTHER_USER: "the host wants another user to log in (a forced command says so)",
    ReplyFault.RESTRICTED: "this user's shell is a restricted one there",
}

_SUDOERS = "'USER ALL=(root) NOPASSWD: ALL' in its sudoers, or 'sudo: false' and 'user: root' in the inventory"
_WAYS_OUT = {
    ReplyFault.NOT_RUN: "see what the login runs there: its shell, command= in authorized_keys, ForceCommand",
    ReplyFault.NOT_FOUND: "see what the host lacks: sudo, 'timeout' (coreutils), /bin/sh",
    ReplyFault.NO_TIMEOUT: "install coreutils there",
    ReplyFault.NO_SUDO: "install sudo there, or log in as root ('user: root', 'sudo: false')",
    ReplyFault.SUDO_PASSWORD: f"let the user become root there without a password: {_SUDOERS}",
    ReplyFault.SUDO_TTY: "write 'Defaults:USER !requiretty' into its sudoers, with hafence's user for USER",
    ReplyFault.SUDO_FORBIDS: f"let the user become root there: {_SUDOERS}",
    ReplyFault.SUDO_NO_PROGRAM: "add the folder of 'timeout' (/usr/bin) to secure_path in its sudoers",
    ReplyFault.SUDO_ACCOUNT: "renew or unlock the account there",
    ReplyFault.SUDO_BROKEN: "run 'sudo -n true' there as hafence's user, and mend what it complains of",
    ReplyFault.SUDO_OTHER: "run 'sudo -n true' there as hafence's user, and mend what it complains of",
    ReplyFault.NO_LOGIN: "give the user a login shell there, or name another one ('user:' in the inventory)",
    ReplyFault.OTHER_USER: "name the user that the host wants ('user:' in the inventory)",
    ReplyFault.RESTRICTED: "give the user a POSIX shell there, or name another one ('user:' in the inventory)",
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


def read_message(
    nonce: str, stdout: str, exit_status: int | None, not_run: ReplyFault | None = None
) -> Message | Faulty:
    """The reply in a script's output. Of a program that left no line of it, `not_run` says why, where that is known
    (not_run.py)."""
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
        return (
            Faulty(not_run)
            if not_run
            else Faulty(ReplyFault.NOTHING_CAME, f"{len(stdout)} characters, exit {exit_status}")
        )
    if not lines or not _is_end(lines[-1]):
        return Faulty(ReplyFault.TRUNCATED, hello=hello)
    return Message(hello, tuple(lines[:-1]), lines[-1].removeprefix("end").removeprefix(" "))


def _is_end(line: str) -> bool:
    return line == "end" or line.startswith("end ")


def _short(text: str) -> str:
    return text[:SHOWN] if text[:SHOWN].isprintable() else "unprintable"


def read_pairs(text: str) -> dict[str, str] | None:
    """`KEY=VALUE …` as a dict, None if it is anything else or names a key twice."""
    pairs: dict[str, str] = {}
    for word in text.split(" ") if text else []:
        match = _PAIR.match(word)
        if not match or match[1] in pairs:
            return None
        pairs[match[1]] = match[2]
    return pairs
