"""Each way in which a run through a sibling can fail has its own trouble, laid to the one whose it is.

On loopback: no root is needed. The faults of a network are in test_network_faults.py.
"""

from __future__ import annotations

import signal
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hafence.adapters.hosts.program import Program
from hafence.adapters.ssh.connections import Hosts
from hafence.core.model import Host
from hafence.core.troubles import SIBLING_SIDE, Trouble

from .conftest import NewHosts, NewServer
from .servers import Server, connecting_to, free_port, make_key, public, wait_for

TRUE = Program("exit 0\n")


@pytest.fixture
def sibling(sshd: NewServer) -> Server:
    return sshd("sibling")


@pytest.fixture
def suspect(sshd: NewServer) -> Server:
    return sshd("suspect")


def at_port(server: Server, port: int) -> Host:
    host = server.host()
    return replace(host, ssh=replace(host.ssh, port=port))


# ------------------------------------------------ the suspect, seen from a working sibling


def test_a_suspect_that_refuses(sibling: Server, suspect: Server, hosts: Hosts) -> None:
    run = hosts.run(at_port(suspect, free_port()), TRUE, via=sibling.host(), within_s=5)
    assert run.trouble is Trouble.REFUSED


def test_a_suspect_that_is_silent(sibling: Server, suspect: Server, new_hosts: NewHosts, silent_port: int) -> None:
    run = new_hosts(1.0).run(at_port(suspect, silent_port), TRUE, via=sibling.host(), within_s=5)
    assert run.trouble is Trouble.TIMED_OUT


def test_a_suspect_whose_name_means_nothing(sibling: Server, suspect: Server, hosts: Hosts) -> None:
    host = replace(suspect.host(), address="nowhere.invalid")
    assert hosts.run(host, TRUE, via=sibling.host(), within_s=5).trouble is Trouble.NAME_UNKNOWN


def test_a_suspect_that_gives_no_banner(sibling: Server, suspect: Server, new_hosts: NewHosts, mute_port: int) -> None:
    run = new_hosts(0.5).run(at_port(suspect, mute_port), TRUE, via=sibling.host(), within_s=5)
    assert run.trouble is Trouble.NO_BANNER


def test_a_suspect_with_another_host_key(sibling: Server, suspect: Server, hosts: Hosts, tmp_path: Path) -> None:
    suspect.known_hosts.write_text(f"{suspect.known_name} {public(make_key(tmp_path / 'other'))}\n")
    assert hosts.run(suspect.host(), TRUE, via=sibling.host(), within_s=5).trouble is Trouble.HOST_KEY_CHANGED


def test_a_suspect_with_an_unknown_host_key(sibling: Server, suspect: Server, hosts: Hosts) -> None:
    suspect.trust()
    assert hosts.run(suspect.host(), TRUE, via=sibling.host(), within_s=5).trouble is Trouble.HOST_KEY_UNKNOWN


def test_a_suspect_that_refuses_the_login(sibling: Server, suspect: Server, hosts: Hosts, tmp_path: Path) -> None:
    stranger = suspect.host(identity_file=str(make_key(tmp_path / "stranger")))
    assert hosts.run(stranger, TRUE, via=sibling.host(), within_s=5).trouble is Trouble.LOGIN_FAILED


def test_a_suspect_that_refuses_a_session(sibling: Server, sshd: NewServer, hosts: Hosts) -> None:
    suspect = sshd("suspect", settings=("MaxSessions 0",))
    assert hosts.run(suspect.host(), TRUE, via=sibling.host(), within_s=5).trouble is Trouble.SESSION_REFUSED


def test_a_suspect_whose_session_is_killed_midway(sibling: Server, suspect: Server, hosts: Hosts) -> None:
    strike = Program("echo ready\nsleep 60\n", on_line=lambda _: suspect.signal_sessions(signal.SIGKILL))
    run = hosts.run(suspect.host(), strike, via=sibling.host(), within_s=10)
    assert (run.trouble, run.exit_status, run.stdout) == (Trouble.CUT, None, "ready\n")


def test_a_suspect_that_freezes_midway(sibling: Server, suspect: Server, hosts: Hosts) -> None:
    strike = Program("echo ready\nsleep 60\n", on_line=lambda _: suspect.freeze())
    run = hosts.run(suspect.host(), strike, via=sibling.host(), within_s=1)
    assert run.trouble is Trouble.NO_REPLY_IN_TIME


def test_a_suspect_that_is_too_busy_is_asked_again_through_the_same_sibling(
    sibling: Server, sshd: NewServer, hosts: Hosts
) -> None:
    suspect = sshd("suspect", settings=("MaxStartups 1",))
    with socket.create_connection((suspect.address, suspect.port)) as other:
        assert other.recv(4) == b"SSH-"

        def go_away_once_somebody_was_dropped() -> None:
            wait_for(lambda: "drop connection" in (suspect.folder / "log").read_text(), "sshd drops a connection")
            other.shutdown(socket.SHUT_RDWR)

        leaver = threading.Thread(target=go_away_once_somebody_was_dropped)
        leaver.start()
        run = hosts.run(suspect.host(), TRUE, via=sibling.host(), within_s=5)
        leaver.join()
    assert (run.trouble, run.exit_status) == (None, 0)
    assert (sibling.folder / "log").read_text().count("Accepted publickey") == 1


# ------------------------------------------------ the sibling


def test_a_sibling_that_is_down(suspect: Server, sibling: Server, hosts: Hosts) -> None:
    run = hosts.run(suspect.host(), TRUE, via=at_port(sibling, free_port()), within_s=5)
    assert (run.trouble, run.note) == (Trouble.SIBLING_UNREACHABLE, "it refused the connection")


def test_a_sibling_that_is_silent(suspect: Server, sibling: Server, new_hosts: NewHosts, silent_port: int) -> None:
    run = new_hosts(1.0).run(suspect.host(), TRUE, via=at_port(sibling, silent_port), within_s=5)
    assert (run.trouble, run.note) == (Trouble.SIBLING_UNREACHABLE, "it did not answer before the time-out")


def test_a_sibling_that_gives_no_banner(suspect: Server, sibling: Server, new_hosts: NewHosts) -> None:
    sibling.freeze_listener()
    run = new_hosts(0.5).run(suspect.host(), TRUE, via=sibling.host(), within_s=5)
    assert run.trouble is Trouble.SIBLING_UNREACHABLE


def test_a_sibling_that_refuses_the_login(suspect: Server, sibling: Server, hosts: Hosts, tmp_path: Path) -> None:
    stranger = sibling.host(identity_file=str(make_key(tmp_path / "stranger")))
    assert hosts.run(suspect.host(), TRUE, via=stranger, within_s=5).trouble is Trouble.SIBLING_LOGIN


def test_a_sibling_with_a_missing_identity_file(suspect: Server, sibling: Server, hosts: Hosts) -> None:
    run = hosts.run(suspect.host(), TRUE, via=sibling.host(identity_file="/nonexistent/key"), within_s=5)
    assert run.trouble is Trouble.SIBLING_LOGIN
    assert "/nonexistent/key" in run.note


@pytest.mark.parametrize("known", ["unknown", "changed"])
def test_a_sibling_that_cannot_be_trusted(
    suspect: Server, sibling: Server, hosts: Hosts, tmp_path: Path, known: str
) -> None:
    other = public(make_key(tmp_path / "other"))
    sibling.known_hosts.write_text(f"{sibling.known_name} {other}\n" if known == "changed" else "")
    assert hosts.run(suspect.host(), TRUE, via=sibling.host(), within_s=5).trouble is Trouble.SIBLING_HOST_KEY


@pytest.mark.parametrize(
    "restrict", ["restrict", 'restrict,port-forwarding,permitopen="192.0.2.1:22",command="/bin/false"']
)
def test_a_sibling_that_forbids_forwarding(suspect: Server, sibling: Server, hosts: Hosts, restrict: str) -> None:
    sibling.authorize(restrict)
    assert hosts.run(suspect.host(), TRUE, via=sibling.host(), within_s=5).trouble is Trouble.SIBLING_FORBIDS


def test_a_hardened_sibling_is_a_proxy(suspect: Server, sibling: Server, hosts: Hosts) -> None:
    sibling.authorize(f'restrict,port-forwarding,permitopen="127.0.0.1:{suspect.port}",command="/bin/false"')
    look = hosts.run(sibling.host(), Program("echo seen\n"), within_s=5)
    assert (look.trouble, look.exit_status, look.stdout) == (None, 1, "")
    run = hosts.run(suspect.host(), Program("echo fenced\n"), via=sibling.host(), within_s=5)
    assert (run.trouble, run.stdout) == (None, "fenced\n")


def test_a_sibling_that_is_killed_midway(suspect: Server, sibling: Server, hosts: Hosts) -> None:
    strike = Program("echo ready\nsleep 60\n", on_line=lambda _: sibling.signal_sessions(signal.SIGKILL))
    run = hosts.run(suspect.host(), strike, via=sibling.host(), within_s=10)
    assert (run.trouble, run.stdout) == (Trouble.SIBLING_LOST, "ready\n")


def test_a_sibling_that_freezes_midway(suspect: Server, sibling: Server, hosts: Hosts) -> None:
    strike = Program("echo ready\nsleep 60\n", on_line=lambda _: sibling.freeze())
    run = hosts.run(suspect.host(), strike, via=sibling.host(), within_s=1)
    assert run.trouble is Trouble.SIBLING_FROZEN


def test_a_sibling_that_freezes_while_it_carries_megabytes(suspect: Server, sibling: Server, hosts: Hosts) -> None:
    text = "echo ready\nsleep 60\n" + "# padding\n" * 2_000_000
    run = hosts.run(suspect.host(), Program(text, on_line=lambda _: sibling.freeze()), via=sibling.host(), within_s=1)
    assert run.trouble is Trouble.SIBLING_FROZEN


@pytest.mark.parametrize(("strike", "trouble"), [("freeze", Trouble.SIBLING_FROZEN), ("kill", Trouble.SIBLING_LOST)])
def test_a_sibling_that_fails_while_it_tries_to_connect_is_no_word_about_the_suspect(
    suspect: Server, sibling: Server, new_hosts: NewHosts, silent_port: int, strike: str, trouble: Trouble
) -> None:
    hosts = new_hosts(2.0)

    def fail() -> None:
        wait_for(lambda: connecting_to(silent_port), "the sibling tries to connect")
        getattr(sibling, strike)()

    failing = threading.Thread(target=fail)
    failing.start()
    run = hosts.run(at_port(suspect, silent_port), TRUE, via=sibling.host(), within_s=5)
    failing.join()
    assert run.trouble is trouble
    assert run.trouble in SIBLING_SIDE


def test_a_sibling_that_froze_after_its_look_is_not_believed(
    suspect: Server, sibling: Server, new_hosts: NewHosts, silent_port: int
) -> None:
    hosts = new_hosts(1.0)
    assert hosts.run(sibling.host(), TRUE, within_s=5).trouble is None
    sibling.freeze()
    run = hosts.run(at_port(suspect, silent_port), TRUE, via=sibling.host(), within_s=5)
    assert run.trouble is Trouble.SIBLING_UNREACHABLE


def test_after_a_fault_of_one_suspect_the_sibling_serves_the_next(
    suspect: Server, sibling: Server, hosts: Hosts
) -> None:
    assert hosts.run(at_port(suspect, free_port()), TRUE, via=sibling.host(), within_s=5).trouble is Trouble.REFUSED
    assert hosts.run(suspect.host(), TRUE, via=sibling.host(), within_s=5).trouble is None


def test_the_tunnel_needs_no_key_on_the_sibling(suspect: Server, sibling: Server, hosts: Hosts) -> None:
    hosts.run(suspect.host(), TRUE, via=sibling.host(), within_s=5)
    assert not (sibling.home / ".ssh").exists()
    assert "BEGIN OPENSSH PRIVATE KEY" not in (sibling.folder / "log").read_text()
