"""The promises hold in every tale that the search can tell. CI runs the whole search (`hafence simulate --explore`)."""

import pytest

from hafence.sim.explore import first_tales
from hafence.sim.policies import arm_of
from hafence.sim.search import at_random, compare, exhaustive, shortest, table
from hafence.sim.situations import SITUATIONS, inventory
from hafence.sim.tale import tell

ONE_FAULT = ("healthy", "host-dead", "isolated", "unkillable", "out-of-memory")


def told(report_failures: list[object]) -> str:
    return "\n".join(str(failure) for failure in report_failures[:3])


@pytest.mark.parametrize("policy", ["proceed", "confirm", "prove"])
@pytest.mark.parametrize("storage", [False, True], ids=["", "storage"])
@pytest.mark.parametrize("power", [False, True], ids=["", "power"])
def test_every_situation_keeps_every_promise_without_a_fault(policy: str, storage: bool, power: bool) -> None:
    report = exhaustive(policy, storage, power, faults=0, pairs=False)
    assert report.held, told(list(report.failures))
    assert report.cases == len(SITUATIONS)


@pytest.mark.parametrize("situation", ONE_FAULT)
def test_one_run_with_any_one_fault_keeps_every_promise(situation: str) -> None:
    report = exhaustive("confirm", faults=1, pairs=False, situations=(situation,))
    assert report.held, told(list(report.failures))
    assert report.cases > 150


def test_two_runs_suspended_anywhere_keep_every_promise() -> None:
    report = exhaustive("confirm", faults=0, pairs=True, situations=("healthy", "isolated"))
    assert report.held, told(list(report.failures))
    assert report.cases > 100


@pytest.mark.parametrize(("policy", "storage"), [("prove", False), ("confirm", True), ("prove", True)])
def test_with_prove_or_a_storage_fence_nothing_writes_twice(policy: str, storage: bool) -> None:
    situations = tuple(name for name in ("isolated", "half-open", "isolated-storage-too"))
    report = exhaustive(policy, storage, faults=1, pairs=False, situations=situations)
    assert report.held, told(list(report.failures))
    assert (report.split_brains, report.named_split_brains) == (0, 0)


def test_with_confirm_the_residual_risk_comes_true_only_where_it_was_named() -> None:
    report = exhaustive("confirm", faults=1, pairs=False, situations=("isolated",))
    assert report.named_split_brains > 0
    assert report.split_brains == 0


def test_random_tales_keep_every_promise() -> None:
    report = at_random("confirm", runs=3000, faults=5, seed="test")
    assert report.held, told(list(report.failures))
    assert report.starts > 100
    assert report.refusals > 100


def test_the_same_seed_tells_the_same_tales() -> None:
    one, two, other = (at_random(runs=300, seed=seed).as_json() for seed in ("a", "a", "b"))
    assert one == two
    assert one != other


def test_two_processes_find_what_one_finds() -> None:
    alone = exhaustive("confirm", faults=0, pairs=True, situations=("healthy", "host-dead"), jobs=1)
    shared = exhaustive("confirm", faults=0, pairs=True, situations=("healthy", "host-dead"), jobs=2)
    assert alone.as_json() == shared.as_json()


def test_the_table_compares_the_policies_and_shows_what_the_drafts_cost() -> None:
    rows = compare(runs=300, faults=2, seed="table")
    by_name = {row.policy: row for row in rows}
    drafts = by_name["ssh-failure-counts-as-dead"]
    assert drafts.split_brains > 0
    assert not drafts.held
    assert all(row.held for row in rows if row is not drafts)
    assert by_name["prove, no fence"].split_brains == 0
    text = table(rows)
    assert text.count("\n") == len(rows) + 1
    assert "ssh-failure-counts-as-dead" in text


def test_a_failure_is_shrunk_to_a_story_that_still_fails() -> None:
    arm = arm_of("ssh-failure-counts-as-dead")
    report = at_random(arm.name, runs=200, faults=4, seed="shrink")
    short = shortest(report, arm)
    assert short
    for failure in short:
        assert len(failure.events) <= 6
        again = tell(inventory(arm.means), failure.events, arm.policy)
        assert failure.violations[0].rule in {violation.rule for violation in again.violations}


def test_a_tale_is_the_same_every_time_it_is_told() -> None:
    world = inventory(arm_of("confirm").means)
    steps = [tell(world, first_tales("isolated"), trace=True).steps for _ in range(2)]
    assert steps[0] == steps[1]
