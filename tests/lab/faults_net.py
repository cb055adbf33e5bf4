"""Faults of the network. Each is made by the kernel of the host that it strikes, as in a real cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fault import Fault
from .proc import LabError

if TYPE_CHECKING:
    from .cluster import Lab
    from .host import LabHost

ADMIN = "admin"
"""The admin node's name, where a host's is wanted."""

REJECTIONS = {
    "host-unreachable": "icmp-host-unreachable",
    "net-unreachable": "icmp-net-unreachable",
    "admin-prohibited": "icmp-admin-prohibited",
    "port-unreachable": "icmp-port-unreachable",
    "tcp-reset": "tcp-reset",
}


def cut(lab: Lab, one: str, other: str) -> Fault:
    """Partition of one pair (a host's name, or ADMIN): their packets are dropped both ways, all others pass."""
    rules = []
    for near, far in ((one, other), (other, one)):
        if near != ADMIN:
            peer = lab.network.admin_address if far == ADMIN else lab.hosts[far].address
            rules += [(lab.hosts[near], f"INPUT -s {peer} -j DROP"), (lab.hosts[near], f"OUTPUT -d {peer} -j DROP")]
    return _rules(lab, f"{one} and {other} cut apart", rules)


def lose_frames(lab: Lab, one: str, other: str) -> Fault:
    """A switch that loses what a pair sends to each other, ARP too: either looks to the other as if it had no power.

    What comes in is dropped, not what goes out: a packet that is not sent would make nobody ask for an address.
    """
    packets, arps = [], []
    for near, far in ((one, other), (other, one)):
        if near != ADMIN:
            peer = lab.network.admin_address if far == ADMIN else lab.hosts[far].address
            packets.append((lab.hosts[near], f"INPUT -s {peer} -j DROP"))
            arps += [(lab.hosts[near], f"INPUT -s {peer} -j DROP"), (lab.hosts[near], f"OUTPUT -d {peer} -j DROP")]
    what = f"{one} and {other} lose each other's frames"
    lost = [_rules(lab, what, packets), _rules(lab, what, arps, "arptables")]

    def mend() -> None:
        for each in lost:
            each.heal()
        lab.forget_neighbours()

    return Fault(lab, what, mend)


def isolate(lab: Lab, name: str) -> Fault:
    """Every packet from and to a host is dropped. It lives, and still answers ARP."""
    host = lab.hosts[name]
    rules = [(host, "INPUT ! -i lo -j DROP"), (host, "OUTPUT ! -o lo -j DROP")]
    return _rules(lab, f"{name} isolated", rules)


def firewall(lab: Lab, name: str) -> Fault:
    """A host that lives behind a firewall that drops what comes in: no SYN-ACK, no ping, but it answers ARP."""
    return _rules(lab, f"{name} firewalled", [(lab.hosts[name], "INPUT ! -i lo -j DROP")])


def reject(lab: Lab, name: str, how: str, port: int | None = None) -> Fault:
    """A host that lives and answers with an error of REJECTIONS: all that comes in, or one TCP port alone."""
    match = "INPUT ! -i lo"
    if port is not None or how == "tcp-reset":
        match += " -p tcp"
    if port is not None:
        match += f" --dport {port}"
    rule = f"{match} -j REJECT --reject-with {REJECTIONS[how]}"
    return _rules(lab, f"{name} rejects with {how}", [(lab.hosts[name], rule)])


def reject_outgoing(lab: Lab, name: str, target: str, how: str = "host-unreachable") -> Fault:
    """A host's own firewall refuses what it sends to another: it sees "No route to host" at once."""
    rule = f"OUTPUT -d {lab.hosts[target].address} -j REJECT --reject-with {REJECTIONS[how]}"
    return _rules(lab, f"{name} may not send to {target}", [(lab.hosts[name], rule)])


def drop_ports(lab: Lab, name: str, address: str, ports: str = "") -> Fault:
    """A host's packets to an address (of these TCP ports, as iptables writes them: `3300,6789,6800:7300`) are dropped.

    Both ways, so that the other end is not told either: a storage network that is blocked.
    """
    to, back = "", ""
    if ports:
        to, back = f" -p tcp -m multiport --dports {ports}", f" -p tcp -m multiport --sports {ports}"
    rules = [
        (lab.hosts[name], f"OUTPUT -d {address}{to} -j DROP"),
        (lab.hosts[name], f"INPUT -s {address}{back} -j DROP"),
    ]
    return _rules(lab, f"{name} does not reach {address}", rules)


def no_ping_reply(lab: Lab, name: str) -> Fault:
    """A host that answers everything but ping."""
    return _rules(lab, f"{name} answers no ping", [(lab.hosts[name], "INPUT -p icmp --icmp-type echo-request -j DROP")])


def unreachable_route(lab: Lab, name: str, target: str) -> Fault:
    """A host whose own routing table says that another is unreachable."""
    host, address = lab.hosts[name], lab.hosts[target].address
    host.net("ip", "route", "add", "unreachable", address)
    return Fault(lab, f"{name} has no route to {target}", lambda: _ok(host.net("ip", "route", "del", address)))


def link_down(lab: Lab, name: str) -> Fault:
    """A host's interface is down: nobody answers ARP for it, as with no power."""
    host = lab.hosts[name]
    host.net("ip", "link", "set", "eth0", "down")

    def up() -> None:
        host.net("ip", "link", "set", "eth0", "up")
        lab.forget_neighbours()

    return Fault(lab, f"{name} has its link down", up)


def unplug(lab: Lab, name: str) -> Fault:
    """A cable pulled at the switch: a host's (it sees no carrier), or the admin node's."""
    port = "adm" if name == ADMIN else lab.hosts[name].port
    lab.network.set_port(port, up=False)

    def plug_in() -> None:
        lab.network.set_port(port, up=True)
        lab.forget_neighbours()

    return Fault(lab, f"{name} unplugged", plug_in)


def address_taken_over(lab: Lab, name: str, by: str) -> Fault:
    """Another host has a host's address, and answers with its own key. The first is off the network, and lives."""
    loser, winner = lab.hosts[name], lab.hosts[by]
    down = link_down(lab, name)
    winner.net("ip", "addr", "add", f"{loser.address}/24", "dev", "eth0")
    lab.forget_neighbours()

    def give_back() -> None:
        winner.net("ip", "addr", "del", f"{loser.address}/24", "dev", "eth0")
        down.heal()
        lab.forget_neighbours()

    return Fault(lab, f"{by} has the address of {name}", give_back)


def _rules(lab: Lab, what: str, rules: list[tuple[LabHost, str]], program: str = "iptables -w") -> Fault:
    for host, rule in rules:
        host.net(*program.split(), "-I", *rule.split())

    def remove() -> None:
        for host, rule in rules:
            host.net(*program.split(), "-D", *rule.split())

    return Fault(lab, what, remove)


def _ok(_: object) -> None:
    return None


def partition(lab: Lab, group: list[str], rest: list[str]) -> Fault:
    """Two groups of hosts (ADMIN may be in one) that do not reach each other."""
    if set(group) & set(rest):
        raise LabError(f"in both groups: {set(group) & set(rest)}")
    cuts = [cut(lab, one, other) for one in group for other in rest]

    def mend() -> None:
        for each in cuts:
            each.heal()

    return Fault(lab, f"{group} apart from {rest}", mend)
