"""Looks into hosts over SSH: what each is asked, and what it tells."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial

from ..adapters.hosts import kvm
from ..adapters.ssh.connections import Hosts
from ..core.looks import Look, Silence
from ..core.model import HostName, Inventory, StartMode, Uuid
from ..core.needs import Need, NeedKind
from ..core.troubles import Trouble
from ..effects import LookAt, NeedsOf, StoreError
from .definitions import Definitions
from .waves import in_waves

LOOK_S = 6.0
"""One look, beyond the connection and what libvirt may take: a second try at a libvirt that hangs, and the rest."""

MOST_NEEDS = 128
"""Of how many things an audit asks a host in its look: each may take some 5 ms there."""

_OF_ONE_VM = frozenset({NeedKind.NAME, NeedKind.HUGEPAGES})

MOST_CONNECTS = 8
"""How many connect time-outs one call may spend before its program begins: TCP, key exchange, login, each twice
through a sibling, and a connection that was kept and has to be made anew."""


class Looking:
    """The looks of one run. `vms` are those that the run is about, where it is about a few; `named` knows whose process
    bears a name and no UUID. `progress` is called, from any thread, whenever a look has ended."""

    def __init__(
        self,
        inventory: Inventory,
        hosts: Hosts,
        definitions: Definitions,
        vms: tuple[Uuid, ...],
        named: Callable[[str], Uuid | None],
        progress: Callable[[], None],
    ) -> None:
        self._inventory = inventory
        self._hosts = hosts
        self._definitions = definitions
        self._vms = vms
        self._named = named
        self._progress = progress

    def look_at(self, effect: LookAt) -> Mapping[HostName, Look]:
        """Look into hosts at once; one hung host costs its own time-out."""
        vms = effect.about or self._vms
        if effect.every_need:
            try:
                by_cluster = self._needs_by_cluster()
            except StoreError:  # who keeps the captures; what is wrong with it is told where it is asked for itself
                by_cluster = {}
            needs = [by_cluster.get(self._cluster_of(name), ()) for name in effect.hosts]
        else:
            needs = [self._needs(vms)] * len(effect.hosts)
        looks = in_waves([partial(self._looked, name, vms, of) for name, of in zip(effect.hosts, needs, strict=True)])
        return dict(zip(effect.hosts, looks, strict=True))

    def _looked(self, name: HostName, vms: tuple[Uuid, ...], needs: tuple[Need, ...]) -> Look:
        look = self._look(name, vms, needs)
        self._progress()
        return look

    def _look(self, name: HostName, vms: tuple[Uuid, ...], needs: tuple[Need, ...]) -> Look:
        host = self._inventory.hosts.get(name)
        if host is None:
            return Silence(name, time.time(), Trouble.NAME_UNKNOWN, "not in the inventory")
        settings = self._inventory.settings
        within_s = LOOK_S + settings.libvirt_timeout_s
        nonce, sent = secrets.token_hex(8), time.time()
        program = kvm.look_program(nonce, host, vms, needs, settings=settings)
        run = self._hosts.run(host, program, within_s=within_s)
        return kvm.parse_look(nonce, run, name, sent, self._stamp(sent, within_s), self._named, needs)

    def _needs(self, vms: tuple[Uuid, ...]) -> tuple[Need, ...]:
        """What a target must have for the one VM that a look is about. A site's own command knows better what it
        needs, and a definition that can't be read is told of by the start."""
        if len(vms) != 1 or vms[0] not in self._inventory.vms:
            return ()
        return self.needs_of(NeedsOf(vms[0]))

    def needs_of(self, effect: NeedsOf) -> tuple[Need, ...]:
        """What a target must have for a VM; nothing that is known where a command of the site's starts it."""
        vm = self._inventory.vms[effect.vm]
        if self._inventory.cluster_of(vm.host).start is StartMode.COMMAND:
            return ()
        domain = self._definitions.readable(vm)
        return () if domain is None else domain.needs

    def _needs_by_cluster(self) -> dict[str, tuple[Need, ...]]:
        """What any HA VM of each cluster needs, each thing once, and not more than a look asks for; save what hangs on
        the VM that asks: whether its name is free, how much is."""
        wanted: dict[str, dict[Need, None]] = {}
        for _, vm in sorted(self._inventory.vms.items()):
            of_cluster = wanted.setdefault(self._inventory.cluster_of(vm.host).name, {})
            if vm.ha and len(of_cluster) < MOST_NEEDS:
                needs = (need for need in self.needs_of(NeedsOf(vm.uuid)) if need.kind not in _OF_ONE_VM)
                of_cluster.update(dict.fromkeys(needs))
        return {cluster: tuple(needs)[:MOST_NEEDS] for cluster, needs in wanted.items()}

    def _cluster_of(self, name: HostName) -> str:
        host = self._inventory.hosts.get(name)
        return "" if host is None else host.cluster

    def _stamp(self, sent: float, within_s: float) -> float:
        """When a host's answer came: now, but no later than its time-outs leave room for, since a process that was
        suspended (SIGSTOP, a paused VM) reads it when it wakes. Of its clock nothing else is known."""
        connecting_s = MOST_CONNECTS * self._inventory.settings.connect_timeout_s
        return min(time.time(), sent + connecting_s + within_s)
