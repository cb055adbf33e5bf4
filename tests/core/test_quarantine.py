"""A host that is well and lost a VM by a planned move needs no quarantine; any other fenced host does."""

from __future__ import annotations

import pytest

from hafence.core.attempts import Attempt, Facts, Reading, Verdict
from hafence.core.looks import Libvirt, Look
from hafence.core.model import HostName
from hafence.core.quarantine import is_planned, quarantine_words
from hafence.core.reasons import Reason

from .make import look, silence, uuid

VM = uuid(1)
THERE = look("kvm-01", VM)


def attempt(verdict: Verdict = Verdict.CONFIRMED_DEAD, found: int | None = 1) -> Attempt:
    return Attempt(HostName("kvm-02"), Reading(verdict, Facts(found, found)), 1.0, 1.0)


def test_a_move_off_a_host_that_is_well_is_planned() -> None:
    assert is_planned(VM, THERE, [attempt()])
    assert is_planned(VM, THERE, [attempt(Verdict.UNREACHABLE, None), attempt()])


@pytest.mark.parametrize(
    "seen",
    [None, silence("kvm-01"), look("kvm-01"), look("kvm-01", uuid(2)), look("kvm-01", VM, libvirt=Libvirt.HUNG)],
    ids=["not looked at", "silent", "not there", "another VM", "libvirt hangs"],
)
def test_a_host_that_is_not_seen_well_with_the_vm_on_it_is_none(seen: Look | None) -> None:
    assert not is_planned(VM, seen, [attempt()])


@pytest.mark.parametrize("tried", [[], [attempt(found=0)], [attempt(Verdict.AMBIGUOUS)]])
def test_nor_is_one_on_which_no_fence_found_it_and_saw_it_dead(tried: list[Attempt]) -> None:
    assert not is_planned(VM, THERE, tried)


def test_silence_is_no_fence() -> None:
    assert quarantine_words("web-01", Reason.POWERED_OFF) == "web-01 was fenced there (powered_off)"
    silent = quarantine_words("web-01", Reason.UNREACHABLE_CONFIRMED)
    assert silent == "web-01 was started elsewhere, not seen dead there (unreachable_confirmed)"
