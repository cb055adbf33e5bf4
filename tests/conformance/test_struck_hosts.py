"""Every fault that strikes a host: what it answers as suspect, sibling, witness and target, in both worlds."""

from __future__ import annotations

import pytest

from tests.conformance.struck import FAULTS, STRUCK, settings, steps_of, vms_of
from tests.conformance.worlds import compare
from tests.lab.cluster import Lab

NAMES = list(FAULTS)
BATCHES = [NAMES[index : index + len(STRUCK)] for index in range(0, len(NAMES), len(STRUCK))]


@pytest.mark.parametrize("names", BATCHES, ids=", ".join)
def test_a_struck_host_answers_alike_in_both_worlds(lab: Lab, names: list[str]) -> None:
    compare(lab, vms_of(names), steps_of(names), **settings(names))
