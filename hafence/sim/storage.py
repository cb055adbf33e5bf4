"""Shared storage: who watches an image, when a watcher is evicted, and whom the blocklist keeps out.

A watcher that is gone proves nothing: an OSD evicts a client that it has not heard of for 30 s, and the
client's qemu may live on and write again as soon as its packets pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.model import HostName, Uuid
from .hosts import Qemu
from .network import STORAGE, Network

EVICTED_AFTER_S = 30.0


Client = tuple[str, int | None]
"""A client of the storage: a host, and the process that is the client; None is every client of that host."""


class SimStorage:
    """One Ceph cluster that holds the disks of every VM. `blocklist` holds until when each client is kept out."""

    __slots__ = ("blocklist", "ended", "forbids", "locks", "lost_at", "unwatched", "up")

    def __init__(self) -> None:
        self.up = True
        self.forbids = False
        """Whether those who ask may look, and change nothing."""
        self.blocklist: dict[Client, float] = {}
        self.lost_at: dict[HostName, float] = {}
        """Since when a host's packets have not reached the storage."""
        self.locks: dict[Uuid, Client] = {}
        """Who took the lock of a VM's images last. A client that dies leaves it behind."""
        self.ended: dict[tuple[Uuid, str, int], float] = {}
        """When a VM's client, a process on a host, was killed: it counts as a watcher until it is evicted."""
        self.unwatched: set[Client] = set()
        """Clients that were shut out: they watch no more, even when they are let in again and can write."""

    def reaches(self, qemu: Qemu, network: Network) -> bool:
        """Whether a process lives and its packets get to the storage."""
        return qemu.alive and qemu.host.up and self.up and network.passes(qemu.host.name, STORAGE)

    def can_write(self, qemu: Qemu, network: Network, now: float) -> bool:
        """Whether a process could write to its VM's disks in Ceph at this moment."""
        return self.reaches(qemu, network) and not self.keeps_out(qemu, now)

    def keeps_out(self, qemu: Qemu, now: float) -> bool:
        """Whether the blocklist has a living entry for the process, or for its whole host."""
        if not self.blocklist:
            return False
        name = qemu.host.name
        return any(now < self.blocklist.get(client, 0.0) for client in ((name, None), (name, qemu.pid)))

    def lapsed(self, qemu: Qemu, now: float) -> bool:
        """Whether an entry that had kept the process out has ended by itself."""
        clients: set[Client] = {(qemu.host.name, None), (qemu.host.name, qemu.pid)}
        return not clients.isdisjoint(self.blocklist) and not self.keeps_out(qemu, now)

    def begins(self, qemu: Qemu, network: Network, now: float) -> None:
        """A process opens its VM's images, and takes their lock if it can, and they have one."""
        if qemu.locks_its_images and self.can_write(qemu, network, now):
            self.locks[qemu.vm] = (qemu.host.name, qemu.pid)

    def ends(self, qemu: Qemu, clean: bool, now: float) -> None:
        """A process ends. One that was asked to closes its images; one that was killed leaves lock and watch behind."""
        client = (qemu.host.name, qemu.pid)
        if clean:
            if self.locks.get(qemu.vm) == client:
                del self.locks[qemu.vm]
        elif client not in self.unwatched:
            self.ended[qemu.vm, qemu.host.name, qemu.pid] = now

    def block(self, client: Client, now: float, lasts_s: float, there: Iterable[Qemu]) -> bool:
        """Shut a client out, or every client of a host; `there` are the processes on it. Whether an entry was added:
        the end of one that is there does not move."""
        host, pid = client
        self.unwatched |= {(host, qemu.pid) for qemu in there if pid in (None, qemu.pid)}
        if now < self.blocklist.get(client, 0.0):
            return False
        self.blocklist[client] = now + lasts_s
        return True

    def unblock(self, client: Client) -> None:
        """Remove an entry, if there is one."""
        self.blocklist.pop(client, None)

    def watchers(self, vm: Uuid, qemus: Iterable[Qemu], now: float) -> list[Client]:
        """The clients that `rbd status` still names."""
        seen = {(host, pid) for (of, host, pid), at in self.ended.items() if of == vm and now - at < EVICTED_AFTER_S}
        for qemu in qemus:
            lost = self.lost_at.get(HostName(qemu.host.name))
            client = (qemu.host.name, qemu.pid)
            if qemu.alive and (lost is None or now - lost < EVICTED_AFTER_S) and client not in self.unwatched:
                seen.add(client)
        return sorted(seen)
