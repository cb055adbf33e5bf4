"""Where all the VMs of one suspect may start: the whole batch is placed before anything is touched.

Each VM is judged by the rules that hold for one alone (placement.py), on hosts as they will be once those before it are
there: with less memory free, more VMs, and their neighbours. A higher priority is placed first, so that nothing of a
lower one ever takes its place; of one priority the bigger ones come first, which leaves fewer gaps.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import filterfalse

from .looks import HostLook, Look, inside
from .model import Host, HostName, Uuid, Vm
from .neighbours import Neighbours, neighbours_among
from .placement import (
    Placement,
    Room,
    Unfit,
    choose_targets,
    free_memory,
    judge_host,
    rank_of,
    reason_against,
    sizes_mib,
    too_small,
)
from .ranking import Ranking


@dataclass(frozen=True, slots=True)
class Wanted:
    """A VM that wants a place."""

    vm: Vm
    memory_mib: int | None
    """What it needs: the inventory's word, else its domain XML's; None where neither says."""
    looks: Mapping[HostName, Look] = field(default_factory=dict)
    """What was seen of hosts that were asked about this VM: what it needs and they lack."""


@dataclass(frozen=True)
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

    @cached_property
    def neighbours(self) -> Neighbours:
        """Who is kept apart from whom."""
        return neighbours_among(self.vms.values())

    @cached_property
    def sizes_mib(self) -> dict[Uuid, int]:
        """What the inventory says that VMs take."""
        return sizes_mib(self.vms.values())


def in_order(wanted: Iterable[Wanted]) -> list[Wanted]:
    """The order in which VMs are placed, and in which they start."""
    return sorted(wanted, key=lambda each: (-each.vm.priority, -(each.memory_mib or 0), each.vm.name, each.vm.uuid))


def choose_batch(ground: Ground, wanted: Iterable[Wanted]) -> dict[Uuid, Placement]:
    """The targets of every VM, in order; its place is the first of them. Without targets it has none.

    Each is told what `choose_among` says beside those before it.
    """
    chosen: dict[Uuid, Placement] = {}
    board = _Board(ground)
    for each in in_order(wanted):
        chosen[each.vm.uuid] = placement = board.choose(each)
        if placement.targets:
            board.plan(placement.targets[0], each)
    return chosen


class _Board:
    """The hosts as they will be once those VMs are there that have a place.

    A VM for which no host was looked at is told what any VM is, but for the hosts that are too small for it, hold one
    from which it is kept apart, or its saved image. Of no other host do the rules have to be asked again.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._hosts = {host.name: host for host in ground.hosts}
        self._number = {name: number for number, name in enumerate(self._hosts)}
        self._sizes = dict(ground.sizes_mib)
        self._planned: dict[HostName, list[Wanted]] = {}
        self._out: list[tuple[HostName, Unfit]] = []
        """The hosts that can take no VM at all."""
        self._now: dict[HostName, HostLook] = {}
        """The others, with what is planned."""
        self._holders: dict[Uuid, set[HostName]] = {}
        """Where each VM is, or will be."""
        self._savers: dict[Uuid, set[HostName]] = {}
        """Where a managed save image of a VM lies."""
        self._small: dict[int, dict[tuple[int, HostName], tuple[HostName, Unfit]]] = {}
        """Why a host with so much free is too small for a VM that needs so much (MiB): said once, told to many."""
        self._sort_out()
        self._seen = dict(self._now)
        self._looks: dict[HostName, Look] = dict(ground.looks)
        self._loads = Ranking({name: rank_of(look) for name, look in self._now.items()})
        free = {name: self._free_mib(name) for name in self._now}
        self._free = Ranking({name: mib for name, mib in free.items() if mib is not None})

    def _sort_out(self) -> None:
        ground, any_vm = self._ground, Room(None, {}, self._ground.placed)
        for name, host in self._hosts.items():
            look = ground.looks.get(name)
            unfit = reason_against(host, ground.suspect, any_vm, ground.quarantined, look, looked=True)
            if unfit is not None:
                self._out.append((name, unfit))
                continue
            assert isinstance(look, HostLook), "all others have something against them"
            self._now[name] = look
            for vm in self._here(name):
                self._holders.setdefault(vm, set()).add(name)
            for vm in look.saved:
                self._savers.setdefault(vm, set()).add(name)

    def _here(self, name: HostName) -> frozenset[Uuid]:
        look = self._now[name]
        return look.active.union(look.copies, self._ground.placed.get(name, ()))

    def _free_mib(self, name: HostName) -> int | None:
        taken = sum(self._sizes.get(vm, 0) for vm in self._here(name))
        return free_memory(self._hosts[name], self._now[name], taken)

    def plan(self, target: HostName, wanted: Wanted) -> None:
        """The VM will be there."""
        vm = wanted.vm.uuid
        self._planned.setdefault(target, []).append(wanted)
        self._sizes[vm] = wanted.memory_mib or 0
        if target in self._now:
            self._now[target] = self._looks[target] = look = with_planned(self._now[target], [wanted])
            self._loads.set(target, rank_of(look))
            self._holders.setdefault(vm, set()).add(target)
        for name in self._holders.get(vm, ()):
            free = self._free_mib(name)
            if free is not None:
                self._free.set(name, free)

    def choose(self, wanted: Wanted) -> Placement:
        """The targets of a VM beside those that are planned."""
        ground = self._ground
        room = Room(wanted.memory_mib, ground.neighbours.of(wanted.vm), ground.placed, self._sizes, wanted.vm)
        there = inside(ground.looks.get(ground.suspect))
        if wanted.looks or (there is not None and there.backings):
            return _choose(ground, wanted, room, {**self._looks, **_with_all_planned(wanted.looks, self._planned)})
        out = self._against(room, wanted.vm.uuid)
        seen = self._seen.copy()
        for name in out:
            del seen[name]
        excluded = sorted([*self._out, *out.values()], key=lambda told: self._number[told[0]])
        return Placement(tuple(filterfalse(out.__contains__, self._loads.names)), tuple(excluded), seen)

    def _against(self, room: Room, vm: Uuid) -> dict[HostName, tuple[HostName, Unfit]]:
        """What a VM has against it on the hosts that may take one."""
        out: dict[HostName, tuple[HostName, Unfit]] = {}
        needs = room.memory_mib
        if needs is not None:
            said = self._small.setdefault(needs, {})
            for tight in self._free.below(needs):
                if tight not in said:
                    free, name = tight
                    said[tight] = name, too_small(free, needs)
                out[tight[1]] = said[tight]
        asked = set(self._savers.get(vm, ()))
        for other in room.neighbours:
            asked |= self._holders.get(other, set())
        return out | {name: (name, unfit) for name in asked if (unfit := self._judge(name, room)) is not None}

    def _judge(self, name: HostName, room: Room) -> Unfit | None:
        ground = self._ground
        return judge_host(self._hosts[name], ground.suspect, room, ground.quarantined, self._looks)


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
    coming = {each.vm.uuid: each.memory_mib or 0 for others in planned.values() for each in others}
    sizes = {**ground.sizes_mib, **coming}
    room = Room(wanted.memory_mib, ground.neighbours.of(wanted.vm), ground.placed, sizes, wanted.vm)
    return _choose(ground, wanted, room, _with_all_planned({**ground.looks, **wanted.looks}, planned))


def _choose(ground: Ground, wanted: Wanted, room: Room, looks: Mapping[HostName, Look]) -> Placement:
    """By the rules for one VM. `looks` are with what is planned; the placement tells what was seen."""
    placement = choose_targets(ground.suspect, ground.hosts, room, ground.quarantined, looks)
    seen = {**ground.looks, **wanted.looks}
    own = {name: look for name, look in seen.items() if name in placement.looks and isinstance(look, HostLook)}
    return replace(placement, looks=own)


def _with_all_planned(
    looks: Mapping[HostName, Look], planned: Mapping[HostName, Sequence[Wanted]]
) -> dict[HostName, Look]:
    """What would be seen of each host."""
    return {
        name: with_planned(look, planned[name]) if isinstance(look, HostLook) and name in planned else look
        for name, look in looks.items()
    }


def with_planned(look: HostLook, planned: Iterable[Wanted]) -> HostLook:
    """What would be seen of a host once the VMs run there that are planned for it."""
    coming = [each for each in planned if not look.runs(each.vm.uuid)]
    free = look.memory_free_mib
    if free is not None:
        free = max(0, free - sum(each.memory_mib or 0 for each in coming))
    return replace(look, active=look.active | {each.vm.uuid for each in coming}, memory_free_mib=free)
