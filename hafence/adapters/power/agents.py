"""One power device, asked or told by its agent of ClusterLabs' fence-agents.

Options go to the agent's stdin and never to its arguments, where any user of the machine could read them.
What agents print goes nowhere: some print the password when they are asked to be verbose. What an answer is good for is
core/power.py's to say.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack

from ...core.model import PowerDevice
from ...core.power import Power, PowerSeen
from ..local.commands import OUTPUT_LIMIT, CommandResult, run_command
from .passwords import find_secret, without_secret_in_arguments

CALL_S = 25.0
"""One call of an agent. fence_ipmilan itself waits up to 20 s for a machine to go off."""

STATUS_ON, STATUS_OFF = 0, 2
"""Exit statuses of an agent's `status` (fence-agents' API); any other is an error."""

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian and Red Hat keep the agents; not in everyone's PATH, and not in cron's."""


_UNKNOWN_OPTION = re.compile(r"unknown option '([a-z0-9_-]{1,64})", re.IGNORECASE)
"""What fence-agents' library prints of an option that it does not know, before it goes on without it."""


def send_off(device: PowerDevice, not_after: float) -> None:
    """Tell a device to switch its host off. What it answers counts for nothing.

    Not one whose options its agent does not all know: it goes on without them, and what it then switches off may be
    another machine. It is asked for its metadata first, which it prints when it has read its options, and which reaches
    no device.
    """
    read = _call(device, "metadata", not_after)
    if isinstance(read, str) or not unknown_options(read):
        _call(device, "off", not_after)


def ask_power(device: PowerDevice, not_after: float) -> PowerSeen:
    """Ask a device for its host's power."""
    at = time.time()  # a process that was suspended reads an old answer when it wakes; it must not look fresh
    run = _call(device, "status", not_after)
    if isinstance(run, str):
        return PowerSeen(Power.ERROR, run, at)
    power, says = read_status(run)
    return PowerSeen(power, says, at)


def unknown_options(run: CommandResult) -> tuple[str, ...]:
    """The names of options that an agent says it does not know. Never their values, which may be secret."""
    found = _UNKNOWN_OPTION.findall(run.stderr) + _UNKNOWN_OPTION.findall(run.stdout)
    return tuple(dict.fromkeys(found))


def read_status(run: CommandResult) -> tuple[Power, str]:
    """What an agent's `status` tells, in words too. Its exit status alone would not do.

    2 is OFF, and it is also how many programs say that they were called wrongly. So the agent's own words must agree,
    or it must have been silent altogether. A second status beside them, whichever, leaves it open. So does an option
    that it does not know: what it tells may be of another device, or of none.
    """
    if run.trouble:
        return Power.ERROR, f"can't tell: {run.trouble}"
    if run.flooded:
        return Power.ERROR, f"can't tell: it said more than {OUTPUT_LIMIT >> 20} MiB"
    if unknown := unknown_options(run):
        return Power.ERROR, f"can't tell: its agent does not know the option {' and '.join(unknown)}"
    # lower() and not upper(), which makes OFF of a ligature
    lines = [line.strip(" \t\r").lower() for line in run.stdout.split("\n")]
    told = {line for line in lines if line.startswith("status")}
    silent = not run.stdout and not run.stderr
    if run.status == STATUS_ON and (told == {"status: on"} or silent):
        return Power.ON, "says on"
    if run.status == STATUS_OFF and (told == {"status: off"} or silent):
        return Power.OFF, "says off"
    return Power.ERROR, f"can't tell (exit {run.status})"


def _call(device: PowerDevice, action: str, not_after: float) -> CommandResult | str:
    """One call of an agent, or why there was none, in hafence's own words."""
    within_s = min(CALL_S, not_after - time.time())
    if within_s <= 0:
        return "was not asked: no time was left"
    environment = {"PATH": f"{os.environ.get('PATH', os.defpath)}:{SBIN}", "LC_ALL": "C"}
    with ExitStack() as stack:
        try:
            secret = find_secret(device, os.environ)
            options = [(name, str(value)) for name, value in device.options if not name.startswith("password_")]
            if secret is not None:
                hidden = without_secret_in_arguments(device, secret, stack)
                options = [*hidden.options, *((n, v) for n, v in options if n not in dict(hidden.options))]
                environment |= hidden.environment
        except (OSError, ValueError) as error:
            return f"was not asked: {error}"
        stdin = "".join(f"{name}={value}\n" for name, value in [*options, ("action", action)])
        return run_command([device.agent], within_s, stdin, environment)
