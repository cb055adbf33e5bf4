"""A program that runs on a host, the command line that receives it, and what came of a run of it.

Between the two halves of a host's answer (the script's text, the reading of its output) stands whoever
carries them: the SSH adapter, or `local.py` on the admin node itself. Both keep to this page.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ...core.marks import Claim
from ...core.model import Host, Settings
from ...core.not_run import why_not_run
from ...core.troubles import Trouble
from ...core.wire import ReplyFault

SHELL = ("/bin/sh", "-s")
_NONCE = re.compile(r"[0-9a-f]{16,64}\Z")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*\Z")


def never() -> bool:
    """Of a program that ends with its answer."""
    return False


@dataclass(frozen=True, slots=True)
class Program:
    """What is sent to a host.

    `text` goes to the stdin of `command`, whole and at once. Then stdin stays open: each complete line of
    stdout (without its line end) is given to `on_line`, and what that returns, if anything, is written to
    stdin. Stdin is closed when the run is over, and right after the text where there is no `on_line`: a script
    that waits for an answer reads that as "stop".
    """

    text: str
    on_line: Callable[[str], str | None] | None = None
    command: tuple[str, ...] = SHELL
    stays_s: float = 0.0
    """How much longer it may run when it has said that it stays (`stays`)."""
    stays: Callable[[], bool] = never


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """What came of a program. `trouble` is None exactly when it ran to its end and `exit_status` is known.

    `stdout` and `stderr` are what had arrived, `note` says more about the trouble in hafence's own words.
    `stderr` is raw remote output: for a protected local file, and to look for known phrases (core/not_run.py); never
    for a message.
    """

    trouble: Trouble | None
    note: str
    exit_status: int | None
    stdout: str
    stderr: str
    seconds: float

    @property
    def not_run(self) -> ReplyFault | None:
        """Why the host ran no script, if its words are known ones."""
        return why_not_run(self.exit_status, self.stdout, self.stderr)


def remote_command(host: Host, within_s: float, command: tuple[str, ...] = SHELL) -> str:
    """The command line for the login shell of `host`, whichever shell that is.

    `timeout` stands around everything, inside sudo, since only root can end what root runs: a host that
    wakes up late must not go on.
    """
    sudo = host.ssh.sudo if host.ssh.sudo is not None else host.ssh.user != "root"
    words = ["exec", *(["sudo", "-n"] if sudo else []), "timeout", "-k", "2", str(max(1, math.ceil(within_s)))]
    return shlex.join([*words, *command])


SCAN = ("lib", "processes", "disks", "identity", "scan", "libvirt", "absence")
"""The scripts on which the fence, the look, the start and the settling stand alike: whose process a process is, and
what "nothing is here" needs."""

DEFAULTS = Settings()
"""What is asked for where nobody says anything else: the strict side of each choice."""


def ground(settings: Settings) -> dict[str, str]:
    """What the inventory says of every look into a host's processes and libvirt."""
    return {
        "PID_NAMESPACE": settings.pid_namespace.value,
        "LIBVIRT_S": str(math.ceil(settings.libvirt_timeout_s)),
    }


def claimed(claim: Claim | None) -> dict[str, str]:
    """The mark that an order acts with, for scripts/mark.sh; none without one."""
    if claim is None:
        return {"STORE": "", "RUN": "", "YOUNG_S": "0"}
    assert claim.run, "whose mark it is"
    return {"STORE": claim.store, "RUN": claim.run, "YOUNG_S": str(math.ceil(claim.young_s))}


_COMMENT = re.compile(r"^[ \t]*#.*\n", re.MULTILINE)


@cache
def _script(name: str) -> str:
    """A script without its comments: some shells read what comes over a connection byte by byte."""
    text = files(__package__).joinpath("scripts", f"{name}.sh").read_text(encoding="utf-8")
    return _COMMENT.sub("", text)


def compose(scripts: tuple[str, ...], nonce: str, root: str, **variables: str) -> str:
    """The text of a program: assignments, quoted for the shell, and then the scripts, the last of which ends in "main".

    Raises ValueError for a nonce that is not 16 to 64 hex digits and for a value with a NUL, which a shell would drop.
    """
    if not _NONCE.match(nonce):
        raise ValueError("a nonce is 16 to 64 hex digits")
    values = {"NONCE": nonce, "ROOT": root.rstrip("/"), **variables}
    for name, value in values.items():
        assert _VARIABLE.match(name), name
        if "\0" in value:
            raise ValueError(f"{name} holds a NUL")
    preamble = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return preamble + "".join(_script(name) for name in scripts)
