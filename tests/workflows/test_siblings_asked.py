"""Through whom a suspect is fenced and by whom it is looked at, where the first attempt does not settle it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hafence.core.evidence import Sign
from hafence.core.looks import Look
from hafence.core.model import HostName, Inventory
from hafence.core.outcome import Decision, Exit, Outcome
from hafence.core.reasons import Reason
from hafence.core.troubles import Trouble
from hafence.effects import Fence, Interrupted, Uptime, Witness
from hafence.workflows.fence import fence
from tests.core.make import host, silence

from . import stage
from .drive import DEAD, Desk, fails, nothing_seen
from .stage import DB, K1, K2, K3, WEB, book, seen

K4, K5, K6 = (HostName(f"kvm-0{n}") for n in (4, 5, 6))
SIX = book(hosts=tuple(host(f"kvm-0{n}") for n in range(1, 7)))
SIX_LOOKS = seen(k1=silence("kvm-01"), k4=(), k5=(), k6=())
NO_ANSWER, LOST = fails(Trouble.TIMED_OUT), fails(Trouble.SIBLING_LOST)


def told(looks: dict[str, Look], it: Inventory, answers: dict[type[Any], Any]) -> tuple[Desk, Outcome]:
    desk = Desk(it, [looks], answers=answers)
    return desk, desk.run(fence(stage.run(it, yes=True), (WEB,), None))[0]


def sees(*names: HostName) -> Any:
    """Those witnesses see it accept connections; the others see nothing."""
    signs = frozenset({Sign.SYN_ACK})
    return lambda effect: tuple(
        replace(nothing_seen(name), signs=signs if name in names else frozenset()) for name in (*effect.siblings, None)
    )


def test_of_all_who_see_the_suspect_two_are_asked_to_fence_it_and_no_third() -> None:
    desk, outcome = told(SIX_LOOKS, SIX, {Fence: [NO_ANSWER, LOST, LOST, DEAD], Witness: sees(K4, K5, K6)})
    assert [each.order.proxy for each in desk.of(Fence)] == [K2, K4, K5]
    assert outcome.decision is Decision.REFUSED


def test_where_no_sibling_could_try_none_is_asked_again_because_a_witness_saw_it() -> None:
    desk, outcome = told(seen(k1=silence("kvm-01")), book(), {Fence: LOST, Witness: sees(K3)})
    assert [each.order.proxy for each in desk.of(Fence)] == [K2, K3]
    assert outcome.reason is Reason.NO_SIBLING


def test_a_suspect_that_answers_only_the_admin_node_is_looked_at_by_every_sibling() -> None:
    desk, outcome = told(seen(), book(), {Fence: NO_ANSWER})
    assert [each.order.proxy for each in desk.of(Fence)] == [K2]
    assert desk.of(Witness) == [Witness(K1, (K2, K3))]
    assert outcome.reason is Reason.UNREACHABLE_UNCONFIRMED


@pytest.mark.parametrize(
    ("up_s", "decision"), [(599.9, Decision.REFUSED), (600.0, Decision.FENCED)], ids=["too early", "late enough"]
)
def test_silence_counts_from_the_end_of_the_boot_grace_on(up_s: float, decision: Decision) -> None:
    _, outcome = told(seen(k1=silence("kvm-01")), book(boot_grace_s=600.0), {Fence: NO_ANSWER, Uptime: up_s})
    assert outcome.decision is decision


def test_an_interrupt_in_the_first_fence_beside_the_witnesses_leaves_every_vm_as_possibly_killed() -> None:
    it = book(WEB, DB)
    desk = Desk(it, [seen(k1=silence("kvm-01"))], answers={Fence: Interrupted()})
    outcomes = desk.run(fence(stage.run(it), (WEB, DB), None))
    assert [(each.decision, each.exit) for each in outcomes] == [(Decision.FAILED, Exit.INTERRUPTED)] * 2
    assert all("its leftover on kvm-01 may have been killed" in each.message for each in outcomes)
