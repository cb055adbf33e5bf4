"""The searches that `hafence simulate --explore` makes.

Exhaustive: in every situation one run with up to so many faults before every step that they can make a
difference to; and two runs, under the bound of `pairs.py`. Random: so many cases, each with a seed of its own.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from .case import CasePlayer, Played
from .events import Event
from .explore import Events, cases, first_case
from .oracle import QUIET_S
from .pairs import pair_cases
from .policies import Arm, arm_of, arms
from .random_cases import random_cases, shrink
from .report import Failure, Report
from .situations import COMBINED, SITUATIONS, inventory

ALONE, PAIR, RANDOM = "one run", "two runs", "random"
CHUNK = 2000
"""Random cases that are played in one piece of work."""
GARBAGE = 20_000
"""Objects between two rounds of the garbage collector. A case leaves a few thousand, all of them garbage."""
SHRUNK = 5
"""Cases that are written of failures; more of them are mostly the same again."""
Cases = Iterable[tuple[str, Events, Played]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a search that can be done alone."""

    arm: Arm
    kind: str
    """ALONE | PAIR | RANDOM."""
    situation: str = ""
    faults: int = 0
    seed: str = ""
    first: int = 0
    runs: int = 0


def exhaustive(
    policy: str = "confirm",
    storage: bool = False,
    power: bool = False,
    faults: int = 1,
    pairs: bool = True,
    situations: Iterable[str] = tuple(SITUATIONS),
    jobs: int = 1,
    progress: Callable[[Report], None] | None = None,
) -> Report:
    """Every case of one run with up to `faults` faults; with `pairs`, of two runs too, where nothing is combined."""
    arm = arm_of(policy, storage, power)
    names = tuple(situations)
    pieces = [Piece(arm, ALONE, name, faults) for name in names]
    if pairs:
        apart = [name for name in names if name not in COMBINED]
        pieces += [Piece(arm, PAIR, name, count) for count in sorted({0, faults}) for name in apart]
    return _search(arm, pieces, jobs, progress)


def at_random(
    policy: str = "confirm",
    storage: bool = False,
    power: bool = False,
    runs: int = 10_000,
    faults: int = 4,
    seed: str = "1",
    jobs: int = 1,
    progress: Callable[[Report], None] | None = None,
) -> Report:
    """So many random cases of up to three runs and up to so many faults each."""
    return _at_random(arm_of(policy, storage, power), runs, faults, seed, jobs, progress)


def compare(
    runs: int = 10_000,
    faults: int = 4,
    seed: str = "1",
    jobs: int = 1,
    progress: Callable[[Report], None] | None = None,
) -> list[Report]:
    """The same random cases under every policy, with and without second-level fences: the rows of the table."""
    return [_at_random(arm, runs, faults, seed, jobs, progress) for arm in arms()]


def _at_random(
    arm: Arm, runs: int, faults: int, seed: str, jobs: int, progress: Callable[[Report], None] | None
) -> Report:
    pieces = [
        Piece(arm, RANDOM, seed=seed, first=first, runs=min(CHUNK, runs - first), faults=faults)
        for first in range(0, runs, CHUNK)
    ]
    return _search(arm, pieces, jobs, progress)


def _search(arm: Arm, pieces: list[Piece], jobs: int, progress: Callable[[Report], None] | None) -> Report:
    whole = Report(arm.name, arm.means.words)
    for part in _done(pieces, jobs):
        whole.add(part)
        if progress is not None:
            progress(whole)
    return whole


def _done(pieces: list[Piece], jobs: int) -> Iterator[Report]:
    if jobs <= 1:
        yield from map(do_piece, pieces)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
        yield from pool.map(do_piece, pieces)


def collect_seldom() -> None:
    """What is there by now is there for good: the garbage collector need not look through it again and again."""
    gc.freeze()
    gc.set_threshold(GARBAGE)


def do_piece(piece: Piece) -> Report:
    """Do one piece of a search."""
    collect_seldom()
    report = Report(piece.arm.name, piece.arm.means.words)
    for situation, events, played in _cases(piece):
        report.take(situation, events, played)
    report.searches[piece.kind] = report.cases
    return report


def _cases(piece: Piece) -> Cases:
    player, name = player_of(piece.arm), piece.situation
    if piece.kind == RANDOM:
        return random_cases(player, piece.seed, piece.first, piece.runs, piece.faults)
    if piece.kind == PAIR:
        found = pair_cases(player, name, piece.faults)
    else:
        found = cases(player, first_case(name), piece.faults)
    return ((name, events, played) for events, played in found)


def player_of(arm: Arm) -> CasePlayer:
    """Who plays the cases of a row."""
    return CasePlayer(inventory(arm.means), arm.policy, guarded=arm.means.guard)


def shortest(report: Report, arm: Arm) -> list[Failure]:
    """The first failure of each kind, as short as it can be, and what came of it then."""
    player = player_of(arm)
    kinds: dict[tuple[str, str], Failure] = {}
    for failure in report.failures:
        kinds.setdefault((failure.violations[0].rule, failure.situation), failure)
    short: dict[tuple[str, ...], Failure] = {}
    for failure in kinds.values():
        rule = failure.violations[0].rule
        events = shrink(player, failure.events, rule)
        same = (rule, *(f"{event.verb} {event.what}" for event in events if event.verb != "run"))
        if same not in short:
            played = player.play(events)
            short[same] = Failure(failure.situation, events, [v for v in played.violations if v.rule == rule])
        if len(short) == SHRUNK:
            break
    return list(short.values())


def as_scenario(failure: Failure, arm: Arm) -> Events:
    """The events of a failure with what the search does after them, as far as it takes that to show the failure:
    every fault is mended, and the command is run again."""
    rule = failure.violations[0].rule
    played = player_of(arm).play(failure.events, liveness=False)
    if any(violation.rule == rule for violation in played.violations):
        return failure.events
    last = max(event.at for event in failure.events)
    mended = (*failure.events, Event(last + QUIET_S, "heal"))
    if rule != "liveness":
        return mended
    first = next(event for event in failure.events if event.verb == "run")
    return (*mended, Event(last + 2 * QUIET_S, "run", first.what))
