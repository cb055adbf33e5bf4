"""What libvirt starts anew on a host whose VM was started elsewhere: with the guard of contrib/ nothing, without it no
second copy that is not named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hafence.core.outcome import Decision
from hafence.sim.case import CasePlayer, Played
from hafence.sim.events import Event
from hafence.sim.explore import Events, cases, first_case
from hafence.sim.policies import Arm, arms
from hafence.sim.search import RANDOM, Piece, do_piece
from hafence.sim.situations import Means, inventory

BY_LIBVIRT = ("autostarts", "host-dead-autostarts", "isolated-autostarts", "saved", "saved-isolated")


def tales(policy: str, situation: str, guarded: bool) -> Iterator[tuple[Events, Played]]:
    """Every tale of one run and one fault."""
    book = inventory(Means(policy, False, False))
    guards = tuple(Event(0.0, "guard", f"{host}=on") for host in book.hosts) if guarded else ()
    yield from cases(CasePlayer(book), (*guards, *first_case(situation)), 1)


def came_back(played: Played) -> bool:
    """Whether a second writer was none of hafence's, and began after the world."""
    return any(not writer.by and writer.born_at > 0 for split in played.splits for writer in split.writers)


@pytest.mark.slow
@pytest.mark.parametrize("situation", BY_LIBVIRT)
def test_with_the_guard_libvirt_brings_nothing_back(situation: str) -> None:
    for events, played in tales("confirm", situation, guarded=True):
        assert not played.violations, (events, played.violations)
        assert not came_back(played), events


@pytest.mark.slow
def test_of_random_cases_the_guard_leaves_none_that_libvirt_brings_back() -> None:
    [with_guard] = [arm for arm in arms() if arm.means.guard]
    without = Arm(with_guard.name, replace(with_guard.means, guard=False), with_guard.policy)
    guarded, bare = (do_piece(Piece(arm, RANDOM, seed="guard", runs=2500, faults=4)) for arm in (with_guard, without))
    assert guarded.held
    assert bare.held
    assert guarded.unbidden_split_brains == 0
    assert bare.unbidden_split_brains > 10


@pytest.mark.slow
def test_without_it_each_second_copy_is_named() -> None:
    """Where a run said that it had started the VM, the risk was named."""
    seen = 0
    for situation in BY_LIBVIRT:
        for events, played in tales("confirm", situation, guarded=False):
            assert not played.violations, (events, played.violations)
            if not came_back(played):
                continue
            outcomes = [each for run in played.simulation.runs for each in run.outcomes]
            if any(each.decision is Decision.STARTED for each in outcomes):
                assert any(each.residual_risk for each in outcomes), events
                seen += 1
    assert seen > 200
