"""The power fence, as rules: what the answers of a level's devices come to, and how long each level may take.

Levels as in Pacemaker's fencing topology: all devices of a level must succeed, else the next level is tried. What a
device answers to `off` counts for nothing: Redfish answers 409 when it is off already, and some BMCs accept an `off`
and ignore it. Only OFF that was observed, of every device of a level in one round, is proof. OFF of one and an error of
another is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from .evidence import Observation, Proof
from .model import Host, HostName
from .second_level import SecondLevelKind, SecondLevelReply

POLL_S = 1.0
"""Between two rounds of asking."""
MOST_UNKNOWN = 2
"""Rounds in which a device could not be asked, after which the next level has its turn."""


class Power(Enum):
    """What a device says of its host's power."""

    ON = "on"
    OFF = "off"
    ERROR = "error"
    """It could not be asked, or can't tell. Never taken for one of the others."""


@dataclass(frozen=True, slots=True)
class PowerSeen:
    """One answer of one device, in words too. `at`: seconds since the epoch, by the admin node's clock."""

    power: Power
    says: str
    at: float


@dataclass(frozen=True, slots=True)
class DeviceId:
    """One power device of a host: the number-th of a level, both counted from 1, and the agent that it is asked by."""

    host: HostName
    level: int
    number: int
    agent: str


def devices_of(host: Host, level: int) -> tuple[DeviceId, ...]:
    """The devices of a level, in their order."""
    devices = host.power[level - 1]
    return tuple(DeviceId(host.name, level, number, device.agent) for number, device in enumerate(devices, 1))


Round = tuple[PowerSeen, ...]
"""The answers of all devices of a level that were asked at once, in their order."""


def is_off(seen: Round) -> bool:
    """Whether a level was seen off. Of no device at all nobody has seen that."""
    return bool(seen) and all(each.power is Power.OFF for each in seen)


def level_until(now: float, end: float, level: int, levels: int) -> float:
    """Until when a level (the first is 1) may take. What is left is shared by the levels that are left: a BMC that
    hangs must not cost the next its turn."""
    return now + (end - now) / (levels - level + 1)


@dataclass(frozen=True, slots=True)
class Polling:
    """A level that is asked again and again until it is off, at the latest until `until`."""

    until: float
    seen: Round = ()
    """The last round that counts."""
    unknown: int = 0
    """In how many rounds a device could not tell."""
    over: bool = False


def after_round(polling: Polling, seen: Round, began: float, now: float) -> Polling:
    """What one more round that began then and has just ended changes."""
    if is_off(seen):
        return replace(polling, seen=seen, over=True)
    if polling.seen and now >= polling.until:  # it was cut short, and says less than the one before
        return replace(polling, over=True)
    unknown = polling.unknown + any(each.power is Power.ERROR for each in seen)
    no_time = now + POLL_S + (now - began) > polling.until
    return Polling(polling.until, seen, unknown, unknown >= MOST_UNKNOWN or no_time)


# ---------------------------------------------------------------- what came of it


def level_words(devices: Sequence[DeviceId], seen: Round) -> str:
    """What each device of a level said."""
    return ", ".join(f"{device.agent} {each.says}" for device, each in zip(devices, seen, strict=True))


def level_reply(host: HostName, level: int, words: str, seen: Round, rehearse: bool) -> SecondLevelReply | None:
    """What a level proves, or foretells; None where it does neither, and the next level has its turn."""
    if is_off(seen):
        says = f"level {level} sees it off: {words}"
        at = min(each.at for each in seen)
        proof = Observation(SecondLevelKind.POWER.value, f"{host} level {level}", at, says, Proof.HOST_OFF)
        return SecondLevelReply(SecondLevelKind.POWER, True, says, (proof,))
    if rehearse and seen and all(each.power is not Power.ERROR for each in seen):
        says = f"level {level} would switch it off: {words} (foretold, nothing was switched)"
        return SecondLevelReply(SecondLevelKind.POWER, True, says, ())
    return None


def was_seen_off(reply: SecondLevelReply) -> bool:
    """Whether a power fence, or its rehearsal, has seen a level off."""
    return any(each.proves is Proof.HOST_OFF for each in reply.evidence)


def of_another_machine(host: HostName, reply: SecondLevelReply, signs: Sequence[str], now: float) -> SecondLevelReply:
    """A power fence that saw a level off, of a host that was seen alive after that: nothing is proved of this host."""
    says = f"{reply.says}; but {' and '.join(signs)}: the devices are another machine's (see 'power:' of {host})"
    return no_power_fence(host, says, now)


def not_off(host: HostName, failures: Sequence[str], now: float) -> SecondLevelReply:
    """No level was seen off; `failures` are the words of each."""
    return no_power_fence(host, f"it was not seen off: {'; '.join(failures)}", now)


def no_power_fence(host: HostName, says: str, now: float) -> SecondLevelReply:
    """A power fence that did not come to be."""
    nothing = Observation(SecondLevelKind.POWER.value, host, now, says, Proof.NOTHING)
    return SecondLevelReply(SecondLevelKind.POWER, False, says, (nothing,))
