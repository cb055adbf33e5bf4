"""Every network fault shows what it should: to a sibling, to the admin node, and to nobody else."""

from __future__ import annotations

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.look import neighbour, ping, see, tcp
from tests.lab.proc import wait_until


def test_a_cut_pair_times_out_and_all_others_pass(lab: Lab) -> None:
    one, other, third, _ = lab.hosts.values()
    with faults.cut(lab, "kvm-01", "kvm-02"):
        assert tcp(one, other.address) == "timeout"
        assert tcp(other, one.address) == "timeout"
        assert tcp(third, one.address) == "banner"
        assert tcp(None, one.address) == "banner"
    assert tcp(one, other.address) == "banner"


def test_a_pair_whose_frames_are_lost_does_not_even_answer_arp(lab: Lab) -> None:
    one, other, third, _ = lab.hosts.values()
    with faults.lose_frames(lab, "kvm-01", "kvm-02"):
        lab.forget_neighbours()
        assert tcp(other, one.address, timeout_s=5) == "no route"
        wait_until(lambda: neighbour(other, one.address) == "FAILED", "the neighbour entry has failed")
        assert tcp(third, one.address) == "banner"
    assert tcp(other, one.address) == "banner"


def test_a_host_cut_from_the_admin_node_is_reached_by_its_siblings(lab: Lab) -> None:
    one, other, *_ = lab.hosts.values()
    with faults.cut(lab, faults.ADMIN, "kvm-01"):
        assert tcp(None, one.address) == "timeout"
        assert tcp(other, one.address) == "banner"


def test_a_partition_separates_groups_and_heals(lab: Lab) -> None:
    one, two, three, four = lab.hosts.values()
    with faults.partition(lab, ["kvm-01", "kvm-02"], ["kvm-03", "kvm-04", faults.ADMIN]):
        assert tcp(one, two.address) == "banner"
        assert tcp(three, four.address) == "banner"
        assert tcp(one, three.address) == "timeout"
        assert tcp(None, two.address) == "timeout"
    assert lab.faults == []
    assert tcp(one, three.address) == "banner"


def test_a_firewalled_host_that_lives_is_silent_but_for_arp(lab: Lab) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    with faults.firewall(lab, "kvm-01"):
        lab.network.flush_neighbours([sibling.namespace])
        assert tcp(sibling, suspect.address) == "timeout"
        assert not ping(sibling, suspect.address)
        assert neighbour(sibling, suspect.address) == "REACHABLE"


def test_an_isolated_host_answers_arp_alone(lab: Lab) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    with faults.isolate(lab, "kvm-01"):
        assert tcp(sibling, suspect.address) == "timeout"
        assert tcp(suspect, sibling.address) != "banner"
        assert neighbour(sibling, suspect.address) in {"REACHABLE", "STALE", "DELAY"}


@pytest.mark.parametrize(
    ("how", "seen"),
    [
        ("host-unreachable", "no route"),
        ("admin-prohibited", "no route"),
        ("port-unreachable", "refused"),
        ("tcp-reset", "refused"),
    ],
)
def test_a_rejecting_host_lives_and_looks_unreachable_or_refused(lab: Lab, how: str, seen: str) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    with faults.reject(lab, "kvm-01", how):
        assert tcp(sibling, suspect.address) == seen
        assert tcp(None, suspect.address) == seen
    assert tcp(sibling, suspect.address) == "banner"


def test_a_rejected_ping_brings_an_error_from_the_suspects_own_address(lab: Lab) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    with faults.reject(lab, "kvm-01", "host-unreachable"):
        said = see(sibling, ["ping", "-n", "-c", "1", "-W", "2", suspect.address]).stdout
        assert f"From {suspect.address} icmp_seq=1 Destination Host Unreachable" in said


def test_one_rejected_port_leaves_ping_alone(lab: Lab) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    with faults.reject(lab, "kvm-01", "admin-prohibited", port=22):
        assert tcp(sibling, suspect.address) == "no route"
        assert ping(sibling, suspect.address)


def test_a_siblings_own_firewall_looks_like_no_route(lab: Lab) -> None:
    suspect, sibling, third, _ = lab.hosts.values()
    with faults.reject_outgoing(lab, "kvm-02", "kvm-01"):
        assert tcp(sibling, suspect.address) == "no route"
        assert tcp(third, suspect.address) == "banner"


def test_a_siblings_own_unreachable_route(lab: Lab) -> None:
    suspect, sibling, third, _ = lab.hosts.values()
    with faults.unreachable_route(lab, "kvm-02", "kvm-01"):
        assert tcp(sibling, suspect.address) == "no route"
        assert tcp(third, suspect.address) == "banner"
    assert tcp(sibling, suspect.address) == "banner"


def test_no_ping_reply_from_a_host_that_answers_tcp(lab: Lab) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    with faults.no_ping_reply(lab, "kvm-01"):
        assert not ping(sibling, suspect.address)
        assert tcp(sibling, suspect.address) == "banner"


@pytest.mark.parametrize("fault", [faults.link_down, faults.unplug])
def test_a_host_off_the_network_fails_in_the_neighbour_table(lab: Lab, fault: object) -> None:
    assert callable(fault)
    suspect, sibling, *_ = lab.hosts.values()
    with fault(lab, "kvm-01"):
        lab.network.flush_neighbours([sibling.namespace])
        assert tcp(sibling, suspect.address, timeout_s=5) == "no route"
        wait_until(lambda: neighbour(sibling, suspect.address) == "FAILED", "the neighbour entry has failed")
    wait_until(lambda: tcp(sibling, suspect.address) == "banner", "the host is back")


def test_a_neighbour_entry_stays_reachable_for_a_while_after_the_link_went_down(lab: Lab) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    assert ping(sibling, suspect.address)
    with faults.link_down(lab, "kvm-01"):
        assert neighbour(sibling, suspect.address) == "REACHABLE"


def test_an_unplugged_admin_node_reaches_nobody_while_the_cluster_lives(lab: Lab) -> None:
    one, other, *_ = lab.hosts.values()
    with faults.unplug(lab, faults.ADMIN):
        assert not ping(None, one.address)
        assert tcp(one, other.address) == "banner"
    wait_until(lambda: tcp(None, one.address) == "banner", "the admin node is back")


def test_behind_an_address_that_was_taken_over_is_another_hosts_key(lab: Lab) -> None:
    suspect, taker, third, _ = lab.hosts.values()
    vm = lab.start_vm("kvm-01", "web-01")
    with faults.address_taken_over(lab, "kvm-01", by="kvm-02"):
        done = see(None, [*lab.ssh("kvm-01"), "hostname"])
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
        scanned = see(third, ["ssh-keyscan", "-t", "ed25519", suspect.address]).stdout
        assert taker.host_key in scanned
        assert lab.copies(vm.uuid) == 1
    assert see(None, [*lab.ssh("kvm-01"), "hostname"]).stdout == "kvm-01\n"


def test_dropped_ports_are_dropped_and_others_pass(lab: Lab) -> None:
    client, server, third, _ = lab.hosts.values()
    with faults.drop_ports(lab, "kvm-01", server.address, "22,6800:7300"):
        assert tcp(client, server.address) == "timeout"
        assert tcp(client, server.address, 5000) == "refused"
        assert tcp(third, server.address) == "banner"
