"""Power and storage, effect by effect: when they are used, when they must not be, and what each is told of each VM."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import pytest

from hafence.core.attempts import Reply
from hafence.core.looks import Look
from hafence.core.model import Inventory, Unreachable
from hafence.core.outcome import Decision, Outcome
from hafence.core.reasons import Reason
from hafence.core.troubles import Trouble
from hafence.effects import (
    Answer,
    Ask,
    Fence,
    FenceStorage,
    Interrupted,
    PowerOff,
    SecondLevelReply,
    Together,
    Uptime,
)
from hafence.workflows.fence import fence
from tests.core.make import silence, vm

from . import stage
from .drive import ALIVE, UNKNOWN, Desk, fails, nothing_seen
from .stage import DB, K1, WEB, book, power, seen, storage

THIRD = vm(3, name="third", host="kvm-01", domain_xml="/x")
SILENT = seen(k1=silence("kvm-01"))
STORM = seen(k1=silence("kvm-01"), k2=silence("kvm-02"))
NO_ANSWER = fails(Trouble.TIMED_OUT)
SEEN_OFF = "it would be switched off (foretold)"


def told(looks: dict[str, Look], it: Inventory, answers: dict[type[Any], Any], **more: Any) -> tuple[Desk, Outcome]:
    """The fence of web-01, its effects and its outcome."""
    desk = Desk(it, [looks], more.pop("memory", stage.memory()), answers)
    outcomes = desk.run(fence(stage.run(it, **more), (WEB,), None))
    return desk, outcomes[0]


# ---------------------------------------------------------------- when they are used


def test_where_the_policy_takes_a_siblings_word_a_silent_host_is_not_switched_off() -> None:
    it = stage.with_power(book(unreachable=Unreachable.PROCEED))
    desk, outcome = told(SILENT, it, {Fence: NO_ANSWER, PowerOff: power(True)})
    assert outcome.reason is Reason.UNREACHABLE_CONFIRMED
    assert desk.of(PowerOff) == []


@pytest.mark.parametrize("reply", [NO_ANSWER, fails(Trouble.SIBLING_LOST)], ids=["silent", "no sibling could try"])
def test_an_observer_who_is_cut_off_uses_neither_power_nor_storage(reply: Reply) -> None:
    it = stage.with_power(stage.with_ceph(book()))
    desk, outcome = told(STORM, it, {Fence: reply, PowerOff: power(True), FenceStorage: storage(True, WEB)})
    assert outcome.decision is Decision.REFUSED
    assert (desk.of(PowerOff), desk.of(FenceStorage)) == ([], [])


@pytest.mark.parametrize("reply", [NO_ANSWER, fails(Trouble.SIBLING_LOST)], ids=["silent", "no sibling could try"])
def test_soon_after_this_machine_has_booted_neither_is_used(reply: Reply) -> None:
    it = stage.with_power(book(boot_grace_s=600.0))
    desk, outcome = told(SILENT, it, {Fence: reply, PowerOff: power(True), Uptime: 60.0})
    assert outcome.decision is Decision.REFUSED
    assert desk.of(PowerOff) == []


@pytest.mark.parametrize("reply", [ALIVE, UNKNOWN], ids=["alive", "ambiguous"])
def test_in_a_storm_a_suspect_that_a_sibling_reached_is_fenced_all_the_same(reply: Callable[[Fence], Reply]) -> None:
    desk, outcome = told(STORM, stage.with_power(book()), {Fence: reply, PowerOff: power(True)})
    assert outcome.reason is Reason.POWERED_OFF
    assert len(desk.of(PowerOff)) == 1


def test_a_fence_that_worked_is_nothing_against_the_word_of_the_witnesses() -> None:
    worked = SecondLevelReply("power", True, "switched off", ())
    _, outcome = told(SILENT, stage.with_power(book()), {Fence: NO_ANSWER, PowerOff: worked})
    assert (outcome.decision, outcome.reason) == (Decision.FENCED, Reason.UNREACHABLE_CONFIRMED)


def test_a_fence_that_failed_is_told_beside_the_silence() -> None:
    _, outcome = told(SILENT, stage.with_power(book()), {Fence: NO_ANSWER, PowerOff: power(False, "the BMC is silent")})
    assert outcome.reason is Reason.UNREACHABLE_UNCONFIRMED
    assert "power (the BMC is silent) did not succeed" in outcome.message


# ---------------------------------------------------------------- a suspect that lives, with other VMs on it


@pytest.mark.parametrize(
    ("looks", "reply"),
    [
        (SILENT, ALIVE),
        (SILENT, UNKNOWN),
        (seen(k1=silence("kvm-01", Trouble.REFUSED)), NO_ANSWER),
    ],
    ids=["a sibling saw the VM alive", "a sibling found it ambiguous", "it refused a connection"],
)
def test_one_sign_of_life_is_enough_to_ask_before_other_vms_are_switched_off(
    looks: dict[str, Look], reply: Reply
) -> None:
    it = stage.with_power(book(WEB, DB))
    desk, outcome = told(looks, it, {Fence: reply, PowerOff: power(True), Ask: Answer.NO})
    assert [each.question for each in desk.of(Ask)] == [
        "kvm-01 shows signs of life, with 1 other VM(s) on it. Switch its power off?"
    ]
    assert desk.of(PowerOff) == []
    assert outcome.decision is Decision.REFUSED
    assert "power (not used: 1 other VM(s) are there and nobody agreed to switch them off; --yes agrees)" in (
        outcome.message
    )


def test_a_silent_host_is_switched_off_whatever_else_is_recorded_there() -> None:
    desk, outcome = told(SILENT, stage.with_power(book(WEB, DB)), {Fence: NO_ANSWER, PowerOff: power(True)})
    assert (desk.of(Ask), len(desk.of(PowerOff))) == ([], 1)
    assert outcome.reason is Reason.POWERED_OFF


def test_the_other_vms_of_a_host_that_answers_are_those_that_are_seen_there_if_only_by_libvirt() -> None:
    # db-01 and third are recorded there; only db-01 is there, and libvirt alone knows
    looks = seen(k1=stage.only_libvirt(K1, DB))
    desk, _ = told(looks, stage.with_power(book(WEB, DB, THIRD)), {Fence: UNKNOWN, Ask: Answer.NO})
    assert [each.question for each in desk.of(Ask)] == [
        "kvm-01 shows signs of life, with 1 other VM(s) on it. Switch its power off?"
    ]


def test_other_vms_are_in_the_way_of_a_fence_of_the_whole_address() -> None:
    it = stage.with_ceph(book(WEB, DB))
    answers = {Fence: ALIVE, FenceStorage: storage(True, WEB)}
    beside, _ = told(seen(k1=(WEB, DB)), it, answers, yes=True)
    alone, _ = told(seen(k1=(WEB,)), it, answers, yes=True)
    assert [each.alone for each in (*beside.of(FenceStorage), *alone.of(FenceStorage))] == [False, True]


# ---------------------------------------------------------------- dry runs


def test_a_dry_run_never_switches_off_and_foretells_what_that_would_prove() -> None:
    foretold = SecondLevelReply("power", True, SEEN_OFF, ())
    desk, outcome = told(SILENT, stage.with_power(book()), {Fence: NO_ANSWER, PowerOff: foretold}, dry_run=True)
    assert desk.of(PowerOff) == [PowerOff(K1, math.inf, rehearse=True)]
    assert (outcome.decision, outcome.reason, outcome.dry_run) == (Decision.FENCED, Reason.POWERED_OFF, True)
    assert [(each.source, each.says) for each in outcome.evidence if each.kind == "power"] == [("foretold", SEEN_OFF)]


def test_a_dry_run_never_changes_the_blocklist_and_foretells_what_that_would_prove() -> None:
    foretold = {WEB.uuid: SecondLevelReply("storage", True, "would put it on the blocklist", ())}
    desk, outcome = told(SILENT, stage.with_ceph(book()), {Fence: NO_ANSWER, FenceStorage: foretold}, dry_run=True)
    assert [each.rehearse for each in desk.of(FenceStorage)] == [True]
    assert (outcome.reason, outcome.dry_run) == (Reason.STORAGE_FENCED, True)


def test_a_dry_run_switches_nothing_off_in_thought_either_where_a_run_would_ask() -> None:
    it = stage.with_power(book(WEB, DB))
    desk, outcome = told(seen(k1=(DB,)), it, {Fence: UNKNOWN, PowerOff: power(True)}, dry_run=True)
    assert (desk.of(Ask), desk.of(PowerOff)) == ([], [])
    assert outcome.decision is Decision.REFUSED


# ---------------------------------------------------------------- what each comes to


def test_each_vm_is_told_only_what_came_of_its_own_disks() -> None:
    it = stage.with_ceph(book(WEB, DB))
    desk = Desk(it, [seen(k1=(WEB, DB))], answers={Fence: ALIVE, FenceStorage: storage(True, DB)})
    web, db = desk.run(fence(stage.run(it, yes=True), (WEB, DB), None))
    assert (web.decision, web.reason) == (Decision.REFUSED, Reason.STILL_ALIVE)
    assert (db.decision, db.reason) == (Decision.FENCED, Reason.STORAGE_FENCED)


def test_an_answer_less_than_fences_were_asked_for_is_a_bug_and_no_shorter_list_of_fences() -> None:
    def answer(effect: Together) -> tuple[Any, ...]:
        if isinstance(effect.effects[0], FenceStorage):
            return (storage(True, WEB),)
        return NO_ANSWER(cast(Fence, effect.effects[0])), (
            nothing_seen("kvm-02"),
            nothing_seen("kvm-03"),
            nothing_seen(None),
        )

    with pytest.raises(ValueError, match="shorter"):
        told(SILENT, stage.with_power(stage.with_ceph(book())), {Together: answer})


@pytest.mark.parametrize("kind", [PowerOff, FenceStorage])
def test_a_run_that_is_interrupted_in_such_a_fence_says_that_something_may_have_been_killed(kind: type[Any]) -> None:
    it = stage.with_power(stage.with_ceph(book()))
    answers = {Fence: NO_ANSWER, PowerOff: power(True), FenceStorage: storage(True, WEB), kind: Interrupted()}
    _, outcome = told(SILENT, it, answers)
    assert (outcome.decision, outcome.reason) == (Decision.FAILED, Reason.INTERRUPTED)
    assert "its leftover on kvm-01 may have been killed" in outcome.message
