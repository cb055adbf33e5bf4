"""What a permission stands on grows old: from when on it is taken anew, and what is asked for then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hafence.core.looks import Look
from hafence.core.model import HostName, Unreachable
from hafence.core.outcome import Decision, Outcome
from hafence.core.reasons import Reason
from hafence.core.record import ShutOut
from hafence.core.starts import StartResult
from hafence.core.troubles import Trouble
from hafence.effects import Fence, LookAt, Recall, RunHooks, SpendStatement, Start
from hafence.workflows.start_vm import start_vm
from tests.core.make import host, look, silence

from . import stage
from .drive import DEAD, UNKNOWN, Desk, fails, started
from .stage import K1, K2, K3, RUNNING, WEB, book, memory, power, seen, storage

ALL = (K1, K2, K3)
SLOW = [started(StartResult.CLEAN, "slow"), started(StartResult.RUNNING)]


def start(desk: Desk, **wishes: Any) -> Outcome:
    outcome = desk.run(start_vm(stage.run(desk.inventory, **wishes), WEB))
    assert isinstance(outcome, Outcome)
    return outcome


def desk(*looks: dict[str, Look], **more: Any) -> Desk:
    return Desk(more.pop("inventory", book()), list(looks), **more)


def fresh(it: Desk) -> Desk:
    """Every reply to a fence bears the time at which it came."""
    it.answers[Fence] = lambda effect: replace(DEAD(effect), at=it.clock)
    return it


@pytest.mark.parametrize(("hooks_s", "fences"), [(60.0, 1), (60.5, 2)])
def test_evidence_holds_for_sixty_seconds_and_is_then_taken_anew_before_the_vm_is_marked(
    hooks_s: float, fences: int
) -> None:
    it = fresh(desk(seen(k1=(WEB,)), *[seen()] * fences, seen(k2=(WEB,)), takes={RunHooks: hooks_s}))
    assert start(it, yes=True).decision is Decision.STARTED
    assert len(it.of(Fence)) == fences


@pytest.mark.parametrize(("start_s", "fences"), [(60.0, 1), (60.5, 2)])
def test_evidence_holds_for_sixty_seconds_and_is_then_taken_anew_before_the_next_start(
    start_s: float, fences: int
) -> None:
    it = fresh(
        desk(
            seen(k1=(WEB,)),
            *[seen()] * (2 * fences - 1),
            seen(k3=(WEB,)),
            answers={Start: SLOW},
            takes={Start: start_s},
        )
    )
    assert start(it, yes=True).host == K3
    assert len(it.of(Fence)) == fences


def test_the_looks_are_part_of_the_evidence_however_fresh_the_fence_is() -> None:
    it = fresh(desk(seen(k1=(WEB,)), seen(), seen(), seen(k2=(WEB,)), takes={Fence: 40.0, RunHooks: 30.0}))
    assert start(it, yes=True).decision is Decision.STARTED
    # the looks are 70 s old after the hooks, the fence 30 s
    assert [each.hosts for each in it.of(LookAt)] == [ALL, ALL, ALL, ALL]
    assert len(it.of(Fence)) == 2


GROUNDS: dict[Reason, tuple[Look, dict[type[Any], Any]]] = {
    Reason.CONFIRMED_DEAD: (seen()[K1], {}),
    Reason.UNREACHABLE_CONFIRMED: (silence("kvm-01"), {Fence: fails(Trouble.TIMED_OUT)}),
    Reason.POWERED_OFF: (seen()[K1], {Fence: UNKNOWN, **power(True)}),
    Reason.STORAGE_FENCED: (seen()[K1], {Fence: UNKNOWN, **storage(True, WEB)}),
}


CONFIGURED = {Reason.POWERED_OFF: stage.with_power(book()), Reason.STORAGE_FENCED: stage.with_ceph(book())}


@pytest.mark.parametrize("reason", GROUNDS, ids=lambda reason: reason.value)
def test_every_observation_on_which_a_start_stands_grows_old(reason: Reason) -> None:
    suspect, answers = GROUNDS[reason]
    it = desk(
        *[seen(k1=suspect)] * 4,
        seen(k1=suspect, k3=(WEB,)),
        inventory=CONFIGURED.get(reason, book()),
        answers={**answers, Start: SLOW},
        takes={Start: 61.0},
    )
    outcome = start(it)
    assert (outcome.reason, outcome.host) == (reason, K3)
    assert [type(each) for each in it.asked if isinstance(each, Fence | Start)] == [Fence, Start, Fence, Start]


@pytest.mark.parametrize(
    ("settings", "not_after"),
    [
        ({}, 160.0),
        ({"evidence_age_s": 90.0}, 190.0),
        ({"evidence_age_s": 300.0}, 220.0),
        ({"pre_fence": False}, 220.0),
    ],
    ids=["evidence", "longer evidence", "lease", "no fencing"],
)
def test_a_start_may_begin_while_what_it_stands_on_holds_and_the_lease(
    settings: dict[str, Any], not_after: float
) -> None:
    """A run that is held up between the decision and the start must not start the VM on what it saw long ago."""
    it = desk(seen(), seen(), seen(k2=(WEB,)), inventory=book(**settings))
    assert start(it, yes=True).decision is Decision.STARTED
    assert [each.order.not_after for each in it.of(Start)] == [not_after]


@pytest.mark.parametrize(("start_s", "fences"), [(60.0, 1), (60.5, 2)])
@pytest.mark.parametrize("stated", [False, True], ids=["one sibling's word", "and a person's"])
def test_the_silence_that_one_sibling_met_grows_old_too(start_s: float, fences: int, stated: bool) -> None:
    """With `proceed` a start stands on it alone. A person's word has a life of its own, what was seen beside it not."""
    it = desk(
        *[seen(k1=silence("kvm-01"))] * (2 * fences),
        seen(k1=silence("kvm-01"), k3=(WEB,)),
        inventory=book(unreachable=Unreachable.PROCEED),
        memory=memory(statements=stage.stated(K1) if stated else {}),
        answers={Fence: fails(Trouble.TIMED_OUT), Start: SLOW},
        takes={Start: start_s},
    )
    assert start(it).reason is (Reason.OPERATOR_CONFIRMED if stated else Reason.UNREACHABLE_CONFIRMED)
    assert len(it.of(Fence)) == fences


def test_a_host_that_was_silent_is_looked_into_again_with_the_rest() -> None:
    """It may hold the copy that somebody has moved there."""
    k4 = HostName("kvm-04")

    def round_of(k3: Look) -> dict[str, Look]:
        return {**seen(k3=k3), k4: look(k4)}

    it = desk(
        {**round_of(silence("kvm-03")), K1: look(K1, WEB.uuid)},
        round_of(silence("kvm-03")),
        round_of(look(K3, WEB.uuid)),
        inventory=book(hosts=(host("kvm-04"),)),
        answers={Start: SLOW},
        takes={Start: 61.0},
    )
    outcome = start(it, yes=True)
    assert outcome.reason is Reason.START_FAILED
    assert "web-01 runs on kvm-03" in outcome.says
    assert [each.order.target for each in it.of(Start)] == [K2]


def test_a_leftover_that_can_not_write_is_still_none_of_the_copies_when_all_is_looked_at_again() -> None:
    record = replace(RUNNING, host=K2, last_host=K1, shut_out=(ShutOut(K1, 2000.0),))
    it = desk(
        seen(k1=(WEB,), k2=(WEB,)),
        *[seen(k1=(WEB,))] * 4,
        seen(k1=(WEB,), k3=(WEB,)),
        memory=memory(record, quarantine={K1: "fenced"}),
        takes={RunHooks: 61.0},
    )
    outcome = start(it, yes=True)
    assert (outcome.decision, outcome.host) == (Decision.STARTED, K3)
    # at the beginning, each of the two times that all is taken anew, and before the verdict on the copies after it
    assert len(it.of(Recall)) == 4


def test_a_statement_that_the_second_look_refutes_is_spent() -> None:
    it = desk(
        seen(k1=silence("kvm-01")),
        seen(k1=(WEB,)),
        memory=memory(statements=stage.stated(K1)),
        answers={Fence: [fails(Trouble.TIMED_OUT), UNKNOWN]},
        takes={RunHooks: 61.0},
    )
    assert start(it, yes=True).reason is Reason.AMBIGUOUS
    assert [each.host for each in it.of(SpendStatement)] == [K1]
    assert it.of(Start) == []


@pytest.mark.parametrize(
    ("ago_s", "decision"), [(180.0, Decision.UNCHANGED), (180.5, Decision.REFUSED)], ids=["quiet", "no longer"]
)
def test_for_three_minutes_after_its_start_a_vm_that_runs_is_left_alone(ago_s: float, decision: Decision) -> None:
    it = desk(seen(k1=(WEB,)), memory=memory(replace(RUNNING, started_at=100.0 - ago_s)))
    assert start(it).decision is decision
