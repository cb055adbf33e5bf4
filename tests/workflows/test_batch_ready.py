"""A lower tier of an evacuation waits until the VMs of a higher one serve: for whom, for how long, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hafence.core.looks import Look
from hafence.core.model import HostName, Ready, Vm
from hafence.core.outcome import Decision, Exit, exit_of
from hafence.core.ready import Readiness, Serves
from hafence.core.reasons import Reason
from hafence.core.record import mark_running
from hafence.core.starts import StartResult
from hafence.effects import (
    Answer,
    Ask,
    AwaitReady,
    Effect,
    Fence,
    Interrupted,
    LeaseLost,
    LookAt,
    NoteOutcome,
    RenewLease,
    Settle,
    Start,
    StoreError,
    Tell,
    Witness,
)
from tests.core.make import look, silence, uuid, vm
from tests.core.telling import assert_told

from . import stage
from .drive import Desk, started
from .stage import DB, K1, K2, K3, STARTING, WEB, book, memory
from .test_evacuate import It, of

LDAP = Ready(389, 120.0)
DIR = vm(5, name="dir-01", priority=9, memory_mib=2000, domain_xml="/dir.xml", ready=LDAP)
DNS = vm(6, name="dns-01", priority=9, memory_mib=1000, domain_xml="/dns.xml", ready=Ready(None, 60.0))
LOW = vm(3, name="low-01", priority=-5, memory_mib=100, domain_xml="/low.xml")
TIERS = (DIR, WEB, LOW)
NOT_YET = Readiness(Serves.NOT_YET, "no address of it takes a connection", 100.0)
NO_HOST = Readiness(Serves.UNKNOWN, "it refused the connection", 100.0)
YES = Readiness(Serves.YES, "TCP port 389 of 10.0.0.5 takes connections", 100.0)


def waits(desk: Desk, answer: Any = NOT_YET) -> Callable[[AwaitReady], Any]:
    """The host asks for as long as it was told, and this comes of it."""

    def asked(effect: AwaitReady) -> Any:
        desk.clock += effect.within_s
        return answer(effect) if callable(answer) else answer

    return asked


def play(it: It, answer: Any = NOT_YET) -> tuple[Desk, dict[str, Any]]:
    desk = it.desk()
    desk.answers[AwaitReady] = waits(desk, answer)
    return desk, {outcome.name: outcome for outcome in desk.run(it.workflow(desk))}


def order(desk: Desk, *kinds: type[Effect[Any]]) -> list[str]:
    """The effects of some kinds, as they were asked for: kind and VM."""
    lines = []
    for effect in desk.asked:
        if isinstance(effect, kinds):
            of_vm: Any = effect
            which = of_vm.order.vm if isinstance(effect, Start) else of_vm.vm
            lines.append(f"{type(effect).__name__} {desk.inventory.vms[which].name}")
    return lines


def test_a_lower_tier_starts_when_the_higher_one_serves() -> None:
    desk, outcomes = play(It(TIERS), YES)
    assert order(desk, Start, AwaitReady) == ["Start dir-01", "AwaitReady dir-01", "Start web-01", "Start low-01"]
    assert desk.of(AwaitReady) == [AwaitReady(DIR.uuid, K2, LDAP, 15.0)]
    assert {outcome.reason for outcome in outcomes.values()} == {Reason.CONFIRMED_DEAD}


def test_one_that_never_serves_is_said_keeps_its_exit_and_holds_nobody_back_for_ever() -> None:
    desk, outcomes = play(It(TIERS))
    assert order(desk, Start, AwaitReady) == [
        "Start dir-01",
        *["AwaitReady dir-01"] * 8,
        "Start web-01",
        "Start low-01",
    ]
    assert sum(effect.within_s for effect in desk.of(AwaitReady)) == 120.0
    outcome = outcomes["dir-01"]
    assert (outcome.decision, outcome.reason, outcome.exit) == (Decision.STARTED, Reason.NOT_READY, Exit.DONE)
    assert (outcome.host, outcome.verdict.value) == (K2, "confirmed_dead")
    assert outcome.says == (
        "dir-01 runs on kvm-02: no living task of the VM is left on kvm-01; it did not get ready: its TCP port 389 was"
        " waited for in vain until 2m after its start (no address of it takes a connection)"
    )
    assert len(outcome.ways_out) == 2
    assert [outcomes[name].reason.value for name in ("web-01", "low-01")] == ["confirmed_dead"] * 2
    assert exit_of(outcomes.values()) is Exit.DONE
    noted = [each.outcome.reason.value for each in desk.of(NoteOutcome) if each.outcome.name == "dir-01"]
    assert noted == ["confirmed_dead", "not_ready"], "told again as soon as it is known"


def test_what_people_are_told_of_it() -> None:
    told = {}
    for name, answer in (("serves", YES), ("never serves", NOT_YET), ("its host is silent", NO_HOST)):
        desk, outcomes = play(It((DIR, DNS, WEB, LOW)), answer)
        told[name] = [f"told: {effect.text}" for effect in desk.of(Tell)]
        told[name] += [f"{each.name}: {each.message}" for each in outcomes.values()]
    assert_told("not_ready", told)


@pytest.mark.parametrize("answer", [NOT_YET, NO_HOST])
def test_all_of_a_tier_are_waited_for_at_once_each_for_its_own_time(answer: Readiness) -> None:
    desk, outcomes = play(It((DIR, DNS, WEB)), lambda effect: None if effect.vm == DIR.uuid else answer)
    assert order(desk, Start, AwaitReady)[:4] == [
        "Start dir-01",
        "Start dns-01",
        "AwaitReady dir-01",
        "AwaitReady dns-01",
    ]
    assert len([effect for effect in desk.of(AwaitReady) if effect.vm == DIR.uuid]) == 1, "it has answered"
    assert [outcomes[name].reason.value for name in ("dir-01", "dns-01")] == ["confirmed_dead", "not_ready"]


def test_the_last_tier_and_one_behind_which_nothing_waits_are_not_waited_for() -> None:
    alone = replace(WEB, ready=LDAP)
    assert not play(It((DIR,)))[0].of(AwaitReady)
    assert not play(It((alone, replace(DB, ready=LDAP))))[0].of(AwaitReady)
    desk, _ = play(It((alone, DIR)), YES)
    assert [effect.vm for effect in desk.of(AwaitReady)] == [DIR.uuid]


def test_a_tier_of_several_waves_starts_whole_before_anybody_is_waited_for() -> None:
    other = replace(DNS, ready=None)
    it = It((DIR, other, WEB), inventory=book(DIR, other, WEB, max_starts_in_all=1), takes={Start: 70.0})
    desk, outcomes = play(it)
    assert order(desk, Start, AwaitReady)[:3] == ["Start dir-01", "Start dns-01", "AwaitReady dir-01"]
    assert sum(effect.within_s for effect in desk.of(AwaitReady)) == 50.0, "the other start took 70 s of its time"
    assert outcomes["dir-01"].reason is Reason.NOT_READY


def test_one_whose_time_is_over_before_anybody_waits_is_asked_once() -> None:
    it = It((DIR, DNS, WEB), inventory=book(DIR, DNS, WEB, max_starts_in_all=1), takes={Start: 130.0})
    desk, outcomes = play(it, lambda effect: YES if effect.vm == DIR.uuid else NOT_YET)
    assert [effect.within_s for effect in desk.of(AwaitReady) if effect.vm == DIR.uuid] == [0.0]
    assert outcomes["dir-01"].reason is Reason.CONFIRMED_DEAD


def test_one_that_did_not_start_is_not_waited_for() -> None:
    desk, outcomes = play(It(TIERS, answers={Start: of(5, started(StartResult.CLEAN))}))
    assert not desk.of(AwaitReady)
    assert [outcome.decision.value for outcome in outcomes.values()] == ["failed", "started", "started"]


def test_the_leases_of_those_that_wait_are_kept_and_one_that_is_lost_ends_that_vm_alone() -> None:
    desk, _ = play(It(TIERS))
    at = [number for number, effect in enumerate(desk.asked) if isinstance(effect, AwaitReady)]
    renewed = {effect.lease.vm for effect in desk.asked[at[0] : at[-1]] if isinstance(effect, RenewLease)}
    assert {WEB.uuid, LOW.uuid} < renewed

    it = It(TIERS)
    desk = it.desk()
    desk.answers[AwaitReady] = waits(desk)
    desk.answers[RenewLease] = lambda e: LeaseLost("taken") if e.lease.vm == WEB.uuid and desk.of(AwaitReady) else None
    outcomes = {outcome.name: outcome for outcome in desk.run(it.workflow(desk))}
    assert {name: each.reason.value for name, each in outcomes.items()} == {
        "dir-01": "not_ready",
        "web-01": "busy",
        "low-01": "confirmed_dead",
    }


def test_nobody_is_waited_for_any_more_once_nothing_waits() -> None:
    it = It((DIR, WEB))
    desk = it.desk()
    desk.answers[AwaitReady] = waits(desk)
    desk.answers[RenewLease] = lambda e: LeaseLost("taken") if e.lease.vm == WEB.uuid and desk.of(AwaitReady) else None
    outcomes = {outcome.name: outcome for outcome in desk.run(it.workflow(desk))}
    assert len(desk.of(AwaitReady)) < 8
    assert [outcomes[name].reason.value for name in ("dir-01", "web-01")] == ["confirmed_dead", "busy"]


def test_ctrl_c_while_waiting_leaves_what_was_started_and_starts_nothing_more() -> None:
    desk, outcomes = play(It(TIERS), Interrupted())
    assert order(desk, Start, AwaitReady) == ["Start dir-01", "AwaitReady dir-01"]
    assert {name: each.reason.value for name, each in outcomes.items()} == {
        "dir-01": "confirmed_dead",
        "web-01": "interrupted",
        "low-01": "interrupted",
    }
    assert exit_of(outcomes.values()) is Exit.INTERRUPTED


def test_a_store_that_goes_while_waiting_ends_those_that_wait() -> None:
    _, outcomes = play(It(TIERS), StoreError("gone"))
    assert [each.reason.value for each in outcomes.values()] == ["confirmed_dead", "store_error", "store_error"]


def test_a_clock_that_is_set_back_makes_nobody_wait_longer() -> None:
    it = It(TIERS)
    desk = it.desk()

    def back(effect: AwaitReady) -> Readiness:
        desk.clock -= 1000.0
        return NOT_YET

    desk.answers[AwaitReady] = back
    outcomes = {outcome.name: outcome for outcome in desk.run(it.workflow(desk))}
    assert len(desk.of(AwaitReady)) == 8
    assert outcomes["dir-01"].reason is Reason.NOT_READY


# ---------------------------------------------------------------- what another run has started


def taken(from_: HostName = K1, at: float = 90.0, of_vm: Vm = DIR) -> Any:
    """The record of one that an earlier run has just started on kvm-02."""
    return replace(mark_running(replace(STARTING, uuid=of_vm.uuid), K2, "run-0", at), last_host=from_)


def test_what_a_run_has_started_that_was_killed_while_it_waited_is_waited_for_by_the_next() -> None:
    it = It(TIERS, memory=memory(taken()), running={WEB.uuid: K1, LOW.uuid: K1, DIR.uuid: K2})
    desk, outcomes = play(it)
    assert order(desk, Start, AwaitReady) == [*["AwaitReady dir-01"] * 8, "Start web-01", "Start low-01"]
    assert sum(effect.within_s for effect in desk.of(AwaitReady)) == 110.0, "of its time 10 s have passed"
    assert "dir-01" not in outcomes
    assert any(effect.text.startswith("dir-01 runs on kvm-02; it did not get ready") for effect in desk.of(Tell))


@pytest.mark.parametrize(
    "record",
    [taken(at=-20.0), taken(from_=K3), replace(taken(), started_at=None)],
    ids=["its time is over", "it was taken from another host", "nobody started it"],
)
def test_what_is_no_start_of_this_incident_is_not_waited_for(record: Any) -> None:
    it = It(TIERS, memory=memory(record), running={WEB.uuid: K1, LOW.uuid: K1, DIR.uuid: K2})
    assert not play(it)[0].of(AwaitReady)


def test_a_start_that_was_in_flight_and_had_worked_is_waited_for() -> None:
    it = It(
        TIERS,
        memory=memory(replace(STARTING, uuid=DIR.uuid)),
        running={DIR.uuid: K2, WEB.uuid: K1, LOW.uuid: K1},
        answers={Settle: started(StartResult.RUNNING)},
    )
    desk, outcomes = play(it)
    assert len(desk.of(AwaitReady)) == 8
    assert (outcomes["dir-01"].decision, outcomes["dir-01"].reason) == (Decision.STARTED, Reason.NOT_READY)


# ---------------------------------------------------------------- what has grown old meanwhile


def test_after_a_long_wait_the_fence_is_made_anew_and_nobody_is_asked_twice() -> None:
    desk, outcomes = play(It(TIERS, answers={Ask: Answer.YES}, wishes={}))
    assert len(desk.of(Ask)) == 1
    assert [effect.order.vms for effect in desk.of(Fence)] == [
        (DIR.uuid, WEB.uuid, LOW.uuid),
        (WEB.uuid,),
        (LOW.uuid,),
    ]
    assert [outcome.decision.value for outcome in outcomes.values()] == ["started"] * 3


def test_one_that_is_brought_back_meanwhile_is_killed_again_on_the_same_yes() -> None:
    """Its host answers: something there has started it anew after the fence."""
    it = It((DIR, WEB), answers={Ask: Answer.YES}, wishes={})
    desk = it.desk()
    usual = desk.answers[LookAt]

    def see(effect: LookAt) -> dict[HostName, Look]:
        seen: dict[HostName, Look] = dict(usual(effect))
        again = desk.of(AwaitReady) and len(desk.of(Fence)) == 1
        return {**seen, K1: replace(look("kvm-01", WEB.uuid), at=desk.clock)} if again and K1 in seen else seen

    desk.answers[AwaitReady] = waits(desk)
    desk.answers[LookAt] = see
    outcomes = {outcome.name: outcome for outcome in desk.run(it.workflow(desk))}
    assert len(desk.of(Ask)) == 1
    assert outcomes["web-01"].decision is Decision.STARTED
    assert "kvm-01 answers and the VM runs there again; the admin had agreed to fence it" in outcomes["web-01"].notes


def test_after_a_long_wait_a_silent_host_is_looked_for_anew_and_nobody_is_asked_twice() -> None:
    looks: dict[str, Look] = {K1: silence("kvm-01")}
    desk, outcomes = play(It(TIERS, looks=looks, answers={Ask: Answer.YES}, wishes={}))
    assert len(desk.of(Ask)) == 1
    assert len(desk.of(Witness)) >= 2
    assert {each.reason for name, each in outcomes.items() if name != "dir-01"} == {Reason.UNREACHABLE_CONFIRMED}


def test_a_leftover_that_cannot_write_is_no_second_copy_of_one_that_did_not_get_ready() -> None:
    """The ground of its start is known also when its outcome has another reason by then."""
    inventory = stage.with_ceph(book(DIR, WEB))
    it = It((DIR, WEB), inventory=inventory, alive=(DIR.uuid, WEB.uuid), answers=stage.storage(True))
    desk, outcomes = play(it)
    assert desk.of(AwaitReady)
    assert [outcomes[name].reason.value for name in ("dir-01", "web-01")] == ["not_ready", "storage_fenced"]


def test_a_second_copy_that_shows_up_later_outweighs_it() -> None:
    it = It((DIR, WEB))
    desk = it.desk()
    usual = desk.answers[LookAt]

    def see(effect: LookAt) -> dict[HostName, Look]:
        seen: dict[HostName, Look] = dict(usual(effect))
        late = any(effect.order.vm == WEB.uuid for effect in desk.of(Start))
        return {**seen, K3: look("kvm-03", DIR.uuid, WEB.uuid)} if late and K3 in seen else seen

    desk.answers[AwaitReady] = waits(desk)
    desk.answers[LookAt] = see
    outcomes = {outcome.name: outcome for outcome in desk.run(it.workflow(desk))}
    assert (outcomes["dir-01"].reason, outcomes["dir-01"].exit) == (Reason.TWO_COPIES, Exit.NEEDS_PERSON)


def test_a_lease_that_is_short_is_renewed_in_time() -> None:
    desk, _ = play(It(TIERS, inventory=book(*TIERS, lease_s=40.0)))
    assert {effect.within_s for effect in desk.of(AwaitReady)} == {5.0}


def test_a_vm_that_is_not_ha_holds_nobody_back() -> None:
    other = replace(DIR, ha=False)
    it = It((other, WEB, LOW), memory=memory(taken()), running={WEB.uuid: K1, LOW.uuid: K1, other.uuid: K2})
    assert not play(it)[0].of(AwaitReady)
    assert uuid(5) == other.uuid
