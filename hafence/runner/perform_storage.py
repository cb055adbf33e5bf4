"""Effects on Ceph: which host is asked, and whose address is whose."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Mapping

from ..adapters.ceph import Fencer, Volumes, failed, known_addresses, volumes_of
from ..adapters.domain_xml import DomainError, read_domain_file
from ..adapters.local import run_here
from ..adapters.program import Program
from ..adapters.program import Run as ProgramRun
from ..adapters.ssh import Hosts
from ..core.model import CephSettings, Host, HostName, HostState, Inventory, Uuid
from ..core.storage import Known
from ..effects import FenceStorage, SecondLevelReply

WITHIN_S = 30.0
"""One conversation with Ceph, the login included."""


class StoragePerformer:
    """The storage fence, for one run."""

    def __init__(self, inventory: Inventory, hosts: Hosts) -> None:
        self._inventory = inventory
        self._hosts = hosts

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
        fencer = Fencer(ceph, suspect, self._known(suspect, ceph), self._ask(effect.siblings), until)
        return replies | fencer.fence(volumes, effect.rehearse)

    def lift(self, name: HostName) -> str:
        """Remove every entry for a host's addresses. '' where there is no Ceph; begins with 'failed' if it failed."""
        host = self._inventory.hosts[name]
        ceph = self._ceph(host)
        if ceph is None:
            return ""
        members = self._inventory.members(host.cluster)
        siblings = tuple(h.name for h in members if h.name != name and h.state is HostState.ENABLED)
        fencer = Fencer(ceph, host, self._known(host, ceph), self._ask(siblings), time.time() + WITHIN_S)
        return fencer.lift()

    def _ceph(self, host: Host) -> CephSettings | None:
        return self._inventory.cluster_of(host.name).ceph

    def _volumes(self, vm: Uuid) -> Volumes:
        it = self._inventory.vms[vm]
        return volumes_of(it, read_domain_file(it.domain_xml) if it.domain_xml else None)

    def _known(self, suspect: Host, ceph: CephSettings) -> Known:
        return known_addresses(suspect, self._inventory.hosts.values(), ceph.mirrors, _own_addresses())

    def _ask(self, siblings: tuple[HostName, ...]) -> Callable[[Callable[[str], Program]], ProgramRun]:
        """Runs a conversation where Ceph's programs are: a host that lacks them or can't be reached is passed over."""

        def ask(make: Callable[[str], Program]) -> ProgramRun:
            run: ProgramRun | None = None
            for name in (*siblings, None):
                program = make(secrets.token_hex(8))
                if name is None:
                    run = run_here(program, WITHIN_S)
                else:
                    run = self._hosts.run(self._inventory.hosts[name], program, within_s=WITHIN_S)
                if run.trouble is None and " lacks " not in run.stdout:
                    return run
            assert run is not None, "this machine is always asked"
            return run

        return ask


def _own_addresses() -> tuple[str, ...]:
    """This machine's addresses, as its name resolves: its own look at an image is a watcher too."""
    try:
        return tuple({str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)})
    except OSError:
        return ()
