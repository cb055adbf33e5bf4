"""A run that needs a person stays pinned until a later one has settled what it left."""

from __future__ import annotations

import pytest

from hafence.core.outcome import Decision
from hafence.core.pending import SETTLING, Ended, decision_of, unsettled

from .make import uuid


def ended(run: str, vm: int, decision: Decision, code: int) -> Ended:
    return Ended(run, uuid(vm), decision, code, "start_unknown", "a sentence", 100.0, "ann@admin")


PINNED = ended("r1", 1, Decision.FAILED, 8)


@pytest.mark.parametrize("decision", Decision)
def test_a_later_run_settles_it_unless_it_was_refused(decision: Decision) -> None:
    later = ended("r2", 1, decision, 3 if decision is Decision.REFUSED else 0)
    assert unsettled([later, PINNED]) == (() if decision in SETTLING else (PINNED,))
    assert unsettled([PINNED, later]) == (PINNED,)


def test_each_vm_is_told_once_and_by_its_latest_run() -> None:
    again, other = ended("r3", 1, Decision.REFUSED, 8), ended("r2", 2, Decision.REFUSED, 8)
    assert unsettled([again, other, PINNED]) == (again, other)
    assert unsettled([ended("r4", 2, Decision.STARTED, 0), again, other, PINNED]) == (again,)
    assert unsettled([]) == ()


def test_a_word_of_another_hafence_is_no_decision() -> None:
    assert decision_of({"decision": "started"}) is Decision.STARTED
    assert decision_of({"decision": "levitated"}) is decision_of({}) is decision_of({"decision": ["x"]}) is None
