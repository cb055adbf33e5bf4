"""The oracle bites: one safeguard less is caught, and each of its rules can be broken. Were it not, the search would
prove nothing."""

from dataclasses import replace

import pytest

from hafence.core.attempts import FenceOrder, Reply
from hafence.core.model import HostName
from hafence.core.outcome import Decision, Outcome
from hafence.core.reasons import Reason
from hafence.core.record import mark_stopped, unseen
from hafence.core.replies import STATUS_ALIVE, STATUS_DEAD
from hafence.core.starts import StartOrder, StartReply, StartResult
from hafence.core.stored import Planned
from hafence.core.troubles import Trouble
from hafence.effects import Now, RecallPlanned, Workflow, do
from hafence.sim.case import CasePlayer, Played, play_case
from hafence.sim.events import Event
from hafence.sim.explore import cases, first_case
from hafence.sim.grounds import Excuse, lacks
from hafence.sim.notes import Sent
from hafence.sim.oracle import check_records, check_runs
from hafence.sim.pairs import pair_cases
from hafence.sim.policies import SshFailureIsDeath
from hafence.sim.run import Policy
from hafence.sim.simulation import Simulation
from hafence.sim.situations import SITUATIONS, SUSPECT, VM, VM_UUID, Means, inventory
from hafence.sim.world import World
from hafence.stores.ask import ASKS
from hafence.workflows.vm_run import Request

WORLD = inventory(Means("confirm"))


class AliveIsDead(Policy):
    """Reads 'alive' as 'dead'."""

    def doctor(self, order: FenceOrder, reply: Reply) -> Reply:
        if reply.exit_status != STATUS_ALIVE:
            return reply
        return replace(reply, exit_status=STATUS_DEAD, stdout=reply.stdout.replace(" alive ", " dead "))


class UnknownIsClean(Policy):
    """Believes that a start of unknown outcome came to nothing, and settles none."""

    def doctor_start(self, order: StartOrder, reply: StartReply, settles: bool) -> StartReply:
        if reply.result is StartResult.UNKNOWN or settles:
            return replace(reply, result=StartResult.CLEAN)
        return reply


class FailureIsRunning(Policy):
    """Believes every start."""

    def doctor_start(self, order: StartOrder, reply: StartReply, settles: bool) -> StartReply:
        return replace(reply, result=StartResult.RUNNING)


class NothingIsDead(Policy):
    """Hears of no fence what came of it."""

    def doctor(self, order: FenceOrder, reply: Reply) -> Reply:
        return replace(reply, trouble=Trouble.REFUSED, exit_status=None, stdout="")


def rules(played: Played) -> set[str]:
    return {violation.rule for violation in played.violations}


def broken_rules(situation: str, policy: Policy, faults: int = 0) -> set[str]:
    found = cases(CasePlayer(WORLD, policy), first_case(situation), faults)
    return {violation.rule for _, played in found for violation in played.violations}


# ---------------------------------------------------------------- 7: planned work is heard

AT_WORK = ("disarmed", "disarmed-start-left-behind", "suspect-at-work", "target-at-work", "isolated-siblings-at-work")


@pytest.mark.parametrize("situation", AT_WORK)
def test_planned_work_breaks_no_rule_and_keeps_the_vm_from_no_start_once_it_is_over(situation: str) -> None:
    assert broken_rules(situation, Policy()) == set()


@pytest.mark.parametrize("situation", AT_WORK[:-1])
def test_a_run_to_which_the_store_tells_nothing_of_planned_work_defies_it(
    situation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hafence.stores.rules.in_force", lambda planned, now: Planned())
    assert broken_rules(situation, Policy()) == {"planned"}


def test_a_run_that_asks_only_when_it_begins_defies_what_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    assert broken_rules("healthy", Policy(), faults=1) == set()
    monkeypatch.setitem(ASKS, RecallPlanned, lambda store, effect, by, now: Planned())
    assert "planned" in broken_rules("healthy", Policy(), faults=1)


def test_a_run_that_does_not_ask_again_before_its_start_defies_what_has_come_since_the_fence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def as_before(run: Request, known: Planned) -> Workflow[Planned]:
        yield from do(Now())
        return known

    monkeypatch.setattr("hafence.workflows.planned.planned_now", as_before)
    assert "planned" in broken_rules("healthy", Policy(), faults=1)


# ---------------------------------------------------------------- 1: no two living writers


@pytest.mark.parametrize("how", ["unkillable", "respawns"])
def test_reading_alive_as_dead_is_a_split_brain_where_the_admin_node_can_not_see_it_for_itself(how: str) -> None:
    """Where it can, the look after the fence is a second guard."""
    assert broken_rules(how, AliveIsDead()) == set()
    unseen = (*SITUATIONS["admin-cannot-see"], *first_case(how))
    assert not play_case(WORLD, unseen).violations
    assert "split_brain" in {violation.rule for violation in play_case(WORLD, unseen, AliveIsDead()).violations}


def test_not_settling_a_start_in_flight_is_a_split_brain_that_the_search_finds() -> None:
    assert broken_rules("healthy", Policy(), faults=1) == set()
    assert "split_brain" in broken_rules("healthy", UnknownIsClean(), faults=1)


def test_a_slow_start_that_is_taken_for_none_is_a_split_brain_where_nobody_sees_it_any_more() -> None:
    """Where the admin node still sees that libvirt is at the VM there, that is a second guard."""
    slow = (Event(0.0, "starts", "kvm-02=slow"), *first_case("healthy"))
    assert not play_case(WORLD, slow, UnknownIsClean(), liveness=False).violations
    unseen = (*slow, Event(60.0, "cut", "admin-1 - kvm-02"))
    assert not play_case(WORLD, unseen).violations
    played = play_case(WORLD, unseen, UnknownIsClean(), liveness=False)
    assert "split_brain" in {violation.rule for violation in played.violations}


def test_the_same_split_brain_is_a_violation_where_the_start_had_no_grounds() -> None:
    silent = play_case(WORLD, first_case("isolated"))
    assert silent.excuses == {Excuse.SILENCE}
    assert not silent.violations

    believed = play_case(WORLD, first_case("isolated"), SshFailureIsDeath())
    assert [split.words for split in believed.splits] == [split.words for split in silent.splits]
    assert rules(believed) == {"split_brain", "grounds"}


def test_a_copy_that_a_manager_brings_back_within_settle_is_no_bound_and_one_after_it_is() -> None:
    late = play_case(WORLD, first_case("respawns-late"))
    assert late.excuses == {Excuse.UNBIDDEN}
    assert not late.violations
    soon = play_case(WORLD, first_case("respawns"))
    assert not soon.splits
    assert soon.simulation.runs[0].outcomes[0].reason is Reason.STILL_ALIVE
    believed = play_case(WORLD, (*SITUATIONS["admin-cannot-see"], *first_case("respawns")), AliveIsDead())
    assert [split.excuse for split in believed.splits] == [None]


# ---------------------------------------------------------------- 2: a start stood on its grounds


def test_a_start_without_grounds_is_a_violation_also_where_no_harm_comes_of_it() -> None:
    assert rules(play_case(WORLD, first_case("host-dead"), SshFailureIsDeath())) == {"grounds"}


@pytest.mark.parametrize(
    ("situation", "lacking"),
    [
        ("one-sibling-sees", "kvm-04 could tell that kvm-01 lives"),
        ("firewalled", "kvm-02 could tell that kvm-01 lives"),
        ("sshd-gone", "admin-1 could tell that kvm-01 lives"),
        ("half-the-cluster-silent", "too few siblings have looked"),
    ],
)
def test_what_was_to_be_seen_is_held_against_a_start_on_silence(situation: str, lacking: str) -> None:
    """The run itself refused: had it started the VM on silence, this is what would be held against it."""
    simulation = play_case(WORLD, first_case(situation, f"start-vm {VM}"), liveness=False).simulation
    [outcome] = simulation.runs[0].outcomes
    assert outcome.decision is not Decision.STARTED or outcome.reason is not Reason.UNREACHABLE_CONFIRMED
    notes = simulation.world.notes
    at = notes.sent[0].at if notes.sent else simulation.world.now
    silent = Reason.UNREACHABLE_CONFIRMED
    start = Sent(at, "run-1", VM_UUID, HostName("kvm-02"), SUSPECT, silent, 0.0, False, False, frozenset())
    told = lacks(replace(WORLD, settings=replace(WORLD.settings, evidence_age_s=1e6)), notes, start)
    assert told == lacking


def test_a_start_that_comes_after_its_own_deadline_is_none() -> None:
    alone = play_case(WORLD, first_case("healthy"), liveness=False).simulation
    sent_at = alone.runs[0].sent[0][0]
    held = (Event(sent_at - 0.03, "hold", "admin-1"), Event(sent_at + 90.0, "release", "admin-1"))
    played = play_case(WORLD, (*first_case("healthy"), *held))
    first = played.simulation.runs[0].sent[0][0]
    assert first > sent_at + 89.0
    assert all(sent.at > first for sent in played.simulation.world.notes.sent)
    assert not played.violations


def test_a_disk_that_the_blocklist_does_not_cover_is_written_to_all_the_same() -> None:
    covered = play_case(inventory(Means("confirm", storage=True)), first_case("unkillable"), liveness=False)
    assert not covered.splits
    world = covered.simulation.world
    assert len(world.writers(VM_UUID)) == 1
    world.uncovered = frozenset({VM_UUID})
    assert len(world.writers(VM_UUID)) == 2


# ---------------------------------------------------------------- 3: what a run says that it did


def refused() -> Simulation:
    simulation = play_case(WORLD, first_case("unkillable"), liveness=False).simulation
    assert simulation.runs[0].outcomes[0].decision is Decision.REFUSED
    assert check_runs(simulation) == []
    return simulation


def test_a_refusal_after_a_start_was_sent_is_a_violation() -> None:
    simulation = refused()
    simulation.runs[0].sent.append((41.0, VM_UUID, SUSPECT))
    assert [violation.rule for violation in check_runs(simulation)] == ["refusal"]


def test_a_refusal_that_changed_the_record_is_a_violation() -> None:
    simulation = refused()
    before = unseen(VM_UUID, SUSPECT)
    simulation.world.store.writes.append(("run-1", before, mark_stopped(before, "run-1", Reason.CONFIRMED_DEAD)))
    assert [violation.rule for violation in check_runs(simulation)] == ["refusal"]


def test_who_says_that_a_vm_was_started_and_saw_another_copy_breaks_the_promise() -> None:
    simulation = play_case(WORLD, first_case("healthy"), liveness=False).simulation
    assert check_runs(simulation) == []
    looks = simulation.world.notes.looks
    for where in ((HostName("kvm-02"), SUSPECT), (SUSPECT,), (HostName("kvm-02"), HostName("kvm-02"))):
        looks[-1] = looks[-1]._replace(writers={VM_UUID: where})
        assert [violation.rule for violation in check_runs(simulation)] == ["copies"]


# ---------------------------------------------------------------- 4: what is recorded is true


def test_a_record_of_a_copy_that_is_not_there_is_a_violation() -> None:
    simulation = play_case(WORLD, first_case("healthy"), liveness=False).simulation
    assert check_records(simulation) == []
    world = simulation.world
    [qemu] = world.qemus[VM_UUID]
    world.qemus[VM_UUID].remove(qemu)
    assert [violation.rule for violation in check_records(simulation)] == ["record"]


def test_taking_a_start_of_unknown_outcome_for_none_makes_a_record_untrue() -> None:
    assert "record" in broken_rules("healthy", UnknownIsClean(), faults=1)


def test_a_start_that_is_believed_unseen_is_caught_by_the_look_after_it() -> None:
    events = (Event(0.0, "starts", "kvm-02=fails"), *first_case("vm-gone"))
    played = play_case(WORLD, events, FailureIsRunning())
    first = played.simulation.runs[0].outcomes[0]
    assert first.reason is Reason.START_UNKNOWN
    assert "no longer" in first.message


# ---------------------------------------------------------------- 5: every run ends, and in no bug


def test_a_run_that_never_ends_breaks_its_budget() -> None:
    held = (*first_case("healthy"), Event(40.2, "hold", "admin-1"))
    rules = {violation.rule for violation in play_case(WORLD, held, liveness=False).violations}
    assert rules == {"budget"}


def test_a_run_that_takes_too_long_breaks_its_budget() -> None:
    simulation = play_case(WORLD, first_case("healthy"), liveness=False).simulation
    simulation.runs[0].began_at -= 3600.0
    assert [violation.rule for violation in check_runs(simulation)] == ["budget"]


def test_an_unexpected_exception_in_a_story_is_a_bug() -> None:
    def story() -> Workflow[Outcome]:
        yield from do(Now())
        raise KeyError("nobody thought of that")

    simulation = Simulation(World(WORLD))
    simulation.begin("admin-1", lambda run: story())
    assert simulation.play()
    assert [violation.rule for violation in check_runs(simulation)] == ["bug"]


# ---------------------------------------------------------------- 6: liveness


def test_a_command_that_never_brings_the_vm_up_breaks_liveness() -> None:
    assert broken_rules("vm-gone", Policy()) == set()
    assert "liveness" in broken_rules("vm-gone", NothingIsDead())


@pytest.mark.slow
def test_worlds_that_are_told_apart_by_nothing_that_counts_come_to_the_same() -> None:
    """What is known of a world that was left behind is what running the command again there shows."""
    for policy in (Policy(), UnknownIsClean(), NothingIsDead()):
        player = CasePlayer(WORLD, policy)
        for situation in ("healthy", "isolated", "autostarts"):
            found = [*cases(player, first_case(situation), 1)]
            for events, played in found:
                again = play_case(WORLD, events, policy)
                assert {v.rule for v in played.violations} == {v.rule for v in again.violations}, events
        assert 1 < len(player.known) < 600


def test_two_runs_that_both_act_are_found_where_the_lease_is_not_settled() -> None:
    """Of two runs one is suspended after its start was sent; the other one must not believe that it came to nothing."""
    found = pair_cases(CasePlayer(WORLD, UnknownIsClean()), "healthy", 1)
    assert any(violation.rule == "split_brain" for _, played in found for violation in played.violations)


def test_the_vm_that_the_oracle_watches_is_the_one_that_is_started() -> None:
    played = play_case(WORLD, first_case("healthy"))
    assert played.simulation.runs[0].outcomes[0].name == VM
