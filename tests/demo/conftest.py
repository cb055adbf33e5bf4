"""A cluster of the demo, and an SSH client of asyncssh's own, so that these tests stand without hafence's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import asyncssh
import pytest

from hafence.core.model import HostName
from hafence.demo.cluster import DemoCluster
from hafence.inventory.yaml_tree import read_inventory


@dataclass(frozen=True)
class Client:
    """Logs in to hosts of a cluster, straight or through a sibling."""

    cluster: DemoCluster

    def address(self, host: str) -> tuple[str, int]:
        inventory = read_inventory(str(self.cluster.folder / "inventory.yaml"))
        found = inventory.hosts[HostName(host)]
        return found.address, found.ssh.port

    def run(
        self, host: str, command: str, via: str | None = None, stdin: str = "", login_s: float = 10
    ) -> tuple[int, str]:
        """The exit status and the output of a command."""
        return asyncio.run(self._run(host, command, via, stdin, login_s))

    async def _run(self, host: str, command: str, via: str | None, stdin: str, login_s: float) -> tuple[int, str]:
        options = {
            "username": "demo",
            "client_keys": [str(self.cluster.folder / "id_ed25519")],
            "known_hosts": str(self.cluster.folder / "known_hosts"),
            "config": None,
            "login_timeout": login_s,
            "connect_timeout": login_s,
        }
        if via is None:
            async with asyncssh.connect(*self.address(host), **options) as connection:
                done = await connection.run(command, input=stdin)
        else:
            async with (
                asyncssh.connect(*self.address(via), **options) as sibling,
                asyncssh.connect(*self.address(host), tunnel=sibling, **options) as connection,
            ):
                done = await connection.run(command, input=stdin)
        return int(done.exit_status or 0), str(done.stdout)


@pytest.fixture
def cluster() -> Iterator[DemoCluster]:
    with DemoCluster() as cluster:
        yield cluster


@pytest.fixture
def client(cluster: DemoCluster) -> Client:
    return Client(cluster)
