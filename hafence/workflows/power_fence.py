"""The power fence: a host's levels in order, each told `off` and asked until all its devices say OFF in one round."""

from __future__ import annotations

from ..core.model import Host
from ..core.power import (
    POLL_S,
    DeviceId,
    Polling,
    Round,
    after_round,
    devices_of,
    level_reply,
    level_until,
    level_words,
    not_off,
)
from ..core.second_level import SecondLevelReply
from ..effects import AskPower, Now, SendOff, Sleep, Together, Workflow, do


def power_fence(host: Host, not_after: float, within_s: float, rehearse: bool) -> Workflow[SecondLevelReply]:
    """Switch a host off level by level, until one level is seen off. With `rehearse`, only ask each level once.

    Nothing begins after `not_after`, and all of it takes `within_s` at most.
    """
    end = min(not_after, (yield from do(Now())) + within_s)
    failures: list[str] = []
    for level in range(1, len(host.power) + 1):
        devices = devices_of(host, level)
        until = level_until((yield from do(Now())), end, level, len(host.power))
        seen = yield from (_ask(devices, until) if rehearse else _switch_off(devices, until))
        words = level_words(devices, seen)
        reply = level_reply(host.name, level, words, seen, rehearse)
        if reply is not None:
            return reply
        failures.append(f"level {level}: {words}")
    return not_off(host.name, failures, (yield from do(Now())))


def _switch_off(devices: tuple[DeviceId, ...], until: float) -> Workflow[Round]:
    """Send `off` to every device of a level, then ask until all are off in one round, or time is up."""
    yield from do(Together(tuple(SendOff(device, until) for device in devices)))
    polling = Polling(until)
    while True:
        began = yield from do(Now())
        seen = yield from _ask(devices, until)
        polling = after_round(polling, seen, began, (yield from do(Now())))
        if polling.over:
            return polling.seen
        yield from do(Sleep(POLL_S))


def _ask(devices: tuple[DeviceId, ...], until: float) -> Workflow[Round]:
    """One round: every device of a level at once."""
    return (yield from do(Together(tuple(AskPower(device, until) for device in devices))))
