"""Where a VM may start, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

from .looks import Blind, HostLook, Libvirt, Look, Silence, inside, way_to_look
from .model import Host, HostName, Uuid, Vm
from .siblings import ways_back

_BUSY_LAST = 1_000_000
"""More than any host has VMs."""
WITNESS_PROGRAMS = frozenset({"ping", "ip", "bash"})
"""Needed only to look for another host's signs of life; a host without them can still take a VM."""


class Against(Enum):
    """Why a VM can't start on a host: stable words."""

    SUSPECT = "suspect"
    STATE = "state"
    QUARANTINE = "quarantine"
    NOT_LOOKED_AT = "not_looked_at"
    SILENT = "silent"
    BLIND = "blind"
    LIBVIRT = "libvirt"
    BOOT = "boot"
    PROGRAMS = "programs"
    LACKS = "lacks"
    """Something that the VM's definition names is not there."""
    OTHER_DISK = "other_disk"
    """Its disk is not the one that the suspect has."""
    MEMORY = "memory"
    SAVED_IMAGE = "saved_image"
    KEPT_APART = "kept_apart"
    NOT_ASKED_FOR = "not_asked_for"


@dataclass(frozen=True, slots=True)
class Unfit:
    """A reason against a host, and the same in words."""

    against: Against
    says: str
    way: str = ""
    """What would help there, as far as that is known."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Targets, best first, and every other host with the reason against it."""

    targets: tuple[HostName, ...]
    excluded: tuple[tuple[HostName, Unfit], ...]
    looks: Mapping[HostName, HostLook] = field(default_factory=dict)
    """What was seen of each target, where hafence can look."""

    @property
    def without_state(self) -> tuple[HostName, ...]:
        """The targets on which a part of the VM's state would be made anew."""
        return tuple(name for name in self.targets if name in self.looks and self.looks[name].lacks_state)

    @property
    def unable(self) -> tuple[HostName, ...]:
        """The hosts that would do if the VM could start there: they answer, and lack what the definition names."""
        against = (Against.LACKS, Against.OTHER_DISK, Against.SAVED_IMAGE)
        return tuple(name for name, unfit in self.excluded if unfit.against in against)

    @property
    def would_not_start(self) -> bool:
        """Whether there is such a host."""
        return bool(self.unable)

    @property
    def lacks_memory(self) -> bool:
        """Whether a host would do if it had more memory free."""
        return any(unfit.against is Against.MEMORY for _, unfit in self.excluded)


@dataclass(frozen=True, slots=True)
class Room:
    """What a start needs and what stands in its way, beside the hosts themselves."""

    memory_mib: int | None
    """What the VM needs: the inventory's word, else its domain XML's."""
    neighbours: Mapping[Uuid, Vm]
    """The VMs that must not share a host with this one (anti-affinity)."""
    placed: Mapping[HostName, frozenset[Uuid]]
    """Where the records say that VMs run, for hosts that are not looked into."""
    sizes_mib: Mapping[Uuid, int] = field(default_factory=dict)
    """What the inventory says that VMs take."""
    vm: Vm | None = None
    """The VM itself, for what a host may hold of it; None where no host is looked into."""


def sizes_mib(vms: Iterable[Vm]) -> dict[Uuid, int]:
    """What the inventory says that VMs take, of those of which it does."""
    return {vm.uuid: vm.memory_mib for vm in vms if vm.memory_mib is not None}


def keeps_apart(vm: Vm, other: Vm) -> bool:
    """Anti-affinity: the two share a group, or one names the other."""
    if vm.uuid == other.uuid:
        return False
    groups = set(vm.anti_affinity)
    return bool(groups & set(other.anti_affinity)) or other.name in groups or vm.name in other.anti_affinity


def room_for(
    vm: Vm, memory_mib: int | None, vms: Mapping[Uuid, Vm], placed: Mapping[HostName, frozenset[Uuid]]
) -> Room:
    """What a start of the VM needs, and what stands in its way. `vms` are all of the inventory."""
    neighbours = {other.uuid: other for other in vms.values() if keeps_apart(vm, other)}
    return Room(memory_mib, neighbours, placed, sizes_mib(vms.values()), vm)


def reason_against(
    host: Host, suspect: HostName, room: Room, quarantined: Mapping[HostName, str], look: Look | None, looked: bool
) -> Unfit | None:
    """Why the VM can't start on `host`, or None. `looked` is False for hypervisors that hafence can't look into."""
    if host.name == suspect:
        return Unfit(Against.SUSPECT, "is the suspect")
    if host.out_of_service:
        return Unfit(Against.STATE, host.out_of_service, host.way_back)
    if host.name in quarantined:
        return Unfit(Against.QUARANTINE, "is in quarantine until 'hafence rejoin'")
    here = room.placed.get(host.name, frozenset())
    if looked:
        if not isinstance(look, HostLook):
            return _unseen(look)
        here = here | look.active | frozenset(look.copies)
        unfit = _unfit(host, room, look, here)
        if unfit is not None:
            return unfit
    for uuid in sorted(here & room.neighbours.keys()):
        says = f"holds {room.neighbours[uuid].name}, from which the VM is kept apart (anti_affinity)"
        return Unfit(Against.KEPT_APART, says)
    return None


def _unseen(look: Blind | Silence | None) -> Unfit:
    match look:
        case None:
            return Unfit(Against.NOT_LOOKED_AT, "was not looked at")
        case Silence():
            return Unfit(Against.SILENT, f"does not answer: {look.says}", way_to_look(look))
        case Blind():
            return Unfit(Against.BLIND, f"lets nobody look into it: {look.says}", way_to_look(look))
        case _:
            assert_never(look)


def _unfit(host: Host, room: Room, look: HostLook, here: frozenset[Uuid]) -> Unfit | None:
    """What a look shows that keeps the VM from starting. `here` are the VMs on the host, by the look and the record."""
    if look.libvirt not in (Libvirt.OK, Libvirt.BUSY):  # a start waits for its own VM alone, and not for others
        return Unfit(Against.LIBVIRT, f"its libvirt does not answer ({look.libvirt.value})", _OF_LIBVIRT[look.libvirt])
    if look.boot_id is None:
        return Unfit(Against.BOOT, "does not tell in which boot it is")
    lacking = [program for program in look.missing if program not in WITNESS_PROGRAMS]
    if lacking:
        return Unfit(Against.PROGRAMS, "lacks " + ", ".join(lacking), "install what it lacks")
    if look.barring:
        says = ", and ".join(lack.says for lack in look.barring)
        return Unfit(Against.LACKS, says, "; ".join(lack.way for lack in look.barring))
    if room.vm is not None and room.vm.uuid in look.saved:
        # `virsh start` resumes it and removes it: the memory of a guest whose disks have gone on without it
        says = "holds a managed save image of the VM: a start there would go on from its memory, on disks of today"
        return Unfit(Against.SAVED_IMAGE, says, f"'hafence fence {room.vm.name} --host {host.name}' sets it aside")
    free = free_memory(host, look, sum(room.sizes_mib.get(vm, 0) for vm in here))
    if room.memory_mib is not None and free is not None and free < room.memory_mib:
        return too_small(free, room.memory_mib)
    return None


def too_small(free_mib: int, needs_mib: int) -> Unfit:
    """A host has less memory free than the VM needs."""
    return Unfit(Against.MEMORY, f"has {free_mib} MiB free, the VM needs {needs_mib}")


def _of_another_disk(suspect: HostName, there: Look | None, here: Look | None) -> Unfit | None:
    """What the VM would go on from here is not what it has written to on the suspect, if anybody could look there."""
    disks = inside(there)
    others = here.others_than(disks) if disks is not None and isinstance(here, HostLook) else ()
    if not others:
        return None
    says = "has " + " and ".join(f"another {need.thing}" for need in others) + f" than {suspect}"
    way = f"give it {others[0].says} of {suspect} itself (shared storage); what it has there is a copy of its own"
    return Unfit(Against.OTHER_DISK, says, way)


_OF_LIBVIRT = {
    Libvirt.HUNG: "see why libvirt is slow there, or give it more time (fencing: libvirt_timeout)",
    Libvirt.FAILED: "see what 'virsh list' says there as hafence's user: does libvirt want authentication?",
    Libvirt.DOWN: "start libvirt there",
    Libvirt.ABSENT: "install libvirt's clients there",
}


def ways_to_targets(placement: Placement) -> tuple[str, ...]:
    """What would bring back a host that could take the VM: what can be typed now first."""
    back = [name for name, unfit in placement.excluded if unfit.against is Against.QUARANTINE]
    return ways_back(back, ((name, unfit.way) for name, unfit in placement.excluded))


def free_memory(host: Host, look: HostLook, taken_mib: int = 0) -> int | None:
    """MiB that a new VM may take: what libvirt reports as free, within what the inventory grants the host's VMs.

    `taken_mib` is what the VMs there take by the inventory's word. None where nothing bounds it.
    """
    bounds = [] if look.memory_free_mib is None else [look.memory_free_mib]
    if host.memory_mib is not None:
        bounds.append(max(0, host.memory_mib - taken_mib))
    return min(bounds, default=None)


def choose_targets(
    suspect: HostName,
    hosts: Sequence[Host],
    room: Room,
    quarantined: Mapping[HostName, str],
    looks: Mapping[HostName, Look],
    to: HostName | None = None,
    looked: bool = True,
) -> Placement:
    """Hosts that may take the VM: fewest VMs first, then by name; those whose libvirt is busy last, since it has told
    less. With `to`, that host or none."""
    targets: list[tuple[int, HostName]] = []
    seen: dict[HostName, HostLook] = {}
    excluded: list[tuple[HostName, Unfit]] = []
    for host in hosts:
        look = looks.get(host.name)
        reason = judge_host(host, suspect, room, quarantined, looks, looked)
        if reason is None and to is not None and host.name != to:
            reason = Unfit(Against.NOT_ASKED_FOR, f"is not {to}, which was asked for")
        if reason is None:
            if isinstance(look, HostLook):
                seen[host.name] = look
            load = rank_of(look) if isinstance(look, HostLook) else len(room.placed.get(host.name, ()))
            targets.append((load, host.name))
        else:
            excluded.append((host.name, reason))
    return Placement(tuple(name for _, name in sorted(targets)), tuple(excluded), seen)


def rank_of(look: HostLook) -> int:
    """By what targets are ordered, the least first: how many VMs are there, after all that are not busy."""
    return look.load + (_BUSY_LAST if look.libvirt is Libvirt.BUSY else 0)


def judge_host(
    host: Host,
    suspect: HostName,
    room: Room,
    quarantined: Mapping[HostName, str],
    looks: Mapping[HostName, Look],
    looked: bool = True,
) -> Unfit | None:
    """Why the VM can't start on a host, by all that was seen, or None."""
    look = looks.get(host.name)
    reason = reason_against(host, suspect, room, quarantined, look, looked)
    return reason or _of_another_disk(suspect, looks.get(suspect), look)
