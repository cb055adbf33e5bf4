"""Each way in which a direct connection can fail has its own trouble, on real sshd's."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hafence.adapters.hosts.program import Program
from hafence.adapters.ssh.connections import Hosts
from hafence.core.model import Host
from hafence.core.troubles import Trouble
from tests.lab.require import require

from .conftest import NewHosts, NewServer
from .servers import Server, free_port, make_key, public, wait_for

TRUE = Program("exit 0\n")


@pytest.fixture
def server(sshd: NewServer) -> Server:
    return sshd("suspect")


def at_port(server: Server, port: int) -> Host:
    host = server.host()
    return replace(host, ssh=replace(host.ssh, port=port))


# ------------------------------------------------ the connection


def test_a_refused_connection(server: Server, hosts: Hosts) -> None:
    run = hosts.run(at_port(server, free_port()), TRUE, within_s=5)
    assert (run.trouble, run.exit_status) == (Trouble.REFUSED, None)


def test_a_connection_that_nobody_answers(server: Server, new_hosts: NewHosts, silent_port: int) -> None:
    run = new_hosts(1.0).run(at_port(server, silent_port), TRUE, within_s=5)
    assert run.trouble is Trouble.TIMED_OUT


def test_a_name_that_means_nothing(server: Server, new_hosts: NewHosts) -> None:
    host = replace(server.host(), address="nowhere.invalid")
    assert new_hosts(5.0).run(host, TRUE, within_s=5).trouble is Trouble.NAME_UNKNOWN


def test_a_port_that_takes_the_connection_and_says_nothing(server: Server, new_hosts: NewHosts, mute_port: int) -> None:
    run = new_hosts(0.5).run(at_port(server, mute_port), TRUE, within_s=5)
    assert (run.trouble, run.note) == (Trouble.NO_BANNER, "")


def test_a_stopped_sshd_gives_no_banner(server: Server, new_hosts: NewHosts) -> None:
    server.freeze_listener()
    run = new_hosts(0.5).run(server.host(), TRUE, within_s=5)
    assert (run.trouble, run.note) == (Trouble.NO_BANNER, "")


def test_words_of_a_stranger_at_the_port_are_not_repeated(server: Server, new_hosts: NewHosts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                caller.sendall(b"the secret word\r\n")
                caller.close()

        threading.Thread(target=speak, daemon=True).start()
        run = new_hosts(2.0).run(at_port(server, listener.getsockname()[1]), TRUE, within_s=5)
        listener.shutdown(socket.SHUT_RDWR)
    assert run.trouble is Trouble.NO_BANNER
    assert "secret" not in f"{run.note}{run.stdout}{run.stderr}"


def test_an_sshd_that_is_too_busy_is_asked_again(sshd: NewServer, hosts: Hosts) -> None:
    server = sshd("suspect", settings=("MaxStartups 1",))
    with socket.create_connection((server.address, server.port)) as other:
        assert other.recv(4) == b"SSH-"

        def go_away_once_somebody_was_dropped() -> None:
            wait_for(lambda: "drop connection" in (server.folder / "log").read_text(), "sshd drops a connection")
            other.shutdown(socket.SHUT_RDWR)

        leaver = threading.Thread(target=go_away_once_somebody_was_dropped)
        leaver.start()
        run = hosts.run(server.host(), TRUE, within_s=5)
        leaver.join()
    assert (run.trouble, run.exit_status) == (None, 0)


def test_an_sshd_that_stays_busy_is_not_asked_for_ever(sshd: NewServer, hosts: Hosts) -> None:
    server = sshd("suspect", settings=("MaxStartups 1",))
    with socket.create_connection((server.address, server.port)) as other:
        assert other.recv(4) == b"SSH-"
        run = hosts.run(server.host(), TRUE, within_s=5)
    assert (run.trouble, run.note) == (Trouble.NO_BANNER, "it closed the connection")


# ------------------------------------------------ host keys


def test_an_unknown_host_key(server: Server, hosts: Hosts) -> None:
    server.trust()
    run = hosts.run(server.host(), TRUE, within_s=5)
    assert run.trouble is Trouble.HOST_KEY_UNKNOWN
    assert str(server.known_hosts) in run.note


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("@cert-authority [127.0.0.1]:*", "only an authority that vouches for it (@cert-authority)"),
        ("@cert-authority *.elsewhere", ""),
        ("127.0.0.1", "only one without the port"),
    ],
)
def test_what_known_hosts_says_of_a_host_and_hafence_does_not_take_is_named(
    server: Server, hosts: Hosts, names: str, says: str
) -> None:
    server.known_hosts.write_text(f"{names} {public(server.folder / 'host_ed25519')}\n")
    run = hosts.run(server.host(), TRUE, within_s=5)
    assert run.trouble is Trouble.HOST_KEY_UNKNOWN
    assert says in run.note
    assert says or run.note.endswith(server.known_name)


def test_a_known_hosts_file_that_is_missing_is_named(server: Server, hosts: Hosts) -> None:
    server.known_hosts.unlink()
    run = hosts.run(server.host(), TRUE, within_s=5)
    assert run.trouble is Trouble.HOST_KEY_UNKNOWN
    assert str(server.known_hosts) in run.note
    assert "No such file" in run.note


def test_a_missing_known_hosts_file_does_not_hide_that_a_host_refuses(server: Server, hosts: Hosts) -> None:
    server.known_hosts.unlink()
    assert hosts.run(at_port(server, free_port()), TRUE, within_s=5).trouble is Trouble.REFUSED


def test_no_known_hosts_file_at_all(server: Server, hosts: Hosts) -> None:
    run = hosts.run(server.host(known_hosts=None), TRUE, within_s=5)
    assert (run.trouble, run.note) == (Trouble.HOST_KEY_UNKNOWN, "no known_hosts file is set for it")


def test_a_changed_host_key(server: Server, hosts: Hosts, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    server.known_hosts.write_text(f"{server.known_name} {public(other)}\n")
    run = hosts.run(server.host(), TRUE, within_s=5)
    assert run.trouble is Trouble.HOST_KEY_CHANGED


def test_a_key_that_is_known_for_another_port_does_not_count(server: Server, hosts: Hosts) -> None:
    server.known_hosts.write_text(f"127.0.0.1 {public(server.folder / 'host_ed25519')}\n")
    assert hosts.run(server.host(), TRUE, within_s=5).trouble is Trouble.HOST_KEY_UNKNOWN


def test_a_revoked_host_key(server: Server, hosts: Hosts) -> None:
    with server.known_hosts.open("a") as file:
        file.write(f"@revoked * {public(server.folder / 'host_ed25519')}\n")
    run = hosts.run(server.host(), TRUE, within_s=5)
    assert run.trouble is Trouble.HOST_KEY_CHANGED
    assert "revoked" in run.note


def test_either_of_two_known_keys_is_accepted(server: Server, hosts: Hosts, tmp_path: Path) -> None:
    right = server.known_hosts.read_text()
    server.known_hosts.write_text(f"{server.known_name} {public(make_key(tmp_path / 'old'))}\n{right}")
    assert hosts.run(server.host(), TRUE, within_s=5).trouble is None


def test_hashed_names_are_understood(server: Server, hosts: Hosts) -> None:
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", server.known_hosts], check=True, capture_output=True)
    assert "|1|" in server.known_hosts.read_text()
    assert hosts.run(server.host(), TRUE, within_s=5).trouble is None


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_host_with_many_keys_is_asked_for_the_known_one(sshd: NewServer, hosts: Hosts, kind: str) -> None:
    server = sshd("suspect", key_kinds=("ed25519", "ecdsa", "rsa"))
    server.trust(f"host_{kind}")
    assert hosts.run(server.host(), TRUE, within_s=5).trouble is None


# ------------------------------------------------ the login


def test_a_refused_login(server: Server, hosts: Hosts, tmp_path: Path) -> None:
    stranger = make_key(tmp_path / "stranger")
    run = hosts.run(server.host(identity_file=str(stranger)), TRUE, within_s=5)
    assert (run.trouble, run.note) == (Trouble.LOGIN_FAILED, "")


@pytest.mark.lab
def test_a_login_that_stalls(sshd: NewServer, new_hosts: NewHosts) -> None:
    require("sshd")
    stall = ("AuthorizedKeysCommand /bin/sleep 60", "AuthorizedKeysCommandUser root")
    server = sshd("suspect", settings=stall)
    server.authorize('from="192.0.2.1"')
    run = new_hosts(1.0).run(server.host(), TRUE, within_s=5)
    assert (run.trouble, run.note) == (Trouble.LOGIN_FAILED, "the login was not answered in time")


def test_a_missing_identity_file_is_named(server: Server, hosts: Hosts, tmp_path: Path) -> None:
    run = hosts.run(server.host(identity_file=str(tmp_path / "gone")), TRUE, within_s=5)
    assert run.trouble is Trouble.LOGIN_FAILED
    assert run.note == f"the identity file {tmp_path / 'gone'} can't be read (No such file or directory)"


def test_an_identity_file_that_cannot_be_read_is_named(server: Server, hosts: Hosts, tmp_path: Path) -> None:
    run = hosts.run(server.host(identity_file=str(tmp_path)), TRUE, within_s=5)
    assert run.trouble is Trouble.LOGIN_FAILED
    assert run.note == f"the identity file {tmp_path} can't be read (Is a directory)"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_an_identity_file_with_a_passphrase_is_told_and_never_asked_for(
    server: Server, hosts: Hosts, tmp_path: Path, kind: str
) -> None:
    locked = make_key(tmp_path / "locked", kind, passphrase="open sesame")
    run = hosts.run(server.host(identity_file=str(locked)), TRUE, within_s=5)
    assert run.trouble is Trouble.LOGIN_FAILED
    assert "has a passphrase" in run.note


@pytest.mark.parametrize("content", ["", "not a key\n", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_an_identity_file_that_is_no_key_is_named(server: Server, hosts: Hosts, tmp_path: Path, content: str) -> None:
    (tmp_path / "text").write_text(content)
    run = hosts.run(server.host(identity_file=str(tmp_path / "text")), TRUE, within_s=5)
    assert run.trouble is Trouble.LOGIN_FAILED
    assert "is not a private key" in run.note


def test_no_identity_file_at_all(server: Server, hosts: Hosts) -> None:
    run = hosts.run(server.host(identity_file=None), TRUE, within_s=5)
    assert run.trouble is Trouble.LOGIN_FAILED
    assert run.note == "no identity_file is set and no agent may be asked (agent: false)"


def test_each_agent_that_gives_no_key_is_told_as_what_it_is(
    server: Server, new_hosts: NewHosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(agent: str | None) -> str:
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        if agent is not None:
            monkeypatch.setenv("SSH_AUTH_SOCK", agent)
        run = new_hosts().run(server.host(identity_file=None, agent=True), TRUE, within_s=5)
        assert run.trouble is Trouble.LOGIN_FAILED
        return run.note

    assert "SSH_AUTH_SOCK is not set" in note(None)
    assert "no agent answers at SSH_AUTH_SOCK" in note(str(tmp_path / "nobody"))
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(tmp_path / "hangs"))
        hangs.listen()
        assert "does not answer" in note(str(tmp_path / "hangs"))
    command = ["ssh-agent", "-D", "-a", str(tmp_path / "agent")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as agent:
        try:
            wait_for((tmp_path / "agent").exists, "the agent listens")
            assert "holds no key" in note(str(tmp_path / "agent"))
            added = {**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "agent")}
            subprocess.run(["ssh-add", "-q", str(server.identity)], env=added, check=True)
            run = new_hosts().run(server.host(identity_file=None, agent=True), TRUE, within_s=5)
            assert run.trouble is None
            server.authorize('command="true" # ')  # nobody's key
            gone = new_hosts().run(server.host(identity_file="/no/such/key", agent=True), TRUE, within_s=5)
            assert (gone.trouble, "/no/such/key" in gone.note) == (Trouble.LOGIN_FAILED, True)
        finally:
            agent.terminate()


@pytest.mark.parametrize("more", ["keyboard-interactive", "password", "publickey"])
def test_a_second_factor_is_told_and_nobody_is_asked_for_it(
    sshd: NewServer, hosts: Hosts, capfd: pytest.CaptureFixture[str], more: str
) -> None:
    """What paramiko would do: print the host's own words on stdout, and send it the next line of stdin."""
    settings = (
        "UsePAM yes",
        "KbdInteractiveAuthentication yes",
        "PasswordAuthentication yes",
        f"AuthenticationMethods publickey,{more}",
    )
    server = sshd("suspect", settings=settings)
    run = hosts.run(server.host(), TRUE, within_s=5)
    assert (run.trouble, run.exit_status) == (Trouble.SECOND_FACTOR, None)
    sibling = sshd("sibling")
    through = hosts.run(server.host(), TRUE, via=sibling.host(), within_s=5)
    assert through.trouble is Trouble.SECOND_FACTOR
    behind = hosts.run(sibling.host(), TRUE, via=server.host(), within_s=5)
    assert (behind.trouble, behind.note) == (Trouble.SIBLING_LOGIN, "it wants a second factor after the key")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("line", "kind", "theirs"),
    [
        ("KexAlgorithms sntrup761x25519-sha512@openssh.com", "key exchange (KexAlgorithms)", "sntrup761x25519"),
        ("Ciphers chacha20-poly1305@openssh.com", "cipher (Ciphers)", "chacha20-poly1305@openssh.com"),
        ("MACs umac-128-etm@openssh.com\nCiphers aes256-ctr", "MAC (MACs)", "umac-128-etm@openssh.com"),
    ],
)
def test_no_algorithm_in_common_is_told_with_both_sides(
    sshd: NewServer, hosts: Hosts, line: str, kind: str, theirs: str
) -> None:
    server = sshd("suspect", settings=(line,))
    run = hosts.run(server.host(), TRUE, within_s=5)
    assert run.trouble is Trouble.NO_ALGORITHM
    assert run.note.startswith(f"{kind}: it takes {theirs}")
    assert "; hafence knows " in run.note
    behind = hosts.run(sshd("other").host(), TRUE, via=server.host(), within_s=5)
    assert behind.trouble is Trouble.SIBLING_UNREACHABLE
    assert kind in behind.note


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_identities_of_every_kind_log_in(server: Server, hosts: Hosts, tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path / "key", kind)
    with (server.folder / "authorized_keys").open("a") as file:
        file.write(public(key) + "\n")
    assert hosts.run(server.host(identity_file=str(key)), TRUE, within_s=5).trouble is None


def test_an_agent_that_hangs_is_not_asked(
    server: Server, hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        assert hosts.run(server.host(), TRUE, within_s=5).trouble is None


# ------------------------------------------------ the program


def test_a_session_that_is_refused(sshd: NewServer, hosts: Hosts) -> None:
    server = sshd("suspect", settings=("MaxSessions 0",))
    assert hosts.run(server.host(), TRUE, within_s=5).trouble is Trouble.SESSION_REFUSED


def test_a_program_that_never_ends(server: Server, hosts: Hosts) -> None:
    run = hosts.run(server.host(), Program("echo begun\nsleep 60\n"), within_s=0.7)
    assert (run.trouble, run.exit_status, run.stdout) == (Trouble.NO_REPLY_IN_TIME, None, "begun\n")


def test_a_shell_that_is_killed_is_cut(server: Server, hosts: Hosts) -> None:
    run = hosts.run(server.host(), Program("echo ready\nkill -9 $$\n"), within_s=10)
    assert (run.trouble, run.exit_status, run.stdout) == (Trouble.CUT, None, "ready\n")


def test_a_command_that_is_killed_is_cut(server: Server, hosts: Hosts) -> None:
    run = hosts.run(server.host(), Program("kill -9 $PPID $$\n"), within_s=10)
    assert (run.trouble, run.exit_status) == (Trouble.CUT, None)


def test_a_session_that_is_killed_midway_is_cut(server: Server, hosts: Hosts) -> None:
    strike = Program("echo ready\nsleep 60\n", on_line=lambda _: server.signal_sessions(signal.SIGKILL))
    run = hosts.run(server.host(), strike, within_s=10)
    assert (run.trouble, run.exit_status, run.stdout) == (Trouble.CUT, None, "ready\n")


def test_a_host_that_freezes_midway_does_not_reply_in_time(server: Server, hosts: Hosts) -> None:
    strike = Program("echo ready\nsleep 60\n", on_line=lambda _: server.freeze())
    run = hosts.run(server.host(), strike, within_s=1)
    assert run.trouble is Trouble.NO_REPLY_IN_TIME


def test_a_host_that_freezes_while_it_is_sent_megabytes_does_not_reply_in_time(server: Server, hosts: Hosts) -> None:
    strike = Program("echo ready\nsleep 60\n" + "# padding\n" * 2_000_000, on_line=lambda _: server.freeze())
    run = hosts.run(server.host(), strike, within_s=1)
    assert run.trouble is Trouble.NO_REPLY_IN_TIME


def test_a_host_that_froze_since_its_last_answer_is_found_out_before_anything_is_sent(
    server: Server, new_hosts: NewHosts
) -> None:
    hosts = new_hosts(1.0)
    assert hosts.run(server.host(), TRUE, within_s=5).trouble is None
    server.freeze()
    assert hosts.run(server.host(), TRUE, within_s=5).trouble is Trouble.NO_BANNER


def test_a_timeout_that_is_missing_over_there_is_exit_127(server: Server, hosts: Hosts, tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    (server.home / ".bashrc").write_text(f"export PATH={bare}\n")
    run = hosts.run(server.host(), TRUE, within_s=5)
    assert (run.trouble, run.exit_status) == (None, 127)
