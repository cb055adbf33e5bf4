"""The end of a run's connections: close() frees whoever waits, and no thread keeps the process alive."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hafence.adapters.hosts.program import Program, ProgramResult
from hafence.adapters.ssh.connections import Hosts
from hafence.core.model import Host
from hafence.core.troubles import Trouble

from .conftest import NewHosts, NewServer
from .servers import Server, connecting_to, wait_for

FOR_EVER = 600.0
TRUE = Program("exit 0\n")


def at_port(server: Server, port: int) -> Host:
    host = server.host()
    return replace(host, ssh=replace(host.ssh, port=port))


def close_while(hosts: Hosts, call: Callable[[], ProgramResult], is_under_way: Callable[[], object]) -> ProgramResult:
    """Begin a call that waits for ever, close the connections, and see it return."""
    runs: list[ProgramResult] = []
    caller = threading.Thread(target=lambda: runs.append(call()), daemon=True)
    caller.start()
    wait_for(is_under_way, "the call is under way")
    hosts.close()
    caller.join(10)
    assert not caller.is_alive()
    return runs[0]


@pytest.mark.parametrize("through", [False, True])
def test_close_ends_a_running_program(sshd: NewServer, new_hosts: NewHosts, through: bool) -> None:
    suspect, hosts, begun = sshd("suspect"), new_hosts(FOR_EVER), threading.Event()
    via = sshd("sibling").host() if through else None
    script = Program("echo ready\nsleep 600\n", on_line=lambda _: begun.set())
    run = close_while(hosts, lambda: hosts.run(suspect.host(), script, via=via, within_s=FOR_EVER), begun.is_set)
    assert (run.trouble, run.note) == (Trouble.PROTOCOL_ERROR, "this run gave up the connection")


@pytest.mark.parametrize("through", [False, True])
def test_close_ends_a_connecting_and_it_does_not_look_like_silence(
    sshd: NewServer, new_hosts: NewHosts, silent_port: int, through: bool
) -> None:
    suspect, hosts = sshd("suspect"), new_hosts(FOR_EVER)
    via = sshd("sibling").host() if through else None
    run = close_while(
        hosts,
        lambda: hosts.run(at_port(suspect, silent_port), TRUE, via=via, within_s=FOR_EVER),
        lambda: connecting_to(silent_port),
    )
    assert run.trouble is Trouble.PROTOCOL_ERROR


@pytest.mark.parametrize("through", [False, True])
def test_close_ends_a_login(sshd: NewServer, new_hosts: NewHosts, mute_port: int, through: bool) -> None:
    suspect, hosts = sshd("suspect"), new_hosts(FOR_EVER)
    via = sshd("sibling").host() if through else None
    run = close_while(
        hosts,
        lambda: hosts.run(at_port(suspect, mute_port), TRUE, via=via, within_s=FOR_EVER),
        lambda: f":{mute_port:04X} 01" in Path("/proc/self/net/tcp").read_text(),
    )
    assert run.trouble is Trouble.PROTOCOL_ERROR


def test_close_does_not_wait_for_a_sibling_that_has_stopped_reading(sshd: NewServer, new_hosts: NewHosts) -> None:
    suspect, sibling, hosts, frozen = sshd("suspect"), sshd("sibling"), new_hosts(FOR_EVER), threading.Event()

    def freeze(_: str) -> None:
        sibling.freeze()
        frozen.set()

    script = Program("echo ready\nsleep 600\n" + "# padding\n" * 2_000_000, on_line=freeze)
    run = close_while(
        hosts, lambda: hosts.run(suspect.host(), script, via=sibling.host(), within_s=FOR_EVER), frozen.is_set
    )
    assert run.trouble is Trouble.PROTOCOL_ERROR


def test_after_close_nothing_is_begun(sshd: NewServer, hosts: Hosts) -> None:
    suspect = sshd("suspect")
    hosts.run(suspect.host(), TRUE, within_s=5)
    hosts.close()
    hosts.close()
    assert hosts.run(suspect.host(), TRUE, within_s=5).trouble is Trouble.PROTOCOL_ERROR


LEAVE = """
import sys, threading
from dataclasses import replace
from hafence.adapters.hosts.program import Program
from hafence.adapters.ssh.connections import Hosts
from hafence.core.model import Host, HostName, SshSettings

address, port, identity, known_hosts, user = sys.argv[1:6]
host = Host(HostName("suspect"), "lab", address, ssh=SshSettings(user, int(port), identity, known_hosts, sudo=False))
hosts, ready = Hosts({}, 600), threading.Event()
wait = Program("echo ready; sleep 600\\n", on_line=lambda _: ready.set())
threading.Thread(target=lambda: hosts.run(host, wait, within_s=600), daemon=True).start()
assert ready.wait(20)
hosts.run(replace(host, ssh=replace(host.ssh, known_hosts="/nonexistent")), Program(""), within_s=5)
hosts.run(replace(host, ssh=replace(host.ssh, identity_file="/nonexistent")), Program(""), within_s=5)
hosts.run(replace(host, ssh=replace(host.ssh, port=int(sys.argv[6]))), Program(""), within_s=5)
"""


def test_a_process_can_leave_without_closing_and_faults_print_nothing(
    sshd: NewServer, hosts: Hosts, silent_port: int
) -> None:
    server = sshd("suspect")
    ssh = server.host().ssh
    arguments = [server.address, str(server.port), str(server.identity), str(server.known_hosts), ssh.user, "1"]
    done = subprocess.run(
        [sys.executable, "-c", LEAVE, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
