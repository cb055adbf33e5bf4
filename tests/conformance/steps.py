"""What a case is made of, and the story that it becomes: the same generator for the real runner and the simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from hafence.core.attempts import FenceOrder
from hafence.core.marks import Claim
from hafence.core.model import CephSettings, Host, HostName, Inventory, Uuid
from hafence.core.power import devices_of
from hafence.core.starts import StartOrder
from hafence.core.storage.ceph import CephFence
from hafence.core.storage.port import Asker
from hafence.core.storage.registry import storage_fence_of
from hafence.effects import (
    AskClients,
    AskPower,
    Effect,
    EndWatch,
    Fence,
    GiveBack,
    ListEntries,
    LookAt,
    Now,
    Parallel,
    RehearseStorage,
    Settle,
    Start,
    Through,
    Together,
    Witness,
    Workflow,
    WritableDisks,
    do,
)
from hafence.workflows import storage_fence as storage
from hafence.workflows.power_fence import power_fence
from tests.conformance.said import lines, second_level
from tests.lab import faults

if TYPE_CHECKING:
    from tests.conformance.worlds import Real

SETTLE_S = 0.5
LEASE_S = 60.0
NOW, BEGAN = "now", "began"


@dataclass(frozen=True, slots=True)
class Placed:
    """A VM as the case begins. `how`: persistent, transient, autostarts (all running), or absent (known to nobody)."""

    name: str
    host: str
    how: str = "persistent"


@dataclass(frozen=True, slots=True)
class Strike:
    """Something that happens: by the real world's means, and by the simulated one's events (`VERB ARGUMENT`).

    `fault` is its name in tests.lab.faults, '' where it is none of those. `sim_waits_s` passes in the simulation
    alone, for what takes the lab as long as it takes.
    """

    fault: str
    real: Callable[[Real], object]
    sim: tuple[str, ...]
    sim_waits_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Midway:
    """A strike in the midst of the next effect: in the lab as soon as `when` holds, in the simulation so much later."""

    strike: Strike
    when: Callable[[Real], object]
    sim_after_s: float


def strike(fault: str, *arguments: object, sim: Sequence[str] = ()) -> Strike:
    """A fault of tests.lab.faults. An argument that is callable is asked, with the Real, when it is due."""

    def make(real: Real) -> object:
        given = [each(real) if callable(each) else each for each in arguments]
        return getattr(faults, fault)(real.lab, *given)

    return Strike(fault, make, tuple(sim))


def does(real: Callable[[Real], object], *sim: str, sim_waits_s: float = 0.0) -> Strike:
    """Something that happens and is no fault of tests.lab.faults."""
    return Strike("", real, sim, sim_waits_s)


Told = list[str]
Ask = Callable[[Inventory, float], Effect[Any] | Workflow[Told]]
"""An effect, or a workflow that tells what came of it, made when it is due: of the inventory and the admin's clock."""
Step = Strike | Midway | Ask


# ---------------------------------------------------------------- what is asked


def look(*hosts: str) -> Ask:
    """Look into hosts."""
    return lambda inventory, now: LookAt(tuple(HostName(name) for name in hosts))


def look_through(suspect: str, *siblings: str) -> Ask:
    """Look into a suspect and its siblings, into the suspect through a sibling as well."""
    suspect_, names = HostName(suspect), tuple(HostName(name) for name in siblings)
    return lambda inventory, now: LookAt((suspect_, *names), through=Through(suspect_, names))


def look_for(vm: str, *hosts: str) -> Ask:
    """Look into hosts, at one VM above all."""
    return lambda inventory, now: LookAt(tuple(HostName(name) for name in hosts), (uuid_of(inventory, vm),))


def witness(suspect: str, *siblings: str) -> Ask:
    """Siblings and the admin node look for signs of life."""
    return lambda inventory, now: Witness(HostName(suspect), tuple(HostName(name) for name in siblings))


def fence(
    suspect: str,
    through: str | None,
    *vms: str,
    within_s: float = 6.0,
    rehearse: bool = False,
    lease_s: float = LEASE_S,
    starts: bool = False,
    aside: bool = False,
    watch: bool = False,
    claim: Claim | None = None,
) -> Ask:
    """Fence VMs (those whose home is the suspect, where none are named)."""

    def make(inventory: Inventory, now: float) -> Effect[Any]:
        named = tuple(uuid_of(inventory, name) for name in vms)
        there = tuple(uuid for uuid, vm in inventory.vms.items() if vm.host == suspect)
        proxy = HostName(through) if through else None
        order = FenceOrder(HostName(suspect), proxy, named or there, within_s, SETTLE_S, now + lease_s)
        return Fence(replace(order, rehearse=rehearse, starts=starts, aside=aside, watch=watch, claim=claim))

    return make


def end_watch(suspect: str, vm: str, aside: bool) -> Ask:
    """End the watch that a fence has left."""
    return lambda inventory, now: EndWatch(HostName(suspect), uuid_of(inventory, vm), aside)


def give_back(host: str, *vms: str) -> Ask:
    """Give back definitions that were set aside."""
    return lambda inventory, now: GiveBack(HostName(host), tuple(uuid_of(inventory, vm) for vm in vms), now + LEASE_S)


def start(
    vm: str,
    target: str,
    ticket: int = 1,
    within_s: float = 6.0,
    lease_s: float = LEASE_S,
    boot: str = NOW,
    claim: Claim | None = None,
) -> Ask:
    """Start a VM; `boot`: NOW, or the one in which its target was when the case BEGAN."""
    return lambda inventory, now: Start(
        replace(_start_order(inventory, vm, target, ticket, now + lease_s, within_s), boot_id=boot, claim=claim)
    )


def settle(vm: str, target: str, ticket: int = 1, within_s: float = 6.0, claim: Claim | None = None) -> Ask:
    """Find out what became of a start."""
    return lambda inventory, now: Settle(
        replace(_start_order(inventory, vm, target, ticket, now + LEASE_S, within_s), claim=claim)
    )


def _start_order(
    inventory: Inventory, vm: str, target: str, ticket: int, not_after: float, within_s: float
) -> StartOrder:
    return StartOrder(uuid_of(inventory, vm), HostName(target), ticket, not_after, within_s)


def power_off(host: str, rehearse: bool = False, within_s: float = LEASE_S) -> Ask:
    """Switch a host off."""

    def make(inventory: Inventory, now: float) -> Workflow[Told]:
        it, timeout_s = inventory.hosts[HostName(host)], inventory.settings.power_timeout_s
        reply = yield from power_fence(it, now + within_s, timeout_s, rehearse)
        return [f"power off {host}: {second_level(reply)}"]

    return make


def ask_power(host: str, within_s: float = LEASE_S) -> Ask:
    """Ask every device of a host's first level."""

    def make(inventory: Inventory, now: float) -> Effect[Any]:
        devices = devices_of(inventory.hosts[HostName(host)], 1)
        return Together(tuple(AskPower(device, now + within_s) for device in devices))

    return make


def fence_storage(
    suspect: str, *siblings: str, rehearse: bool = False, alone: bool = False, lease_s: float = LEASE_S
) -> Ask:
    """Fence the storage of the VMs whose home is the suspect."""

    def make(inventory: Inventory, now: float) -> Workflow[Told]:
        it = inventory.hosts[HostName(suspect)]
        fence = storage_fence_of(inventory.clusters[it.cluster])
        assert fence is not None, "such a case has Ceph"
        order = _storage_order(inventory, it, siblings, now + lease_s, rehearse, alone)
        replies = yield from storage.fence_storage(inventory, fence, order, {})
        names = {uuid: vm.name for uuid, vm in inventory.vms.items()}
        return [f"storage fence of {names[vm]} on {suspect}: {second_level(each)}" for vm, each in replies.items()]

    return make


def _storage_order(
    inventory: Inventory, it: Host, siblings: Sequence[str], not_after: float, rehearse: bool, alone: bool
) -> storage.StorageOrder:
    return storage.StorageOrder(
        suspect=it,
        vms=tuple(uuid for uuid, vm in inventory.vms.items() if vm.host == it.name),
        siblings=tuple(HostName(name) for name in siblings),
        not_after=not_after,
        within_s=inventory.settings.power_timeout_s,
        rehearse=rehearse,
        alone=alone,
    )


def shut_out_the_dead(suspect: str, *siblings: str) -> Ask:
    """After the death of the VMs whose home is the suspect: the clients that the storage would let write on."""

    def make(inventory: Inventory, now: float) -> Workflow[Told]:
        it = inventory.hosts[HostName(suspect)]
        fence = storage_fence_of(inventory.clusters[it.cluster])
        assert fence is not None, "such a case has Ceph"
        order = _storage_order(inventory, it, siblings, now + LEASE_S, False, False)
        replies = yield from storage.shut_out_left_open(inventory, fence, order)
        names = {uuid: vm.name for uuid, vm in inventory.vms.items()}
        told = [f"after the death of {names[vm]}: {second_level(each)}" for vm, each in replies.items()]
        return told or ["nobody is left to shut out"]

    return make


def lift(host: str) -> Ask:
    """Lift a host's storage fence."""

    def make(inventory: Inventory, now: float) -> Workflow[Told]:
        result = yield from storage.lift_storage_fence(inventory, inventory.hosts[HostName(host)], now + LEASE_S)
        return [f"lift {host}: {type(result).__name__} {getattr(result, 'count', '')}"]

    return make


def renew(host: str, alone: bool) -> Ask:
    """See how long a host's storage fence lasts, and make it last."""

    def make(inventory: Inventory, now: float) -> Workflow[Told]:
        it = inventory.hosts[HostName(host)]
        looked = yield from storage.look_at_storage_fence(inventory, it, alone)
        renewed = yield from storage.renew_storage_fence(inventory, it, alone)
        return [f"{what} {host}: {type(each).__name__}" for what, each in (("look at", looked), ("renew", renewed))]

    return make


def ask_clients(via: str | None, *vms: str) -> Ask:
    """Who the clients of the VMs' images are."""

    def make(inventory: Inventory, now: float) -> Workflow[Told]:
        images: list[str] = []
        for name in vms:
            vm = inventory.find_vm(name)
            disks = yield from do(WritableDisks(vm.uuid))
            assert isinstance(disks, tuple), disks
            images += CephFence(CephSettings()).volumes_of(vm, disks).names
        return (yield from _effect(inventory, AskClients(_asker(inventory, via), tuple(images), now + LEASE_S)))

    return make


def list_entries(via: str | None) -> Ask:
    """Whom the storage shuts out."""
    return lambda inventory, now: ListEntries(_asker(inventory, via), now + LEASE_S)


def rehearse_storage(via: str | None) -> Ask:
    """Whether the storage would shut out."""
    return lambda inventory, now: RehearseStorage(_asker(inventory, via), now + LEASE_S)


def _asker(inventory: Inventory, via: str | None) -> Asker:
    [cluster] = inventory.clusters
    return Asker("ceph", cluster, HostName(via) if via else None)


def at_once(*asks: Ask) -> Ask:
    """Several side by side."""

    def make(inventory: Inventory, now: float) -> Workflow[Told]:
        workflows = []
        for ask in asks:
            it = ask(inventory, now)
            workflows.append(_effect(inventory, it) if isinstance(it, Effect) else it)
        told = yield from do(Parallel(tuple(workflows)))
        return [line for each in told for line in each]

    return make


def _effect(inventory: Inventory, effect: Effect[Any]) -> Workflow[Told]:
    return lines(inventory, effect, (yield from do(effect)))


def uuid_of(inventory: Inventory, name: str) -> Uuid:
    """A VM's UUID."""
    return inventory.find_vm(name).uuid


# ---------------------------------------------------------------- the story


class Striker(Protocol):
    """A world's way to let something happen."""

    def before_effect(self) -> None:
        """Called before each effect."""

    def boot_id(self, host: HostName) -> str:
        """The boot in which a host is now."""

    def strike(self, it: Strike) -> Workflow[None]:
        """Let it happen now."""

    def strike_midway(self, it: Midway) -> None:
        """See to it that it happens during the next effect."""


def story(inventory: Inventory, steps: Sequence[Step], striker: Striker) -> Workflow[list[str]]:
    """Play the steps in their order; the answers, as lines."""
    said: list[str] = []
    first = {host: striker.boot_id(host) for host in inventory.hosts}
    for step in steps:
        if isinstance(step, Strike):
            yield from striker.strike(step)
            continue
        if isinstance(step, Midway):
            striker.strike_midway(step)
            continue
        striker.before_effect()
        now = yield from do(Now())
        asked = step(inventory, now)
        if isinstance(asked, Effect):
            asked = _in_its_boot(asked, striker, first)
            said += yield from _effect(inventory, asked)
        else:
            said += yield from asked
    return said


def _in_its_boot(effect: Effect[Any], striker: Striker, first: Mapping[HostName, str]) -> Effect[Any]:
    """A start with the boot that is meant, in the word of its target's kernel."""
    match effect:
        case Together(parts):
            return Together(tuple(_in_its_boot(part, striker, first) for part in parts))
        case Start(order):
            boot_id = striker.boot_id(order.target) if order.boot_id == NOW else first[order.target]
            return Start(replace(order, boot_id=boot_id))
    return effect
