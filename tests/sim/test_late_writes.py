"""Writes that outlive their process: the search meets each kind, and notices when the fence lets one be."""

from __future__ import annotations

from collections import Counter

import pytest

from hafence.core.last_writes import WORDS
from hafence.core.outcome import Decision
from hafence.sim import late_writes, scripts
from hafence.sim.case import CasePlayer, Played
from hafence.sim.events import Event
from hafence.sim.explore import cases, first_case
from hafence.sim.grounds import Excuse
from hafence.sim.situations import SUSPECT, Means, inventory

ENDED = ("bytes-queued", "bytes-queued-unseen", "bytes-queued-by-one-that-is-gone", "cache-outlives")
LEFT = ("bytes-queued-without-ss", "path-hangs")
PLAIN = Means("confirm")


def tale(situation: str, means: Means = PLAIN, *more: Event) -> Played:
    """The tale without a fault."""
    return next(iter(cases(CasePlayer(inventory(means)), (*more, *first_case(situation)), 0)))[1]


def first_decision(played: Played) -> tuple[Decision, str]:
    outcome = next(each for run in played.simulation.runs for each in run.outcomes)
    return outcome.decision, outcome.reason.value


@pytest.mark.parametrize("situation", ENDED)
def test_what_the_fence_brings_to_its_end_is_no_hindrance(situation: str) -> None:
    played = tale(situation)
    assert first_decision(played) == (Decision.STARTED, "confirmed_dead")
    assert not played.violations


@pytest.mark.parametrize("situation", LEFT)
def test_what_it_cannot_end_refuses_and_the_storage_fence_starts(situation: str) -> None:
    played = tale(situation)
    assert first_decision(played) == (Decision.REFUSED, "ambiguous")
    assert not played.violations
    fenced = tale(situation, Means("prove", storage=True))
    assert first_decision(fenced) == (Decision.STARTED, "storage_fenced")
    assert not fenced.violations


@pytest.mark.parametrize("situation", [*ENDED, *LEFT])
def test_a_fence_that_asks_for_processes_alone_is_found_out(situation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "bring_to_an_end", lambda world, host, vm: 0)
    monkeypatch.setattr(scripts, "_left_under_way", lambda world, host, vm: "")
    played = tale(situation)
    assert Counter(violation.rule for violation in played.violations) == {"split_brain": 1, "grounds": 1}


def test_what_nobody_could_end_on_a_silent_host_is_excused_by_its_silence() -> None:
    played = tale("bytes-queued-isolated")
    assert not played.violations
    assert Excuse.SILENCE in played.excuses


def test_a_host_that_loses_power_loses_them() -> None:
    off = Event(60.0, "power_off", SUSPECT)
    played = tale("path-hangs", PLAIN, off)
    assert not played.simulation.world.late
    assert not played.violations


@pytest.mark.parametrize("kind", late_writes.KINDS)
def test_each_kind_has_its_word_and_its_time(kind: str) -> None:
    assert late_writes.LANDS_S[kind] > 0
    assert late_writes.LEFT_BEHIND[kind] in WORDS
