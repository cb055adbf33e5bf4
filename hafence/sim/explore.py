"""One run: every fault before every step, then every pair of faults, in every situation.

The first rank of a search is a tale without faults. Each tale is played with its steps recorded, and from it
grow the tales with one fault more, put before any later step that the fault can make a difference to.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core.model import Inventory
from .events import Event
from .faults import faults_before, points
from .run import Policy
from .situations import SITUATIONS, VM
from .tale import Told, tell

RUN_AT_S = 40.0
"""When the first run begins: late enough that a watcher without packets has been evicted."""
Events = tuple[Event, ...]


def first_tales(situation: str, command: str = f"start-vm {VM} --yes") -> Events:
    """The tale of one run in a situation."""
    return (*SITUATIONS[situation], Event(RUN_AT_S, "run", f"admin-1: {command}"))


def grow(events: Events, told: Told, after: float | None = None) -> Iterator[Events]:
    """Every tale with one fault more: later than `after`, or than all faults that it has."""
    last = after
    if last is None:
        last = max(event.at for event in events if event.verb not in ("release", "unfreeze"))
    tried: set[Events] = set()
    for at, step in points(told.steps, last):
        for fault in faults_before(at, step):
            tale = tuple(sorted((*events, *fault), key=lambda event: event.at))
            if tale not in tried:
                tried.add(tale)
                yield tale


def tales(world: Inventory, begin: Events, faults: int, policy: Policy | None = None) -> Iterator[tuple[Events, Told]]:
    """The tale and all that grow from it by up to so many faults, each told."""
    told = tell(world, begin, policy, trace=faults > 0)
    yield begin, told
    if faults:
        for events in grow(begin, told):
            yield from tales(world, events, faults - 1, policy)
