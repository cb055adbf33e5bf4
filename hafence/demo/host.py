"""A host of the demo: an SSH server with the user's own rights, a sibling for tunnels, and its faults.

It behaves as sshd does: public key only, one process per session, nothing killed when a session ends, and
the system's own words when a tunnel can't be opened. A host without power is silent for a real reason: its
socket still listens and its queue is full, so the kernel drops every SYN and a connection times out. (A
closed port would answer with RST, and RST is a sign of life.)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from .layout import HOSTS, DemoHost

BLOCK = 65536
QUEUE = 128
_SIBLINGS = frozenset(host.address for host in HOSTS)
"""A tunnel comes from its sibling's address; whatever comes from another is the admin node."""


def make_key(path: Path) -> str:
    """A new key in a file that only its owner can read; the answer is its public half."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.export_private_key())
    public: bytes = key.export_public_key()
    return public.decode().strip()


@dataclass(slots=True)
class Spawned:
    """The processes whose end asyncio waits for, so that nobody else does.

    `under_way` counts those that exist perhaps and have no entry yet.
    """

    pids: set[int] = field(default_factory=set)
    under_way: int = 0


class SshHost:
    """One host's SSH server on its own address."""

    def __init__(self, host: DemoHost, environment: Mapping[str, str], spawned: Spawned) -> None:
        self.host = host
        self.environment = dict(environment)
        self.spawned = spawned
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setblocking(False)
        self.listener.bind((host.address, 0))
        self.listener.listen(QUEUE)
        self.port: int = self.listener.getsockname()[1]
        self.peers: set[tuple[str, int]] = set()
        """What a tunnel may lead to: the SSH servers of this demo and nothing else."""
        self.cut = False
        self.held: set[socket.socket] = set()
        self._fillers: list[socket.socket] = []
        self._accepting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._options: asyncssh.SSHServerConnectionOptions | None = None
        self.connections: set[asyncssh.SSHServerConnection] = set()

    async def open(self, host_key: Path, authorized_keys: Path) -> None:
        """Begin to take connections."""
        self._options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: _Server(self),
            process_factory=self._session,
            server_host_keys=[str(host_key)],
            authorized_client_keys=str(authorized_keys),
            password_auth=False,
            kbdint_auth=False,
            encoding=None,
            agent_forwarding=False,
            x11_forwarding=False,
            allow_pty=False,
            login_timeout=10,
        )
        self._accepting = asyncio.create_task(self._accept())

    async def power_off(self) -> None:
        """Fall silent: what is connected hangs no longer, what connects gets no answer at all."""
        if self._accepting is not None:
            self._accepting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._accepting
        for connection in tuple(self.connections):
            connection.abort()
        self.release()
        self.listener.listen(0)
        while await self._fill():
            pass

    def power_on(self) -> None:
        """Answer again."""
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        with contextlib.suppress(BlockingIOError):
            while True:
                self.listener.accept()[0].close()
        self.listener.listen(QUEUE)
        self._accepting = asyncio.create_task(self._accept())

    def release(self) -> None:
        """Let go of the connections that were held without an answer."""
        for held in self.held:
            held.close()
        self.held.clear()

    async def _fill(self) -> bool:
        """Put one connection into the queue; whether there was still room."""
        filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        filler.setblocking(False)
        self._fillers.append(filler)
        try:
            await asyncio.wait_for(
                asyncio.get_running_loop().sock_connect(filler, (self.host.address, self.port)), timeout=0.2
            )
        except TimeoutError:
            return False
        return True

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, source = await loop.sock_accept(self.listener)
            if self.cut and source[0] not in _SIBLINGS:
                self.held.add(connection)
                continue
            task = asyncio.create_task(self._serve(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
            ssh = await asyncssh.run_server(connection, options=self._options)
            await ssh.wait_closed()

    async def tunnel(self, address: str, port: int) -> asyncssh.SSHForwarder:
        """Connect to another host as its sibling: from this host's own address, with the system's words on failure."""
        if (address, port) not in self.peers:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
        loop = asyncio.get_running_loop()
        try:
            _, peer = await loop.create_connection(
                asyncssh.SSHForwarder, address, port, local_addr=(self.host.address, 0)
            )
        except OSError as error:
            words = os.strerror(error.errno) if error.errno else "open failed"
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, words) from None
        return asyncssh.SSHForwarder(peer)

    async def _session(self, session: asyncssh.SSHServerProcess[bytes]) -> None:
        """One remote command, run by a shell with pipes, until it has ended and said all."""
        if session.command is None:
            session.stderr.write(b"a host of the demo runs commands only\n")
            session.exit(1)
            return
        self.spawned.under_way += 1
        try:
            child = await asyncio.create_subprocess_exec(
                "/bin/sh", "-c", session.command,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env=self.environment, cwd=self.environment["HOME"], start_new_session=True,
            )  # fmt: skip
            self.spawned.pids.add(child.pid)
        finally:
            self.spawned.under_way -= 1
        try:
            feeding = asyncio.create_task(_feed(session.stdin, child.stdin))
            await asyncio.gather(_pass_on(child.stdout, session.stdout), _pass_on(child.stderr, session.stderr))
            status = await child.wait()
            feeding.cancel()
        finally:
            self.spawned.pids.discard(child.pid)
        with contextlib.suppress(OSError, asyncssh.Error):
            if status < 0:
                session.exit_with_signal("KILL" if status == -9 else "TERM")
            else:
                session.exit(status)


class _Server(asyncssh.SSHServer):
    """What asyncssh asks about one connection."""

    def __init__(self, host: SshHost) -> None:
        self.host = host
        self.connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Somebody connected; the login comes later."""
        self.connection = conn
        self.host.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        if self.connection is not None:
            self.host.connections.discard(self.connection)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        """A tunnel is wanted."""
        return self.host.tunnel(dest_host, dest_port)


async def _feed(source: asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter | None) -> None:
    assert sink is not None
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(BLOCK):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError):
        sink.close()


async def _pass_on(source: asyncio.StreamReader | None, sink: asyncssh.SSHWriter[bytes]) -> None:
    """Also when nobody listens any longer: the command runs on, as it does under sshd."""
    assert source is not None
    while data := await source.read(BLOCK):
        with contextlib.suppress(OSError, asyncssh.Error):
            sink.write(data)
            await sink.drain()
