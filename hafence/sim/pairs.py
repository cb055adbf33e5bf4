"""Two runs at once, under a preemption bound.

The bound: run 1 is suspended at most once, before any of its steps, and run 2 begins when run 1's lease has ended;
run 1 goes on at any step of run 2, or when run 2 has ended. Or run 1 is never suspended, and run 2 begins at any
step after run 1's end or crash, or waits for the lease from the beginning. (As long as run 1 has the lease, run 2
finds it taken and changes nothing. Both orders of the two are the same tale.)

With faults the bound is tighter: run 1 is suspended only right before it acts (writes to the store, or sends
something to a host) or hears what came of it, and goes on when run 2 has had its time. The faults come before, at and
after the suspension; being suspended once more is not among them. Run 2 comes from the other admin node.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .events import Event
from .explore import RUN_AT_S, Events, first_tales, grow, in_order
from .faults import Moment, points
from .situations import SUSPECT, VM
from .tale import Stage, Told

PLAIN = f"admin-2: start-vm {VM} --yes"
WAITS = f"{PLAIN} --wait 200"
LEASE_OVER_S = 121.0
"""After so long without a word of run 1 its lease is anybody's."""
RETURN_S = 300.0
"""After so long run 2, which began when the lease had ended, has ended too."""
_WRITES = frozenset({"TakeLease", "DropLease", "WriteRecord", "Quarantine", "LearnMachine", "SpendStatement"})
_SENDS = frozenset({"Fence", "Start", "Settle", "Together", "part"})


def pair_tales(stage: Stage, situation: str, faults: int) -> Iterator[tuple[Events, Told]]:
    """Every tale of two runs in a situation with up to so many faults, each told."""
    alone = first_tales(situation)
    if not faults:
        yield from _every_return(stage, alone)
        return
    for at, events, told, left in _alone(stage, alone, faults, RUN_AT_S):
        for begins, pair in _second(events, told, at):
            more = stage.tell(pair, trace=left > 0)
            yield pair, more
            if left:
                yield from _later(stage, pair, more, left, begins)


def _alone(stage: Stage, events: Events, faults: int, after: float) -> Iterator[tuple[float, Events, Told, int]]:
    """The tale of run 1 and all that grow from it: the moment of the last fault, and how many faults are left."""
    told = stage.tell(events, trace=True, liveness=False)
    yield after, events, told, faults
    if faults:
        for at, grown in grow(stage, events, told, after, two_runs=True):
            yield from _alone(stage, grown, faults - 1, at)


def _later(stage: Stage, events: Events, told: Told, faults: int, after: float) -> Iterator[tuple[Events, Told]]:
    for at, grown in grow(stage, events, told, after, two_runs=True):
        more = stage.tell(grown, trace=faults > 1)
        yield grown, more
        if faults > 1:
            yield from _later(stage, grown, more, faults - 1, at)


def _second(events: Events, told: Told, after: float) -> Iterator[tuple[float, Events]]:
    """Where run 2 begins in a tale of run 1, later than a moment."""
    run = told.theatre.runs[0]
    ended_at = run.ended_at if run.ended_at is not None else float("inf")
    moments = list(points(told.steps, after))
    if moments and moments[0].at < ended_at:
        yield moments[0].at, in_order(*events, Event(moments[0].at, "run", WAITS))
    for moment in _before_acts(moments):
        if moment.at < ended_at:
            yield moment.at, in_order(*_suspended(events, moment.at), Event(moment.at + RETURN_S, "release", "admin-1"))
    free = [moment.at for moment in moments if moment.at >= ended_at]
    if told.steps and ended_at != float("inf"):
        free.append(max(told.steps[-1][0], after) + 1.0)
    for at in free:
        yield at, in_order(*events, Event(at, "run", PLAIN))


def _suspended(events: Events, at: float) -> Events:
    return in_order(*events, Event(at, "hold", "admin-1"), Event(at + LEASE_OVER_S, "run", PLAIN))


def _before_acts(moments: list[Moment]) -> Iterator[Moment]:
    """The moments at which run 1 is about to act, or to hear what came of an act.

    That is right before a write's question arrives; and of its steps that send something to a host or wait for it,
    with nothing else in between, before the last, and before each of several effects at once that concerns the suspect.
    """
    before: frozenset[str] = frozenset()
    for moment, later in pairwise([*moments, None]):
        assert moment is not None, "only the last is None"
        if "run-1" not in moment.runs:
            continue
        goes_on = later is not None and later.runs == {"run-1"} and bool(later.does & _SENDS)
        sends = moment.does & _SENDS and (not goes_on or ("part" in moment.does and SUSPECT in moment.touched))
        if sends or moment.does & _WRITES - before:
            yield moment
        before = moment.does


def _every_return(stage: Stage, alone: Events) -> Iterator[tuple[Events, Told]]:
    """Two runs without a fault: run 1 suspended before any step, and going on at any step of run 2."""
    told = stage.tell(alone, trace=True, liveness=False)
    for _, events in _second(alone, told, RUN_AT_S):
        yield events, stage.tell(events)
    for moment in points(told.steps, RUN_AT_S):
        if "run-1" not in moment.runs:
            continue
        held = _suspended(alone, moment.at)
        seen = stage.tell(held, trace=True, liveness=False)
        ended_at = seen.theatre.runs[1].ended_at
        returns = [point.at for point in points(seen.steps, moment.at) if "run-2" in point.runs]
        if ended_at is not None:
            returns.append(ended_at + 0.01)
        for at in returns:
            events = in_order(*held, Event(at, "release", "admin-1"))
            yield events, stage.tell(events)
