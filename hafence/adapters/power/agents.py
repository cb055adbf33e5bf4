"""Switching a host off by the agents of ClusterLabs' fence-agents, and seeing it off.

Levels as in Pacemaker's fencing topology: all devices of a level must succeed, else the next level is tried.
What an agent answers to `off` counts for nothing: Redfish answers 409 when it is off already, and some BMCs
accept an `off` and ignore it. Only OFF that was observed by `status`, on every device of a level in one round,
is proof. OFF on one and an error on another is unknown.

Options go to the agent's stdin and never to its arguments, where any user of the machine could read them.
What agents print goes nowhere: some print the password when they are asked to be verbose.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from ...core.evidence import Observation, Proof
from ...core.model import Host, PowerDevice
from ...effects import SecondLevelReply
from ..local.commands import OUTPUT_LIMIT, CommandResult, run_command
from .passwords import find_secret, without_secret_in_arguments

T = TypeVar("T")
NAME = "power"
POLL_S = 1.0
CALL_S = 25.0
"""One call of an agent. fence_ipmilan itself waits up to 20 s for a machine to go off."""
MOST_UNKNOWN = 2
"""Rounds in which a device could not be asked, after which the next level has its turn."""

STATUS_ON, STATUS_OFF = 0, 2
"""Exit statuses of an agent's `status` (fence-agents' API); any other is an error."""

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian and Red Hat keep the agents; not in everyone's PATH, and not in cron's."""


class Power(Enum):
    """What a device says of its host's power."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StatusSeen:
    """One answer of one device."""

    power: Power
    says: str


def power_off(host: Host, within_s: float, rehearse: bool) -> SecondLevelReply:
    """Switch `host` off level by level until one level is seen off. With `rehearse`, only ask every device.

    What is left of `within_s` is shared by the levels that are left: a BMC that hangs must not cost the next its turn.
    """
    end = time.monotonic() + within_s
    failures: list[str] = []
    for number, level in enumerate(host.power, 1):
        now = time.monotonic()
        until = now + (end - now) / (len(host.power) - number + 1)
        said = _ask_level(level, until) if rehearse else _off_level(level, until)
        words = ", ".join(f"{device.agent} {each.says}" for device, each in zip(level, said, strict=True))
        if all(each.power is Power.OFF for each in said):
            says = f"level {number} sees it off: {words}"
            evidence = Observation(NAME, f"{host.name} level {number}", time.time(), says, Proof.HOST_OFF)
            return SecondLevelReply(NAME, True, says, (evidence,))
        if rehearse and all(each.power is not Power.UNKNOWN for each in said):
            says = f"level {number} would switch it off: {words} (foretold, nothing was switched)"
            return SecondLevelReply(NAME, True, says, ())
        failures.append(f"level {number}: {words}")
    says = f"it was not seen off: {'; '.join(failures)}"
    return SecondLevelReply(NAME, False, says, (Observation(NAME, host.name, time.time(), says, Proof.NOTHING),))


def _off_level(level: tuple[PowerDevice, ...], until: float) -> list[StatusSeen]:
    """Send `off` to every device, then poll until all are off in one round, or time is up."""
    _at_once(level, lambda device: _call(device, "off", until))
    unknown = 0
    said: list[StatusSeen] = []
    while True:
        began = time.monotonic()
        before, said = said, _ask_level(level, until)
        if all(each.power is Power.OFF for each in said):
            return said
        if before and time.monotonic() >= until:  # this round was cut short, and says less than the one before
            return before
        unknown += any(each.power is Power.UNKNOWN for each in said)
        took = time.monotonic() - began
        if unknown >= MOST_UNKNOWN or time.monotonic() + POLL_S + took > until:
            return said
        time.sleep(POLL_S)


def _ask_level(level: tuple[PowerDevice, ...], until: float) -> list[StatusSeen]:
    return _at_once(level, lambda device: _status(device, until))


def _at_once(level: tuple[PowerDevice, ...], ask: Callable[[PowerDevice], T]) -> list[T]:
    with ThreadPoolExecutor(max_workers=len(level)) as pool:
        return list(pool.map(ask, level))


def _status(device: PowerDevice, until: float) -> StatusSeen:
    run = _call(device, "status", until)
    if isinstance(run, str):
        return StatusSeen(Power.UNKNOWN, run)
    return read_status(run)


def read_status(run: CommandResult) -> StatusSeen:
    """What an agent's `status` tells. Its exit status alone would not do.

    2 is OFF, and it is also how many programs say that they were called wrongly. So the agent's own words must agree,
    or it must have been silent altogether. A second status beside them, whichever, leaves it open.
    """
    if run.trouble:
        return StatusSeen(Power.UNKNOWN, f"can't tell: {run.trouble}")
    if run.flooded:
        return StatusSeen(Power.UNKNOWN, f"can't tell: it said more than {OUTPUT_LIMIT >> 20} MiB")
    # lower() and not upper(), which makes OFF of a ligature
    lines = [line.strip(" \t\r").lower() for line in run.stdout.split("\n")]
    told = {line for line in lines if line.startswith("status")}
    silent = not run.stdout and not run.stderr
    if run.status == STATUS_ON and (told == {"status: on"} or silent):
        return StatusSeen(Power.ON, "says on")
    if run.status == STATUS_OFF and (told == {"status: off"} or silent):
        return StatusSeen(Power.OFF, "says off")
    return StatusSeen(Power.UNKNOWN, f"can't tell (exit {run.status})")


def _call(device: PowerDevice, action: str, until: float) -> CommandResult | str:
    """One call of an agent, or why there was none, in hafence's own words."""
    within_s = min(CALL_S, until - time.monotonic())
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
