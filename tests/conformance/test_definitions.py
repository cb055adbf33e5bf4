"""A definition that is set aside by a fence, or by the end of its watch, and given back: in both worlds."""

from __future__ import annotations

import pytest

from tests.conformance.steps import Placed, Step, end_watch, fence, give_back, look, strike
from tests.conformance.worlds import compare
from tests.lab.cluster import Lab

SUSPECT, SIBLING = "kvm-01", "kvm-02"
TWO = [Placed("web", SUSPECT), Placed("db", SUSPECT)]


def test_it_is_set_aside_by_a_fence_and_given_back(lab: Lab) -> None:
    steps: list[Step] = [
        fence(SUSPECT, SIBLING, "web", aside=True),
        look(SUSPECT),
        fence(SUSPECT, SIBLING, "web", aside=True),
        give_back(SUSPECT, "web"),
        look(SUSPECT),
        give_back(SUSPECT, "web"),
    ]
    compare(lab, TWO, steps)


@pytest.mark.parametrize("aside", [True, False])
def test_the_end_of_a_watch_sets_it_aside_where_it_is_to(lab: Lab, aside: bool) -> None:
    steps: list[Step] = [
        fence(SUSPECT, SIBLING, "web", aside=True, watch=True),
        look(SUSPECT),
        end_watch(SUSPECT, "web", aside),
        look(SUSPECT),
    ]
    compare(lab, TWO, steps)


def test_a_libvirt_that_hangs_keeps_it_and_takes_none_back(lab: Lab) -> None:
    steps: list[Step] = [
        fence(SUSPECT, SIBLING, "db", aside=True),
        strike("libvirtd_hung", SUSPECT, sim=[f"libvirtd {SUSPECT}=hung"]),
        fence(SUSPECT, SIBLING, "web", aside=True),
        give_back(SUSPECT, "db"),
        look(SUSPECT),
    ]
    compare(lab, TWO, steps)
