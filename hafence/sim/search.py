"""The searches that `hafence simulate --explore` makes, and the table that compares policies.

Exhaustive: in every situation one run with up to so many faults before every step that they can make a
difference to; and two runs with up to one fault less, under the bound of `pairs.py`. Random: so many tales, each
with a seed of its own.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from .chance import random_tales, shrink
from .explore import Events, first_tales, tales
from .pairs import pair_tales
from .policies import Arm, arm_of, arms
from .report import Failure, Report
from .situations import SITUATIONS, inventory
from .tale import Told

CHUNK = 2000
"""Random tales that are told in one piece of work."""
SHRUNK = 5
"""Failures that are shrunk; more of them are mostly the same story again."""
Tales = Iterable[tuple[str, Events, Told]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a search that can be done alone."""

    arm: Arm
    kind: str
    """alone | pair | random."""
    situation: str = ""
    faults: int = 0
    every_return: bool = False
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
    """Every tale of one run with up to `faults` faults; with `pairs`, of two runs with up to one less."""
    arm = arm_of(policy, storage, power)
    pieces = [Piece(arm, "alone", name, faults) for name in situations]
    if pairs:
        pieces += [Piece(arm, "pair", name, max(0, faults - 1), faults == 1) for name in situations]
    return _search(arm, policy, pieces, jobs, progress)


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
    """So many random tales of up to three runs and up to so many faults each."""
    return _at_random(arm_of(policy, storage, power), policy, runs, faults, seed, jobs, progress)


def compare(
    runs: int = 10_000,
    faults: int = 4,
    seed: str = "1",
    jobs: int = 1,
    progress: Callable[[Report], None] | None = None,
) -> list[Report]:
    """The same random tales under every policy, with and without second-level fences: the rows of the table."""
    return [_at_random(arm, arm.name, runs, faults, seed, jobs, progress) for arm in arms()]


def _at_random(
    arm: Arm, name: str, runs: int, faults: int, seed: str, jobs: int, progress: Callable[[Report], None] | None
) -> Report:
    pieces = [
        Piece(arm, "random", seed=seed, first=first, runs=min(CHUNK, runs - first), faults=faults)
        for first in range(0, runs, CHUNK)
    ]
    return _search(arm, name, pieces, jobs, progress)


def _search(arm: Arm, name: str, pieces: list[Piece], jobs: int, progress: Callable[[Report], None] | None) -> Report:
    whole = Report(name, arm.means.words)
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


def do_piece(piece: Piece) -> Report:
    """Do one piece of a search."""
    gc.freeze()  # what is there by now is there for good: no need to look through it again and again
    report = Report(piece.arm.name, piece.arm.means.words)
    for situation, events, told in _tales(piece):
        report.take(situation, events, told)
    return report


def _tales(piece: Piece) -> Tales:
    world, policy, name = inventory(piece.arm.means), piece.arm.policy, piece.situation
    if piece.kind == "random":
        return random_tales(world, piece.seed, piece.first, piece.runs, piece.faults, policy)
    if piece.kind == "pair":
        found = pair_tales(world, name, piece.faults, piece.every_return, policy)
    else:
        found = tales(world, first_tales(name), piece.faults, policy)
    return ((name, events, told) for events, told in found)


def shortest(report: Report, arm: Arm) -> list[Failure]:
    """The first failure of each kind, as short as it can be told."""
    world = inventory(arm.means)
    kinds: dict[tuple[str, str], Failure] = {}
    for failure in report.failures:
        kinds.setdefault((failure.violations[0].rule, failure.situation), failure)
    short = []
    for failure in list(kinds.values())[:SHRUNK]:
        rule = failure.violations[0].rule
        events = shrink(world, failure.events, rule, arm.policy)
        kept = [violation for violation in failure.violations if violation.rule == rule]
        short.append(Failure(failure.situation, events, kept))
    return short


def table(reports: list[Report]) -> str:
    """The comparison of policies as text: counts per million runs, the middle time to start in virtual seconds."""
    head: tuple[str, ...] = ("policy", "split-brains", "of these named", "starts", "refusals", "seconds to start")
    rows: list[tuple[str, ...]] = [head]
    for report in reports:
        each = 1_000_000 / report.cases if report.cases else 0.0
        both = report.split_brains + report.named_split_brains
        seconds = report.median_start_s
        counts = (both, report.named_split_brains, report.starts, report.refusals)
        spent = "-" if seconds is None else f"{seconds:.1f}"
        rows.append((report.policy, *(f"{count * each:,.0f}" for count in counts), spent))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for name, *numbers in rows:
        right = [text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join((name.ljust(widths[0]), *right)))
    return "\n".join(lines) + "\n"
