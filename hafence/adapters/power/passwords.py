"""The password of a power device: read where the inventory says, and kept out of everybody's sight.

Most agents take it on stdin and use it themselves. fence_ipmilan and its siblings hand it on to ipmitool as an
argument, which every user of this machine can read in /proc. So they are given a stand-in for ipmitool that takes
the password from its environment, which only its own user and root can read.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ...core.model import PowerDevice
from ..local.secrets import read_secret

WITH_IPMITOOL = frozenset(
    {"fence_ipmilan", "fence_ipmilanplus", "fence_ilo3", "fence_ilo4", "fence_ilo5", "fence_idrac", "fence_imm"}
)
"""The agents that call ipmitool: one program under seven names."""

IPMITOOL = "/usr/bin/ipmitool"
_NOT_THE_PASSWORD = "in-the-environment"  # noqa: S105
_STAND_IN = """\
#!/bin/sh
# Stands for ipmitool: the password comes from IPMITOOL_PASSWORD (-E) and is in no argument.
left=$#
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    if [ "$word" = -P ] && [ "$left" -gt 0 ]; then
        shift
        left=$((left - 1))
    else
        set -- "$@" "$word"
    fi
done
exec {ipmitool} -E "$@"
"""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A password on its way to an agent: what goes to the agent's stdin, and into its environment."""

    options: tuple[tuple[str, str], ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def find_secret(device: PowerDevice, environment: Mapping[str, str]) -> str | None:
    """The device's password, None if it has none. Raises OSError or ValueError, whose words never hold it."""
    return read_secret(device.options, environment)


def without_secret_in_arguments(device: PowerDevice, secret: str, stack: ExitStack) -> Hidden:
    """How the agent gets the password. What is made for that is removed with `stack`."""
    if device.agent not in WITH_IPMITOOL:
        return Hidden((("password", secret),))
    given = dict(device.options)
    ipmitool = str(given.get("ipmitool_path") or shutil.which("ipmitool") or IPMITOOL)
    text = _STAND_IN.format(ipmitool=shlex.quote(ipmitool))
    path = _executable(text, stack)
    return Hidden(
        (("password", _NOT_THE_PASSWORD), ("ipmitool_path", path)),
        {"IPMITOOL_PASSWORD": secret},
    )


def _executable(text: str, stack: ExitStack) -> str:
    """A program in a folder of its own that nobody else can write to. Some systems forbid programs in /tmp."""
    for place in (None, "/var/tmp", "/dev/shm", str(Path.home())):  # noqa: S108  # mkdtemp makes it private
        try:
            folder = tempfile.mkdtemp(prefix="hafence-", dir=place)
        except OSError:
            continue
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        program = Path(folder, "ipmitool")
        program.write_text(text, encoding="utf-8")
        program.chmod(0o700)
        if os.access(program, os.X_OK):
            return str(program)
    raise ValueError("no folder was found from which a program may be run")
