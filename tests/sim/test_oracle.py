"""The oracle bites: one safeguard less is caught, and each of its rules can be broken. Were it not, the search would
prove nothing."""

from dataclasses import replace

import pytest

from hafence.core.attempts import FenceOrder, Reply
from hafence.core.outcome import Decision, Outcome
from hafence.core.reasons import Reason
from hafence.core.record import mark_stopped, unseen
from hafence.core.replies import STATUS_ALIVE, STATUS_DEAD
from hafence.core.starts import StartOrder, StartReply, StartResult
from hafence.core.troubles import Trouble
from hafence.effects import Now, Workflow, do
from hafence.sim.case import CasePlayer, play_case
from hafence.sim.events import Event
from hafence.sim.explore import cases, first_case
from hafence.sim.oracle import check_records, check_runs
from hafence.sim.pairs import pair_cases
from hafence.sim.policies import SshFailureIsDeath
from hafence.sim.run import Policy
from hafence.sim.simulation import Simulation
from hafence.sim.situations import SITUATIONS, SUSPECT, VM, VM_UUID, Means, inventory
from hafence.sim.world import World

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


def broken_rules(situation: str, policy: Policy, faults: int = 0) -> set[str]:
    found = cases(CasePlayer(WORLD, policy), first_case(situation), faults)
    return {violation.rule for _, played in found for violation in played.violations}


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


def test_a_slow_start_that_is_taken_for_none_is_a_split_brain() -> None:
    slow = (Event(0.0, "starts", "kvm-02=slow"), *first_case("healthy"))
    assert not play_case(WORLD, slow).violations
    played = play_case(WORLD, slow, UnknownIsClean(), liveness=False)
    assert "split_brain" in {violation.rule for violation in played.violations}


def test_the_same_split_brain_is_a_violation_only_where_no_run_had_named_it() -> None:
    named = play_case(WORLD, first_case("isolated"))
    assert named.named_splits == 1
    assert not named.violations
    risks = named.simulation.runs[0].outcomes[0].residual_risk
    assert any("kvm-01" in risk.hosts for risk in risks)

    silent = play_case(WORLD, first_case("isolated"), SshFailureIsDeath())
    assert silent.simulation.runs[0].outcomes[0].residual_risk == ()
    assert [split.writers for split in silent.splits] == [split.writers for split in named.splits]
    assert {violation.rule for violation in silent.violations} == {"split_brain"}


def test_a_risk_that_was_named_of_another_host_excuses_nothing() -> None:
    played = play_case(WORLD, first_case("isolated"), liveness=False)
    world = played.simulation.world
    world.splits.clear()
    world.risks[:] = [(at, risk.replace("kvm-01", "kvm-03")) for at, risk in world.risks]
    world.watch(VM_UUID)
    assert [(split.named, split.unbidden) for split in world.splits] == [(False, False)]


def test_a_copy_that_a_manager_brings_back_within_settle_is_no_bound_and_one_after_it_is() -> None:
    late = play_case(WORLD, first_case("respawns-late"))
    assert [(split.named, split.unbidden) for split in late.splits] == [(False, True)]
    assert not late.violations
    soon = play_case(WORLD, first_case("respawns"))
    assert not soon.splits
    assert soon.simulation.runs[0].outcomes[0].reason is Reason.STILL_ALIVE
    believed = play_case(WORLD, (*SITUATIONS["admin-cannot-see"], *first_case("respawns")), AliveIsDead())
    assert [split.unbidden for split in believed.splits] == [False]


# ---------------------------------------------------------------- 2: a refusal started nothing


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


# ---------------------------------------------------------------- 3: what is recorded is true


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


# ---------------------------------------------------------------- 4: every run ends, and in no bug


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


# ---------------------------------------------------------------- 5: liveness


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
