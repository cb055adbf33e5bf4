"""Workflows side by side in the simulated world: as the runner plays them (tests/runner/test_side_by_side.py)."""

from __future__ import annotations

from typing import Any

import pytest

from hafence.core.model import HostName
from hafence.effects import Interrupted, LeaseLost, Parallel, RunHooks, Sleep, StoreError, Workflow, do
from hafence.sim.run import SimRun
from hafence.sim.simulation import Simulation
from hafence.sim.situations import SUSPECT, VM_UUID, Means, inventory
from hafence.sim.world import World


def begun(*workflows: Workflow[Any]) -> tuple[Simulation, SimRun]:
    """A run that asks for these side by side, and ends in what they ended in or in what was raised."""

    def all_of_them() -> Workflow[Any]:
        try:
            return (yield from do(Parallel(workflows)))
        except (LeaseLost, StoreError, Interrupted) as error:
            return f"{type(error).__name__}: {error}"

    simulation = Simulation(World(inventory(Means()), ("admin-1",)))
    return simulation, simulation.begin("admin-1", lambda _: all_of_them())


def sleeps(*seconds: float, end: Any = None, goes_on: bool = True) -> Workflow[Any]:
    met = []
    for each in seconds:
        try:
            yield from do(Sleep(each))
        except Interrupted as error:
            if not goes_on:
                raise
            met.append(type(error).__name__)
    return met or end


def fails(after_s: float, error: Exception) -> Workflow[Any]:
    yield from do(Sleep(after_s))
    raise error


def test_they_take_as_long_as_the_longest_and_their_ends_come_in_their_order() -> None:
    simulation, run = begun(sleeps(1, 4, end="a"), sleeps(3, end="b"), sleeps(end="c"))
    assert simulation.play()
    assert run.result == ("a", "b", "c")
    assert run.ended_at == pytest.approx(5, abs=0.1)


def test_none_at_all_have_ended_at_once() -> None:
    simulation, run = begun()
    assert simulation.play()
    assert (run.result, run.ended_at) == ((), 0.0)


def test_the_first_error_is_raised_when_all_have_ended() -> None:
    simulation, run = begun(sleeps(5, end="a"), fails(3, StoreError("later")), fails(1, LeaseLost("sooner")))
    assert simulation.play()
    assert run.result == "LeaseLost: sooner"
    assert run.ended_at == pytest.approx(5, abs=0.1)


def test_a_bug_in_one_is_a_bug_of_the_run() -> None:
    simulation, run = begun(sleeps(5), fails(1, ZeroDivisionError()))
    assert simulation.play()
    assert (run.result, type(run.bug)) == (None, ZeroDivisionError)


def test_ctrl_c_reaches_every_one_where_it_waits() -> None:
    simulation, run = begun(sleeps(9, 1, end="a"), sleeps(1, end="b"), do(Parallel((sleeps(7, 2), sleeps(8)))))
    simulation.world.agenda.call_at(5.0, lambda: simulation.interrupt(run))
    assert simulation.play()
    assert run.result == (["Interrupted"], "b", (["Interrupted"], ["Interrupted"]))
    assert run.ended_at == pytest.approx(7, abs=0.1)


def test_one_that_lets_ctrl_c_through_ends_the_run_when_the_others_have_ended() -> None:
    simulation, run = begun(sleeps(9, goes_on=False), sleeps(9, 2))
    simulation.world.agenda.call_at(5.0, lambda: simulation.interrupt(run))
    assert simulation.play()
    assert run.result == "Interrupted: "
    assert run.ended_at == pytest.approx(7, abs=0.1)


def test_a_suspended_admin_node_holds_all_of_them() -> None:
    simulation, run = begun(sleeps(3, 3), sleeps(4, 4))
    simulation.world.agenda.call_at(2.0, lambda: simulation.hold(run.admin))
    simulation.world.agenda.call_at(50.0, lambda: simulation.release(run.admin))
    assert simulation.play()
    assert run.ended_at == pytest.approx(54, abs=0.1)


def test_a_crash_ends_all_of_them() -> None:
    simulation, run = begun(sleeps(3, 3), sleeps(4, 4))
    simulation.world.agenda.call_at(2.0, lambda: simulation.crash(run.admin))
    assert simulation.play()
    assert run.crashed
    assert (run.result, run.ended_at) == (None, 2.0)


def test_what_could_not_be_written_of_one_is_met_by_that_one_at_its_next_effect() -> None:
    def asks_hooks_and_goes_on() -> Workflow[str]:
        yield from do(RunHooks(VM_UUID, SUSPECT, HostName("kvm-02")))
        try:
            yield from do(Sleep(1))
        except StoreError as error:
            return str(error)
        return "performed"

    simulation, run = begun(asks_hooks_and_goes_on(), sleeps(0.3, 1, end="b"))
    simulation.world.agenda.call_at(0.2, lambda: setattr(simulation.world.store, "up", False))
    assert simulation.play()
    assert run.result == ("the store could not be written", "b")
