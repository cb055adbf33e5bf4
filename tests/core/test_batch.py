"""The batch: every VM of a suspect has its place, or has none with its reasons, before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hafence.core.batch import Ground, Wanted, Width, choose_among, choose_batch, in_order, next_wave, with_planned
from hafence.core.looks import HostLook, Look
from hafence.core.model import Host, HostName, Uuid, Vm
from hafence.core.placement import Against, Placement, free_memory, keeps_apart

from .make import host, look, silence, uuid, vm

K1, K2, K3, K4 = (HostName(f"kvm-0{n}") for n in range(1, 5))


def ground(vms: Sequence[Vm], looks: dict[HostName, Look], hosts: Sequence[Host] = (), **more: object) -> Ground:
    named = hosts or [host(name) for name in (K1, *sorted(looks))]
    return Ground(
        K1,
        named,
        {each.uuid: each for each in vms},
        placed=more.get("placed", {}),  # type: ignore[arg-type]
        quarantined=more.get("quarantined", {}),  # type: ignore[arg-type]
        looks=looks,
    )


def wanted(*vms: Vm) -> list[Wanted]:
    return [Wanted(each, each.memory_mib) for each in vms]


def places(chosen: dict[Uuid, Placement]) -> dict[Uuid, HostName | None]:
    return {uuid: placement.targets[0] if placement.targets else None for uuid, placement in chosen.items()}


def test_a_higher_priority_comes_first_then_the_bigger_one_then_the_name() -> None:
    vms = [vm(1, memory_mib=5), vm(2), vm(3, memory_mib=9), vm(4, priority=1), vm(5, name="a", memory_mib=5)]
    assert [each.vm.uuid for each in in_order(wanted(*vms))] == [uuid(4), uuid(3), uuid(5), uuid(1), uuid(2)]


def test_vms_are_spread_by_load() -> None:
    vms = [vm(n, memory_mib=100) for n in range(1, 6)]
    seen: dict[HostName, Look] = {K2: look("kvm-02", uuid(20)), K3: look("kvm-03")}
    got = list(places(choose_batch(ground(vms, seen), wanted(*vms))).values())
    assert got == [K3, K2, K3, K2, K3]


def test_memory_is_what_libvirt_reports_less_what_is_planned() -> None:
    vms = [vm(1, memory_mib=600, priority=2), vm(2, memory_mib=400, priority=1), vm(3, memory_mib=1)]
    chosen = choose_batch(ground(vms, {K2: look("kvm-02", memory_free_mib=1000)}), wanted(*vms))
    assert places(chosen) == {uuid(1): K2, uuid(2): K2, uuid(3): None}
    assert dict(chosen[uuid(3)].excluded)[K2].says == "has 0 MiB free, the VM needs 1"
    assert dict(chosen[uuid(3)].excluded)[K1].against is Against.SUSPECT


def test_what_the_inventory_grants_holds_for_those_that_are_planned_too() -> None:
    vms = [vm(1), vm(2)]
    sized = [Wanted(vms[0], 700), Wanted(vms[1], 400)]  # by their definitions: the inventory does not say
    it = ground(vms, {K2: look("kvm-02", memory_free_mib=None)}, [host("kvm-02", memory_mib=1000)])
    chosen = choose_batch(it, sized)
    assert places(chosen) == {uuid(1): K2, uuid(2): None}
    assert dict(chosen[uuid(2)].excluded)[K2].says == "has 300 MiB free, the VM needs 400"


def test_a_vm_of_unknown_size_takes_no_memory_and_counts_as_load() -> None:
    seen = with_planned(look("kvm-02"), wanted(vm(1)))
    assert (seen.memory_free_mib, seen.load) == (4096, 1)
    assert with_planned(look("kvm-02", memory_free_mib=None), wanted(vm(1, memory_mib=5))).memory_free_mib is None


def test_a_vm_that_is_there_already_is_not_counted_twice() -> None:
    seen = look("kvm-02", uuid(1))
    assert with_planned(seen, wanted(vm(1, memory_mib=500))) == seen


def test_those_that_are_kept_apart_get_hosts_of_their_own_or_none() -> None:
    vms = [vm(n, anti_affinity=("dns",), priority=-n) for n in (1, 2, 3)]
    chosen = choose_batch(ground(vms, {K2: look("kvm-02"), K3: look("kvm-03")}), wanted(*vms))
    assert places(chosen) == {uuid(1): K2, uuid(2): K3, uuid(3): None}
    assert dict(chosen[uuid(3)].excluded)[K3].says == ("holds vm-02, from which the VM is kept apart (anti_affinity)")


def test_a_host_that_can_take_none_is_named_with_its_reason() -> None:
    vms = [vm(1)]
    seen: dict[HostName, Look] = {K2: look("kvm-02"), K3: silence("kvm-03"), K4: look("kvm-04")}
    it = replace(ground(vms, seen), quarantined={K2: "fenced"})
    chosen = choose_batch(it, wanted(*vms))[uuid(1)]
    assert chosen.targets == (K4,)
    assert [(name, unfit.against) for name, unfit in chosen.excluded] == [
        (K1, Against.SUSPECT),
        (K2, Against.QUARANTINE),
        (K3, Against.SILENT),
    ]


def test_a_target_comes_with_what_was_seen_and_not_with_what_is_planned() -> None:
    seen = look("kvm-02")
    vms = [vm(1, memory_mib=5), vm(2, memory_mib=5)]
    chosen = choose_batch(ground(vms, {K2: seen}), wanted(*vms))
    assert [placement.looks for placement in chosen.values()] == [{K2: seen}, {K2: seen}]


def test_what_is_planned_for_a_host_that_was_not_seen_changes_nothing() -> None:
    it = ground([vm(1)], {K2: silence("kvm-02")})
    assert choose_among(it, wanted(vm(1))[0], {K2: wanted(vm(2)), K3: wanted(vm(3))}).targets == ()


# ---------------------------------------------------------------- side by side

WIDE = Width(per_target=4, in_all=12)


def there(it: Ground, batch: list[Wanted]) -> dict[HostName, list[Wanted]]:
    """Where the batch is to go."""
    chosen, by_host = choose_batch(it, batch), dict[HostName, list[Wanted]]()
    for each in batch:
        if chosen[each.vm.uuid].targets:
            by_host.setdefault(chosen[each.vm.uuid].targets[0], []).append(each)
    return by_host


def names(wave: list[tuple[Wanted, Placement]]) -> list[str]:
    return [each.vm.name for each, _ in wave]


def test_a_wave_is_of_one_priority_and_no_wider_than_it_may_be() -> None:
    vms = [vm(n, memory_mib=1, priority=7 if n < 8 else 0) for n in range(1, 10)]
    it = ground(vms, {K2: look("kvm-02"), K3: look("kvm-03")})
    batch = in_order(wanted(*vms))
    places = there(it, batch)
    assert names(next_wave(it, batch, places, WIDE)) == [f"vm-0{n}" for n in range(1, 8)]
    assert names(next_wave(it, batch, places, Width(2, 12))) == ["vm-01", "vm-02", "vm-03", "vm-04"]
    assert names(next_wave(it, batch, places, Width(4, 3))) == ["vm-01", "vm-02", "vm-03"]
    assert names(next_wave(it, batch[7:], places, WIDE)) == ["vm-08", "vm-09"]
    assert next_wave(it, [], places, WIDE) == []


def test_the_place_that_was_planned_comes_first_and_the_others_are_told_as_for_one_alone() -> None:
    vms = [vm(1, memory_mib=1), vm(2, memory_mib=1)]
    it = ground(vms, {K2: look("kvm-02"), K3: look("kvm-03"), K4: look("kvm-04")})
    batch = in_order(wanted(*vms))
    [(_, first), (_, second)] = next_wave(it, batch, {K4: batch[:1], K3: batch[1:]}, WIDE)
    assert (first.targets, second.targets) == ((K4, K2, K3), (K3, K2, K4))
    assert first.looks == it.looks


def test_two_that_could_fall_back_on_one_place_start_one_after_the_other() -> None:
    vms = [vm(1, memory_mib=600), vm(2, memory_mib=600)]
    seen: dict[HostName, Look] = {name: look(name, memory_free_mib=1000) for name in (K2, K3)}
    it, batch = ground(vms, seen), wanted(*vms)
    assert names(next_wave(it, batch, there(it, batch), WIDE)) == ["vm-01", "vm-02"], "neither has another target"
    seen[K4] = look("kvm-04", memory_free_mib=1000)
    it = ground(vms, seen)
    assert names(next_wave(it, batch, there(it, batch), WIDE)) == ["vm-01"]
    seen[K4] = look("kvm-04", memory_free_mib=1200)
    it = ground(vms, seen)
    assert names(next_wave(it, batch, there(it, batch), WIDE)) == ["vm-01", "vm-02"]


def test_one_whose_place_is_taken_goes_alone() -> None:
    vms = [vm(1, memory_mib=2000), vm(2, memory_mib=10)]
    it = ground(vms, {K2: look("kvm-02", memory_free_mib=100)})
    batch = wanted(*vms)
    [(_, placement)] = next_wave(it, batch[:1], {K2: batch}, WIDE)
    assert placement.targets == ()


# ---------------------------------------------------------------- for every batch

GROUPS = ("dns", "db", "web")
machines = st.lists(
    st.builds(
        lambda memory, priority, groups: (memory, priority, tuple(sorted(groups))),
        st.one_of(st.none(), st.integers(0, 900)),
        st.integers(-2, 2),
        st.frozensets(st.sampled_from(GROUPS), max_size=2),
    ),
    max_size=12,
)
rooms = st.lists(
    st.tuples(st.integers(0, 2000), st.one_of(st.none(), st.integers(0, 2000)), st.integers(0, 3)),
    min_size=1,
    max_size=4,
)


def scene(batch: list[tuple[int | None, int, tuple[str, ...]]], free: list[tuple[int, int | None, int]]) -> Ground:
    """A batch on kvm-01, and hosts beside it, each with some memory, a grant of the inventory perhaps, and VMs that are
    there already, the first of them of a group."""
    vms = [vm(n, memory_mib=m, priority=p, anti_affinity=g) for n, (m, p, g) in enumerate(batch, 1)]
    hosts, seen = [host("kvm-01")], {}
    for number, (mib, grant, load) in enumerate(free, 2):
        name = f"kvm-{number:02d}"
        here = [vm(100 * number + n, host=name, memory_mib=50, anti_affinity=GROUPS[n : n + 1]) for n in range(load)]
        vms += here
        hosts.append(host(name, memory_mib=grant))
        seen[HostName(name)] = look(name, *(each.uuid for each in here), memory_free_mib=mib)
    return ground(vms, dict(seen), hosts)


def batch_of(it: Ground) -> list[Wanted]:
    return wanted(*(each for each in it.vms.values() if each.host == K1))


@given(machines, rooms)
def test_no_host_is_planned_over_its_memory_nor_against_a_group(
    batch: list[tuple[int | None, int, tuple[str, ...]]], free: list[tuple[int, int | None, int]]
) -> None:
    it = scene(batch, free)
    got = places(choose_batch(it, batch_of(it)))
    for each in it.hosts:
        coming = [it.vms[uuid] for uuid, where in got.items() if where == each.name]
        seen = it.looks.get(each.name)
        if not isinstance(seen, HostLook):
            assert coming == []
            continue
        here = [it.vms[uuid] for uuid in seen.active]
        room = free_memory(each, seen, sum(vm.memory_mib or 0 for vm in here))
        needs = sum(vm.memory_mib or 0 for vm in coming)
        assert room is not None
        assert needs == 0 or needs <= room
        assert not any(keeps_apart(one, other) for one in coming for other in (*here, *coming))


@given(machines, rooms, st.randoms(use_true_random=False))
def test_the_same_batch_in_any_order_gets_the_same_places(
    batch: list[tuple[int | None, int, tuple[str, ...]]], free: list[tuple[int, int | None, int]], chance: object
) -> None:
    it = scene(batch, free)
    shuffled = batch_of(it)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert list(choose_batch(it, shuffled).items()) == list(choose_batch(it, batch_of(it)).items())


@given(machines.filter(bool), rooms, st.integers(-3, 3), st.integers(0, 11))
def test_moving_one_vms_priority_moves_no_higher_one(
    batch: list[tuple[int | None, int, tuple[str, ...]]],
    free: list[tuple[int, int | None, int]],
    priority: int,
    which: int,
) -> None:
    """Neither one that was higher and is still: nothing of a lower priority has a say in its place."""
    which %= len(batch)
    memory_mib, before, groups = batch[which]
    moved = [*batch[:which], (memory_mib, priority, groups), *batch[which + 1 :]]
    then, now = scene(batch, free), scene(moved, free)
    had, has = (places(choose_batch(it, batch_of(it))) for it in (then, now))
    higher = [uuid for uuid in had if then.vms[uuid].priority > max(before, priority)]
    assert [has[uuid] for uuid in higher] == [had[uuid] for uuid in higher]


@given(machines, rooms)
def test_a_vm_without_a_place_has_a_reason_for_every_host(
    batch: list[tuple[int | None, int, tuple[str, ...]]], free: list[tuple[int, int | None, int]]
) -> None:
    it = scene(batch, free)
    for placement in choose_batch(it, batch_of(it)).values():
        assert sorted([*placement.targets, *(name for name, _ in placement.excluded)]) == [h.name for h in it.hosts]


@given(machines, rooms, st.randoms(use_true_random=False))
def test_wherever_those_of_a_wave_land_no_host_is_over_its_memory_nor_against_a_group(
    batch: list[tuple[int | None, int, tuple[str, ...]]], free: list[tuple[int, int | None, int]], chance: object
) -> None:
    it = scene(batch, free)
    every = in_order(batch_of(it))
    planned = there(it, every)
    waiting = [each for each in every if any(each in some for some in planned.values())]
    wave = next_wave(it, waiting, planned, WIDE)
    land = {each.vm.uuid: chance.choice(placement.targets) for each, placement in wave}  # type: ignore[attr-defined]
    for each in it.hosts:
        stays = [other.vm for other in planned.get(each.name, []) if other.vm.uuid not in land]
        coming = [it.vms[uuid] for uuid, where in land.items() if where == each.name]
        seen = it.looks.get(each.name)
        if not coming:
            continue
        assert isinstance(seen, HostLook)
        here = [it.vms[uuid] for uuid in seen.active]
        room = free_memory(each, seen, sum(vm.memory_mib or 0 for vm in here))
        needs = sum(vm.memory_mib or 0 for vm in (*coming, *stays))
        assert room is not None
        assert needs == 0 or needs <= room
        assert not any(keeps_apart(one, other) for one in coming for other in (*here, *coming, *stays) if one != other)
