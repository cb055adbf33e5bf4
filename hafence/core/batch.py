"""Where all the VMs of one suspect may start: the whole batch is placed before anything is touched.

Each VM is judged by the rules that hold for one alone (placement.py), on hosts as they will be once those before it are
there: with less memory free, more VMs, and their neighbours. A higher priority is placed first, so that nothing of a
lower one ever takes its place; of one priority the bigger ones come first, which leaves fewer gaps.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .looks import HostLook, Look
from .model import Host, HostName, Uuid, Vm
from .placement import Placement, choose_targets, room_for


@dataclass(frozen=True, slots=True)
class Wanted:
    """A VM that wants a place."""

    vm: Vm
    memory_mib: int | None
    """What it needs: the inventory's word, else its domain XML's; None where neither says."""
    looks: Mapping[HostName, Look] = field(default_factory=dict)
    """What was seen of hosts that were asked about this VM: what it needs and they lack."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the VMs of one suspect are placed on: its cluster, as it was seen before anything was done."""

    suspect: HostName
    hosts: Sequence[Host]
    vms: Mapping[Uuid, Vm]
    """Every VM of the inventory: any may be a neighbour."""
    placed: Mapping[HostName, frozenset[Uuid]]
    """Where the records say that VMs run."""
    quarantined: Mapping[HostName, str]
    looks: Mapping[HostName, Look]


def in_order(wanted: Iterable[Wanted]) -> list[Wanted]:
    """The order in which VMs are placed, and in which they start."""
    return sorted(wanted, key=lambda each: (-each.vm.priority, -(each.memory_mib or 0), each.vm.name, each.vm.uuid))


def choose_batch(ground: Ground, wanted: Iterable[Wanted]) -> dict[Uuid, Placement]:
    """The targets of every VM, in order; its place is the first of them. Without targets it has none."""
    chosen: dict[Uuid, Placement] = {}
    planned: dict[HostName, list[Wanted]] = {}
    for each in in_order(wanted):
        chosen[each.vm.uuid] = placement = choose_among(ground, each, planned)
        if placement.targets:
            planned.setdefault(placement.targets[0], []).append(each)
    return chosen


@dataclass(frozen=True, slots=True)
class Width:
    """How many VMs start side by side."""

    per_target: int
    in_all: int


def next_wave(
    ground: Ground, waiting: Sequence[Wanted], there: Mapping[HostName, Sequence[Wanted]], width: Width
) -> list[tuple[Wanted, Placement]]:
    """Those that start next, side by side, each with its targets: some of the highest priority that waits.

    A priority is a tier: a lower one waits until all of a higher one run, or have failed, for which each has its time
    (`start_timeout`). Where a start fails the next target is tried, and two that fail at once must not fall back on
    one host that has room for one of them: so a wave holds only those that have all their targets wherever each of the
    others may land. `there`: where the VMs of the batch are, or will be.
    """
    wave: dict[Uuid, tuple[Wanted, Placement]] = {}
    at: dict[HostName | None, int] = {}
    places = {each.vm.uuid: host for host, some in there.items() for each in some}
    for each in waiting:
        place = places.get(each.vm.uuid)
        if each.vm.priority != waiting[0].vm.priority or len(wave) == width.in_all or at.get(place) == width.per_target:
            continue
        placement = choose_among(ground, each, _without(there, {each.vm.uuid}))
        placement = replace(placement, targets=tuple(sorted(placement.targets, key=lambda name: name != place)))
        wider = {**wave, each.vm.uuid: (each, placement)}
        if not wave or all(_has_room(ground, wider, vm, there) for vm in wider):
            wave = wider
            at[place] = at.get(place, 0) + 1
    return list(wave.values())


def _without(there: Mapping[HostName, Sequence[Wanted]], vms: Container[Uuid]) -> dict[HostName, list[Wanted]]:
    return {host: [each for each in some if each.vm.uuid not in vms] for host, some in there.items()}


def _has_room(
    ground: Ground,
    wave: Mapping[Uuid, tuple[Wanted, Placement]],
    vm: Uuid,
    there: Mapping[HostName, Sequence[Wanted]],
) -> bool:
    """Whether one of a wave has all its targets, wherever each of the others lands."""
    wanted, placement = wave[vm]
    everywhere = _without(there, wave)
    for other, (each, its) in wave.items():
        for target in its.targets if other != vm else ():
            everywhere.setdefault(target, []).append(each)
    return set(placement.targets) <= set(choose_among(ground, wanted, everywhere).targets)


def choose_among(ground: Ground, wanted: Wanted, planned: Mapping[HostName, Sequence[Wanted]]) -> Placement:
    """The targets of one VM, beside others for which a place is planned. They need not be there yet."""
    room = room_for(wanted.vm, wanted.memory_mib, ground.vms, ground.placed)
    coming = {each.vm.uuid: each.memory_mib or 0 for others in planned.values() for each in others}
    room = replace(room, sizes_mib={**room.sizes_mib, **coming})
    seen = {**ground.looks, **wanted.looks}
    looks = dict(seen)
    for name, others in planned.items():
        look = looks.get(name)
        if isinstance(look, HostLook):
            looks[name] = with_planned(look, others)
    placement = choose_targets(ground.suspect, ground.hosts, room, ground.quarantined, looks)
    own = {name: look for name, look in seen.items() if name in placement.looks and isinstance(look, HostLook)}
    return replace(placement, looks=own)


def with_planned(look: HostLook, planned: Iterable[Wanted]) -> HostLook:
    """What would be seen of a host once the VMs run there that are planned for it."""
    coming = [each for each in planned if not look.runs(each.vm.uuid)]
    free = look.memory_free_mib
    if free is not None:
        free = max(0, free - sum(each.memory_mib or 0 for each in coming))
    return replace(look, active=look.active | {each.vm.uuid for each in coming}, memory_free_mib=free)
