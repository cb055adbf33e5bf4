"""Effects on storages: which host is asked, over SSH or on the admin node itself, and by which adapter."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..adapters.hosts.program import Program, ProgramResult
from ..adapters.local.addresses import own_addresses
from ..adapters.local.here import run_here
from ..adapters.ssh.connections import Hosts
from ..adapters.storage.ceph import Carry, CephStorage
from ..adapters.storage.port import Storage
from ..core.model import Cluster, Inventory
from ..core.storage.port import Asker, ClientsSeen, EntriesSeen, Unanswered, WritableDisk
from ..core.storage.rehearsal import Rehearsal
from ..effects import AddEntries, AskClients, ListEntries, OwnAddresses, RehearseStorage, RemoveEntries, WritableDisks
from .definitions import Definitions

WITHIN_S = 30.0
"""One conversation with a storage, the login included."""


def _ceph(cluster: Cluster, carry: Carry) -> Storage:
    assert cluster.ceph is not None, "nobody asks a Ceph that is not there"
    return CephStorage(cluster.ceph, carry)


_STORAGES: Mapping[str, Callable[[Cluster, Carry], Storage]] = {"ceph": _ceph}
"""The adapters, by the storage's name in core/storage/registry.py."""


class StoragePerformer:
    """The storages' effects, for one run."""

    def __init__(self, inventory: Inventory, hosts: Hosts, definitions: Definitions) -> None:
        self._inventory = inventory
        self._definitions = definitions
        self._hosts = hosts

    def writable_disks(self, effect: WritableDisks) -> tuple[WritableDisk, ...] | Unanswered:
        """What a VM could write to, by its domain XML; nothing where it has none."""
        vm = self._inventory.vms[effect.vm]
        domain = self._definitions.readable(vm)
        if domain is not None:
            return domain.writable
        why_not = self._definitions.source(vm).why_not
        return Unanswered(why_not) if why_not and vm.domain_xml is not None else ()

    def own_addresses(self, effect: OwnAddresses) -> tuple[str, ...]:
        """This machine's addresses towards others."""
        return own_addresses(effect.towards)

    def ask_clients(self, effect: AskClients) -> ClientsSeen[Any] | Unanswered:
        """Who the clients of volumes are."""
        return self._storage(effect.asker, effect.not_after).ask_clients(
            effect.volumes, effect.servers, effect.not_after
        )

    def list_entries(self, effect: ListEntries) -> EntriesSeen[Any] | Unanswered:
        """Whom the storage shuts out."""
        return self._storage(effect.asker, effect.not_after).list_entries(effect.not_after)

    def add_entries(self, effect: AddEntries) -> EntriesSeen[Any] | Unanswered:
        """Shut clients out, and read that back."""
        storage = self._storage(effect.asker, effect.not_after)
        return storage.add_entries(effect.clients, effect.anew, effect.not_after)

    def remove_entries(self, effect: RemoveEntries) -> EntriesSeen[Any] | Unanswered:
        """Let clients in, and read that back."""
        return self._storage(effect.asker, effect.not_after).remove_entries(effect.clients, effect.not_after)

    def rehearse(self, effect: RehearseStorage) -> Rehearsal | Unanswered:
        """Ask whether a storage fence could be made."""
        return self._storage(effect.asker, effect.not_after).rehearse(effect.not_after)

    def _storage(self, asker: Asker, not_after: float) -> Storage:
        def carry(program: Program) -> tuple[ProgramResult, float]:
            sent = time.time()
            within_s = max(1.0, min(WITHIN_S, not_after - sent))
            if asker.host is None:
                run = run_here(program, within_s)
            else:
                run = self._hosts.run(self._inventory.hosts[asker.host], program, within_s=within_s)
            # A process that was suspended reads an old answer when it wakes; it must not look fresh.
            return run, min(time.time(), sent + WITHIN_S)

        return _STORAGES[asker.storage](self._inventory.clusters[asker.cluster], carry)
