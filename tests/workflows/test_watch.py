"""The fence's session stays on the suspect until the VM is seen up elsewhere: when, until when, and what it tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hafence.core.outcome import Decision, Outcome
from hafence.core.reasons import Reason
from hafence.core.risks import RiskKind
from hafence.core.starts import HookResult
from hafence.core.watch import WatchReport
from hafence.effects import (
    DropLease,
    EndWatch,
    Fence,
    Interrupted,
    LeaseLost,
    LookAt,
    RunHooks,
    Start,
    StoreError,
    WriteRecord,
)
from hafence.workflows.fence import fence
from hafence.workflows.start_vm import start_vm

from . import stage
from .drive import UNKNOWN, Desk
from .stage import K1, WEB, book, seen

UP = seen(k2=(WEB,))
CAME = WatchReport(K1, {WEB.uuid: 2}, whole=True)


def start(desk: Desk, **wishes: Any) -> Outcome:
    outcome = desk.run(start_vm(stage.run(desk.inventory, yes=True, **wishes), WEB))
    assert isinstance(outcome, Outcome)
    return outcome


def desk(*looks: Any, **answers: Any) -> Desk:
    return Desk(book(), list(looks or (seen(k1=(WEB,)), seen(), UP)), answers=answers.pop("answers", {}), **answers)


def test_a_start_watches_the_suspect_until_it_is_verified_and_not_longer() -> None:
    it = desk()
    outcome = start(it)
    assert (outcome.decision, outcome.residual_risk) == (Decision.STARTED, ())
    kinds = [type(effect) for effect in it.asked]
    assert it.of(Fence)[0].order.watch
    assert it.of(EndWatch) == [EndWatch(K1, WEB.uuid, aside=True)]
    assert kinds.index(Start) < kinds.index(EndWatch)
    running = [n for n, effect in enumerate(it.asked) if isinstance(effect, WriteRecord)][-1]
    assert kinds.index(EndWatch) < running


def test_what_came_back_is_a_risk_of_the_start() -> None:
    outcome = start(desk(answers={EndWatch: CAME}))
    assert outcome.decision is Decision.STARTED
    assert [(risk.kind, risk.hosts) for risk in outcome.residual_risk] == [(RiskKind.CAME_BACK, (K1,))]


def test_a_copy_that_came_back_and_was_ended_does_not_cost_the_new_one_its_life() -> None:
    it = desk(seen(k1=(WEB,)), seen(), seen(k1=(WEB,), k2=(WEB,)), UP, answers={EndWatch: CAME})
    assert start(it).decision is Decision.STARTED
    assert len(it.of(Fence)) == 1
    assert len(it.of(EndWatch)) == 1


def test_a_copy_that_came_back_and_stays_ends_the_new_one() -> None:
    twice = seen(k1=(WEB,), k2=(WEB,))
    it = desk(seen(k1=(WEB,)), seen(), twice, twice, answers={EndWatch: CAME})
    outcome = start(it)
    assert outcome.reason is Reason.TWO_COPIES
    assert [each.order.suspect for each in it.of(Fence)][-1] != K1


@pytest.mark.parametrize("thrown", [LeaseLost("over"), StoreError("gone"), Interrupted()])
@pytest.mark.parametrize("at", [RunHooks, Start, LookAt])
def test_whatever_ends_a_run_ends_its_watch(thrown: Exception, at: type[Any]) -> None:
    usual = [None, thrown] if at is LookAt else thrown
    it = desk(answers={at: usual})
    start(it)
    assert it.of(EndWatch) == [EndWatch(K1, WEB.uuid)]
    assert [type(e) for e in it.asked if isinstance(e, EndWatch | DropLease)] == [EndWatch, DropLease]


def test_a_refusal_after_the_fence_ends_the_watch_too() -> None:
    it = desk(answers={RunHooks: (HookResult("site", "no"),)})
    assert start(it).reason is Reason.HOOK_FAILED
    assert len(it.of(EndWatch)) == 1


def test_nothing_is_ended_where_nothing_watches() -> None:
    it = desk(answers={Fence: UNKNOWN})
    assert start(it).decision is Decision.REFUSED
    assert it.of(EndWatch) == []


def test_a_watch_that_can_t_be_ended_does_not_keep_the_run_from_giving_its_lease_back() -> None:
    it = desk(answers={EndWatch: StoreError("gone"), RunHooks: (HookResult("site", "no"),)})
    start(it)
    assert len(it.of(DropLease)) == 1


def test_neither_a_rehearsal_nor_a_fence_alone_stays() -> None:
    it = desk()
    start(it, dry_run=True)
    assert not it.of(Fence)[0].order.watch
    alone = desk(seen(k1=(WEB,)), seen())
    alone.run(fence(replace(stage.run(alone.inventory), yes=True), (WEB,), None))
    assert [each.order.watch for each in alone.of(Fence)] == [False]
    assert alone.of(EndWatch) == []


@pytest.mark.parametrize("aside", [True, False])
def test_what_became_of_its_definition_is_told_once_the_vm_is_up_elsewhere(aside: bool) -> None:
    it = desk(answers={EndWatch: WatchReport(K1, whole=True, definitions={WEB.uuid: aside})})
    [note] = [note for note in start(it).notes if "definition" in note]
    assert note.startswith(f"its definition on kvm-01 {'was' if aside else 'could not be'} set aside")


def test_where_the_inventory_says_so_definitions_stay() -> None:
    it = Desk(book(set_aside=False), [seen(k1=(WEB,)), seen(), UP], answers={})
    start(it)
    assert not it.of(Fence)[0].order.aside
    assert not it.of(EndWatch)[0].aside
