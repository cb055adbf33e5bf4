"""Signs of life of real hosts, seen from another."""

from __future__ import annotations

import time

import pytest

from hafence.adapters.hosts import kvm
from hafence.core.evidence import Sign
from hafence.core.model import Host, HostName, SshSettings

from ..lab import faults
from ..lab.cluster import Lab
from .conftest import NONCE, Shell
from .hosts import HOST

pytestmark = pytest.mark.lab


def witness(lab: Lab, shell: Shell, timeout_s: float = 1.0, user: str = "root"):  # type: ignore[no-untyped-def]
    """What the second host sees of the first; the third and the fourth are peers."""
    hosts = {name: Host(HostName(name), "lab", lab.hosts[name].address, ssh=SshSettings(port=22)) for name in lab.hosts}
    suspect, here, *peers = hosts.values()
    shell = Shell(tuple(lab.hosts[here.name].inside(shell.command, user)))
    run = shell.run(kvm.witness_program(NONCE, suspect, peers, timeout_s, here), timeout_s + kvm.WITNESS_SPARE_S)
    return kvm.parse_witness(NONCE, run, here.name, time.time())


def test_a_healthy_host_gives_every_sign(lab: Lab, shell: Shell) -> None:
    report = witness(lab, shell)
    assert report.signs == {Sign.SYN_ACK, Sign.PING, Sign.NEIGHBOUR}
    assert (report.could_look, report.peers_asked, report.peers_reached) == (True, 2, 2)


def test_a_host_without_sshd_lives(lab: Lab, shell: Shell) -> None:
    with faults.sshd_gone(lab, HOST):
        assert Sign.RST in witness(lab, shell).signs


def test_a_firewalled_host_lives(lab: Lab, shell: Shell) -> None:
    with faults.firewall(lab, HOST):
        report = witness(lab, shell)
    assert (report.signs, report.could_look) == ({Sign.NEIGHBOUR}, True)


def test_a_host_that_rejects_lives(lab: Lab, shell: Shell) -> None:
    with faults.reject(lab, HOST, "admin-prohibited"):
        assert Sign.ICMP_ERROR in witness(lab, shell).signs


@pytest.mark.parametrize("fault", [faults.link_down, faults.power_off, faults.unplug])
def test_a_host_that_is_gone_gives_no_sign(lab: Lab, shell: Shell, fault) -> None:  # type: ignore[no-untyped-def]
    assert Sign.NEIGHBOUR in witness(lab, shell).signs
    with fault(lab, HOST):
        report = witness(lab, shell)
    assert (report.signs, report.could_look, report.peers_reached) == (frozenset(), True, 2)


def test_a_witness_that_is_itself_cut_off_reaches_nobody(lab: Lab, shell: Shell) -> None:
    with faults.link_down(lab, "kvm-02"):
        report = witness(lab, shell)
    assert (report.peers_reached, report.signs) == (0, frozenset())


@pytest.mark.parametrize("program", ["ping", "ip", "bash"])
def test_a_witness_that_lacks_a_program_is_none(lab: Lab, program: str) -> None:
    shell = Shell(("/bin/dash", "-s"))
    with faults.missing_program(lab, "kvm-02", program), faults.link_down(lab, HOST):
        report = witness(lab, shell)
    assert (report.could_look, program in report.says) == (False, True)


def test_a_witness_without_the_right_to_probe_is_none_of_a_firewalled_host(lab: Lab, shell: Shell) -> None:
    witness(lab, shell)
    with faults.firewall(lab, HOST):
        assert not witness(lab, shell, user="nobody").could_look


def test_a_witness_without_a_route_is_none(lab: Lab, shell: Shell) -> None:
    with faults.unreachable_route(lab, "kvm-02", HOST):
        assert not witness(lab, shell).could_look
