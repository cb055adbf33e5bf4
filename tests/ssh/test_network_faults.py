"""The faults of a network, all real: firewalls, links and routes of two hosts in namespaces of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafence.adapters.hosts.program import Program
from hafence.adapters.ssh.connections import Hosts
from hafence.core.troubles import Trouble
from tests.lab.net import Network, claim_subnet, remove_namespaces
from tests.lab.require import require

from .conftest import NewHosts
from .servers import Server

pytestmark = pytest.mark.lab

TRUE = Program("exit 0\n")
NO_ANSWER_S = 1.0
ARP_S = 6.0
"""Longer than an unanswered ARP request, which ends after 3 s."""


class Pair:
    """A sibling and a suspect on one wire with this machine, and what is done to them out of band."""

    def __init__(self, folder: Path, identity: Path, network: Network) -> None:
        self.network = network
        self.servers = {}
        for number, name in ((11, "sibling"), (12, "suspect")):
            address, netns = f"{network.subnet}.{number}", f"{network.prefix}-{name}"
            network.plug_in(netns, f"p-{name}", address)
            self.servers[name] = Server(folder / name, identity, name, address=address, port=22, netns=netns)
        self.sibling, self.suspect = self.servers["sibling"], self.servers["suspect"]

    def inside(self, server: Server, *command: str) -> None:
        subprocess.run(["ip", "netns", "exec", server.netns, *command], check=True, capture_output=True)

    def firewall(self, server: Server, chain: str, *rule: str) -> None:
        self.inside(server, "iptables", "-w", "-A", chain, *rule)

    def reset(self) -> None:
        for server in self.servers.values():
            self.inside(server, "iptables", "-w", "-F")
            self.inside(server, "ip", "link", "set", "eth0", "up")
            subprocess.run(
                ["ip", "-n", server.netns, "route", "flush", "type", "unreachable"], check=False, capture_output=True
            )
            server.kill()
            server.start()
        self.network.flush_neighbours([server.netns for server in self.servers.values()])


@pytest.fixture(scope="module")
def network_pair(tmp_path_factory: pytest.TempPathFactory, identity: Path) -> Iterator[Pair]:
    require("ip", "iptables", "sshd")
    prefix = f"hfx{os.getpid() % 10000}"
    subnet, held = claim_subnet()
    network = Network(prefix, subnet)
    try:
        network.create()
        pair = Pair(tmp_path_factory.mktemp("pair"), identity, network)
        yield pair
        for server in pair.servers.values():
            server.kill()
    finally:
        remove_namespaces(prefix)
        held.close()


@pytest.fixture
def pair(network_pair: Pair) -> Pair:
    network_pair.reset()
    return network_pair


def both_ways(hosts: Hosts, pair: Pair) -> tuple[Trouble | None, Trouble | None]:
    """What a run straight to the suspect says, and one through the sibling."""
    direct = hosts.run(pair.suspect.host(), TRUE, within_s=5)
    through = hosts.run(pair.suspect.host(), TRUE, via=pair.sibling.host(), within_s=5)
    return direct.trouble, through.trouble


def test_both_ways_lead_to_a_healthy_suspect(pair: Pair, hosts: Hosts) -> None:
    assert both_ways(hosts, pair) == (None, None)


def test_sshd_gone_is_refused(pair: Pair, hosts: Hosts) -> None:
    pair.suspect.kill()
    assert both_ways(hosts, pair) == (Trouble.REFUSED, Trouble.REFUSED)


@pytest.mark.parametrize("where", ["from=", "Match Address", "AllowUsers"])
def test_a_login_that_only_the_admin_nodes_address_may_do_is_told_from_a_wrong_key(
    pair: Pair, hosts: Hosts, where: str
) -> None:
    here = f"{pair.network.subnet}.1"
    lines = {
        "Match Address": (f"Match Address !{here},*", "    PubkeyAuthentication no", "Match all"),
        "AllowUsers": (f"AllowUsers *@{here}",),
    }.get(where, ())
    pair.suspect.kill()
    pair.suspect.settings = lines
    try:
        pair.suspect.authorize(f'from="{here}"' if where == "from=" else "")
        pair.suspect.start()
        assert both_ways(hosts, pair) == (None, Trouble.LOGIN_BY_ADDRESS)
        pair.suspect.authorize('from="192.0.2.1"')
        again = hosts.run(pair.suspect.host(), TRUE, via=pair.sibling.host(), within_s=5)
        assert again.trouble is Trouble.LOGIN_BY_ADDRESS, "its own login has worked in this run"
    finally:
        pair.suspect.settings = ()
        pair.suspect.authorize("")


def test_a_firewall_that_drops_is_a_time_out(pair: Pair, new_hosts: NewHosts) -> None:
    pair.firewall(pair.suspect, "INPUT", "-j", "DROP")
    assert both_ways(new_hosts(NO_ANSWER_S), pair) == (Trouble.TIMED_OUT, Trouble.TIMED_OUT)


@pytest.mark.parametrize(
    ("reject", "trouble"),
    [
        ("icmp-port-unreachable", Trouble.REFUSED),
        ("tcp-reset", Trouble.REFUSED),
        ("icmp-host-unreachable", Trouble.FAST_NO_ROUTE),
        ("icmp-admin-prohibited", Trouble.FAST_NO_ROUTE),
        ("icmp-net-unreachable", Trouble.FAST_NO_ROUTE),
    ],
)
def test_a_living_suspect_that_rejects_never_looks_like_a_dead_one(
    pair: Pair, hosts: Hosts, reject: str, trouble: Trouble
) -> None:
    pair.firewall(pair.suspect, "INPUT", "-p", "tcp", "-j", "REJECT", "--reject-with", reject)
    assert both_ways(hosts, pair) == (trouble, trouble)


def test_a_rejection_that_comes_late_is_no_missing_route(pair: Pair, hosts: Hosts) -> None:
    # A kernel limits how often it rejects: the answer may come to the first repeated SYN, 1 s later.
    first_syns = ("-p", "tcp", "--syn", "-m", "recent", "--name", "late", "--set")
    pair.firewall(pair.suspect, "INPUT", *first_syns)
    seen_twice = ("-p", "tcp", "--syn", "-m", "recent", "--name", "late", "--rcheck", "--hitcount", "2")
    pair.firewall(pair.suspect, "INPUT", *seen_twice, "-j", "REJECT", "--reject-with", "icmp-host-unreachable")
    pair.firewall(pair.suspect, "INPUT", "-p", "tcp", "-j", "DROP")
    run = hosts.run(pair.suspect.host(), TRUE, via=pair.sibling.host(), within_s=5)
    assert run.trouble is Trouble.FAST_NO_ROUTE
    assert run.seconds > 1


def test_a_link_that_is_down_is_no_route(pair: Pair, new_hosts: NewHosts) -> None:
    hosts = new_hosts(ARP_S)
    assert hosts.run(pair.sibling.host(), TRUE, within_s=5).trouble is None
    pair.inside(pair.suspect, "ip", "link", "set", "eth0", "down")
    pair.network.flush_neighbours([pair.sibling.netns])
    assert both_ways(hosts, pair) == (Trouble.NO_ROUTE, Trouble.NO_ROUTE)


def test_a_siblings_own_missing_route_is_the_siblings(pair: Pair, hosts: Hosts) -> None:
    pair.inside(pair.sibling, "ip", "route", "add", "unreachable", pair.suspect.address)
    run = hosts.run(pair.suspect.host(), TRUE, via=pair.sibling.host(), within_s=5)
    assert run.trouble is Trouble.SIBLING_COULD_NOT_TRY


def test_a_siblings_own_firewall_is_no_missing_route(pair: Pair, hosts: Hosts) -> None:
    rule = ("-p", "tcp", "-d", pair.suspect.address, "-j", "REJECT", "--reject-with", "icmp-host-unreachable")
    pair.firewall(pair.sibling, "OUTPUT", *rule)
    run = hosts.run(pair.suspect.host(), TRUE, via=pair.sibling.host(), within_s=5)
    assert run.trouble is Trouble.FAST_NO_ROUTE


def test_a_sibling_that_is_cut_off_is_unreachable(pair: Pair, new_hosts: NewHosts) -> None:
    pair.firewall(pair.sibling, "INPUT", "-j", "DROP")
    run = new_hosts(NO_ANSWER_S).run(pair.suspect.host(), TRUE, via=pair.sibling.host(), within_s=5)
    assert run.trouble is Trouble.SIBLING_UNREACHABLE


def test_a_suspect_that_is_cut_midway_does_not_reply_in_time(pair: Pair, hosts: Hosts) -> None:
    def cut(_: str) -> None:
        pair.firewall(pair.suspect, "INPUT", "-j", "DROP")
        pair.firewall(pair.suspect, "OUTPUT", "-j", "DROP")

    script = Program("echo ready\nsleep 60\n", on_line=cut)
    run = hosts.run(pair.suspect.host(), script, via=pair.sibling.host(), within_s=1)
    assert (run.trouble, run.stdout) == (Trouble.NO_REPLY_IN_TIME, "ready\n")


def test_a_sibling_that_is_cut_midway_is_not_taken_for_a_silent_suspect(pair: Pair, hosts: Hosts) -> None:
    def cut(_: str) -> None:
        pair.firewall(pair.sibling, "INPUT", "-j", "DROP")

    script = Program("echo ready\nsleep 60\n", on_line=cut)
    run = hosts.run(pair.suspect.host(), script, via=pair.sibling.host(), within_s=1)
    assert run.trouble is Trouble.SIBLING_FROZEN


def test_another_machine_behind_the_address_is_a_changed_key(pair: Pair, hosts: Hosts) -> None:
    pair.inside(pair.suspect, "ip", "link", "set", "eth0", "down")
    pair.inside(pair.sibling, "ip", "addr", "add", f"{pair.suspect.address}/24", "dev", "eth0")
    try:
        pair.sibling.kill()
        pair.sibling.start(everywhere=True)
        pair.network.flush_neighbours([])
        run = hosts.run(pair.suspect.host(), TRUE, within_s=5)
    finally:
        pair.inside(pair.sibling, "ip", "addr", "del", f"{pair.suspect.address}/24", "dev", "eth0")
    assert run.trouble is Trouble.HOST_KEY_CHANGED
