"""The whole batch is told what each of its VMs would be told by itself, beside those before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hafence.core.backing import Backing, FileBacking
from hafence.core.batch import Ground, Wanted, choose_among, choose_batch, in_order, with_planned
from hafence.core.looks import HostLook, Libvirt, Look
from hafence.core.model import HostName, Vm
from hafence.core.needs import Need, NeedKind
from hafence.core.neighbours import neighbours_among
from hafence.core.placement import Placement, choose_targets, keeps_apart, room_for
from hafence.core.ranking import Ranking

from .make import host, look, silence, uuid, vm

SUSPECT = HostName("kvm-01")
VMS = 8
DISK = Need(NeedKind.WRITE, "/disk", is_written=True)
ONE, TWO = (FileBacking("xfs", "1", inode) for inode in (1, 2))
BACKINGS: tuple[dict[Need, Backing], ...] = ({}, {}, {}, {DISK: ONE}, {DISK: TWO})
WORDS = ("dns", "db", "vm-01", "vm-02", "vm-21")
sizes = st.one_of(st.none(), st.sampled_from((0, 100, 300, 500, 700)))
known = st.integers(1, VMS).map(uuid) | st.integers(21, 24).map(uuid)
sets = st.frozensets(known, max_size=3)


@st.composite
def machines(draw: st.DrawFn) -> list[Vm]:
    """Some on the suspect, and some elsewhere."""
    numbers = [*range(1, draw(st.integers(1, VMS)) + 1), *range(21, 25)]
    return [
        vm(
            number,
            memory_mib=draw(sizes),
            priority=draw(st.integers(0, 2)),
            anti_affinity=tuple(sorted(draw(st.frozensets(st.sampled_from(WORDS), max_size=2)))),
        )
        for number in numbers
    ]


@st.composite
def looks(draw: st.DrawFn, name: str) -> Look:
    """Whatever may be seen of a host."""
    if draw(st.integers(0, 5)) == 0:
        return silence(name)
    more: dict[str, Any] = {
        "memory_free_mib": draw(st.one_of(st.none(), st.integers(0, 1500))),
        "libvirt": draw(st.sampled_from((Libvirt.OK, Libvirt.OK, Libvirt.OK, Libvirt.HUNG))),
        "starting": draw(sets),
        "saved": draw(st.sampled_from((frozenset(), frozenset({uuid(1)}), frozenset({uuid(2)})))),
        "backings": draw(st.sampled_from(BACKINGS)),
    }
    return replace(look(name, *sorted(draw(sets)), **more), active=draw(sets))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Ground, list[Wanted]]:
    """A suspect, up to five hosts in an order of their own, and what wants a place."""
    vms = draw(machines())
    names = [HostName(f"kvm-0{number}") for number in draw(st.permutations(range(1, draw(st.integers(2, 6)) + 1)))]
    hosts = [host(name, memory_mib=draw(st.one_of(st.none(), st.integers(0, 1500)))) for name in names]
    strange = draw(st.integers(0, 3)) == 0
    seen = {name: draw(looks(name)) for name in names if name != SUSPECT or strange}
    placed = {name: draw(sets) for name in draw(st.frozensets(st.sampled_from(names)))}
    quarantined = dict.fromkeys(draw(st.frozensets(st.sampled_from(names), max_size=1)), "fenced")
    ground = Ground(SUSPECT, hosts, {each.uuid: each for each in vms}, placed, quarantined, seen)
    wanted = []
    for each in (each for each in vms if each.uuid <= uuid(VMS)):
        asked = draw(st.frozensets(st.sampled_from(names))) if draw(st.booleans()) else ()
        own = {name: draw(looks(name)) for name in sorted(asked)}
        wanted.append(Wanted(each, draw(sizes) if draw(st.booleans()) else each.memory_mib, own))
    return ground, wanted


def alone(ground: Ground, wanted: Wanted, planned: Mapping[HostName, list[Wanted]]) -> Placement:
    """The rule in full, every host asked and every VM compared with all."""
    room = room_for(wanted.vm, wanted.memory_mib, ground.vms, ground.placed)
    coming = {each.vm.uuid: each.memory_mib or 0 for some in planned.values() for each in some}
    seen = {**ground.looks, **wanted.looks}
    then = {
        name: with_planned(look, planned[name]) if isinstance(look, HostLook) and name in planned else look
        for name, look in seen.items()
    }
    room = replace(room, sizes_mib={**room.sizes_mib, **coming})
    told = choose_targets(ground.suspect, ground.hosts, room, ground.quarantined, then)
    return replace(told, looks={name: look for name in told.targets if isinstance(look := seen[name], HostLook)})


@given(scenes())
def test_the_whole_batch_is_told_what_each_is_told_beside_those_before_it(scene: tuple[Ground, list[Wanted]]) -> None:
    ground, wanted = scene
    chosen = choose_batch(ground, wanted)
    planned: dict[HostName, list[Wanted]] = {}
    assert list(chosen) == [each.vm.uuid for each in in_order(wanted)]
    for each in in_order(wanted):
        expected = alone(ground, each, planned)
        assert choose_among(ground, each, planned) == expected
        assert chosen[each.vm.uuid] == expected
        if expected.targets:
            planned.setdefault(expected.targets[0], []).append(each)


@given(machines())
def test_neighbours_are_those_that_are_kept_apart(vms: list[Vm]) -> None:
    among = neighbours_among(vms)
    for each in vms:
        assert among.of(each) == {other.uuid: other for other in vms if keeps_apart(each, other)}


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9))))
def test_a_ranking_is_in_order_whatever_changes(first: list[int], changes: list[tuple[int, int]]) -> None:
    of = {HostName(f"kvm-0{place}"): number for place, number in enumerate(first)}
    ranking = Ranking(of)
    for place, number in changes:
        name = HostName(f"kvm-0{place}")
        if name in of:
            of[name] = number
            ranking.set(name, number)
        order = sorted((number, name) for name, number in of.items())
        assert ranking.names == [name for _, name in order]
        assert ranking.below(number) == [pair for pair in order if pair[0] < number]
