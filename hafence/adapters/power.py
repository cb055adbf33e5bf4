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
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..core.evidence import Evidence, Proof
from ..core.model import Host, PowerDevice
from ..effects import SecondLevelReply
from .commands import run_command

POLL_S = 1.0
CALL_S = 25.0
"""One call of an agent. fence_ipmilan itself waits up to 20 s for a machine to go off."""
SECRET_S = 10.0
MOST_UNKNOWN = 3
"""Rounds in which a device could not be asked, after which no waiting helps. A BMC may miss one while it switches."""

STATUS_ON, STATUS_OFF = 0, 2
"""Exit statuses of an agent's `status` (fence-agents' API); any other is an error."""


class Power(Enum):
    """What a device says of its host's power."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of one device."""

    power: Power
    says: str


def power_off(host: Host, within_s: float, rehearse: bool) -> SecondLevelReply:
    """Switch `host` off level by level until one level is seen off. With `rehearse`, only ask every device."""
    until = time.monotonic() + within_s
    failures: list[str] = []
    for number, level in enumerate(host.power, 1):
        said = _ask_level(level, until) if rehearse else _off_level(level, until)
        words = ", ".join(f"{device.agent} {each.says}" for device, each in zip(level, said, strict=True))
        if rehearse and all(each.power is not Power.UNKNOWN for each in said):
            return SecondLevelReply("power", True, f"level {number} answers: {words} (nothing was switched)", ())
        if all(each.power is Power.OFF for each in said):
            says = f"seen off by level {number}: {words}"
            evidence = Evidence("power", f"{host.name} level {number}", time.time(), says, Proof.HOST_OFF)
            return SecondLevelReply("power", True, says, (evidence,))
        failures.append(f"level {number}: {words}")
    says = "; ".join(failures)
    evidence = Evidence("power", host.name, time.time(), f"not seen off: {says}", Proof.NOTHING)
    return SecondLevelReply("power", False, says, (evidence,))


def _off_level(level: tuple[PowerDevice, ...], until: float) -> list[Said]:
    """Send `off` to every device, then poll until all are off in one round, or time is up."""
    for device in level:
        if time.monotonic() < until:
            _call(device, "off", until)
    said = _ask_level(level, until)
    unknown = 0
    while not all(each.power is Power.OFF for each in said) and time.monotonic() + POLL_S < until:
        unknown += any(each.power is Power.UNKNOWN for each in said)
        if unknown >= MOST_UNKNOWN:
            break
        time.sleep(POLL_S)
        said = _ask_level(level, until)
    return said


def _ask_level(level: tuple[PowerDevice, ...], until: float) -> list[Said]:
    return [_status(device, until) for device in level]


def _status(device: PowerDevice, until: float) -> Said:
    status, trouble = _call(device, "status", until)
    if status == STATUS_ON:
        return Said(Power.ON, "says on")
    if status == STATUS_OFF:
        return Said(Power.OFF, "says off")
    return Said(Power.UNKNOWN, trouble or f"failed (exit {status})")


def _call(device: PowerDevice, action: str, until: float) -> tuple[int | None, str]:
    """The exit status of one call of an agent, or None and the trouble in hafence's own words."""
    try:
        options = resolve(device, os.environ.get)
    except (OSError, ValueError) as error:
        return None, f"could not be asked: {error}"
    stdin = "".join(f"{name}={value}\n" for name, value in [*options, ("action", action)])
    run = run_command([device.agent], min(CALL_S, max(0.0, until - time.monotonic())), stdin)
    return run.status, run.trouble


def resolve(device: PowerDevice, environment: Callable[[str], str | None]) -> list[tuple[str, str]]:
    """The agent's options with the password read from where the inventory says. Errors never hold the secret."""
    options: list[tuple[str, str]] = []
    for name, value in device.options:
        match name:
            case "password_file":
                options.append(("password", _first_line(Path(str(value)).read_text(encoding="utf-8"), f"{value}")))
            case "password_env":
                secret = environment(str(value))
                if secret is None:
                    raise ValueError(f"{value} is not in the environment")
                options.append(("password", _first_line(secret, f"{value}")))
            case "password_command":
                argv = [*value] if isinstance(value, tuple) else shlex.split(value)
                run = run_command(argv, SECRET_S)
                if run.status != 0:
                    raise ValueError(f"password_command failed ({run.trouble or f'exit {run.status}'})")
                options.append(("password", _first_line(run.stdout, "password_command")))
            case _:
                options.append((name, str(value)))
    return options


def _first_line(text: str, source: str) -> str:
    """A secret is one line: a second one would be another option to the agent."""
    lines = text.rstrip("\n").split("\n")
    if len(lines) != 1 or not lines[0] or "\r" in lines[0] or "\0" in lines[0]:
        raise ValueError(f"{source} does not hold exactly one line")
    return lines[0]
