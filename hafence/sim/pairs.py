"""Two runs at once: every place at which one may be suspended while the other goes on.

The bound: run 1 is suspended at most once, at any of its steps, and run 2 begins there. Run 1 goes on at any
step of run 2, or when run 2 has ended; from then on both go on at their own pace. Both orders of the two are the
same tale. Run 2 comes from the other admin node and either does not wait for the lease or waits until it expires.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core.model import Inventory
from .events import Event
from .explore import RUN_AT_S, Events, first_tales, grow
from .faults import points
from .run import Policy
from .situations import VM
from .tale import Told, tell

SECOND = (f"start-vm {VM} --yes", f"start-vm {VM} --yes --wait 200")
NEVER_S = 5000.0
"""Later than anything that a run does."""


def pair_tales(
    world: Inventory, situation: str, faults: int, every_return: bool, policy: Policy | None = None
) -> Iterator[tuple[Events, Told]]:
    """Every tale of two runs with up to so many faults.

    With `every_return` run 1 goes on at every step of run 2; without, only when run 2 has ended, or at once.
    """
    alone = first_tales(situation)
    told = tell(world, alone, policy, trace=True)
    moments = [RUN_AT_S, *(at for at, step in points(told.steps, RUN_AT_S) if step[1].startswith("run-1"))]
    for second in SECOND:
        for at in moments:
            for events, pair in _returns(world, alone, at, second, every_return, policy):
                yield events, pair
                if faults:
                    yield from _with_faults(world, events, pair, faults, policy)


def _returns(
    world: Inventory, alone: Events, at: float, second: str, every_return: bool, policy: Policy | None
) -> Iterator[tuple[Events, Told]]:
    together = _sorted(*alone, Event(at, "run", f"admin-2: {second}"))
    yield together, tell(world, together, policy, trace=True)
    held = _sorted(*alone, Event(at, "hold", "admin-1"), Event(at, "run", f"admin-2: {second}"))
    seen = tell(world, held, policy, trace=True, liveness=False)
    others = [when for when, step in points(seen.steps, at) if step[1].startswith("run-2")]
    ends = seen.theatre.runs[1].ended_at if len(seen.theatre.runs) > 1 else None
    moments = [ends + 0.01] if ends is not None else []
    if every_return:
        moments = [*others, *moments]
    for when in moments:
        events = _sorted(*held, Event(when, "release", "admin-1"))
        yield events, tell(world, events, policy, trace=True)


def _with_faults(
    world: Inventory, events: Events, told: Told, faults: int, policy: Policy | None
) -> Iterator[tuple[Events, Told]]:
    """Faults from the beginning on: they may come before, at and after the suspension."""
    for grown in grow(events, told, RUN_AT_S):
        more = tell(world, grown, policy, trace=faults > 1)
        yield grown, more
        if faults > 1:
            yield from _later(world, grown, more, faults - 1, policy)


def _later(
    world: Inventory, events: Events, told: Told, faults: int, policy: Policy | None
) -> Iterator[tuple[Events, Told]]:
    for grown in grow(events, told):
        more = tell(world, grown, policy, trace=faults > 1)
        yield grown, more
        if faults > 1:
            yield from _later(world, grown, more, faults - 1, policy)


def _sorted(*events: Event) -> Events:
    return tuple(sorted(events, key=lambda event: event.at))
