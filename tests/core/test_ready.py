"""Whether a VM serves: for which of those that were started others wait, how long, and what is said of one in vain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafence.core.model import HostName, Ready, Vm
from hafence.core.ready import (
    Awaited,
    awaited,
    holding_back,
    holds_back,
    is_over,
    not_ready_says,
    time_for_one,
    ways_to_ready,
)
from hafence.core.record import VmRecord, VmState

from .make import vm

K1, K2 = HostName("kvm-01"), HostName("kvm-02")
LDAP = Ready(389, 90.0)
DIR = vm(1, name="dir-01", ready=LDAP, priority=9)
STARTED = VmRecord(DIR.uuid, VmState.RUNNING, K2, K1, 5, "run-0", started_at=100.0)


def test_what_has_to_answer_in_words() -> None:
    assert (Ready(389).says, Ready().says) == ("its TCP port 389", "its guest agent")


def test_a_vm_is_waited_for_from_when_it_was_seen_running() -> None:
    assert awaited(DIR, STARTED, K1) == Awaited(DIR, K2, LDAP, 190.0)


@pytest.mark.parametrize(
    ("of", "record"),
    [
        (replace(DIR, ready=None), STARTED),
        (DIR, replace(STARTED, state=VmState.STARTING)),
        (DIR, replace(STARTED, state=VmState.STOPPED, host=None)),
        (DIR, replace(STARTED, started_at=None)),
        (DIR, replace(STARTED, host=None)),
        (DIR, replace(STARTED, last_host=HostName("kvm-03"))),
        (DIR, replace(STARTED, last_host=None)),
    ],
    ids=["says nothing", "being started", "stopped", "found and not started", "nowhere", "of another host", "of none"],
)
def test_nobody_waits_for_one_that_was_not_taken_from_the_suspect_or_does_not_say_when_it_serves(
    of: Vm, record: VmRecord
) -> None:
    assert awaited(of, record, K1) is None


def test_only_what_is_of_a_higher_priority_holds_back() -> None:
    started = [
        Awaited(vm(number, name=name, priority=priority), K2, LDAP, 190.0)
        for number, name, priority in ((1, "z", 10), (2, "a", 5), (3, "b", 4), (4, "c", 6))
    ]
    assert [each.vm.name for each in holding_back(started, 5)] == ["c", "z"]
    assert holding_back(started, 10) == []


def test_what_will_be_waited_for_is_told_before_the_question() -> None:
    vms = [DIR, vm(2, name="app", ready=Ready(), priority=5), vm(3, name="low", ready=Ready(22)), vm(4, priority=7)]
    assert holds_back(vms) == ["dir-01: its TCP port 389, 90s at most", "app: its guest agent, 2m at most"]
    assert holds_back(vms[:1]) == []
    assert holds_back([]) == []


@pytest.mark.parametrize(
    ("now", "asked_s", "over"),
    [(189.9, 0.0, False), (190.0, 0.0, True), (-9e9, 89.9, False), (-9e9, 90.0, True)],
)
def test_nobody_waits_for_ever_whatever_the_clock_does(now: float, asked_s: float, over: bool) -> None:
    assert is_over(Awaited(DIR, K2, LDAP, 190.0), now, asked_s) == over


@pytest.mark.parametrize(
    ("now", "lease_s", "seconds"),
    [
        (100.0, 120.0, 15.0),
        (100.0, 1000.0, 15.0),
        (100.0, 40.0, 5.0),
        (180.0, 120.0, 10.0),
        (190.0, 120.0, 0.0),
        (500.0, 120.0, 0.0),
    ],
)
def test_a_host_is_asked_for_a_while_that_neither_leases_nor_its_time_outlast(
    now: float, lease_s: float, seconds: float
) -> None:
    assert time_for_one(Awaited(DIR, K2, LDAP, 190.0), now, lease_s) == seconds


def test_what_is_said_of_one_that_was_waited_for_in_vain() -> None:
    port, agent = Awaited(DIR, K2, LDAP, 190.0), Awaited(DIR, K2, Ready(), 220.0)
    assert not_ready_says(port, "no address of it takes a connection") == (
        "it did not get ready: its TCP port 389 was waited for in vain until 90s after its start"
        " (no address of it takes a connection)"
    )
    assert not_ready_says(agent, "x") == (
        "it did not get ready: its guest agent was waited for in vain until 2m after its start (x)"
    )
    look = f"look at its console ('virsh console {DIR.uuid}' on kvm-02, or its screen) how far it has come"
    assert ways_to_ready(port) == (
        look,
        "see that what serves TCP port 389 in it is up, and that kvm-02 may reach it",
    )
    assert ways_to_ready(agent) == (
        look,
        "see that qemu-guest-agent runs in it and that its definition has the agent's channel",
    )
