"""Two runs at once, under a preemption bound.

The bound: run 1 is suspended at most once, before any of its steps, and run 2 begins when run 1's lease has ended;
run 1 goes on at any step of run 2, or when run 2 has ended. Or run 1 is never suspended, and run 2 begins at any
step after run 1's end or crash, or waits for the lease from the beginning. (As long as run 1 has the lease, run 2
finds it taken and changes nothing. Both orders of the two are the same case.)

With faults the bound is tighter: run 1 is suspended only right before it acts (writes to the store, or sends
something to a host) or hears what came of it, and goes on when run 2 has had its time. The faults come before, at and
after the suspension; being suspended once more is not among them. Run 2 comes from the other admin node.

Clocks: a lease ends by the clock of whoever wants it. Run 2's node is ahead of run 1's by more than a lease, and takes
the lease of a run that lives, acts and has time by its own clock: run 1 goes on meanwhile, or is held up for a moment
and goes on. (Run 1's node behind run 2's is the same case.) These cases have no fault beside.

Stores: where run 2's node goes by a store of its own, no lease keeps it from anything. It begins at any step of run 1,
and the hosts are all that they share. It wants another target than run 1 where both meet on the suspect, and any where
nobody gets there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ..core.attempts import Verdict
from ..effects import Effect, Touches
from .case import CasePlayer, Played
from .events import Event
from .explore import Events, first_case, grow, in_order
from .faults import SHORT_HOLD_S, Moment, points, touched_by
from .situations import RUN_AT_S, SUSPECT, VM

PLAIN = f"admin-2: start-vm {VM} --yes"
WAITS = f"{PLAIN} --wait 200"
LEASE_OVER_S = 121.0
"""After so long without a word of run 1 its lease is anybody's."""
RETURN_S = 300.0
"""After so long run 2, which began when the lease had ended, has ended too."""
AHEAD = Event(0.0, "clock", "admin-2=130")
"""By more than a lease."""
OWN_STORE = Event(0.0, "own_store", "admin-2")
ELSEWHERE = f"{PLAIN} --to kvm-03"
Grown = tuple[float, Events, Played, int]
"""The moment of the last fault, the events, what came of them, and how many faults are left."""
_ACTS = Touches.HOST_CHANGE | Touches.STORAGE | Touches.POWER
"""What an effect touches that acts outside the store."""


def pair_cases(player: CasePlayer, situation: str, faults: int) -> Iterator[tuple[Events, Played]]:
    """Every case of two runs in a situation with up to so many faults, each played."""
    alone = first_case(situation)
    for together in (*_taken_over_early(player, alone), *_two_stores(player, alone)):
        yield together, player.play(together)
    if not faults:
        yield from _every_return(player, alone)
        return
    for at, events, played, left in _alone(player, alone, faults, RUN_AT_S):
        for begins, pair in _second(events, played, at):
            more = player.play(pair, trace=left > 0)
            yield pair, more
            if left:
                yield from _later(player, pair, more, left, begins)


def _alone(player: CasePlayer, events: Events, faults: int, after: float) -> Iterator[Grown]:
    """The case of run 1 and all that grow from it: the moment of the last fault, and how many faults are left."""
    played = player.play(events, trace=True, liveness=False)
    yield after, events, played, faults
    if faults:
        for at, grown in grow(player, events, played, after, two_runs=True):
            yield from _alone(player, grown, faults - 1, at)


def _later(
    player: CasePlayer, events: Events, played: Played, faults: int, after: float
) -> Iterator[tuple[Events, Played]]:
    for at, grown in grow(player, events, played, after, two_runs=True):
        more = player.play(grown, trace=faults > 1)
        yield grown, more
        if faults > 1:
            yield from _later(player, grown, more, faults - 1, at)


def _second(events: Events, played: Played, after: float) -> Iterator[tuple[float, Events]]:
    """Where run 2 begins in a case of run 1, later than a moment."""
    run = played.simulation.runs[0]
    ended_at = run.ended_at if run.ended_at is not None else float("inf")
    moments = list(points(played.steps, after))
    if moments and moments[0].at < ended_at:
        yield moments[0].at, in_order(*events, Event(moments[0].at, "run", WAITS))
    for moment in _before_acts(moments):
        if moment.at < ended_at:
            yield moment.at, in_order(*_suspended(events, moment.at), Event(moment.at + RETURN_S, "release", "admin-1"))
    free = [moment.at for moment in moments if moment.at >= ended_at]
    if played.steps and ended_at != float("inf"):
        free.append(max(played.steps[-1][0], after) + 1.0)
    for at in free:
        yield at, in_order(*events, Event(at, "run", PLAIN))


def _two_stores(player: CasePlayer, alone: Events) -> Iterator[Events]:
    """Run 2, which goes by a store of its own, begins at any step of run 1."""
    played = player.play(alone, trace=True, liveness=False)
    outcomes = played.simulation.runs[0].outcomes
    meet = bool(outcomes) and outcomes[0].verdict in (Verdict.CONFIRMED_DEAD, Verdict.STILL_ALIVE)
    for moment in points(played.steps, RUN_AT_S):
        if "run-1" in moment.runs:
            yield in_order(OWN_STORE, *alone, Event(moment.at, "run", ELSEWHERE if meet else PLAIN))


def _taken_over_early(player: CasePlayer, alone: Events) -> Iterator[Events]:
    """Run 2, whose clock is ahead, begins right before each act of run 1, which is at once there, or a moment later."""
    played = player.play(alone, trace=True, liveness=False)
    for moment in _before_acts(list(points(played.steps, RUN_AT_S))):
        taken = (AHEAD, *alone, Event(moment.at, "run", PLAIN))
        hold, release = Event(moment.at, "hold", "admin-1"), Event(moment.at + SHORT_HOLD_S, "release", "admin-1")
        yield in_order(*taken)
        yield in_order(*taken, hold, release)


def _suspended(events: Events, at: float) -> Events:
    return in_order(*events, Event(at, "hold", "admin-1"), Event(at + LEASE_OVER_S, "run", PLAIN))


def _before_acts(moments: list[Moment]) -> Iterator[Moment]:
    """The moments at which run 1 is about to act, or to hear what came of an act.

    That is right before a write's question arrives; and of its steps that send something to a host or wait for it,
    with nothing else in between, before the last, and before each of several effects at once that concerns the suspect.
    """
    before: frozenset[type[Effect[Any]]] = frozenset()
    for moment, later in pairwise([*moments, None]):
        assert moment is not None, "only the last is None"
        if "run-1" not in moment.runs:
            continue
        goes_on = later is not None and later.runs == {"run-1"} and bool(_ACTS & later.touches)
        part = moment.parts and SUSPECT in moment.touched
        acts = _ACTS & moment.touches and (not goes_on or part)
        if acts or Touches.STORE_CHANGE & touched_by(moment.does - before):
            yield moment
        before = moment.does


def _every_return(player: CasePlayer, alone: Events) -> Iterator[tuple[Events, Played]]:
    """Two runs without a fault: run 1 suspended before any step, and going on at any step of run 2."""
    played = player.play(alone, trace=True, liveness=False)
    for _, events in _second(alone, played, RUN_AT_S):
        yield events, player.play(events)
    for moment in points(played.steps, RUN_AT_S):
        if "run-1" not in moment.runs:
            continue
        held = _suspended(alone, moment.at)
        seen = player.play(held, trace=True, liveness=False)
        ended_at = seen.simulation.runs[1].ended_at
        returns = [point.at for point in points(seen.steps, moment.at) if "run-2" in point.runs]
        if ended_at is not None:
            returns.append(ended_at + 0.01)
        for at in returns:
            events = in_order(*held, Event(at, "release", "admin-1"))
            yield events, player.play(events)
