"""Power and storage, effect by effect: when they are used, when they must not be, and what each is told of each VM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hafence.core.attempts import Reply
from hafence.core.evidence import Proof, Sign, WitnessReport
from hafence.core.looks import Look
from hafence.core.model import Inventory, Unreachable
from hafence.core.outcome import Decision, Outcome
from hafence.core.power import PowerSeen
from hafence.core.reasons import Reason
from hafence.core.risks import RiskKind
from hafence.core.second_level import SecondLevelKind
from hafence.core.storage.ceph import whole_host
from hafence.core.troubles import Trouble
from hafence.effects import (
    AddEntries,
    Answer,
    Ask,
    AskClients,
    AskPower,
    Fence,
    Interrupted,
    NoteSecondLevel,
    Parallel,
    RunHooks,
    SendOff,
    StoreError,
    Uptime,
    Witness,
)
from hafence.workflows.fence import fence
from hafence.workflows.start_vm import start_vm
from tests.core.make import silence, vm

from . import stage
from .drive import ALIVE, DEAD, UNKNOWN, Desk, fails, nothing_seen
from .stage import CLIENT, DB, K1, WEB, book, power, seen, storage

THIRD = vm(3, name="third", host="kvm-01", domain_xml="/x")
SILENT = seen(k1=silence("kvm-01"))
STORM = seen(k1=silence("kvm-01"), k2=silence("kvm-02"))
NO_ANSWER = fails(Trouble.TIMED_OUT)


def told(looks: dict[str, Look], it: Inventory, answers: dict[type[Any], Any], **more: Any) -> tuple[Desk, Outcome]:
    """The fence of web-01, its effects and its outcome."""
    desk = Desk(it, [looks], more.pop("memory", stage.memory()), answers)
    outcomes = desk.run(fence(stage.run(it, **more), (WEB,), None))
    return desk, outcomes[0]


# ---------------------------------------------------------------- when they are used


def test_where_the_policy_takes_a_siblings_word_a_silent_host_is_not_switched_off() -> None:
    it = stage.with_power(book(unreachable=Unreachable.PROCEED))
    desk, outcome = told(SILENT, it, {Fence: NO_ANSWER, **power(True)})
    assert outcome.reason is Reason.UNREACHABLE_CONFIRMED
    assert desk.of(SendOff) == []


@pytest.mark.parametrize("reply", [NO_ANSWER, fails(Trouble.SIBLING_LOST)], ids=["silent", "no sibling could try"])
def test_an_observer_who_is_cut_off_uses_neither_power_nor_storage(reply: Reply) -> None:
    it = stage.with_power(stage.with_ceph(book()))
    desk, outcome = told(STORM, it, {Fence: reply, **power(True), **storage(True)})
    assert outcome.decision is Decision.REFUSED
    assert (desk.of(SendOff), desk.of(AskClients)) == ([], [])


@pytest.mark.parametrize("reply", [NO_ANSWER, fails(Trouble.SIBLING_LOST)], ids=["silent", "no sibling could try"])
def test_soon_after_this_machine_has_booted_neither_is_used(reply: Reply) -> None:
    it = stage.with_power(book(boot_grace_s=600.0))
    desk, outcome = told(SILENT, it, {Fence: reply, **power(True), Uptime: 60.0})
    assert outcome.decision is Decision.REFUSED
    assert desk.of(SendOff) == []


@pytest.mark.parametrize("reply", [ALIVE, UNKNOWN], ids=["alive", "ambiguous"])
def test_in_a_storm_a_suspect_that_a_sibling_reached_is_fenced_all_the_same(reply: Callable[[Fence], Reply]) -> None:
    desk, outcome = told(STORM, stage.with_power(book()), {Fence: reply, **power(True)})
    assert outcome.reason is Reason.POWERED_OFF
    assert len(desk.of(SendOff)) == 1


def test_a_fence_that_failed_is_told_beside_the_silence() -> None:
    _, outcome = told(SILENT, stage.with_power(book()), {Fence: NO_ANSWER, **power(False)})
    assert outcome.reason is Reason.UNREACHABLE_UNCONFIRMED
    assert "power (it was not seen off: level 1: fence_ipmilan says error) did not succeed" in outcome.message


# ---------------------------------------------------------------- a device that is another machine's


def saw_life(effect: Witness) -> tuple[WitnessReport, ...]:
    """The last sibling sees the suspect refuse connections, the others nothing."""
    first, *others, last = effect.siblings
    alive = WitnessReport(last, 100.0, frozenset({Sign.RST}), True, "RST", 2, 2)
    return (*(nothing_seen(name) for name in (first, *others)), alive, nothing_seen(None))


@pytest.mark.parametrize("reply", [NO_ANSWER, UNKNOWN], ids=["silent before", "alive before"])
def test_off_is_not_believed_of_a_host_that_is_seen_alive_after_it(reply: Any) -> None:
    looks: list[Any] = [None, saw_life] if reply is NO_ANSWER else [saw_life]
    desk, outcome = told(SILENT, stage.with_power(book()), {Fence: reply, **power(True), Witness: looks})
    assert outcome.decision is Decision.REFUSED
    assert all(each.proves is not Proof.HOST_OFF for each in outcome.evidence)
    assert f"{desk.of(Witness)[-1].siblings[-1]} saw it alive after that" in outcome.message
    assert "the devices are another machine's (see 'power:' of kvm-01)" in outcome.message


def test_a_dry_run_foretells_nothing_of_a_device_that_says_off_of_a_host_that_lives() -> None:
    desk, outcome = told(SILENT, stage.with_power(book()), {Fence: UNKNOWN, **power(True)}, dry_run=True)
    assert (outcome.decision, desk.of(SendOff)) == (Decision.REFUSED, [])
    assert "kvm-01 shows signs of life: the devices are another machine's" in outcome.message


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
    desk, outcome = told(looks, it, {Fence: reply, **power(True), Ask: Answer.NO})
    assert [each.question for each in desk.of(Ask)] == [
        "kvm-01 shows signs of life, with 1 other VM(s) on it. Switch its power off?"
    ]
    assert desk.of(SendOff) == []
    assert outcome.decision is Decision.REFUSED
    assert "power (not used: 1 other VM(s) are there and nobody agreed to switch them off; --yes agrees)" in (
        outcome.message
    )


def test_a_silent_host_is_switched_off_whatever_else_is_recorded_there() -> None:
    desk, outcome = told(SILENT, stage.with_power(book(WEB, DB)), {Fence: NO_ANSWER, **power(True)})
    assert (desk.of(Ask), len(desk.of(SendOff))) == ([], 1)
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
    answers: dict[type[Any], Any] = {Fence: ALIVE, **storage(True)}
    beside, _ = told(seen(k1=(WEB, DB)), it, answers, yes=True)
    alone, _ = told(seen(k1=(WEB,)), it, answers, yes=True)
    assert [each.clients for each in beside.of(AddEntries)] == [(CLIENT,)]
    assert [each.clients for each in alone.of(AddEntries)] == [(whole_host("10.0.0.1"), CLIENT)]


# ---------------------------------------------------------------- dry runs


@pytest.mark.parametrize("seen_now", [stage.ON, stage.OFF], ids=["on", "off"])
def test_a_dry_run_never_switches_off_and_foretells_what_that_would_prove(seen_now: PowerSeen) -> None:
    desk, outcome = told(SILENT, stage.with_power(book()), {Fence: NO_ANSWER, AskPower: seen_now}, dry_run=True)
    assert (len(desk.of(AskPower)), desk.of(SendOff)) == (1, [])
    assert (outcome.decision, outcome.reason, outcome.dry_run) == (Decision.FENCED, Reason.POWERED_OFF, True)
    proofs = [each for each in outcome.evidence if each.kind == "power"]
    assert proofs[-1].source == "foretold"
    assert proofs[-1].proves is Proof.HOST_OFF
    assert len(proofs) == (2 if seen_now is stage.OFF else 1)


def test_a_dry_run_never_changes_the_blocklist_and_foretells_what_that_would_prove() -> None:
    desk, outcome = told(SILENT, stage.with_ceph(book()), {Fence: NO_ANSWER, **storage(True)}, dry_run=True)
    assert (len(desk.of(AskClients)), desk.of(AddEntries)) == (1, [])
    assert (outcome.reason, outcome.dry_run) == (Reason.STORAGE_FENCED, True)
    assert [(each.source, each.proves) for each in outcome.evidence if each.kind == "storage"][-1:] == [
        ("foretold", Proof.DISKS_FENCED)
    ]


def test_a_dry_run_switches_nothing_off_in_thought_either_where_a_run_would_ask() -> None:
    it = stage.with_power(book(WEB, DB))
    desk, outcome = told(seen(k1=(DB,)), it, {Fence: UNKNOWN, **power(True)}, dry_run=True)
    assert (desk.of(Ask), desk.of(AskPower)) == ([], [])
    assert outcome.decision is Decision.REFUSED


# ---------------------------------------------------------------- what each comes to


def test_each_vm_is_told_only_what_came_of_its_own_disks() -> None:
    it = stage.with_ceph(book(WEB, DB))
    desk = Desk(it, [seen(k1=(WEB, DB))], answers={Fence: ALIVE, **storage(True, DB)})
    web, db = desk.run(fence(stage.run(it, yes=True), (WEB, DB), None))
    assert (web.decision, web.reason) == (Decision.REFUSED, Reason.STILL_ALIVE)
    assert (db.decision, db.reason) == (Decision.FENCED, Reason.STORAGE_FENCED)


def test_power_and_storage_are_used_side_by_side_on_silence_and_one_after_the_other_on_a_sign_of_life() -> None:
    it = stage.with_power(stage.with_ceph(book()))
    silent, _ = told(SILENT, it, {Fence: NO_ANSWER, **power(True), **storage(True)})
    assert [len(each.workflows) for each in silent.of(Parallel)] == [2]
    lives, _ = told(seen(k1=(WEB,)), it, {Fence: ALIVE, **power(True), **storage(False)}, yes=True)
    assert [len(each.workflows) for each in lives.of(Parallel)] == [1, 1]
    kinds = [type(each) for each in lives.asked if isinstance(each, AddEntries | SendOff)]
    assert kinds == [AddEntries, SendOff]


def test_what_each_came_to_is_noted_for_every_vm_as_soon_as_it_is_known() -> None:
    it = stage.with_power(stage.with_ceph(book(WEB, DB)))
    desk = Desk(it, [SILENT], answers={Fence: NO_ANSWER, **power(False), **storage(True, WEB)})
    desk.run(fence(stage.run(it), (WEB, DB), None))
    noted = desk.of(NoteSecondLevel)
    assert [(each.suspect, each.kind, list(each.replies)) for each in noted] == [
        (K1, SecondLevelKind.STORAGE, [DB.uuid, WEB.uuid]),
        (K1, SecondLevelKind.POWER, [WEB.uuid, DB.uuid]),
    ]
    assert {vm: reply.done for vm, reply in noted[0].replies.items()} == {WEB.uuid: True, DB.uuid: False}


def test_the_clients_that_a_run_has_seen_are_remembered_from_one_fence_to_the_next() -> None:
    """One that was shut out is no watcher any more; without it the second fence would shut out the whole host."""
    it = stage.with_ceph(book(WEB, DB))
    seen_once: list[Any] = [
        lambda effect: stage.seen_on(effect.volumes, CLIENT),
        lambda effect: stage.seen_on(effect.volumes),
    ]
    looks = [seen(k1=(WEB, DB)), *[seen(k1=(DB,))] * 4, seen(k1=(DB,), k2=(WEB,))]
    answers: dict[type[Any], Any] = {Fence: ALIVE, **storage(True), AskClients: seen_once}
    desk = Desk(it, looks, answers=answers, takes={RunHooks: 61.0})
    outcome = desk.run(start_vm(stage.run(it, yes=True), WEB))
    assert outcome.reason is Reason.STORAGE_FENCED
    assert len(desk.of(AddEntries)) > 1
    assert {each.clients for each in desk.of(AddEntries)} == {(CLIENT,)}


@pytest.mark.parametrize("kind", [AskPower, SendOff, AskClients, AddEntries])
def test_a_run_that_is_interrupted_in_such_a_fence_says_that_something_may_have_been_killed(kind: type[Any]) -> None:
    it = stage.with_power(stage.with_ceph(book()))
    answers: dict[type[Any], Any] = {Fence: NO_ANSWER, **power(True), **storage(True), kind: Interrupted()}
    _, outcome = told(SILENT, it, answers)
    assert (outcome.decision, outcome.reason) == (Decision.FAILED, Reason.INTERRUPTED)
    assert "its leftover on kvm-01 may have been killed" in outcome.message


@pytest.mark.parametrize(("kind", "goes_on"), [(AddEntries, SendOff), (SendOff, AddEntries)])
def test_where_the_intent_of_one_can_not_be_written_the_other_is_gone_through_with_and_the_run_ends(
    kind: type[Any], goes_on: type[Any]
) -> None:
    it = stage.with_power(stage.with_ceph(book()))
    answers: dict[type[Any], Any] = {Fence: NO_ANSWER, **power(True), **storage(True), kind: StoreError("disk full")}
    desk, outcome = told(SILENT, it, answers)
    assert len(desk.of(goes_on)) == 1
    assert (outcome.decision, outcome.reason) == (Decision.FAILED, Reason.STORE_ERROR)


# ---------------------------------------------------------------- after a confirmed death


@pytest.mark.parametrize("done", [True, False])
def test_after_a_death_its_client_is_shut_out_or_a_risk_is_named(done: bool) -> None:
    desk, outcome = told(seen(), stage.with_ceph(book()), {Fence: DEAD, **storage(done)}, yes=True)
    assert (outcome.decision, outcome.reason) == (Decision.FENCED, Reason.CONFIRMED_DEAD)
    assert [effect.clients for effect in desk.of(AddEntries)][:1] == [(CLIENT,)]
    assert [risk.kind for risk in outcome.residual_risk] == ([] if done else [RiskKind.NOT_SHUT_OUT])
    assert [note.kind for note in desk.of(NoteSecondLevel)] == [SecondLevelKind.STORAGE]


def test_a_dry_run_shuts_out_nobody() -> None:
    desk, _ = told(seen(), stage.with_ceph(book()), {Fence: DEAD, **storage(True)}, yes=True, dry_run=True)
    assert (desk.of(AskClients), desk.of(AddEntries)) == ([], [])
