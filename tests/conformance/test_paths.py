"""The way to a host: pairs that don't reach each other, addresses that are another's, in both worlds."""

from __future__ import annotations

import pytest

from tests.conformance.steps import (
    Placed,
    Step,
    at_once,
    does,
    fence,
    look,
    look_through,
    settle,
    start,
    strike,
    witness,
)
from tests.conformance.worlds import compare
from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.faults import ADMIN

SUSPECT, PROXY, OTHER, FOURTH = "kvm-01", "kvm-02", "kvm-03", "kvm-04"

LOST = {
    "the sibling and the suspect": [strike("lose_frames", PROXY, SUSPECT, sim=[f"cut {PROXY} - {SUSPECT}"])],
    "the admin node and the suspect": [strike("lose_frames", ADMIN, SUSPECT, sim=[f"cut {ADMIN} - {SUSPECT}"])],
    "the admin node and the sibling": [strike("lose_frames", ADMIN, PROXY, sim=[f"cut {ADMIN} - {PROXY}"])],
}


def from_everywhere() -> list[Step]:
    """Whoever can look at the suspect does; both siblings are gone through; a VM is to start there."""
    return [
        look(SUSPECT, PROXY, OTHER, FOURTH),
        look_through(SUSPECT, PROXY, OTHER, FOURTH),
        fence(SUSPECT, PROXY, rehearse=True),
        fence(SUSPECT, OTHER, rehearse=True),
        witness(SUSPECT, PROXY, OTHER),
        at_once(start("spare", SUSPECT), fence(SUSPECT, PROXY, "plain")),
        settle("spare", SUSPECT),
    ]


VMS = [Placed("plain", SUSPECT), Placed("spare", FOURTH, "absent")]


@pytest.mark.parametrize("pair", LOST)
def test_a_pair_whose_frames_are_lost(lab: Lab, pair: str) -> None:
    compare(lab, VMS, [*LOST[pair], *from_everywhere()])


SIDES = {
    "all lose it": [
        strike("lose_frames", node, SUSPECT, sim=[f"cut {node} - {SUSPECT}"]) for node in (ADMIN, PROXY, OTHER, FOURTH)
    ],
    "the admin node and the first sibling lose it": [
        strike("lose_frames", node, SUSPECT, sim=[f"cut {node} - {SUSPECT}"]) for node in (ADMIN, PROXY)
    ],
    "the first sibling forbids forwarding": [
        strike("lose_frames", ADMIN, SUSPECT, sim=[f"cut {ADMIN} - {SUSPECT}"]),
        strike("no_forwarding", PROXY, sim=[f"sshd {PROXY}=noforward"]),
    ],
    "it opens no session": [
        strike("lose_frames", ADMIN, SUSPECT, sim=[f"cut {ADMIN} - {SUSPECT}"]),
        strike("no_sessions", SUSPECT, sim=[f"sshd {SUSPECT}=nosession"]),
    ],
    "it runs no sshd": [strike("sshd_gone", SUSPECT, sim=[f"sshd {SUSPECT}=gone"])],
    "its sshd hangs": [strike("sshd_hung", SUSPECT, sim=[f"sshd {SUSPECT}=hung"])],
    "it drops all": [strike("firewall", SUSPECT, sim=[f"firewall {SUSPECT}=drop"])],
    "it has no power": [strike("power_off", SUSPECT, sim=[f"power_off {SUSPECT}"])],
}


@pytest.mark.parametrize("what", SIDES)
def test_a_suspect_that_is_looked_into_from_both_sides(lab: Lab, what: str) -> None:
    compare(lab, [Placed("plain", SUSPECT)], [*SIDES[what], look_through(SUSPECT, PROXY, OTHER, FOURTH)])


@pytest.mark.parametrize("what", ["cut", "partition"])
def test_a_pair_whose_packets_are_dropped_and_whose_arp_passes(lab: Lab, what: str) -> None:
    """The simulation knows no such pair: its links lose ARP too. So no sibling of the pair is asked for signs."""
    groups = (PROXY, SUSPECT) if what == "cut" else ([PROXY], [SUSPECT])
    steps: list[Step] = [
        strike(what, *groups, sim=[f"cut {PROXY} - {SUSPECT}"]),
        look(SUSPECT, PROXY),
        fence(SUSPECT, PROXY, rehearse=True),
        witness(SUSPECT, OTHER),
        fence(SUSPECT, PROXY),
        fence(SUSPECT, OTHER),
    ]
    compare(lab, [Placed("plain", SUSPECT)], steps)


def test_an_unplugged_admin_node_reaches_nobody(lab: Lab) -> None:
    steps: list[Step] = [
        strike("unplug", ADMIN, sim=[f"cut {ADMIN} - {host}" for host in (SUSPECT, PROXY, OTHER, FOURTH)]),
        look(SUSPECT, PROXY, OTHER, FOURTH),
        fence(SUSPECT, PROXY, rehearse=True),
        at_once(start("spare", SUSPECT), settle("spare", OTHER)),
        witness(SUSPECT, PROXY),
    ]
    compare(lab, VMS, steps)


@pytest.mark.parametrize("fault", ["unreachable_route", "reject_outgoing"])
def test_a_sibling_that_may_not_send_to_the_suspect(lab: Lab, fault: str) -> None:
    """For the fence it is a firewall that answers at once; a simulated host has no routes of its own to spoil."""
    steps: list[Step] = [
        strike(fault, PROXY, SUSPECT),
        fence(SUSPECT, OTHER, rehearse=True),
        look(SUSPECT, PROXY),
    ]
    compare(lab, [Placed("plain", SUSPECT)], steps)


def test_an_address_that_another_host_has_taken(lab: Lab) -> None:
    """By the wire it is a host whose key has changed."""
    steps: list[Step] = [
        strike("address_taken_over", SUSPECT, FOURTH, sim=[f"sshd {SUSPECT}=key"]),
        look(SUSPECT),
        at_once(fence(SUSPECT, PROXY, rehearse=True), witness(SUSPECT, PROXY, OTHER)),
        fence(OTHER, SUSPECT, rehearse=True),
        fence(SUSPECT, PROXY),
        at_once(start("spare", SUSPECT), settle("spare", SUSPECT)),
    ]
    compare(lab, VMS, steps)


def test_an_address_that_a_clone_of_its_host_has_taken(lab: Lab) -> None:
    """By the wire it is the suspect itself; its boot is the other's."""
    faults.cloned(lab, FOURTH, SUSPECT)
    cloned = does(lambda real: None, f"clone {FOURTH}={SUSPECT}")
    taken = strike("address_taken_over", SUSPECT, FOURTH, sim=[f"take_over {SUSPECT}={FOURTH}"])
    steps: list[Step] = [
        cloned,
        look(SUSPECT),
        look(FOURTH),
        taken,
        look(SUSPECT),
        look(FOURTH),
        fence(SUSPECT, PROXY, rehearse=True),
    ]
    compare(lab, VMS, steps)


def test_links_that_heal(lab: Lab) -> None:
    broken = strike("firewall", SUSPECT, sim=[f"firewall {SUSPECT}=drop"])

    def heal(lab: Lab) -> None:
        for fault in reversed(list(lab.faults)):
            fault.heal()

    healed = does(lambda real: heal(real.lab), "heal")
    steps: list[Step] = [broken, look(SUSPECT), healed, look(SUSPECT), fence(SUSPECT, PROXY)]
    compare(lab, [Placed("plain", SUSPECT)], steps)
