"""`evacuate`, effect by effect: one look, one fence, and the way of each VM, of which none holds up another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hafence.core.attempts import FenceReport, Verdict
from hafence.core.captures import Source
from hafence.core.evacuations import Evacuation
from hafence.core.incidents import claim_on, name_of_claim
from hafence.core.looks import Look, Silence
from hafence.core.model import HostName, HostState, Inventory, Uuid, Vm, parse_uuid
from hafence.core.needs import Lack, Lacking, Need, NeedKind
from hafence.core.outcome import Decision, Exit, Outcome, exit_of
from hafence.core.reasons import Reason
from hafence.core.record import VmState, mark_running
from hafence.core.starts import HookResult, StartReply, StartResult
from hafence.core.stored import Busy, Lease
from hafence.core.troubles import Trouble
from hafence.effects import (
    Answer,
    Ask,
    DropLease,
    Fence,
    Interrupted,
    LeaseLost,
    LookAt,
    NoteOutcome,
    Quarantine,
    Recall,
    RecallEvacuations,
    RecallPlanned,
    RenewLease,
    RunHooks,
    Settle,
    Start,
    Startable,
    StoreError,
    TakeLease,
    Tell,
    WriteRecord,
)
from hafence.workflows.evacuate import evacuate
from tests.core.make import host, look, silence, uuid, vm
from tests.core.telling import assert_told, assert_told_of

from . import stage
from .drive import DEAD, EMPTY, Desk, fails, says, started
from .stage import DB, K1, K2, K3, STARTING, STOPPED, WEB, Teller, book, memory, power

LOW = vm(3, name="low-01", priority=-5, memory_mib=100, domain_xml="/low.xml")
DEV = vm(4, name="dev-01", ha=False)
HIGH = vm(5, name="dns-01", priority=9, memory_mib=2000, domain_xml="/dns.xml")
ALL = (WEB, DB, LOW)
DRY = {"dry_run": True}
FAR = HostName("kvm-09")
ONE_BY_ONE = book(*ALL, max_starts_in_all=1)


@dataclass
class It:
    """A case. The hosts show what became of the fence and of the starts; `looks` are those that are not well, and
    `alive` the VMs that no fence ends."""

    vms: tuple[Vm, ...] = ALL
    inventory: Inventory | None = None
    looks: dict[str, Look] = field(default_factory=dict)
    running: dict[Uuid, HostName] | None = None
    alive: tuple[Uuid, ...] = ()
    memory: Any = EMPTY
    answers: dict[type[Any], Any] = field(default_factory=dict)
    takes: dict[type[Any], float] = field(default_factory=dict)
    wishes: dict[str, Any] = field(default_factory=lambda: {"yes": True})
    suspect: HostName = K1

    def desk(self) -> Desk:
        it = self.inventory or book(*self.vms)
        running = dict.fromkeys((each.uuid for each in self.vms), K1) if self.running is None else dict(self.running)

        def see(effect: LookAt) -> dict[HostName, Look]:
            seen: dict[HostName, Look] = {}
            for name in effect.hosts:
                well = look(name, *(vm for vm, where in running.items() if where == name))
                shown = self.looks.get(name, well)
                seen[name] = replace(shown, at=desk.clock)
            return seen

        def fence(effect: Fence) -> FenceReport:
            if K1 in self.looks and isinstance(self.looks[K1], Silence):
                return fails(Trouble.TIMED_OUT)(effect)
            report = DEAD(effect)
            alive = says("alive", 10)(effect).readings
            for killed in set(effect.order.vms) - set(self.alive) if not effect.order.rehearse else ():
                running.pop(killed, None)
            readings = {each: alive[each] if each in self.alive else dead for each, dead in report.readings.items()}
            return replace(report, readings=readings, at=desk.clock)

        def start(effect: Start) -> StartReply:
            running[effect.order.vm] = effect.order.target
            return started(StartResult.RUNNING)

        world: dict[type[Any], Any] = {LookAt: see, Fence: fence, Start: start}
        own = {kind: _or(answer, world[kind]) if kind in world else answer for kind, answer in self.answers.items()}
        desk = Desk(it, [{}], self.memory, {**world, **own}, dict(self.takes))
        return desk

    def play(self, teller: Teller) -> list[str]:
        desk = self.desk()
        return teller(desk, self.workflow(desk))

    def workflow(self, desk: Desk) -> Any:
        return evacuate(stage.run(desk.inventory, **self.wishes), desk.inventory.hosts[self.suspect])

    def lines(self) -> list[str]:
        return self.play(stage.dialogue)

    def end(self) -> tuple[Desk, dict[str, Outcome]]:
        desk = self.desk()
        return desk, {outcome.name: outcome for outcome in desk.run(self.workflow(desk))}


def _or(answer: Any, usual: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The case's answer to an effect, where it has one."""
    return lambda effect: (answer(effect) if callable(answer) else answer) or usual(effect)


def of(number: int, answer: Any) -> Callable[[Any], Any]:
    """An answer for one VM's effect; the usual one for others."""

    def given(effect: Any) -> Any:
        vm = effect.order.vm if hasattr(effect, "order") else effect.vm if hasattr(effect, "vm") else None
        if isinstance(effect, RenewLease):
            vm = effect.lease.vm
        return answer if vm == uuid(number) else None

    return given


def lacks(*numbers: int) -> Callable[[LookAt], Any]:
    """What every host answers that is asked what these VMs need: no disk."""
    lack = (Lack(Need(NeedKind.WRITE, "/srv/x.img"), Lacking.MISSING),)

    def given(effect: LookAt) -> Any:
        if effect.about in {(uuid(number),) for number in numbers}:
            return {name: replace(look(name), lacking=lack) for name in effect.hosts if name != K1}
        return None

    return given


SILENT: dict[str, Look] = {K1: silence("kvm-01")}
MOVED = mark_running(STARTING, K2, "run-0", 5.0)
ANOTHER = Evacuation(K2, "run-0", "bob@adm", 50.0)

CASES = {
    "three VMs": It(),
    "three VMs, dry": It(wishes={**DRY, "yes": True}),
    "three VMs, the admin says yes": It(answers={Ask: Answer.YES}, wishes={}),
    "three VMs, the admin says no": It(answers={Ask: Answer.NO}, wishes={}),
    "nobody to ask": It(wishes={}),
    "nobody to ask, dry": It(wishes=DRY),
    "one is not HA": It((*ALL, DEV)),
    "nothing is recorded there": It((replace(WEB, host=K2),)),
    "one is still alive": It(alive=(WEB.uuid,)),
    "silent": It(looks=SILENT, wishes={}),
    "silent, the admin says no": It(looks=SILENT, answers={Ask: Answer.NO}, wishes={}),
    "silent, one of them, the admin says no": It((WEB,), looks=SILENT, answers={Ask: Answer.NO}, wishes={}),
    "silent, and switched off": It(
        looks=SILENT, inventory=stage.with_power(book(*ALL)), answers=power(True), wishes={}
    ),
    "too many are silent": It(looks={**SILENT, K2: silence("kvm-02")}),
    "one has no place": It((WEB, DB, HIGH), looks={K2: look("kvm-02", memory_free_mib=1500), K3: silence("kvm-03")}),
    "none has a place": It(looks={K2: silence("kvm-02"), K3: silence("kvm-03")}),
    "one lacks its disk everywhere": It(answers={LookAt: lacks(1)}),
    "one has no definition": It(answers={Startable: of(1, Source("no definition"))}),
    "in maintenance": It(inventory=book(*ALL, hosts=(host("kvm-01", state=HostState.MAINTENANCE),))),
    "disarmed": It(memory=memory(planned=stage.DISARMED)),
    "disarmed, dry": It(memory=memory(planned=stage.DISARMED), wishes={**DRY, "yes": True}),
    "disarmed since it began": It(answers={RecallPlanned: stage.DISARMED}),
    "disarmed since the first start": It(
        inventory=ONE_BY_ONE, answers={RecallPlanned: [stage.ARMED, stage.ARMED, stage.DISARMED]}
    ),
    "another host was evacuated within the hour": It(answers={RecallEvacuations: (ANOTHER,)}),
    "another host was evacuated within the hour, dry": It(
        answers={RecallEvacuations: (ANOTHER,)}, wishes={**DRY, "yes": True}
    ),
    "another host was evacuated within the hour, with a start in flight": It(
        memory=memory(STARTING), answers={RecallEvacuations: (ANOTHER,)}
    ),
    "another host was evacuated within the hour, and two may be": It(
        (WEB,), inventory=book(WEB, max_hosts=2), answers={RecallEvacuations: (ANOTHER,)}
    ),
    "people are at work on the suspect": It(memory=memory(planned=stage.at_work(K1))),
    "people are at work on the target since it was placed": It(
        inventory=ONE_BY_ONE, answers={RecallPlanned: [stage.ARMED, stage.at_work(K2)]}
    ),
    "no KVM": It(inventory=stage.foreign(book(*ALL))),
    "no fence before a start": It(inventory=book(*ALL, pre_fence=False)),
    "another run is at it": It(answers={TakeLease: Busy(claim_on(K1), "admin-2", "run-9", 200.0, 40.0)}),
    "another run is at it, dry": It(
        answers={TakeLease: Busy(claim_on(K1), "admin-2", "run-9", 200.0, 40.0)}, wishes={**DRY, "yes": True}
    ),
    "another run was at it, and nothing is left": It(
        (replace(WEB, host=K2),), answers={TakeLease: Busy(claim_on(K1), "admin-2", "run-9", 200.0, 40.0)}
    ),
    "the claim is renewed": It(inventory=ONE_BY_ONE, takes={Start: 70.0}),
    "the claim is lost while VMs start": It(
        inventory=ONE_BY_ONE,
        takes={Start: 70.0},
        answers={RenewLease: lambda effect: LeaseLost("run-9 has it") if effect.lease.vm == claim_on(K1) else None},
    ),
    "the store is gone when the claim is given back": It(
        (WEB,), answers={DropLease: lambda effect: StoreError("gone") if effect.lease.vm == claim_on(K1) else None}
    ),
    "one is busy": It(answers={TakeLease: of(1, Busy(uuid(1), "admin-2", "run-9", 200.0))}),
    "a start fails": It(answers={Start: of(1, started(StartResult.CLEAN))}),
    "a start is not settled": It(
        answers={Start: of(1, started(StartResult.UNKNOWN)), Settle: started(StartResult.UNKNOWN)}
    ),
    "one starts elsewhere in the meantime": It(
        memory=memory(STARTING),
        running={WEB.uuid: K2, DB.uuid: K1, LOW.uuid: K1},
        answers={Settle: started(StartResult.RUNNING)},
    ),
    "one was moved just before": It(
        answers={Recall: [EMPTY, memory(MOVED)]}, running={WEB.uuid: K2, DB.uuid: K1, LOW.uuid: K1}
    ),
    "a start to the suspect is in flight and came to nothing": It(memory=memory(STARTING), suspect=K2, running={}),
    "a start to the suspect had worked": It(
        (WEB,),
        memory=memory(STARTING),
        suspect=K2,
        running={WEB.uuid: K2},
        answers={Settle: started(StartResult.RUNNING)},
    ),
    "what an earlier run has left stopped": It(
        memory=memory(STOPPED, replace(MOVED, uuid=uuid(2))), running={DB.uuid: K2}
    ),
    "one lease is lost while it waits": It(
        inventory=ONE_BY_ONE, answers={RenewLease: of(3, None)}, takes={Start: 70.0}
    ),
    "interrupted": It(inventory=ONE_BY_ONE, answers={Start: of(1, Interrupted())}),
    "two start side by side, and one is interrupted": It(answers={Start: of(1, Interrupted())}),
    "the store is gone": It(answers={WriteRecord: StoreError("gone")}),
    "another machine at its address": It(
        looks={K1: look("kvm-01", boot_id="b-3"), K3: look("kvm-03", boot_id="b-3")}, running={}
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_asked_for_and_said(case: str) -> None:
    assert_told_of("evacuate", case, CASES[case].lines())


def test_every_case_is_told() -> None:
    assert_told("evacuate", {name: it.lines() for name, it in CASES.items()})


def reasons(outcomes: dict[str, Outcome]) -> dict[str, tuple[str, HostName | None]]:
    return {name: (outcome.reason.value, outcome.host) for name, outcome in outcomes.items()}


def test_one_fence_for_all_and_a_start_for_each_the_highest_priority_first() -> None:
    desk, outcomes = It((LOW, WEB, HIGH)).end()
    assert [effect.order.vms for effect in desk.of(Fence)] == [(HIGH.uuid, WEB.uuid, LOW.uuid)]
    assert [effect.order.vm for effect in desk.of(Start)] == [HIGH.uuid, WEB.uuid, LOW.uuid]
    assert reasons(outcomes) == {
        "dns-01": ("confirmed_dead", K2),
        "web-01": ("confirmed_dead", K3),
        "low-01": ("confirmed_dead", K2),
    }
    assert exit_of(outcomes.values()) is Exit.DONE


def test_another_run_that_is_at_it_is_named_and_no_vm_is_touched() -> None:
    busy = Busy(claim_on(K1), "bob@adm-2 (pid 7)", "run-9", 200.0, 40.0)
    desk, outcomes = It(answers={TakeLease: busy}, wishes={"yes": True, "wait_s": 5.0}).end()
    assert [(effect.vm, effect.wait_s) for effect in desk.of(TakeLease)] == [(claim_on(K1), 5.0)]
    assert not desk.of(LookAt)
    assert exit_of(outcomes.values()) is Exit.BUSY
    assert outcomes["web-01"].message.startswith(
        "kvm-01 is being evacuated by bob@adm-2 (pid 7) since 1970-01-01T00:00:40Z (run run-9)."
    )


def test_each_host_has_a_claim_of_its_own_the_same_on_every_admin_node() -> None:
    assert claim_on(K1) == "3a18ed52-19ee-5ad8-b27e-b0e0a033c211"
    assert parse_uuid(claim_on(K2)) == claim_on(K2) != claim_on(K1)
    assert name_of_claim(claim_on(K2), (K1, K2)) == "the evacuation of kvm-02"
    assert name_of_claim(WEB.uuid, (K1, K2)) is None


def noted(desk: Desk) -> list[tuple[str, str]]:
    """What was told of each VM to whoever follows the run, and after how many starts."""
    told, starts = [], 0
    for effect in desk.asked:
        starts += isinstance(effect, Start)
        if isinstance(effect, NoteOutcome):
            told.append((f"{effect.outcome.name} after {starts}", effect.outcome.reason.value))
    return told


def test_what_has_come_of_a_vm_is_told_as_soon_as_it_is_known() -> None:
    desk, _ = It(alive=(WEB.uuid,), memory=memory(replace(MOVED, uuid=uuid(2))), running={WEB.uuid: K1}).end()
    assert noted(desk) == [("web-01 after 0", "still_alive"), ("low-01 after 1", "confirmed_dead")]
    desk, _ = It(wishes={}).end()
    assert set(noted(desk)) == {(f"{name} after 0", "suspect_healthy") for name in ("web-01", "db-01", "low-01")}
    desk, _ = It(memory=memory(planned=stage.DISARMED)).end()
    assert len(noted(desk)) == 3


def test_one_that_is_still_alive_is_refused_and_the_others_start() -> None:
    desk, outcomes = It(alive=(WEB.uuid,)).end()
    assert reasons(outcomes) == {
        "web-01": ("still_alive", K1),
        "db-01": ("confirmed_dead", K3),
        "low-01": ("confirmed_dead", K2),
    }
    assert outcomes["web-01"].verdict is Verdict.STILL_ALIVE
    assert WEB.uuid not in {effect.order.vm for effect in desk.of(Start)}
    assert exit_of(outcomes.values()) is Exit.REFUSED


def test_one_without_a_place_is_not_fenced_and_is_named_before_anything_is_asked() -> None:
    it = It((WEB, DB, HIGH), looks={K2: look("kvm-02", memory_free_mib=2500), K3: silence("kvm-03")}, wishes={})
    desk, outcomes = replace(it, answers={Ask: Answer.YES}).end()
    assert outcomes["web-01"].reason is Reason.NO_TARGET
    assert "kvm-02 has 500 MiB free, the VM needs 1024; kvm-03 does not answer" in outcomes["web-01"].says
    assert [effect.order.vms for effect in desk.of(Fence)] == [(HIGH.uuid, DB.uuid)]
    named = next(n for n, effect in enumerate(desk.asked) if isinstance(effect, Tell) and "web-01" in effect.text)
    assert named < next(n for n, effect in enumerate(desk.asked) if isinstance(effect, Ask))


def test_one_whose_disk_no_host_finds_is_not_killed() -> None:
    desk, outcomes = It(answers={LookAt: lacks(1)}).end()
    assert outcomes["web-01"].reason is Reason.WOULD_NOT_START
    assert [effect.order.vms for effect in desk.of(Fence)] == [(DB.uuid, LOW.uuid)]


def test_a_start_that_fails_pushes_no_other_out_of_its_place() -> None:
    granted = (host("kvm-02", memory_mib=2500), host("kvm-03", memory_mib=2500))

    def only_on_kvm_03(effect: Start) -> StartReply | None:
        return started(StartResult.CLEAN) if effect.order.target == K2 and effect.order.vm == HIGH.uuid else None

    it = It((HIGH, WEB), book(HIGH, WEB, hosts=granted), answers={Start: only_on_kvm_03})
    desk, outcomes = it.end()
    tried = dict.fromkeys((e.order.vm, e.order.target) for e in desk.of(Start))
    assert list(tried) == [(HIGH.uuid, K2), (WEB.uuid, K3)]
    assert outcomes["dns-01"].exit is Exit.START_FAILED, "kvm-03 is planned full: nothing is pushed out of its place"


def test_one_that_had_to_go_elsewhere_counts_there() -> None:
    """The second finds its own place taken by the first, and goes to the one that it left."""
    it = It((HIGH, WEB), answers={Start: lambda e: started(StartResult.CLEAN) if e.order.target == K2 else None})
    desk, outcomes = it.end()
    assert [(e.order.vm, e.order.target) for e in desk.of(Start)] == [
        (HIGH.uuid, K2),
        (HIGH.uuid, K3),
        (WEB.uuid, K3),
    ]
    assert [outcome.host for outcome in outcomes.values()] == [K3, K3]


def test_nothing_is_killed_where_none_has_a_place() -> None:
    desk, outcomes = It((WEB, LOW), looks={K2: look("kvm-02", memory_free_mib=10), K3: silence("kvm-03")}).end()
    assert {outcome.reason for outcome in outcomes.values()} == {Reason.NO_TARGET}
    assert (desk.of(Fence), desk.of(WriteRecord), desk.of(Quarantine)) == ([], [], [])


def test_the_suspect_of_a_planned_move_needs_no_quarantine_and_any_other_does() -> None:
    assert It().end()[0].of(Quarantine) == []
    assert It(answers={Startable: Source("no definition")}).end()[0].of(Quarantine) == []
    stuck, _ = It(alive=(WEB.uuid,)).end()
    assert [effect.why for effect in stuck.of(Quarantine)] == ["2 VM(s) were fenced there"]
    desk, _ = It(running={WEB.uuid: K1, DB.uuid: K1}).end()
    assert [effect.why for effect in desk.of(Quarantine)] == ["3 VM(s) were fenced there"]
    silent, _ = It(looks=SILENT).end()
    assert [effect.why for effect in silent.of(Quarantine)] == ["3 VM(s) were not seen dead there"]


def test_leases_of_those_that_wait_are_renewed_and_a_lost_one_ends_one_vm_only() -> None:
    late = [0]

    def lost_late(effect: RenewLease) -> Any:
        if effect.lease.vm != LOW.uuid:
            return None
        late[0] += 1
        return LeaseLost("run-9 has it") if late[0] > 1 else None

    desk, outcomes = It(answers={RenewLease: lost_late}, takes={Start: 70.0}).end()
    assert outcomes["low-01"].reason is Reason.BUSY
    assert outcomes["web-01"].exit is outcomes["db-01"].exit is Exit.DONE
    assert LOW.uuid not in {effect.order.vm for effect in desk.of(Start)}


def test_a_lost_lease_of_the_vm_at_work_holds_up_no_other() -> None:
    def lost(effect: WriteRecord) -> Any:
        return LeaseLost("run-9 has it") if effect.record.uuid == WEB.uuid else None

    _, outcomes = It(answers={WriteRecord: lost}).end()
    assert outcomes["web-01"].reason is Reason.BUSY
    assert outcomes["db-01"].exit is Exit.DONE


def test_ctrl_c_ends_what_is_under_way_and_begins_nothing_more() -> None:
    desk, outcomes = It(inventory=ONE_BY_ONE, answers={Start: of(1, Interrupted())}).end()
    assert [effect.order.vm for effect in desk.of(Start)] == [WEB.uuid]
    assert {outcome.reason for outcome in outcomes.values()} == {Reason.INTERRUPTED}
    assert "a start was sent to kvm-02" in outcomes["web-01"].says
    assert "may have been killed" in outcomes["db-01"].says
    assert [effect.lease.vm for effect in desk.of(DropLease)][-1] == claim_on(K1)
    assert sorted(effect.lease.vm for effect in desk.of(DropLease)[:-1]) == sorted(each.uuid for each in ALL)


def test_run_again_it_finishes_the_rest_and_leaves_alone_what_runs() -> None:
    records = memory(STOPPED, replace(MOVED, uuid=DB.uuid), replace(MOVED, uuid=LOW.uuid, host=K3))
    desk, outcomes = It(memory=records, running={DB.uuid: K2, LOW.uuid: K3}).end()
    assert [effect.order.vm for effect in desk.of(Start)] == [WEB.uuid]
    assert list(outcomes) == ["web-01"]
    assert desk.of(WriteRecord)[-1].record.state is VmState.RUNNING


def test_old_evidence_is_taken_anew_for_those_that_had_to_wait() -> None:
    desk, outcomes = It(takes={RunHooks: 50.0}).end()
    assert {outcome.exit for outcome in outcomes.values()} == {Exit.DONE}
    assert [effect.order.vms for effect in desk.of(Fence)] == [
        (WEB.uuid, DB.uuid, LOW.uuid),
        (DB.uuid,),
        (LOW.uuid,),
    ]


def test_hosts_are_asked_for_eight_vms_at_a_time_what_they_lack() -> None:
    many = tuple(vm(n, name=f"vm-{n:02d}", memory_mib=10, domain_xml="/x") for n in range(1, 11))
    desk = It(many).desk()
    desk.run(It(many).workflow(desk))
    asked = [line for line in desk.log if line.startswith("Together")]
    assert [line.count("LookAt") for line in asked] == [8, 2]
    assert all(isinstance(lease, Lease) for lease in (effect.lease for effect in desk.of(DropLease)))


def test_a_hook_that_says_no_holds_up_one_vm() -> None:
    _, outcomes = It(answers={RunHooks: of(1, (HookResult("net", "no"),))}).end()
    assert outcomes["web-01"].reason is Reason.HOOK_FAILED
    assert outcomes["db-01"].exit is Exit.DONE


def test_one_whose_place_was_taken_meanwhile_is_not_squeezed_in() -> None:
    first, big = replace(WEB, priority=5), replace(LOW, memory_mib=3500)

    def moved(effect: LookAt) -> Any:
        if effect.about != (WEB.uuid,) or K1 not in effect.hosts:
            return None
        return {K1: look("kvm-01"), K2: look("kvm-02"), K3: look("kvm-03", WEB.uuid)}

    it = It((first, big), looks={K2: look("kvm-02", memory_free_mib=1500)}, answers={LookAt: moved})
    desk, outcomes = it.end()
    assert (outcomes["web-01"].reason, outcomes["web-01"].host) == (Reason.RUNNING_ELSEWHERE, K3)
    assert outcomes["low-01"].exit is Exit.START_FAILED, "it was killed: that is more than no place"
    assert "kvm-03 has 3072 MiB free, the VM needs 3500" in outcomes["low-01"].says
    assert desk.of(Start) == []


def test_a_suspect_that_shows_life_while_others_start_is_silent_no_more() -> None:
    """The look after the first start sees it: what stood on its silence is fenced anew."""
    first: list[int] = []

    def back(effect: LookAt) -> Any:
        if not first:
            return None
        shown: dict[str, Look] = {name: look(name) for name in effect.hosts}
        started_on = {WEB.uuid: K2, DB.uuid: K3, LOW.uuid: K2}
        for each in desk.of(Start):
            where = started_on[each.order.vm]
            if where in shown:
                shown[where] = replace(look(where, *(e.order.vm for e in desk.of(Start) if e.order.target == where)))
        return {name: replace(one, at=desk.clock) for name, one in shown.items()}

    def note(effect: Start) -> None:
        first.append(1)

    def dead(effect: Fence) -> Any:
        return replace(DEAD(effect), at=desk.clock) if first else None

    it = It(looks=SILENT, answers={LookAt: back, Start: note, Fence: dead})
    desk = it.desk()
    outcomes = {outcome.name: outcome.reason.value for outcome in desk.run(it.workflow(desk))}
    assert outcomes == {"web-01": "unreachable_confirmed", "db-01": "confirmed_dead", "low-01": "confirmed_dead"}
    assert [effect.order.vms for effect in desk.of(Fence)] == [
        (WEB.uuid, DB.uuid, LOW.uuid),
        (DB.uuid,),
        (LOW.uuid,),
    ]


def test_what_is_still_alive_then_is_refused() -> None:
    first: list[int] = []

    def back(effect: LookAt) -> Any:
        if not first:
            return None
        on = {WEB.uuid: K2, DB.uuid: K1, LOW.uuid: K1}
        return {
            name: replace(look(name, *(each for each, where in on.items() if where == name)), at=desk.clock)
            for name in effect.hosts
        }

    def alive(effect: Fence) -> Any:
        return says("alive", 10)(effect) if first else None

    it = It(looks=SILENT, answers={LookAt: back, Start: lambda effect: first.append(1), Fence: alive})
    desk = it.desk()
    outcomes = {outcome.name: outcome.reason.value for outcome in desk.run(it.workflow(desk))}
    assert outcomes == {"web-01": "unreachable_confirmed", "db-01": "still_alive", "low-01": "still_alive"}
    assert [effect.order.vm for effect in desk.of(Start)] == [WEB.uuid]


@pytest.mark.parametrize("why", [Interrupted(), StoreError("gone")], ids=["Ctrl-C", "the store"])
def test_what_ends_a_run_while_it_takes_its_leases_is_told_of_every_vm(why: Exception) -> None:
    desk, outcomes = It(answers={TakeLease: of(2, why)}).end()
    assert set(outcomes) == {"web-01", "db-01", "low-01"}
    assert len({outcome.reason for outcome in outcomes.values()}) == 1
    assert [effect.lease.vm for effect in desk.of(DropLease)] == [WEB.uuid, claim_on(K1)]


@pytest.mark.parametrize("wide", [1, 12], ids=["one by one", "side by side"])
@pytest.mark.parametrize(
    ("shut_out", "reason"), [(False, Reason.TWO_COPIES), (True, Reason.STORAGE_FENCED)], ids=["it writes", "shut out"]
)
def test_a_copy_that_shows_up_after_its_start_is_told_and_one_that_cannot_write_is_none(
    shut_out: bool, reason: Reason, wide: int
) -> None:
    def web_is_back(effect: LookAt) -> Any:
        if effect.about != (DB.uuid,) or WEB.uuid not in {each.order.vm for each in desk.of(Start)}:
            return None
        on = {WEB.uuid: (K1, K2), DB.uuid: (K3,) if DB.uuid in {e.order.vm for e in desk.of(Start)} else ()}
        return {
            name: replace(look(name, *(each for each, hosts in on.items() if name in hosts)), at=desk.clock)
            for name in effect.hosts
        }

    vms = (WEB, DB)
    if shut_out:
        answers: dict[type[Any], Any] = {LookAt: web_is_back, **stage.storage(True)}
        tight = stage.with_ceph(book(*vms, max_starts_in_all=wide))
        it = It(vms, tight, alive=(WEB.uuid, DB.uuid), answers=answers)
    else:
        it = It(vms, book(*vms, max_starts_in_all=wide), answers={LookAt: web_is_back})
    desk = it.desk()
    web, db = desk.run(it.workflow(desk))
    assert web.reason is reason
    if not shut_out:
        assert web.decision is Decision.FAILED
        assert web.says == (
            "TWO COPIES of web-01 were seen: the new one on kvm-02, and since its start one on kvm-01. It is recorded"
            " as running on kvm-02. Look at both hosts and at the VM's disks."
        )
        assert web.ways_out == ("'hafence fence web-01 --host kvm-01' ends that copy",)
    assert web.host == K2
    assert (web.exit is Exit.NEEDS_PERSON) == (not shut_out)
    assert db.decision.value == "started"


def test_a_run_that_is_cut_off_between_two_starts_calls_nobody_silent_for_the_second() -> None:
    def cut(effect: LookAt) -> Any:
        if not desk.of(Start):
            return None
        web = replace(look("kvm-02", WEB.uuid), at=desk.clock)
        return {name: web if name == K2 else silence(name) for name in effect.hosts}

    it = It(looks=SILENT, answers={LookAt: cut})
    desk = it.desk()
    outcomes = {outcome.name: outcome.reason.value for outcome in desk.run(it.workflow(desk))}
    assert outcomes == {"web-01": "unreachable_confirmed", "db-01": "storm_guard", "low-01": "storm_guard"}
    assert [effect.order.vm for effect in desk.of(Start)] == [WEB.uuid]


@pytest.mark.parametrize(("takes_s", "renewed"), [(20.0, False), (35.0, True)])
def test_most_of_a_lease_is_left_to_those_that_wait_while_others_start(takes_s: float, renewed: bool) -> None:
    desk, outcomes = It(inventory=ONE_BY_ONE, takes={Start: takes_s}).end()
    assert {outcome.exit for outcome in outcomes.values()} == {Exit.DONE}
    first, second = [place for place, effect in enumerate(desk.asked) if isinstance(effect, Start)][:2]
    between = {effect.lease.vm for effect in desk.asked[first:second] if isinstance(effect, RenewLease)}
    assert (LOW.uuid in between, claim_on(K1) in between) == (renewed, renewed)
