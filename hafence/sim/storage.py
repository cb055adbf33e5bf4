"""Shared storage: who watches an image, when a watcher is evicted, and whom the blocklist keeps out.

A watcher that is gone proves nothing: an OSD evicts a client that it has not heard of for 30 s, and the
client's qemu may live on and write again as soon as its packets pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.model import HostName
from .hosts import Qemu
from .network import STORAGE, Network

EVICTED_AFTER_S = 30.0


Client = tuple[str, int | None]
"""A client of the storage: a host, and the process that is the client; None is every client of that host."""


class SimStorage:
    """One Ceph cluster that holds the disks of every VM. `blocklist` holds until when each client is kept out."""

    __slots__ = ("blocklist", "lost_at", "up")

    def __init__(self) -> None:
        self.up = True
        self.blocklist: dict[Client, float] = {}
        self.lost_at: dict[HostName, float] = {}
        """Since when a host's packets have not reached the storage."""

    def can_write(self, qemu: Qemu, network: Network, now: float) -> bool:
        """Whether a process could write to its VM's disks at this moment."""
        host = qemu.host
        if not (qemu.alive and host.up and self.up and network.passes(host.name, STORAGE)):
            return False
        return not self.blocklist or not self.keeps_out(qemu, now)

    def keeps_out(self, qemu: Qemu, now: float) -> bool:
        """Whether the blocklist has a living entry for the process, or for its whole host."""
        name = qemu.host.name
        return any(now < self.blocklist.get(client, 0.0) for client in ((name, None), (name, qemu.pid)))

    def clients_to_block(self, vm_qemus: Iterable[Qemu], host: str) -> list[Client]:
        """The VM's clients on a host: the storage knows who holds an image's lock. If nobody does, the whole host."""
        known: list[Client] = [(host, qemu.pid) for qemu in vm_qemus if qemu.alive and qemu.host.name == host]
        return known or [(host, None)]

    def lift(self, host: str) -> bool:
        """Let a host in again. Whether anything of it was kept out."""
        entries = [client for client in self.blocklist if client[0] == host]
        for client in entries:
            del self.blocklist[client]
        return bool(entries)

    def watchers(self, qemus: Iterable[Qemu], network: Network, now: float) -> list[str]:
        """The hosts whose clients `rbd status` still names."""
        seen = set()
        for qemu in qemus:
            lost = self.lost_at.get(HostName(qemu.host.name))
            if qemu.alive and (lost is None or now - lost < EVICTED_AFTER_S) and not self.keeps_out(qemu, now):
                seen.add(qemu.host.name)
        return sorted(seen)
