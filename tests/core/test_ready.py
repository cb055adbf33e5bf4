"""Whether a VM serves: for which of those that were started others wait, how long, and what is said of one in vain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafence.core.model import HostName, Ready
from hafence.core.ready import (
    Awaited,
    awaited,
    holding_back,
    not_ready_says,
    of_earlier_runs,
    time_for_one,
    ways_to_ready,
)
from hafence.core.record import VmRecord, VmState

from .make import inventory, uuid, vm

K1, K2 = HostName("kvm-01"), HostName("kvm-02")
LDAP = Ready(389, 90.0)
DIR = vm(1, name="dir-01", ready=LDAP, priority=9)
STARTED = VmRecord(DIR.uuid, VmState.RUNNING, K2, K1, 5, "run-0", started_at=100.0)


def test_what_has_to_answer_in_words() -> None:
    assert (Ready(389).says, Ready().says) == ("its TCP port 389", "its guest agent")


def test_a_vm_is_waited_for_from_when_it_was_seen_running() -> None:
    assert awaited(DIR, STARTED) == Awaited(DIR, K2, LDAP, 190.0)


@pytest.mark.parametrize(
    ("of", "record"),
    [
        (replace(DIR, ready=None), STARTED),
        (DIR, replace(STARTED, state=VmState.STARTING)),
        (DIR, replace(STARTED, state=VmState.STOPPED, host=None)),
        (DIR, replace(STARTED, started_at=None)),
        (DIR, replace(STARTED, host=None)),
    ],
    ids=["does not say when it serves", "being started", "stopped", "found and not started", "nowhere"],
)
def test_nobody_waits_for_one_that_was_not_started_or_that_does_not_say_when_it_serves(of, record) -> None:  # type: ignore[no-untyped-def]
    assert awaited(of, record) is None


def test_those_that_an_earlier_run_started_are_waited_for_as_long_as_they_have_time() -> None:
    book = inventory(vms=[DIR, vm(2, ready=LDAP), vm(3, ready=LDAP, ha=False), vm(4)])
    records = {uuid(n): replace(STARTED, uuid=uuid(n)) for n in (1, 3, 4)}
    assert of_earlier_runs(book, records, K1, 189.9) == [Awaited(DIR, K2, LDAP, 190.0)]
    assert of_earlier_runs(book, records, K1, 190.0) == []
    assert of_earlier_runs(book, records, HostName("kvm-03"), 100.0) == [], "it was taken from another host"
    assert of_earlier_runs(book, {}, K1, 100.0) == [], "where no run has been, nobody has started anything"


def test_only_what_is_of_a_higher_priority_holds_back() -> None:
    started = [
        Awaited(vm(number, name=name, priority=priority), K2, LDAP, 190.0)
        for number, name, priority in ((1, "z", 10), (2, "a", 5), (3, "b", 4), (4, "c", 6))
    ]
    assert [each.vm.name for each in holding_back(started, 5)] == ["c", "z"]
    assert holding_back(started, 10) == []


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
        "dir-01 runs on kvm-02 and did not get ready: its TCP port 389 was waited for in vain for 90s"
        " (no address of it takes a connection)"
    )
    assert not_ready_says(agent, "x") == (
        "dir-01 runs on kvm-02 and did not get ready: its guest agent was waited for in vain for 2m (x)"
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
