"""Effects on Ceph: which host is asked, and whose address is whose."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..adapters.hosts.program import Program, ProgramResult
from ..adapters.local.here import run_here
from ..adapters.ssh.connections import Hosts
from ..adapters.storage.ceph import (
    Asker,
    Fencer,
    Volumes,
    addresses_of,
    failed,
    known_addresses,
    own_addresses,
    volumes_of,
)
from ..core.model import CephSettings, Host, HostName, HostState, Inventory, Uuid
from ..core.storage.ceph import Client
from ..effects import FenceStorage, SecondLevelReply
from ..inventory.domain_xml import DomainError, read_domain_file

WITHIN_S = 30.0
"""One conversation with Ceph, the login included."""


class StoragePerformer:
    """The storage fence, for one run."""

    def __init__(self, inventory: Inventory, hosts: Hosts) -> None:
        self._inventory = inventory
        self._hosts = hosts
        self._earlier: dict[HostName, dict[str, set[Client]]] = {}

    def fence(self, effect: FenceStorage, until: float) -> Mapping[Uuid, SecondLevelReply]:
        """Fence the VMs' images. Who asks: the siblings in their order, then this machine."""
        suspect = self._inventory.hosts[effect.suspect]
        ceph = self._ceph(suspect)
        if ceph is None:
            return {}
        replies: dict[Uuid, SecondLevelReply] = {}
        volumes: dict[Uuid, Volumes] = {}
        for vm in effect.vms:
            try:
                volumes[vm] = self._volumes(vm)
            except DomainError as error:
                replies[vm] = failed(f"its disks are not known: {error}")
        return replies | self._fencer(suspect, ceph, effect.siblings, until).fence(
            volumes, effect.rehearse, effect.alone
        )

    def lift(self, name: HostName) -> str:
        """Remove every entry for a host's addresses. '' where there is no Ceph; begins with 'failed' if it failed."""
        fencer = self._for_host(name)
        return fencer.lift() if fencer else ""

    def renew(self, name: HostName, alone: bool) -> str:
        """Make a host's storage fence last. '' if there was nothing to do; begins with 'failed' if it failed."""
        fencer = self._for_host(name)
        return fencer.renew(alone) if fencer else ""

    def _for_host(self, name: HostName) -> Fencer | None:
        host = self._inventory.hosts.get(name)
        ceph = self._ceph(host) if host else None
        if host is None or ceph is None:
            return None
        members = self._inventory.members(host.cluster)
        siblings = tuple(h.name for h in members if h.name != name and h.state is HostState.ENABLED)
        return self._fencer(host, ceph, siblings, time.time() + 2 * WITHIN_S)

    def _ceph(self, host: Host) -> CephSettings | None:
        return self._inventory.cluster_of(host.name).ceph

    def _volumes(self, vm: Uuid) -> Volumes:
        it = self._inventory.vms[vm]
        return volumes_of(it, read_domain_file(it.domain_xml) if it.domain_xml else None)

    def _fencer(self, suspect: Host, ceph: CephSettings, siblings: tuple[HostName, ...], until: float) -> Fencer:
        hosts = [self._inventory.hosts[name] for name in siblings]
        askers = [self._through(host, until) for host in hosts]
        askers.append(Asker("the admin node", frozenset(), lambda program: run_here(program, _left(until))))
        own = own_addresses(ip for host in (suspect, *hosts) for ip in sorted(addresses_of(host)))
        known = known_addresses(suspect, self._inventory.hosts.values(), siblings, ceph.mirrors, own)
        return Fencer(ceph, suspect, known, askers, until, self._earlier.setdefault(suspect.name, {}))

    def _through(self, host: Host, until: float) -> Asker:
        def run(program: Program) -> ProgramResult:
            return self._hosts.run(host, program, within_s=_left(until))

        return Asker(host.name, addresses_of(host), run)


def _left(until: float) -> float:
    return max(1.0, min(WITHIN_S, until - time.time()))
