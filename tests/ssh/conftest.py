"""Fixtures: an identity, sshd's on loopback, and the connections of a run; all of it gone after the test."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hafence.adapters.ssh.connections import Hosts
from tests.lab.require import find_program, lack

from .servers import Server, make_key

NewServer = Callable[..., Server]
NewHosts = Callable[..., Hosts]


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for program in ("sshd", "ssh-keygen"):
        if find_program(program) is None:
            lack(f"needs {program} (Debian package openssh-server)")
    user = pwd.getpwuid(os.getuid())
    if subprocess.run([user.pw_shell or "/bin/sh", "-c", "exit 0"], capture_output=True, check=False).returncode != 0:
        lack(f"needs a user with a login shell ({user.pw_name} has {user.pw_shell})")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    return make_key(tmp_path_factory.mktemp("identity") / "id")


@pytest.fixture
def sshd(tmp_path: Path, identity: Path) -> Iterator[NewServer]:
    """Starts servers: `sshd("suspect", settings=("MaxSessions 0",))`."""
    with contextlib.ExitStack() as stack:

        def new(name: str, *, start: bool = True, **options: Any) -> Server:
            server = Server(tmp_path / name, identity, name, **options)
            stack.callback(server.kill)
            return server.start() if start else server

        yield new


@pytest.fixture
def new_hosts() -> Iterator[NewHosts]:
    with contextlib.ExitStack() as stack:

        def new(connect_timeout_s: float = 5.0) -> Hosts:
            hosts = Hosts({}, connect_timeout_s)
            stack.callback(hosts.close)
            return hosts

        yield new


@pytest.fixture
def hosts(new_hosts: NewHosts) -> Hosts:
    return new_hosts()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose SYNs nobody answers: the kernel drops them while the queue of the listener is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        while True:
            caller = socket.socket()
            caller.settimeout(0.3)
            try:
                caller.connect(("127.0.0.1", port))
            except TimeoutError:
                caller.close()
                break
            stack.enter_context(caller)
        yield port


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]
