"""Starts whose outcome is not known yet: which ticket settles them, until when, and what a run says that ends there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hafence.core.looks import Look
from hafence.core.outcome import Decision, Exit, Outcome
from hafence.core.reasons import Reason
from hafence.core.record import mark_starting
from hafence.core.risks import Risk, RiskKind
from hafence.core.starts import StartResult
from hafence.core.troubles import Trouble
from hafence.effects import Fence, Interrupted, LeaseLost, Settle, Start, StoreError, Tell, WriteRecord
from hafence.workflows.start_vm import start_vm
from tests.core.make import look, silence

from . import stage
from .drive import ALIVE, DEAD, Desk, fails, started
from .stage import K1, K2, K3, ON_SILENCE, STARTING, WEB, book, memory, seen, storage

RISK = Risk(RiskKind.SILENT_SUSPECT, (K1,))
CLEAN, RUNNING, UNKNOWN = (started(StartResult[name]) for name in ("CLEAN", "RUNNING", "UNKNOWN"))


def start(desk: Desk, **wishes: Any) -> Outcome:
    outcome = desk.run(start_vm(stage.run(desk.inventory, **wishes), WEB))
    assert isinstance(outcome, Outcome)
    return outcome


def desk(*looks: dict[str, Look], **more: Any) -> Desk:
    return Desk(more.pop("inventory", book()), list(looks), **more)


# ---------------------------------------------------------------- tickets and deadlines


@pytest.mark.parametrize(("left", "settled_with"), [(4000, 7000), (6999, 7000), (7000, 7001), (9001, 9002)], ids=str)
def test_a_settle_outranks_the_start_that_it_settles_also_where_leases_are_counted_anew(
    left: int, settled_with: int
) -> None:
    it = desk(seen(k2=(WEB,)), memory=memory(replace(STARTING, ticket=left)), answers={Settle: RUNNING})
    start(it)
    assert [(each.order.target, each.order.ticket) for each in it.of(Settle)] == [(K2, settled_with)]


def test_every_start_and_settle_of_a_run_has_a_ticket_above_the_one_before() -> None:
    it = desk(seen(k1=(WEB,)), seen(), seen(k3=(WEB,)), answers={Start: [UNKNOWN, RUNNING]})
    assert start(it, yes=True).host == K3
    assert [each.order.ticket for each in it.of(Start)] == [7001, 7003]
    assert [each.order.ticket for each in it.of(Settle)] == [7002]


def test_a_start_may_act_while_the_evidence_holds_and_its_settle_until_the_end_of_the_lease() -> None:
    it = desk(seen(k1=(WEB,)), seen(), seen(k3=(WEB,)), answers={Start: [UNKNOWN, RUNNING]}, takes={Start: 30.0})
    start(it, yes=True)
    assert [each.order.not_after for each in it.of(Start)] == [160.0, 160.0]
    assert [each.order.not_after for each in it.of(Settle)] == [250.0]


def test_each_start_is_for_the_boot_and_the_clock_of_its_target_as_the_look_has_seen_them() -> None:
    k2, k3 = (replace(look(name), boot_id=f"boot of {name}", clock_offset_s=s) for name, s in ((K2, 3.5), (K3, -2.0)))
    it = desk(seen(k1=(WEB,), k2=k2, k3=k3), seen(), seen(k3=(WEB,)), answers={Start: [CLEAN, RUNNING]})
    assert start(it, yes=True).host == K3
    assert [(each.order.target, each.order.boot_id, each.order.clock_offset_s) for each in it.of(Start)] == [
        (K2, "boot of kvm-02", 3.5),
        (K3, "boot of kvm-03", -2.0),
    ]


# ---------------------------------------------------------------- runs that end there


@pytest.mark.parametrize(
    ("end", "reason", "code"),
    [
        (Interrupted(), Reason.INTERRUPTED, Exit.INTERRUPTED),
        (LeaseLost("run-9 has it"), Reason.BUSY, Exit.BUSY),
        (StoreError("gone"), Reason.STORE_ERROR, Exit.NEEDS_PERSON),
    ],
    ids=lambda it: type(it).__name__,
)
def test_a_run_that_ends_while_it_settles_an_earlier_start_says_that_this_is_in_flight(
    end: Exception, reason: Reason, code: Exit
) -> None:
    outcome = start(desk(seen(), memory=memory(STARTING), answers={Settle: end}))
    assert (outcome.decision, outcome.reason, outcome.exit) == (Decision.FAILED, reason, code)
    assert "a start was sent to kvm-02 and its outcome is not known" in outcome.message
    assert "nothing was killed" not in outcome.message


def test_a_run_that_destroyed_the_new_one_of_two_copies_never_says_that_nothing_was_killed() -> None:
    it = desk(
        seen(),
        seen(),
        seen(k2=(WEB,), k3=(WEB,)),
        inventory=book(pre_fence=False),
        answers={WriteRecord: [None, None, StoreError("state.db is gone")]},
    )
    outcome = start(it)
    assert [each.order.suspect for each in it.of(Fence)] == [K2]
    assert (outcome.decision, outcome.exit) == (Decision.FAILED, Exit.START_FAILED)
    assert "may have been killed" in outcome.message


def test_where_nothing_was_fenced_and_no_start_succeeds_the_run_does_not_speak_of_a_fence() -> None:
    outcome = start(desk({}, inventory=stage.foreign(book()), answers={Start: CLEAN}))
    assert (outcome.decision, outcome.reason) == (Decision.FAILED, Reason.START_FAILED)
    assert outcome.message.startswith("web-01 was not fenced, and no start succeeded")


# ---------------------------------------------------------------- what a start stands on


def test_an_earlier_start_on_silence_that_came_up_has_its_risk_named_again() -> None:
    left = mark_starting(ON_SILENCE, K2, "run-0", 4000)
    outcome = start(desk(seen(k2=(WEB,)), memory=memory(left), answers={Settle: RUNNING}))
    assert (outcome.decision, outcome.reason) == (Decision.STARTED, Reason.UNREACHABLE_CONFIRMED)
    assert outcome.message == "web-01 runs on kvm-02: the start of run run-0 had worked"
    assert outcome.residual_risk == (RISK,)


def test_a_risk_that_a_second_fence_brings_is_told_before_the_next_start_takes_it() -> None:
    silent = silence("kvm-01")
    it = desk(
        seen(k1=silent),
        seen(k1=silent),
        seen(k1=silent),
        seen(),
        seen(k1=silent, k3=(WEB,)),
        answers={Fence: [DEAD, fails(Trouble.TIMED_OUT)], Start: [CLEAN, RUNNING]},
        takes={Start: 61.0},
    )
    assert start(it).residual_risk == (RISK,)
    assert [each for each in it.asked if isinstance(each, Tell | Start)] == [
        it.of(Start)[0],
        Tell(RISK.says, RISK),
        it.of(Start)[1],
    ]


def test_after_a_fence_of_single_clients_the_old_process_is_no_second_copy_of_the_start_that_it_allowed() -> None:
    it = desk(
        seen(k1=(WEB,)),
        seen(k1=(WEB,)),
        seen(k1=(WEB,), k2=(WEB,)),
        inventory=stage.with_ceph(book()),
        answers={Fence: ALIVE, **storage(True, WEB)},
    )
    outcome = start(it, yes=True)
    assert (outcome.decision, outcome.reason, outcome.host) == (Decision.STARTED, Reason.STORAGE_FENCED, K2)
    assert outcome.notes[-1] == ("the old process on kvm-01 lives on and can't write: end it before 'hafence rejoin'")
    assert len(it.of(Fence)) == 1
