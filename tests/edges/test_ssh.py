"""A host that speaks anything but SSH, or breaks off in the middle of it: it lives, and nothing was learnt from it."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafence.adapters.hosts.program import Program
from hafence.adapters.ssh.connections import Hosts
from hafence.adapters.ssh.keys import Keys
from hafence.adapters.ssh.known_hosts import read_known_hosts
from hafence.core.attempts import FenceOrder, Reply, Verdict
from hafence.core.looks import Silence, shows_life
from hafence.core.model import Host, HostName, SshSettings, Uuid
from hafence.core.replies import interpret
from hafence.core.troubles import Trouble

from .bend import bent_by, examples, seeded

NAME = HostName("kvm-01")
VM = Uuid("6d6f6a5a-0000-4000-8000-000000000001")
KEY = paramiko.ECDSAKey.generate()


def beginning_of_ssh() -> bytes:
    """What a real server says at first: its banner, and its offer of ciphers and keys."""
    here, there = socket.socketpair()
    with here, there, contextlib.closing(paramiko.Transport(there)) as server:
        server.add_server_key(KEY)
        server.start_server(threading.Event())
        here.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        here.settimeout(10)
        said = b""
        while b"\n" not in said or len(said) < 500:
            said += here.recv(65536)
    return said


class Speaker:
    """Says the same to whoever connects, then closes."""

    def __init__(self) -> None:
        self.says = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(self.says)
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(5)
                    while connection.recv(65536):
                        pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture(scope="module")
def speaker() -> Iterator[Speaker]:
    speaker = Speaker()
    yield speaker
    speaker.close()


@pytest.fixture(scope="module")
def opening() -> bytes:
    return beginning_of_ssh()


@pytest.fixture(scope="module")
def known_hosts(speaker: Speaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("edges-ssh") / "known_hosts"
    path.write_text(f"[127.0.0.1]:{speaker.port} {KEY.get_name()} {KEY.get_base64()}\n")
    return path


def check(speaker: Speaker, known_hosts: Path, says: bytes) -> None:
    speaker.says = says
    ssh = SshSettings(port=speaker.port, known_hosts=str(known_hosts))
    host = Host(NAME, "lab", "127.0.0.1", ssh=ssh)
    hosts = Hosts({NAME: host}, 1.0)
    try:
        run = hosts.run(host, Program("echo\n"), within_s=1.0)
    finally:
        hosts.close()
    assert run.trouble is not None
    assert (run.exit_status, run.stdout) == (None, "")
    assert run.note.isprintable()
    assert shows_life(Silence(NAME, 0.0, run.trouble, run.note)), run.trouble
    order = FenceOrder(NAME, HostName("kvm-02"), (VM,), 20.0, 1.0, 1e10)
    reply = Reply("0" * 16, run.trouble, run.exit_status, run.stdout, run.seconds, time.time(), run.note)
    assert interpret(order, reply).readings[VM].verdict is Verdict.AMBIGUOUS


@settings(max_examples=examples(12))
@given(chance=seeded)
def test_a_bent_beginning_of_ssh_is_life_and_no_answer(
    speaker: Speaker, known_hosts: Path, opening: bytes, chance: random.Random
) -> None:
    check(speaker, known_hosts, bent_by(chance, opening))


@settings(max_examples=examples(4))
@given(noise=st.binary(max_size=2000))
def test_bytes_are_life_and_no_answer(speaker: Speaker, known_hosts: Path, noise: bytes) -> None:
    check(speaker, known_hosts, b"SSH-2.0-" + noise)


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"\n" * 100_000,
        b"x" * 300_000,
        b"SSH-2.0-" + b"x" * 300_000,
        b"SSH-1.5-old\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-x\r\n" + b"\xff" * 1000,
        b"SSH-2.0-x\r\n" + b"\0\0\0\0" * 1000,
        b"SSH-2.0-x\r\n" + b"\x00\x00\x00\x0c\x0a\x14" + b"\0" * 100,
    ],
    ids=["nothing", "lines", "long-line", "long-banner", "old", "http", "huge-packet", "empty-packets", "short-offer"],
)
def test_what_is_no_ssh_is_life_and_no_answer(
    speaker: Speaker, known_hosts: Path, says: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    check(speaker, known_hosts, says)
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


@settings(max_examples=examples(200))
@given(chance=seeded)
def test_a_bent_known_hosts_file_vouches_for_no_other_key(chance: random.Random) -> None:
    kind, blob = KEY.get_name(), KEY.get_base64()
    whole = f"# collected\n10.0.0.11 {kind} {blob}\n@revoked 10.0.0.12 {kind} {blob}\n|1|c2FsdA==|ZGln {kind} {blob}\n"
    known = read_known_hosts(bent_by(chance, whole.encode()).decode("utf-8", "replace"))
    other = paramiko.ECDSAKey.generate().get_base64()
    for name in ("10.0.0.11", "10.0.0.12", "10.0.0.13"):
        assert all(key.blob != other for key in known.keys_of(name))


def test_a_known_hosts_file_or_a_key_that_is_none_is_told(tmp_path: Path) -> None:
    ssh = SshSettings(known_hosts=str(tmp_path), identity_file=str(tmp_path))
    host = Host(NAME, "lab", "127.0.0.1", ssh=ssh)
    assert "can't be read" in Keys().identity(host).problem
    for content in (b"", b"\0" * 5000, b"-----BEGIN OPENSSH PRIVATE KEY-----\n!!!\n", b"\xff" * 5000):
        (tmp_path / "id").write_bytes(content)
        there = Host(NAME, "lab", "127.0.0.1", ssh=SshSettings(identity_file=str(tmp_path / "id")))
        assert "not a private key" in Keys().identity(there).problem


def test_every_trouble_is_known_here() -> None:
    silent = {trouble for trouble in Trouble if not shows_life(Silence(NAME, 0.0, trouble))}
    assert silent == {Trouble.TIMED_OUT, Trouble.NO_ROUTE, Trouble.FAST_NO_ROUTE, Trouble.NAME_UNKNOWN}
