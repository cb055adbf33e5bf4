"""How good the places are: against an exact solver, which tries every way to place a few VMs on a few hosts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from hafence.core.batch import Ground, Wanted, choose_batch
from hafence.core.looks import Look
from hafence.core.model import HostName, Uuid, Vm
from hafence.core.placement import keeps_apart

from .make import host, look, vm

SUSPECT = HostName("kvm-01")
CASES = 200
SHARE = 0.95
"""At least so many of the VMs that the exact solver places."""

Counts = tuple[int, ...]
"""How many VMs have a place, of each priority, the highest first."""


def case(chance: random.Random) -> tuple[list[Vm], dict[HostName, int]]:
    """Up to six VMs of three priorities, and up to four hosts with their free MiB: room is short in most cases."""
    vms = [
        vm(
            number,
            memory_mib=chance.choice((256, 512, 512, 1024, 2048)),
            priority=chance.choice((0, 0, 10, 20)),
            anti_affinity=("dns",) if chance.random() < 0.3 else (),
        )
        for number in range(1, chance.randint(4, 7))
    ]
    return vms, {
        HostName(f"kvm-{n:02}"): chance.choice((512, 1024, 2048, 3072)) for n in range(2, chance.randint(4, 6))
    }


def counts(vms: Sequence[Vm], placed: set[Uuid]) -> Counts:
    """Of each priority that there is."""
    tiers = sorted({each.priority for each in vms}, reverse=True)
    return tuple(sum(each.priority == tier and each.uuid in placed for each in vms) for tier in tiers)


def ways(vms: Sequence[Vm], free: dict[HostName, int], there: dict[HostName, list[Vm]]) -> Iterator[set[Uuid]]:
    """Every way to give the VMs places, or none."""
    if not vms:
        yield {each.uuid for some in there.values() for each in some}
        return
    first, *rest = vms
    need = first.memory_mib or 0
    for name, mib in free.items():
        if mib >= need and not any(keeps_apart(first, other) for other in there[name]):
            yield from ways(rest, {**free, name: mib - need}, {**there, name: [*there[name], first]})
    yield from ways(rest, free, there)


def exact(vms: Sequence[Vm], free: dict[HostName, int]) -> Counts:
    """The best: as many as can be of the highest priority, then of the next."""
    return max(counts(vms, placed) for placed in ways(vms, free, {name: [] for name in free}))


def ours(vms: Sequence[Vm], free: dict[HostName, int]) -> Counts:
    """What an evacuation does."""
    seen: dict[HostName, Look] = {name: look(name, memory_free_mib=mib) for name, mib in free.items()}
    ground = Ground(SUSPECT, [host(name) for name in (SUSPECT, *free)], {each.uuid: each for each in vms}, {}, {}, seen)
    chosen = choose_batch(ground, [Wanted(each, each.memory_mib) for each in vms])
    return counts(vms, {each for each, placement in chosen.items() if placement.targets})


def test_nearly_as_many_find_a_place_as_the_exact_solver_finds_places_for() -> None:
    chance = random.Random(1)
    of_all, of_the_highest = [0, 0], [0, 0]
    for _ in range(CASES):
        vms, free = case(chance)
        best, got = exact(vms, free), ours(vms, free)
        assert got <= best, "the exact solver is none"
        for side, found in enumerate((best, got)):
            of_all[side] += sum(found)
            of_the_highest[side] += found[0]
    assert of_all[1] >= SHARE * of_all[0], of_all
    assert of_the_highest[1] >= SHARE * of_the_highest[0], of_the_highest
    assert of_all[1] < of_all[0], "room is so ample that nothing is shown"
