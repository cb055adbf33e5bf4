"""The promises hold for a batch, too: two VMs of one host, in every situation, and with a fault before every step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafence.core.model import Inventory, Ready, Vm, parse_uuid
from hafence.core.outcome import Decision
from hafence.core.reasons import Reason
from hafence.sim.case import CasePlayer, play_case
from hafence.sim.events import Event
from hafence.sim.explore import cases, first_case
from hafence.sim.situations import SITUATIONS, SUSPECT, VM_UUID, Means, inventory

EVACUATE = f"evacuate {SUSPECT} --yes"
DB = Vm(parse_uuid("6d6f6a5a-0000-4000-8000-000000000002"), "db-01", SUSPECT, domain_xml="domains/db-01.xml")
MEANS = [Means("confirm"), Means("prove"), Means("confirm", storage=True), Means("confirm", power=True)]


def two_vms(means: Means) -> Inventory:
    """The inventory of the search, with a second VM beside the one that its situations are about."""
    it = inventory(means)
    return replace(it, vms={**it.vms, DB.uuid: DB})


@pytest.mark.parametrize("means", MEANS, ids=lambda means: f"{means.policy}, {means.words}")
def test_every_situation_keeps_every_promise_for_both(means: Means) -> None:
    player = CasePlayer(two_vms(means))
    both = 0
    for situation in SITUATIONS:
        for _, played in cases(player, first_case(situation, EVACUATE), 0):
            assert not played.violations, (situation, played.violations)
            started = {o.uuid for o in played.run.outcomes if o.decision is Decision.STARTED}
            both += started == {VM_UUID, DB.uuid}
    assert both > len(SITUATIONS) / 5, "the batch starts what may start"


@pytest.mark.slow
@pytest.mark.parametrize("situation", ["healthy", "host-dead", "admin-cannot-see", "moved", "two-hosts-dead"])
@pytest.mark.parametrize("policy", ["confirm", "prove"])
def test_a_fault_before_any_step_breaks_no_promise(situation: str, policy: str) -> None:
    """Ctrl-C while leases are taken left one VM without an outcome, and a suspect that came back between two starts was
    called silent for the second: both were found here."""
    played = 0
    for events, grown in cases(CasePlayer(two_vms(Means(policy))), first_case(situation, EVACUATE), 1):
        played += 1
        assert not grown.violations, (events, grown.violations)
    assert played > 200


@pytest.mark.slow
def test_a_fault_while_others_wait_for_a_vm_breaks_no_promise() -> None:
    """A host that goes, a run that dies or a store that is away while one VM waits until the other serves."""
    first = replace(DB, priority=9, ready=Ready(389, 40.0))
    it = replace(two_vms(Means("confirm")), vms={**inventory(Means("confirm")).vms, DB.uuid: first})
    base = (Event(0.0, "ready", f"{DB.name}=20"), *first_case("healthy", EVACUATE))
    in_vain = 0
    for events, grown in cases(CasePlayer(it), base, 1):
        assert not grown.violations, (events, grown.violations)
        in_vain += any(outcome.reason is Reason.NOT_READY for outcome in grown.run.outcomes)
    assert in_vain > 100, "faults keep its host from being asked"


def test_a_run_that_was_suspended_does_not_take_what_was_seen_before_for_fresh() -> None:
    """Silence was as old as the answer that told it, and so younger than it was, by all that a time-out allows."""
    it = two_vms(Means("confirm"))
    held = (Event(110.574, "hold", "admin-1"), Event(180.574, "release", "admin-1"))
    events = tuple(sorted((*first_case("isolated-targets-slow", EVACUATE), *held)))
    played = play_case(it, events)
    assert not played.violations
    assert len(played.simulation.world.notes.watches) == 3, "the witnesses look again"
