"""The oracle bites: one safeguard less is caught. Were it not, the search would prove nothing."""

from dataclasses import replace

from hafence.core.decision import Reason
from hafence.core.fencing import STATUS_ALIVE, STATUS_DEAD, FenceOrder, Reply
from hafence.core.model import Inventory
from hafence.effects import StartOrder, StartReply, StartResult
from hafence.sim.events import Event
from hafence.sim.explore import first_tales, tales
from hafence.sim.run import Policy
from hafence.sim.situations import Means, inventory
from hafence.sim.tale import tell

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


def broken_rules(world: Inventory, situation: str, policy: Policy, faults: int = 0) -> set[str]:
    found = tales(world, first_tales(situation), faults, policy)
    return {violation.rule for _, told in found for violation in told.violations}


def test_reading_alive_as_dead_is_a_split_brain() -> None:
    assert broken_rules(WORLD, "unkillable", Policy()) == set()
    assert "split_brain" in broken_rules(WORLD, "unkillable", AliveIsDead())


def test_reading_a_respawned_vm_as_dead_is_a_split_brain() -> None:
    assert "split_brain" in broken_rules(WORLD, "respawns", AliveIsDead())


def test_not_settling_a_start_in_flight_is_a_split_brain_that_the_search_finds() -> None:
    assert broken_rules(WORLD, "healthy", Policy(), faults=1) == set()
    assert "split_brain" in broken_rules(WORLD, "healthy", UnknownIsClean(), faults=1)


def test_even_then_the_look_after_the_next_start_mostly_sees_the_other_one_coming() -> None:
    slow = (Event(0.0, "starts", "kvm-02=slow"), *first_tales("healthy"))
    told = tell(WORLD, slow, UnknownIsClean(), liveness=False)
    assert told.theatre.runs[0].outcomes[0].reason is Reason.TWO_COPIES
    assert not told.theatre.world.splits


def test_a_run_that_never_ends_breaks_its_budget() -> None:
    held = (*first_tales("healthy"), Event(40.2, "hold", "admin-1"))
    rules = {violation.rule for violation in tell(WORLD, held, liveness=False).violations}
    assert rules == {"budget"}


def test_a_copy_that_nobody_named_is_told_apart_from_one_that_was() -> None:
    named = tell(WORLD, first_tales("isolated"))
    assert named.named_splits == 1
    assert not named.violations
    risks = named.theatre.runs[0].outcomes[0].residual_risk
    assert any("kvm-01" in risk for risk in risks)


def test_a_start_that_is_believed_unseen_is_caught_by_the_look_after_it() -> None:
    events = (Event(0.0, "starts", "kvm-02=fails"), *first_tales("vm-gone"))
    told = tell(WORLD, events, FailureIsRunning())
    first = told.theatre.runs[0].outcomes[0]
    assert first.reason is Reason.START_UNKNOWN
    assert "no longer" in first.message
