"""Waiting until a VM serves, where libvirt says what a test has it say. Real libvirt: test_on_hosts_ready.py."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafence.adapters.hosts import kvm
from hafence.core.model import Ready, Uuid
from hafence.core.ready import Readiness, Serves

from .conftest import NONCE, Shell

AGENT = Ready()
ADDRESS = "127.0.0.53"
"""This machine's, as every address of 127.0.0.0/8 is."""


def program(root: Path, name: str, text: str) -> None:
    path = root / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def ask(shell: Shell, root: Path, vm: str, ready: Ready, within_s: float = 0.0) -> Readiness:
    there = shell.at(root)
    sent = kvm.ready_program(NONCE, there.host, Uuid(vm), ready, within_s, settings=there.settings)
    return kvm.parse_ready(NONCE, there.run(sent, kvm.most_s(within_s, there.settings)), ready, time.time())


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which something listens on this machine."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # for a moment, and it answers nothing
        yield server.getsockname()[1]


def addresses(root: Path, **by_source: str) -> None:
    """What libvirt tells: by each source the lines of `virsh -q domifaddr`."""
    cases = "\n".join(f"*' --source {source}') printf '%b' '{lines}' ;;" for source, lines in by_source.items())
    program(root, "virsh", f'case "$*" in\n{cases}\n*) exit 1 ;;\nesac')


def line(address: str, interface: str = "vnet0") -> str:
    return f" {interface}      52:54:00:6d:6f:6a    ipv4         {address}\\n"


def test_an_agent_that_answers_its_ping_serves(shell: Shell, root: Path, vm: str) -> None:
    program(root, "virsh", f"""echo "$*" >{root}/asked; echo '{{"return":{{}}}}'; echo""")
    readiness = ask(shell, root, vm, AGENT)
    assert (readiness.serves, readiness.says) == (Serves.YES, "its guest agent answers")
    assert (root / "asked").read_text() == (
        f'-q -c qemu:///system qemu-agent-command {vm} {{"execute":"guest-ping"}} --timeout 4\n'
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("error: argument unsupported: QEMU guest agent is not configured", "its definition has no channel"),
        ("error: Guest agent is not responding: QEMU guest agent is not connected", "its guest agent does not answer"),
        ("error: Requested operation is not valid: domain is not running", "libvirt there does not run it"),
        ("error: failed to get domain 'x'", "libvirt there does not run it"),
        ("error: failed to connect to the hypervisor", "libvirt there does not answer"),
        ("", "its guest agent does not answer"),
    ],
)
def test_why_an_agent_is_not_heard(shell: Shell, root: Path, vm: str, words: str, says: str) -> None:
    program(root, "virsh", f'echo "{words}" >&2; exit 1')
    readiness = ask(shell, root, vm, AGENT)
    assert readiness.serves is Serves.NOT_YET
    assert says in readiness.says


@pytest.mark.parametrize("words", ["", '{"return":{}} and more', '{"error":{}}', '{"return":{"x":1}}'])
def test_words_of_an_agent_that_are_no_answer_to_a_ping(shell: Shell, root: Path, vm: str, words: str) -> None:
    program(root, "virsh", f"echo '{words}'")
    assert ask(shell, root, vm, AGENT).serves is Serves.NOT_YET


def test_a_vm_that_serves_after_a_while_is_asked_until_then(shell: Shell, root: Path, vm: str) -> None:
    program(root, "virsh", f"""[ -e {root}/asked ] && echo '{{"return":{{}}}}'; : >{root}/asked""")
    assert ask(shell, root, vm, AGENT, 30.0).serves is Serves.YES


def test_one_that_never_does_is_asked_for_no_longer_than_it_was_said(shell: Shell, root: Path, vm: str) -> None:
    program(root, "virsh", f"echo x >>{root}/asked; exit 1")
    before = time.monotonic()
    assert ask(shell, root, vm, AGENT, 1.5).serves is Serves.NOT_YET
    assert 1.5 <= time.monotonic() - before < kvm.most_s(1.5, shell.settings)
    assert len((root / "asked").read_text().split()) >= 2


def test_without_time_it_is_asked_once(shell: Shell, root: Path, vm: str) -> None:
    program(root, "virsh", f"echo x >>{root}/asked; exit 1")
    assert ask(shell, root, vm, AGENT).serves is Serves.NOT_YET
    assert (root / "asked").read_text() == "x\n"


@pytest.mark.parametrize("ready", [AGENT, Ready(22)])
def test_a_libvirt_that_hangs_costs_its_own_time(shell: Shell, root: Path, vm: str, ready: Ready) -> None:
    program(root, "virsh", "exec sleep 100")
    before = time.monotonic()
    readiness = ask(shell, root, vm, ready)
    assert (readiness.serves, readiness.says) == (Serves.NOT_YET, "libvirt there does not answer")
    assert time.monotonic() - before < kvm.most_s(0.0, shell.settings)


@pytest.mark.parametrize("source", ["agent", "lease", "arp"])
def test_an_address_from_any_source_that_takes_a_connection_serves(
    shell: Shell, root: Path, vm: str, port: int, source: str
) -> None:
    addresses(root, **{source: line("10.255.255.1/24") + line("10.0.0.5/24", "Ethernet Instance 0")})
    stand_in(root)
    readiness = ask(shell, root, vm, Ready(port))
    assert (readiness.serves, readiness.says) == (Serves.YES, f"TCP port {port} of 10.0.0.5 takes connections")


def stand_in(root: Path) -> None:
    """bash as it is, but that 10.0.0.5 is this machine, and no other host is there."""
    program(root, "ip", "exit 2")
    program(root, "bash", f'[ $4 = 10.0.0.5 ] && exec /bin/bash -c "$2" - {ADDRESS} $5; exit 1')


def test_an_address_that_takes_none_is_not_ready(shell: Shell, root: Path, vm: str) -> None:
    addresses(root, lease=line("10.0.0.5/24"))
    stand_in(root)
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))  # it never listens
        readiness = ask(shell, root, vm, Ready(taken.getsockname()[1]))
    assert (readiness.serves, readiness.says) == (Serves.NOT_YET, "no address of it takes a connection")


NO_ADDRESSES = [
    *("127.0.0.1/8", "0.0.0.0/0", "169.254.1.1/16", "224.0.0.1/4", "239.1.1.1/4", "255.255.255.255/32"),
    *("::1/128", "::/0", "fe80::1/64", "FE80::1/64", "febf::1/64", "ff02::1/16", "::ffff:127.0.0.1/128"),
    *("10.0.0/24", "10.0.0.0.5/24", "10.0.0.256/24", "10.0.0.05/24", "10.0.0.0005/24", "10..0.5/24", "10.0.0.5./24"),
    *("1:2/64", "1:::2/64", "1::2::3/64", "g::1/64", "dir-01/24", "/24", "/", "10.0.0.5", "10.0.0.5/24/24"),
    *("10.0.0.5/x", "N/A", "$(reboot)/24", "`reboot`/24", "10.0.0.5;reboot/24", "*/24", "-/24"),
]


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_no_address_of_a_vm_comes_near_no_program(shell: Shell, root: Path, vm: str, address: str) -> None:
    addresses(root, agent=line(address))
    program(root, "ip", f"echo $* >>{root}/tried; exit 2")
    program(root, "bash", f"echo $* >>{root}/tried; exit 0")
    readiness = ask(shell, root, vm, Ready(22))
    assert (readiness.serves, readiness.says) == (Serves.NOT_YET, "libvirt there tells no address of it")
    assert not (root / "tried").exists()


@pytest.mark.parametrize("address", ["2001:db8::5/64", "fd00:0:0:0:0:0:0:5/8", "9.255.0.1/24", "100.64.0.1/10"])
def test_what_is_one_is_tried(shell: Shell, root: Path, vm: str, address: str) -> None:
    addresses(root, agent=line(address))
    program(root, "ip", "exit 2")
    program(root, "bash", "exit 0")
    assert ask(shell, root, vm, Ready(22)).serves is Serves.YES


def test_the_hosts_own_address_is_none_of_the_vm(shell: Shell, root: Path, vm: str, port: int) -> None:
    """A guest may have a bridge of its own with the very address that this host's bridge has."""
    addresses(root, agent=line("192.168.122.1/24"))
    program(root, "ip", "echo 'local 192.168.122.1 dev lo table local src 192.168.122.1'")
    program(root, "bash", "exit 0")
    assert ask(shell, root, vm, Ready(port)).says == "libvirt there tells no address of it"


def test_of_very_many_addresses_some_are_tried_and_each_once(shell: Shell, root: Path, vm: str) -> None:
    lines = "".join(line(f"10.0.{n}.5/24") for n in range(40))
    addresses(root, agent=lines, arp=lines)
    program(root, "ip", "exit 2")
    program(root, "bash", f"echo x >>{root}/tried; exit 1")
    assert ask(shell, root, vm, Ready(22)).serves is Serves.NOT_YET
    assert len((root / "tried").read_text().split()) == 16
