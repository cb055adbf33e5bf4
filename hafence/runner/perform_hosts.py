"""Effects on hosts: over SSH, and on the admin node itself."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial

from ..adapters.hosts import kvm
from ..adapters.hosts.program import ProgramResult as ProgramRun
from ..adapters.local.here import run_here
from ..adapters.local.spool import keep
from ..adapters.local.start_command import start_by_command
from ..adapters.ssh.connections import Hosts
from ..core.attempts import FenceReport, Reply
from ..core.captures import Source
from ..core.evidence import WitnessReport
from ..core.given_back import GivenBack
from ..core.model import Host, HostName, Inventory, StartMode, Uuid, Vm
from ..core.replies import interpret
from ..core.starts import StartOrder, StartReply, StartResult
from ..core.stored import Lease
from ..core.survey import SharedDisk
from ..core.watch import WatchReport, joined
from ..effects import (
    EndWatch,
    Fence,
    GiveBack,
    MemoryNeed,
    Settle,
    SharedDisks,
    SharedHostKeys,
    Start,
    Startable,
    Witness,
)
from .definitions import Definitions
from .looking import Looking
from .parallel import in_parallel

GRACE_S = 2.0
"""How much longer hafence waits than the script on the host may take: the script ends first."""


class HostPerformer:
    """The hosts' effects, for one run. `vms` are those that the run is about, where it is about a few.
    `progress` is called, from any thread, whenever a look or a rehearsal has ended."""

    def __init__(
        self,
        inventory: Inventory,
        hosts: Hosts,
        run: str,
        definitions: Definitions,
        vms: tuple[Uuid, ...] = (),
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._progress = progress
        self._inventory = inventory
        self._definitions = definitions
        self._vms = vms
        self._hosts = hosts
        self._run = run
        self._watches: list[kvm.Stay] = []
        self.looking = Looking(inventory, hosts, definitions, vms, self._named, progress)

    # ------------------------------------------------ witnesses

    def witness(self, effect: Witness) -> tuple[WitnessReport, ...]:
        """The siblings and the admin node look for signs of life, at once."""
        suspect = self._inventory.hosts[effect.suspect]
        witnesses: list[HostName | None] = [*effect.siblings, None]
        calls = [lambda name=name: self._witness(suspect, name) for name in witnesses]
        return tuple(in_parallel(calls))

    def _witness(self, suspect: Host, name: HostName | None) -> WitnessReport:
        timeout_s = self._inventory.settings.connect_timeout_s
        members = self._inventory.members(suspect.cluster)
        peers = [host for host in members if host.name not in (name, suspect.name)] if name else []
        nonce = _nonce()
        host = self._inventory.hosts[name] if name else None
        program = kvm.witness_program(nonce, suspect, peers, timeout_s, host)
        within_s = timeout_s + kvm.WITNESS_SPARE_S
        # Silence is as old as the first moment of it: a run that is suspended reads the answer when it wakes.
        sent = time.time()
        run = self._hosts.run(host, program, within_s=within_s) if host else run_here(program, within_s)
        return kvm.parse_witness(nonce, run, name, sent)

    # ------------------------------------------------ fencing

    def fence(self, effect: Fence) -> FenceReport:
        """Carry out a fence order through its proxy."""
        order = effect.order
        suspect = self._inventory.hosts[order.suspect]
        proxy = self._inventory.hosts[order.proxy] if order.proxy else None
        nonce = _nonce()
        settings, names, disks = self._inventory.settings, self._names(order.vms), self._disks(order.vms)
        named = self._named_paths(order.vms) if order.starts else {}
        paths = {"disks": disks, "named": named, "ports": self._ports(order.vms)}
        program = kvm.fence_program(order, names, nonce, suspect, time.time, settings=settings, **paths)
        # A run that was suspended reads an old answer when it wakes: what it tells is as old as the order.
        sent, within_s = time.time(), order.within_s + GRACE_S
        call = partial(self._hosts.run, suspect, program, via=proxy, within_s=within_s)
        run = self._begin_watch(program.on_line, call) if isinstance(program.on_line, kvm.Stay) else call()
        if order.rehearse:
            self._progress()
        else:  # a dry run writes no files either
            self._keep("fence", run)
        reply = Reply(nonce, run.trouble, run.exit_status, run.stdout, run.seconds, sent, run.note, run.not_run)
        return interpret(order, reply)

    def _begin_watch(self, stay: kvm.Stay, call: Callable[[], ProgramRun]) -> ProgramRun:
        """What the fence replied. Where it stays, its session is kept for end_watch."""
        begun = time.monotonic()
        stay.begin(call)
        if stay.run is not None and not stay.stays():
            return stay.run
        self._watches.append(stay)
        return ProgramRun(None, "", stay.status, stay.reply(), "", time.monotonic() - begun)

    def renewed(self, lease: Lease) -> None:
        """A watch may go on for as long as the lease."""
        for stay in self._watches:
            if lease.vm in stay.order.vms:
                stay.not_after = lease.expires_at

    def end_watch(self, effect: EndWatch) -> WatchReport:
        """End the sessions that watch the VM on the suspect. One connection's time-out is their time, and libvirt's."""
        settings = self._inventory.settings
        within_s = settings.connect_timeout_s + (settings.libvirt_timeout_s if effect.aside else 0.0)
        mine = [s for s in self._watches if s.order.suspect == effect.suspect and effect.vm in s.order.vms]
        self._watches = [stay for stay in self._watches if stay not in mine]
        reports = in_parallel([partial(stay.end, within_s, effect.aside) for stay in mine])
        for stay in mine:
            if stay.run is not None:
                self._keep("fence", stay.run)
        return joined(effect.suspect, reports)

    def _names(self, vms: Iterable[Uuid]) -> dict[Uuid, tuple[str, ...]]:
        """The names of those that are in the inventory: the audit rehearses with a VM that is nowhere."""
        return {vm: self._names_of(self._inventory.vms[vm]) for vm in vms if vm in self._inventory.vms}

    def _names_of(self, vm: Vm) -> tuple[str, ...]:
        """Its name in the inventory and the one in its definition, unless that is another VM's in the inventory."""
        domain = self._definitions.readable(vm)
        if domain is None or self._inventory.named(domain.name) not in (None, vm.uuid):
            return (vm.name,)
        return (vm.name, domain.name)

    def _named(self, name: str) -> Uuid | None:
        """Whose process bears a name and no UUID: by the inventory, or by the definitions of this run's VMs."""
        found = (vm for vm, names in self._names(self._vms).items() if name in names)
        return self._inventory.named(name) or next(found, None)

    def _disks(self, vms: Iterable[Uuid]) -> dict[Uuid, tuple[str, ...]]:
        """The paths of the VMs' own disks, as far as the inventory tells: who else has one open is in the way."""
        return {vm: self._disks_of(self._inventory.vms[vm]) for vm in vms if vm in self._inventory.vms}

    def _named_paths(self, vms: Iterable[Uuid]) -> dict[Uuid, tuple[str, ...]]:
        """Every path that a start elsewhere would use, of the VMs of which all are known."""
        found = {}
        for vm in (self._inventory.vms[vm] for vm in vms if vm in self._inventory.vms):
            domain = self._definitions.readable(vm)
            if domain is not None and domain.paths is not None:
                # "/" is nobody's disk: it stands for a definition that names nothing
                found[vm.uuid] = ("/", *domain.paths, *(disk for disk in vm.disks if disk.startswith("/")))
        return found

    def _ports(self, vms: Iterable[Uuid]) -> dict[Uuid, tuple[str, ...]]:
        """Where the VMs' network storage listens, as far as their definitions tell."""
        from ..inventory.storage_ports import storage_ports

        known = ((vm, self._definitions.readable(self._inventory.vms[vm])) for vm in vms if vm in self._inventory.vms)
        return {vm: storage_ports(domain) for vm, domain in known if domain is not None}

    def _disks_of(self, vm: Vm) -> tuple[str, ...]:
        paths = [disk for disk in vm.disks if disk.startswith("/")]
        # Without a definition libvirt's own on the suspect, and what is open there, remain.
        domain = self._definitions.readable(vm)
        for disk in domain.disks if domain is not None else ():
            if disk.writable and not disk.shareable and disk.kind in ("file", "block"):
                paths.append(disk.source)
        return tuple(paths)

    def give_back(self, effect: GiveBack) -> GivenBack:
        """Let libvirt know VMs again whose definitions were set aside."""
        host, nonce, settings = self._inventory.hosts[effect.host], _nonce(), self._inventory.settings
        within_s = settings.ssh_timeout_s
        program = kvm.give_back_program(effect, nonce, host, time.time, settings=settings)
        run = self._hosts.run(host, program, within_s=within_s + GRACE_S)
        self._keep("giveback", run)
        return kvm.parse_given_back(nonce, run, effect.vms)

    # ------------------------------------------------ starting

    def start(self, effect: Start) -> StartReply:
        """Start a VM on its target, by libvirt or by the cluster's own command."""
        order = effect.order
        cluster = self._inventory.cluster_of(order.target)
        if cluster.start is StartMode.COMMAND:
            return self._start_by_command(order)
        vm = self._inventory.vms[order.vm]
        domain = self._definitions.readable(vm)
        if domain is None:
            why_not = self._definitions.source(vm).why_not
            return StartReply(StartResult.CLEAN, f"it can't be started from anything: {why_not}", time.time())
        host = self._inventory.hosts[order.target]
        nonce = _nonce()
        settings = self._inventory.settings
        program = kvm.start_program(order, vm, domain, cluster.start, nonce, host, time.time, settings=settings)
        run = self._hosts.run(host, program, within_s=order.within_s + GRACE_S)
        self._keep("start", run)
        return kvm.parse_start(nonce, run, time.time(), kvm.was_released(program))

    def settle(self, effect: Settle) -> StartReply:
        """Find out on the target itself what became of a start."""
        order = effect.order
        if not self._inventory.cluster_of(order.target).is_kvm:
            return self._start_by_command(order)
        host = self._inventory.hosts.get(order.target)
        if host is None:
            return StartReply(StartResult.UNKNOWN, f"{order.target} is not in the inventory", time.time())
        nonce = _nonce()
        names, settings = self._names((order.vm,)), self._inventory.settings
        program = kvm.settle_program(order, names, nonce, host, time.time, settings=settings)
        run = self._hosts.run(host, program, within_s=order.within_s + GRACE_S)
        self._keep("settle", run)
        return kvm.parse_start(nonce, run, time.time())

    def _start_by_command(self, order: StartOrder) -> StartReply:
        """The cluster's command; on KVM hosts its word is checked by looking on the target.

        Where hafence can't look, a start whose outcome is unknown is settled by sending it again to the
        same target: a start command is expected to leave alone what already runs there.
        """
        cluster = self._inventory.cluster_of(order.target)
        vm = self._inventory.vms[order.vm]
        result, says = start_by_command(cluster.start_command, vm, order.target, order.within_s)
        if not cluster.is_kvm:
            return StartReply(result, says, time.time())
        settled = self.settle(Settle(order))
        return StartReply(settled.result, f"{says}; {settled.says}", settled.at)

    def memory_need(self, effect: MemoryNeed) -> int | None:
        """What the VM's domain XML asks for; None without one, or with one that can't be read (a start says so)."""
        domain = self._definitions.readable(self._inventory.vms[effect.vm])
        return None if domain is None or domain.hugepages else domain.memory_mib

    def shared_host_keys(self, _: SharedHostKeys) -> tuple[tuple[HostName, ...], ...]:
        """Which hosts known_hosts can't tell apart."""
        from ..adapters.ssh.known_hosts import shared_keys

        return shared_keys(self._inventory.hosts.values())

    def shared_disks(self, _: SharedDisks) -> tuple[SharedDisk, ...]:
        """Which disks more than one VM would write to."""
        from ..inventory.domains import shared_disks

        return shared_disks(self._inventory)

    def startable(self, effect: Startable) -> Source:
        """From what a target would start the VM."""
        return self._definitions.source(self._inventory.vms[effect.vm])

    def _keep(self, what: str, run: ProgramRun) -> None:
        """What a host said beyond the protocol goes to a protected file, never into an error or the store."""
        if run.stderr or (run.stdout and run.exit_status != 0):
            keep(self._inventory.store, self._run, what, run.stdout, run.stderr)


def _nonce() -> str:
    return secrets.token_hex(8)
