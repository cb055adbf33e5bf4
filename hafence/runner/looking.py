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
from ..effects import LookAt, NeedsOf, StoreError, Through
from .both_ways import BothWays
from .definitions import Definitions
from .waves import in_waves

LOOK_S = 6.0
"""One look, beyond the connection and what libvirt may take: a second try at a libvirt that hangs, and the rest."""

MOST_NEEDS = 128
"""Of how many things an audit asks a host in its look: each may take some 5 ms there."""

_OF_ONE_VM = frozenset({NeedKind.NAME, NeedKind.HUGEPAGES})

MOST_WRITTEN = 512
"""Of how many disks a suspect is asked which they are: some 2 ms each."""

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
        asked: dict[HostName, Callable[[], Look]] = {
            name: partial(self._look, name, vms, of) for name, of in zip(effect.hosts, needs, strict=True)
        }
        for name in effect.may_be_off:
            if name in asked and name in self._inventory.hosts:
                asked[name] = self._impatient(name, asked[name])
        both_ways = self._both_ways(effect.through, vms, asked)
        looks = in_waves([partial(self._looked, look, both_ways) for look in asked.values()])
        return dict(zip(effect.hosts, looks, strict=True))

    def _looked(self, call: Callable[[], Look], both_ways: BothWays | None) -> Look:
        look = call()
        if both_ways is not None:
            both_ways.heard(look)
        self._progress()
        return look

    def _impatient(self, name: HostName, look: Callable[[], Look]) -> Callable[[], Look]:
        took = partial(self._hosts.has_taken, self._inventory.hosts[name])
        return BothWays(name, (), look, lambda via: look(), took, may_be_off=True).look

    def _both_ways(
        self, through: Through | None, vms: tuple[Uuid, ...], asked: dict[HostName, Callable[[], Look]]
    ) -> BothWays | None:
        """Where a suspect is among those that are asked, it is from two sides, and for all that a start elsewhere of
        one of the VMs would go on from."""
        if through is None or through.suspect not in asked or through.suspect not in self._inventory.hosts:
            return None
        suspect, host = through.suspect, self._inventory.hosts[through.suspect]
        needs = self._needs(vms) if len(vms) == 1 else self._written(vms)
        straight = partial(self._look, suspect, vms, needs)
        took = partial(self._hosts.has_taken, host)
        both_ways = BothWays(suspect, through.siblings, straight, lambda via: straight(via=via), took)
        asked[suspect] = both_ways.look
        return both_ways

    def _look(
        self, name: HostName, vms: tuple[Uuid, ...], needs: tuple[Need, ...], via: HostName | None = None
    ) -> Look:
        host = self._inventory.hosts.get(name)
        if host is None:
            return Silence(name, time.time(), Trouble.NAME_UNKNOWN, "not in the inventory")
        settings = self._inventory.settings
        within_s = LOOK_S + settings.libvirt_timeout_s
        nonce, sent = secrets.token_hex(8), time.time()
        program = kvm.look_program(nonce, host, vms, needs, settings=settings)
        sibling = self._inventory.hosts[via] if via else None
        run = self._hosts.run(host, program, via=sibling, within_s=within_s)
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

    def _written(self, vms: tuple[Uuid, ...]) -> tuple[Need, ...]:
        """What the VMs write to, each thing once, and not more than a look asks for."""
        needs = (need for vm in vms if vm in self._inventory.vms for need in self.needs_of(NeedsOf(vm)))
        return tuple(dict.fromkeys(need for need in needs if need.is_written))[:MOST_WRITTEN]

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
