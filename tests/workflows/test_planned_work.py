"""`disarm`, `arm` and `maintenance`, effect by effect; and what planned work means to hosts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hafence.core.model import HostName, HostState
from hafence.core.planned import as_planned, forbidden, inventory_as_planned, works_of
from hafence.core.reasons import Reason
from hafence.core.stored import Planned, WorkKind
from hafence.effects import RecallPlanned, Workflow
from hafence.workflows.planned_work import announce, end, nothing_to_end, to_be_ended
from tests.core.make import host
from tests.core.telling import assert_told, assert_told_of

from . import stage
from .drive import Desk
from .stage import ARMED, DISARMED, K1, K2, at_work, book

HOUR_S = 3600.0


@dataclass
class It:
    """A command, and what holds when it is typed."""

    workflow: Workflow[Any]
    planned: Planned = field(default_factory=lambda: ARMED)

    def lines(self) -> list[str]:
        return stage.dialogue(Desk(book(), [], answers={RecallPlanned: self.planned}), self.workflow)

    def said(self) -> list[str]:
        return stage.said(Desk(book(), [], answers={RecallPlanned: self.planned}), self.workflow)


def cases() -> dict[str, It]:
    disarmed, maintenance = WorkKind.DISARMED, WorkKind.MAINTENANCE
    return {
        "disarm": It(announce(disarmed, ("prod",), "rewiring", 2 * HOUR_S)),
        "disarm two clusters": It(announce(disarmed, ("far", "prod"), "rewiring", HOUR_S)),
        "disarm what is disarmed": It(announce(disarmed, ("far", "prod"), "longer", HOUR_S), DISARMED),
        "maintenance": It(announce(maintenance, (K1,), "new DIMMs", HOUR_S)),
        "maintenance of a disarmed cluster's host": It(announce(maintenance, (K1,), "new DIMMs", HOUR_S), DISARMED),
        "maintenance of a host that is in maintenance": It(announce(maintenance, (K1,), "more", HOUR_S), at_work(K1)),
        "which to arm, of all": It(to_be_ended(disarmed, None), DISARMED),
        "which to arm, of one that is not": It(to_be_ended(disarmed, ("far",)), DISARMED),
        "which to arm, where hosts are in maintenance": It(to_be_ended(disarmed, None), at_work(K1)),
        "whose maintenance to end": It(to_be_ended(maintenance, (K1,)), at_work(K1, K2)),
        "arm": It(end(disarmed, ("far", "prod"))),
        "the end of a maintenance": It(end(maintenance, (K1,))),
    }


@pytest.mark.parametrize("case", cases())
def test_what_is_asked_for_and_said(case: str) -> None:
    assert_told_of("planned_work", case, cases()[case].lines())


def test_every_case_is_told() -> None:
    assert_told("planned_work", {name: it.lines() for name, it in cases().items()})


def test_where_there_is_nothing_to_end() -> None:
    ends = [
        nothing_to_end(WorkKind.DISARMED, None),
        nothing_to_end(WorkKind.DISARMED, ("prod",)),
        nothing_to_end(WorkKind.MAINTENANCE, (K1,)),
    ]
    assert [end.message for end in ends] == [
        "nothing is disarmed: nothing to do.",
        "prod: not disarmed: nothing to do.",
        "kvm-01: not in maintenance by 'hafence maintenance': nothing to do.",
    ]
    assert {end.reason.value for end in ends} == {"nothing_to_do"}


def test_a_host_at_work_by_the_store_counts_as_one_in_maintenance_by_the_inventory() -> None:
    busy = as_planned(host("kvm-01"), at_work(K1))
    assert busy.state is HostState.MAINTENANCE
    assert busy.out_of_service == "is in maintenance by alice until 1970-01-01T01:00:50Z (rewiring)"
    disabled = as_planned(host("kvm-01", state=HostState.DISABLED), at_work(K1))
    assert disabled.state is HostState.MAINTENANCE, "a disabled suspect would be fenced"
    by_both = host("kvm-01", state=HostState.MAINTENANCE)
    assert as_planned(by_both, at_work(K1)) is by_both, "the store's end is not the inventory's"
    assert as_planned(host("kvm-02"), at_work(K1)).out_of_service == ""


def test_an_inventory_of_which_nothing_is_planned_is_the_same() -> None:
    it = book()
    assert inventory_as_planned(it, DISARMED) is it
    assert inventory_as_planned(it, at_work(K1)).hosts[K1].state is HostState.MAINTENANCE
    assert it.hosts[K1].state is HostState.ENABLED


def test_what_forbids_is_named_with_the_command_that_ends_it() -> None:
    suspect = host("kvm-01")
    assert forbidden(suspect, ARMED) is None
    assert forbidden(suspect, at_work(K2)) is None
    both = replace(DISARMED, maintenance=at_work(K1).maintenance)
    found = [forbidden(suspect, planned) for planned in (both, DISARMED, at_work(K1))]
    assert [each and (each.reason, each.ways_out) for each in found] == [
        (Reason.DISARMED, ("'hafence arm --cluster prod'",)),
        (Reason.DISARMED, ("'hafence arm --cluster prod'",)),
        (Reason.MAINTENANCE, ("'hafence maintenance kvm-01 --end'",)),
    ]
    assert forbidden(host("kvm-01", cluster="far"), DISARMED) is None


def test_work_on_what_the_inventory_does_not_have_is_none() -> None:
    planned = replace(DISARMED, maintenance=at_work(K1, HostName("kvm-99")).maintenance)
    it = book()
    assert [work.subject for work in works_of(planned, it.clusters, it.hosts)] == [
        "disarmed/prod",
        "maintenance/kvm-01",
    ]
    assert works_of(DISARMED, {}, it.hosts) == []
