"""One run: every fault before every step, then every pair of faults, in every situation.

The first rank of a search is a tale without faults. Each tale is played with its steps recorded, and from it
grow the tales with one fault more, put before any later step that the fault can make a difference to.
"""

from __future__ import annotations

from collections.abc import Iterator

from .events import Event
from .faults import faults_before, points
from .situations import SITUATIONS, VM
from .tale import Stage, Told

RUN_AT_S = 40.0
"""When the first run begins: late enough that a watcher without packets has been evicted."""
Events = tuple[Event, ...]


def first_tales(situation: str, command: str = f"start-vm {VM} --yes") -> Events:
    """The tale of one run in a situation."""
    return (*SITUATIONS[situation], Event(RUN_AT_S, "run", f"admin-1: {command}"))


def in_order(*events: Event) -> Events:
    """Events in the order of their times; those of the same time stay as they are."""
    return tuple(sorted(events, key=lambda event: event.at))


def grow(
    stage: Stage, events: Events, told: Told, after: float, two_runs: bool = False
) -> Iterator[tuple[float, Events]]:
    """Every tale with one fault more that comes later than `after`, and when it comes."""
    tried: set[Events] = set()
    for moment in points(told.steps, after):
        for fault in faults_before(stage.inventory, events, moment, two_runs):
            tale = in_order(*events, *fault)
            if tale not in tried:
                tried.add(tale)
                yield moment.at, tale


def tales(stage: Stage, begin: Events, faults: int, after: float = RUN_AT_S) -> Iterator[tuple[Events, Told]]:
    """The tale and all that grow from it by up to so many faults, each told."""
    told = stage.tell(begin, trace=faults > 0)
    yield begin, told
    if faults:
        for at, events in grow(stage, begin, told, after):
            yield from tales(stage, events, faults - 1, at)
