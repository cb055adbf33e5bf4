"""A start from an older disk than the one that was written to: the search meets it, and notices who makes one."""

from __future__ import annotations

from typing import Any

import pytest

from hafence.core import placement
from hafence.core.outcome import Decision
from hafence.effects import Workflow
from hafence.sim.case import CasePlayer
from hafence.sim.explore import cases, first_case
from hafence.sim.situations import Means, inventory
from hafence.workflows import start_vm
from hafence.workflows.fencing import fence_suspect

MEANS = [Means("confirm"), Means("prove", storage=True), Means("confirm", power=True)]


@pytest.mark.parametrize("situation", ["newer-disks", "newer-disks-unseen"])
@pytest.mark.parametrize("means", MEANS, ids=lambda means: means.words)
def test_whatever_could_end_the_process_nothing_is_touched(situation: str, means: Means) -> None:
    _, played = next(iter(cases(CasePlayer(inventory(means)), first_case(situation), 0)))
    outcome = played.run.outcomes[0]
    assert (outcome.decision, outcome.reason.value) == (Decision.REFUSED, "disks_differ")
    assert not played.violations


def test_a_start_from_the_older_disk_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fence_all_the_same(*arguments: Any, starts: bool, **more: Any) -> Workflow[Any]:
        return fence_suspect(*arguments, **more)

    monkeypatch.setattr(start_vm, "fence_suspect", fence_all_the_same)
    _, played = next(iter(cases(CasePlayer(inventory(Means("confirm"))), first_case("newer-disks"), 0)))
    assert [violation.rule for violation in played.violations] == ["grounds"]
    assert "from an older disk" in played.violations[0].says


def test_a_target_with_a_disk_of_its_own_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    case = first_case("target-with-a-disk-of-its-own")
    _, played = next(iter(cases(CasePlayer(inventory(Means("confirm"))), case, 0)))
    assert (str(played.run.outcomes[0].host), played.violations) == ("kvm-03", [])
    monkeypatch.setattr(placement, "_of_another_disk", lambda *_: None)
    _, played = next(iter(cases(CasePlayer(inventory(Means("confirm"))), case, 0)))
    assert [violation.rule for violation in played.violations] == ["grounds"]
    assert "from a disk of its target's own" in played.violations[0].says
