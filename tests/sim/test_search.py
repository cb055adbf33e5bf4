"""The promises hold in every case that the search can tell.

Here: one run with one fault, and two runs without; `test_search_two_runs.py` has two runs with one fault, and
`.ci/nightly` the searches with two.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hafence.core.model import CephSettings, Cluster, Vm, parse_uuid
from hafence.core.outcome import Decision
from hafence.core.reasons import Reason
from hafence.sim.case import CasePlayer, Played, play_case
from hafence.sim.comparison import as_json, table
from hafence.sim.events import Event
from hafence.sim.explore import Events, cases, first_case
from hafence.sim.grounds import Excuse
from hafence.sim.pairs import OWN_STORE, pair_cases
from hafence.sim.policies import arm_of
from hafence.sim.search import at_random, compare, exhaustive, shortest
from hafence.sim.situations import COMBINED, SITUATIONS, SUSPECT, VM, Means, inventory
from hafence.workflows.vm_run import Request

PROOFS = [("prove", False, False), ("prove", True, False), ("prove", False, True), ("confirm", True, False)]
"""Policies and fences under which nothing writes twice."""


def played(report_failures: list[object]) -> str:
    return "\n".join(str(failure) for failure in report_failures[:3])


def every_tale(policy: str, storage: bool, power: bool, faults: int) -> Iterator[tuple[Events, Played]]:
    """Of the plain situations. The combined ones have excuses of their own (a VM that was moved where nobody may look);
    `test_search_two_runs.py` has them with one fault."""
    player = CasePlayer(inventory(Means(policy, storage, power)))
    for situation in sorted(SITUATIONS.keys() - COMBINED.keys()):
        yield from cases(player, first_case(situation), faults)


def verbs_and_words(events: Events) -> set[str]:
    return {event.verb for event in events} | {word for event in events for word in event.what.split()}


@pytest.mark.parametrize("policy", ["proceed", "confirm", "prove"])
@pytest.mark.parametrize("storage", [False, True], ids=["", "storage"])
@pytest.mark.parametrize("power", [False, True], ids=["", "power"])
def test_every_situation_keeps_every_promise_without_a_fault(policy: str, storage: bool, power: bool) -> None:
    report = exhaustive(policy, storage, power, faults=0, pairs=False)
    assert report.held, played(list(report.failures))
    assert report.cases == len(SITUATIONS)


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "storage", "power"), PROOFS)
def test_with_prove_or_a_storage_fence_nothing_writes_twice(policy: str, storage: bool, power: bool) -> None:
    """Exhaustive for one run and one fault. Two bounds, both named: what a person states wrongly is believed, and
    a host that was switched off may bring the VM back when it is switched on. One is not foreseen: another manager
    that brings the VM back later than `settle`. A storage fence keeps that out too."""
    cases = shut_out = 0
    for events, grown in every_tale(policy, storage, power, faults=1):
        cases += 1
        assert not grown.violations, (events, grown.violations)
        reasons = {o.reason for run in grown.simulation.runs for o in run.outcomes if o.decision is Decision.STARTED}
        if reasons == {Reason.STORAGE_FENCED}:
            shut_out += 1
            assert not grown.splits, (events, [split.words for split in grown.splits])
        for split in grown.splits:
            said = verbs_and_words(events)
            if split.excuse in (Excuse.UNBIDDEN, Excuse.BESIDE):
                assert {"autostarts", "respawns", "managed"} & said, (events, split.words)
            else:
                assert split.excuse in (Excuse.STATEMENT, Excuse.ANEW), (events, split.words)
                assert {"state", "autostarts"} & said, (events, split.words)
    assert cases > 7000
    assert (shut_out > 1000) == (storage and not power)


def by_two_stores(means: Means, situation: str) -> list[tuple[Events, Played]]:
    player = CasePlayer(inventory(means))
    return [(e, grown) for e, grown in pair_cases(player, situation, 0) if OWN_STORE in e]


@pytest.mark.parametrize("situation", ["healthy", "vm-gone", "unkillable", "respawns-meanwhile", "firewalled"])
@pytest.mark.parametrize("means", [Means("confirm"), Means("confirm", storage=True, power=True)], ids=lambda m: m.words)
def test_two_runs_by_two_stores_write_twice_nowhere(means: Means, situation: str) -> None:
    tales = by_two_stores(means, situation)
    assert len(tales) > 10
    for events, grown in tales:
        assert not grown.violations, (events, grown.violations)
        assert not grown.splits, (events, [split.words for split in grown.splits])


def test_two_stores_whose_runs_leave_no_marks_are_found_to_write_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the search would see it."""
    monkeypatch.setattr(Request, "claim", None)
    broken = {each.rule for _, grown in by_two_stores(Means("confirm"), "healthy") for each in grown.violations}
    assert broken == {"split_brain"}


MOVED = {
    "started elsewhere, slowly": ("web-01 kvm-01 dies", "web-01 kvm-03 starts-slowly"),
    "being migrated": ("web-01 kvm-01 migrates kvm-03 60",),
    "migrated while it is being fenced": ("web-01 kvm-01 migrates kvm-03 41",),
}


@pytest.mark.slow
@pytest.mark.parametrize("events", MOVED.values(), ids=MOVED)
def test_a_vm_that_somebody_is_moving_is_started_only_where_nobody_could_see_that(events: tuple[str, ...]) -> None:
    """Exhaustive for one run and one fault. What is not seen is a host that has fallen silent, and that is named."""
    player = CasePlayer(inventory(Means("prove")))
    begun = (*(Event(0.0, "qemu", what) for what in events), Event(40.0, "run", f"admin-1: start-vm {VM} --yes"))
    for case, grown in cases(player, begun, 1):
        assert not grown.violations, (case, grown.violations)
        for split in grown.splits:
            assert split.excuse in (Excuse.UNSEEN, Excuse.UNBIDDEN, Excuse.MOVED), (case, split.words)
            started = [o for run in grown.simulation.runs for o in run.outcomes if o.decision is Decision.STARTED]
            if split.excuse is Excuse.UNSEEN:
                assert all("kvm-03" in risk.hosts for o in started for risk in o.residual_risk[:1]), case


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "storage"), [("prove", False), ("confirm", True)])
def test_two_runs_suspended_anywhere_write_twice_nowhere(policy: str, storage: bool) -> None:
    player = CasePlayer(inventory(Means(policy, storage)))
    for situation in ("healthy", "isolated", "unkillable", "host-dead", "out-of-memory"):
        for events, grown in pair_cases(player, situation, 0):
            assert not grown.violations, (events, grown.violations)
            assert not grown.splits, (events, [split.words for split in grown.splits])


def test_a_run_that_lives_and_acts_is_taken_over_by_a_node_whose_clock_is_ahead() -> None:
    player = CasePlayer(inventory(Means("prove")))
    early = [(events, played) for events, played in pair_cases(player, "healthy", 0) if events[0].verb == "clock"]
    lost = 0
    for events, grown in early:
        assert not grown.violations, (events, grown.violations)
        assert not grown.splits, (events, [split.words for split in grown.splits])
        first, second = (run.outcomes[0] for run in grown.simulation.runs[:2])
        assert second.decision in (Decision.STARTED, Decision.UNCHANGED), (events, second)
        lost += first.reason is Reason.BUSY
    assert lost > 10, lost


@pytest.mark.slow
def test_making_a_storage_fence_last_breaks_no_promise_whatever_happens_meanwhile() -> None:
    """As in the scenario storage-fence-made-to-last, with a fault before every step of the run that renews."""
    plain = inventory(Means("confirm", storage=True), hosts=3)
    more = Vm(parse_uuid("6d6f6a5a-0000-4000-8000-000000000004"), "db-01", SUSPECT, domain_xml="domains/db-01.xml")
    short = {"prod-a": Cluster("prod-a", ceph=CephSettings(expire_s=600.0))}
    player = CasePlayer(replace(plain, clusters=short, vms={**plain.vms, more.uuid: more}))
    begin = (
        Event(0.0, "qemu", f"{VM} {SUSPECT} unkillable"),
        Event(40.0, "run", f"admin-1: start-vm {VM} --yes"),
        Event(100.0, "run", "admin-1: start-vm db-01 --yes"),
        Event(410.0, "run", "admin-2: audit --renew"),
    )
    renewed = lapsed = 0
    for events, grown in cases(player, begin, 1, after=409.0):
        assert not grown.violations, (events, grown.violations)
        whole = grown.simulation.world.storage.blocklist.get((SUSPECT, None))
        renewed += whole is not None
        lapsed += any(split.excuse is not None for split in grown.splits)
    assert renewed > 50
    assert lapsed > 10


@pytest.mark.slow
def test_with_confirm_what_nobody_could_know_comes_true_only_where_the_run_had_named_it() -> None:
    named = 0
    for events, grown in every_tale("confirm", storage=False, power=False, faults=1):
        assert not grown.violations, (events, grown.violations)
        foreseen = [split for split in grown.splits if split.excuse is not Excuse.UNBIDDEN]
        named += bool(foreseen)
        for run in grown.simulation.runs[:1] if foreseen else ():
            started = [outcome for outcome in run.outcomes if outcome.decision is Decision.STARTED]
            assert all(SUSPECT in risk.hosts for o in started for risk in o.residual_risk[:1]), events
            assert all(outcome.residual_risk for outcome in started), events
    assert named > 1000


@pytest.mark.slow
def test_random_tales_keep_every_promise() -> None:
    report = at_random("confirm", runs=3000, faults=5, seed="test")
    assert report.held, played(list(report.failures))
    assert report.starts > 100
    assert report.refusals > 100


@pytest.mark.slow
def test_the_same_seed_tells_the_same_tales() -> None:
    one, two, other = (at_random(runs=300, seed=seed).as_json() for seed in ("a", "a", "b"))
    assert one == two
    assert one != other


@pytest.mark.slow
def test_two_processes_find_what_one_finds() -> None:
    alone = exhaustive("confirm", faults=0, pairs=True, situations=("healthy", "host-dead"), jobs=1)
    shared = exhaustive("confirm", faults=0, pairs=True, situations=("healthy", "host-dead"), jobs=2)
    assert alone.as_json() == shared.as_json()
    assert alone.searches == {"one run": 2, "two runs": alone.cases - 2}


@pytest.mark.slow
def test_the_table_compares_the_policies_and_shows_what_the_drafts_cost() -> None:
    rows = compare(runs=300, faults=2, seed="table")
    assert len(rows) == 3 * 2 * 2 + 2
    drafts = rows[-1]
    assert drafts.policy == "ssh-failure-counts-as-dead"
    assert drafts.split_brains > 0
    assert not drafts.held
    assert all(row.held for row in rows[:-1])
    assert all(row.split_brains == 0 for row in rows[:-1])
    text = table(rows)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "ssh failure is death" in text
    document = as_json(rows)
    assert (document["split_brains"], document["held"], document["cases"]) == (0, True, 300 * len(rows))
    assert document["policies"][-1]["per_million"]["split_brains"] == round(1_000_000 * drafts.split_brains / 300)


def test_a_failure_is_shrunk_to_a_story_that_still_fails() -> None:
    arm = arm_of("ssh-failure-counts-as-dead")
    report = at_random(arm.name, runs=200, faults=4, seed="shrink")
    short = shortest(report, arm)
    assert short
    for failure in short:
        assert len(failure.events) <= 7  # a situation has up to four, and its run
        again = play_case(inventory(arm.means), failure.events, arm.policy)
        assert failure.violations[0].rule in {violation.rule for violation in again.violations}
        assert failure.violations[0] in again.violations


def test_a_tale_is_the_same_every_time_it_is_told() -> None:
    world = inventory(arm_of("confirm").means)
    steps = [play_case(world, first_case("isolated"), trace=True).steps for _ in range(2)]
    assert steps[0] == steps[1]
