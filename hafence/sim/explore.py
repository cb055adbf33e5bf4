"""One run: every fault before every step, then every pair of faults, in every situation.

The first rank of a search is a case without faults. Each case is played with its steps recorded, and from it
grow the cases with one fault more, put before any later step that the fault can make a difference to.
"""

from __future__ import annotations

from collections.abc import Iterator

from .case import CasePlayer, Played
from .events import Event
from .faults import faults_before, points
from .situations import PLAIN, RUN_AT_S, SITUATIONS

Events = tuple[Event, ...]


def first_case(situation: str, command: str = PLAIN) -> Events:
    """The case of one run in a situation."""
    return (*SITUATIONS[situation], Event(RUN_AT_S, "run", f"admin-1: {command}"))


def in_order(*events: Event) -> Events:
    """Events in the order of their times; those of the same time stay as they are."""
    return tuple(sorted(events, key=lambda event: event.at))


def grow(
    player: CasePlayer, events: Events, played: Played, after: float, two_runs: bool = False
) -> Iterator[tuple[float, Events]]:
    """Every case with one fault more that comes later than `after`, and when it comes."""
    tried: set[Events] = set()
    for moment in points(played.steps, after):
        for fault in faults_before(player.inventory, events, moment, two_runs):
            grown = in_order(*events, *fault)
            if grown not in tried:
                tried.add(grown)
                yield moment.at, grown


def cases(player: CasePlayer, begin: Events, faults: int, after: float = RUN_AT_S) -> Iterator[tuple[Events, Played]]:
    """The case and all that grow from it by up to so many faults, each played."""
    played = player.play(begin, trace=faults > 0)
    yield begin, played
    if faults:
        for at, events in grow(player, begin, played, after):
            yield from cases(player, events, faults - 1, at)
