"""A host that is struck by a fault, asked in every role that it can have: suspect, sibling, witness, target.

Three are struck at a time, each by a fault of its own, so that they share what silence costs; the fourth is well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.conformance.steps import (
    Ask,
    Placed,
    Step,
    Strike,
    at_once,
    does,
    fence,
    look,
    settle,
    start,
    strike,
    witness,
)
from tests.conformance.worlds import Real
from tests.lab import faults
from tests.lab.image import SUDO_USER

STRUCK = ("kvm-01", "kvm-02", "kvm-03")
WELL = "kvm-04"
Fault = Callable[[str], Strike]
"""What strikes the host of that name."""

ALL_TCP = ("10.0.0.0/8", "1:65535")
LIMIT = "net.ipv4.icmp_ratelimit"


def nothing(host: str) -> Strike:
    """A host that is well."""
    return does(lambda real: None)


def forget_key(host: str) -> Strike:
    """The admin's known_hosts has no key of the host."""

    def forget(real: Real) -> None:
        path = real.folder / "known_hosts"
        address = real.lab.hosts[host].address
        kept = [line for line in path.read_text().splitlines() if not line.startswith(f"{address} ")]
        path.write_text("\n".join(kept) + "\n")

    return does(forget, f"sshd {host}=unknown")


def rejecting(how: str, sim: str) -> Fault:
    """A firewall that rejects, on a kernel that sends every error. Linux limits them to a few each second, and then
    chance says whether a connection or a ping gets the answer."""

    def make(real: Real, host: str) -> None:
        struck = real.lab.hosts[host]
        limit = struck.net("sysctl", "-n", LIMIT).strip()
        struck.net("sysctl", "-qw", f"{LIMIT}=0")
        faults.Fault(
            real.lab, f"{host} sends every ICMP error", lambda: _ok(struck.net("sysctl", "-qw", f"{LIMIT}={limit}"))
        )
        faults.reject(real.lab, host, how)

    return lambda host: Strike("reject", lambda real: make(real, host), (sim.format(host),))


def _ok(_: object) -> None:
    return None


def on_host(fault: str, *more: Any, sim: str = "") -> Fault:
    """A fault of tests.lab.faults that takes the host's name first; `sim` holds `{}` where the host's name belongs."""
    return lambda host: strike(fault, host, *more, sim=[sim.format(host)] if sim else [])


def no_libvirt(host: str) -> Strike:
    """Neither a daemon of libvirt nor virsh."""

    def make(real: Real) -> None:
        faults.libvirtd_gone(real.lab, host)
        faults.missing_program(real.lab, host, "virsh")

    return does(make, f"libvirtd {host}=absent")


BROKEN_LIBVIRT: dict[str, Fault] = {
    "libvirtd hung": on_host("libvirtd_hung", sim="libvirtd {}=hung"),
    "libvirtd gone": on_host("libvirtd_gone", sim="libvirtd {}=gone"),
    "virsh missing": on_host("missing_program", "virsh", sim="lacks {}=virsh"),
    "libvirt absent": no_libvirt,
    "starts fail": on_host("failing_start", sim="starts {}=fails"),
}
BROKEN_SSHD: dict[str, Fault] = {
    "sshd gone": on_host("sshd_gone", sim="sshd {}=gone"),
    "sshd hung": on_host("sshd_hung", sim="sshd {}=hung"),
    "login refused": on_host("login_refused", sim="sshd {}=login"),
    "login stalls": on_host("login_stalls", sim="sshd {}=login"),
    "host key changed": on_host("host_key_changed", sim="sshd {}=key"),
    "host key unknown": forget_key,
    "sessions refused": on_host("no_sessions", sim="sshd {}=nosession"),
    "forced command": on_host("forced_command", "/bin/false", sim="sshd {}=forced"),
    "forwarding forbidden": on_host("no_forwarding", sim="sshd {}=noforward"),
    "tunnels alone": on_host("hardened", (*STRUCK, WELL), sim="sshd {}=forced"),
    "login that talks": on_host("noisy_login"),
    "frozen": on_host("frozen_host", sim="freeze {}"),
}
BROKEN_NETWORK: dict[str, Fault] = {
    "firewall that drops": on_host("firewall", sim="firewall {}=drop"),
    "firewall that drops TCP": on_host("drop_ports", *ALL_TCP, sim="firewall {}=drop-tcp"),
    "isolated": on_host("isolate", sim="firewall {}=drop"),
    "link down": on_host("link_down", sim="cut {} - *"),
    "cable pulled": on_host("unplug", sim="cut {} - *"),
    "without power": on_host("power_off", sim="power_off {}"),
    "ping unanswered": on_host("no_ping_reply", sim="firewall {}=drop-ping"),
    "firewall that resets": on_host("reject", "tcp-reset", sim="sshd {}=gone"),
    "firewall that rejects": rejecting("host-unreachable", "firewall {}=reject"),
    "firewall that rejects by a prohibition": rejecting("admin-prohibited", "firewall {}=reject"),
    "firewall that rejects the network": rejecting("net-unreachable", "firewall {}=reject-net"),
    "firewall that rejects the port": rejecting("port-unreachable", "firewall {}=reject-port"),
}
BROKEN_RIGHTS: dict[str, Fault] = {
    "ping missing": on_host("missing_program", "ping", sim="lacks {}=ping"),
    "flock missing": on_host("missing_program", "flock", sim="lacks {}=flock"),
    "sudo wants a password": on_host("sudo_wants_password", sim="sshd {}=forced"),
    "sudo forbidden": on_host("sudo_forbidden", sim="sshd {}=forced"),
}
FAULTS: dict[str, Fault] = {"none": nothing, **BROKEN_LIBVIRT, **BROKEN_SSHD, **BROKEN_NETWORK, **BROKEN_RIGHTS}


def by_sudo(name: str) -> bool:
    """Whether this fault is of a host on which the admin is not root."""
    return name.startswith("sudo")


def settings(names: Sequence[str]) -> dict[str, Any]:
    """What the inventory says beside the usual."""
    hosts = {host: {"ssh": {"user": SUDO_USER}} for host, name in zip(STRUCK, names, strict=False) if by_sudo(name)}
    # An ICMP error that comes back while the connecting program still holds its socket is passed over by Linux: what
    # tells is the answer to the second SYN, a second later.
    slow = {"fencing": {"connect_timeout": 3}} if any("rejects" in name for name in names) else {}
    return {"hosts": hosts, **slow}


def vms_of(names: Sequence[str]) -> list[Placed]:
    """A leftover on each struck host, and for each a VM that is to start there."""
    placed = []
    for host, _ in zip(STRUCK, names, strict=False):
        placed += [Placed(f"leftover-{host}", host), Placed(f"spare-{host}", WELL, "absent")]
    return placed


def steps_of(names: Sequence[str]) -> list[Step]:
    """The faults, and every role."""
    hosts = STRUCK[: len(names)]
    strikes: list[Step] = [FAULTS[name](host) for host, name in zip(hosts, names, strict=True)]

    def each(*asks: Callable[[str], Ask]) -> Ask:
        return at_once(*(ask(host) for host in hosts for ask in asks))

    return [
        *strikes,
        each(look, lambda host: fence(WELL, host, rehearse=True), lambda host: witness(WELL, host)),
        each(lambda host: fence(host, WELL, rehearse=True)),
        each(lambda host: witness(host, WELL)),
        each(lambda host: start(f"spare-{host}", host)),
        each(lambda host: settle(f"spare-{host}", host)),
        each(lambda host: fence(host, WELL)),
        look(*hosts),
    ]
