"""Placing 5,000 VMs on 1,000 hosts, with anti-affinity groups, as an evacuation places them. No lab.

    python benchmarks/placement.py [--vms 5000] [--hosts 1000] [--rounds 3]

all at once   the product's `choose_batch`: every VM has its targets in order, and every other host its reason
one by one    the same answer, each VM asked for by itself among those before it (`choose_among`): on a part of the VMs,
              for the time that this takes grows with the square of their number; the answers are compared

own looks     50 VMs, for each of which every host was looked at, as an evacuation of one host does: the rules are asked
              host by host

Hosts have 128 to 512 GiB free and some VMs already, VMs take 4 to 64 GiB; one in three is in a group of three that are
kept apart. Processor time. Exit status 1 where the bound is missed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hafence.core.batch import Ground, Wanted, choose_among, choose_batch, in_order
from hafence.core.looks import HostLook, Libvirt
from hafence.core.model import Host, HostName, Uuid, Vm
from hafence.core.placement import Placement

MOST_S = 1.0
SUSPECT = HostName("kvm-0000")
GIB = 1024
PART = 100
"""So many VMs are placed one by one."""
OF_ONE_HOST = 50
"""So many VMs have looks of their own."""


def scene(vms: int, hosts: int) -> tuple[Ground, list[Wanted]]:
    """The suspect with its VMs, and the other hosts of its cluster."""
    chance = random.Random(1)
    machines = {each.uuid: each for each in (_vm(number, chance) for number in range(vms))}
    names = [SUSPECT, *(HostName(f"kvm-{number:04}") for number in range(1, hosts + 1))]
    looks = {name: _look(name, number, chance) for number, name in enumerate(names) if name != SUSPECT}
    placed = {SUSPECT: frozenset(machines)}
    where = [Host(name, "prod", f"10.0.{number // 250}.{number % 250 + 1}") for number, name in enumerate(names)]
    ground = Ground(SUSPECT, where, machines, placed, {}, dict(looks))
    return ground, [Wanted(each, each.memory_mib) for each in machines.values()]


def _vm(number: int, chance: random.Random) -> Vm:
    group = (f"group-{number // 9}",) if number % 9 < 3 else ()
    memory = chance.choice((4, 4, 8, 8, 16, 32, 64)) * GIB
    return Vm(
        _uuid(1, number),
        f"vm-{number:05}",
        SUSPECT,
        priority=chance.choice((0, 0, 50, 100)),
        memory_mib=memory,
        anti_affinity=group,
    )


def _look(name: HostName, number: int, chance: random.Random) -> HostLook:
    here = frozenset(_uuid(2, 100 * number + some) for some in range(chance.randrange(8)))
    free = chance.choice((128, 256, 512)) * GIB
    copies = dict.fromkeys(here, 1)
    return HostLook(name, 0.0, 0.0, name, f"boot of {name}", Libvirt.OK, copies, here, memory_free_mib=free)


def _uuid(kind: int, number: int) -> Uuid:
    return Uuid(f"6d6f6a5a-0000-4000-800{kind}-{number:012d}")


def one_by_one(ground: Ground, wanted: Sequence[Wanted]) -> dict[Uuid, Placement]:
    """What `choose_batch` must say, from the rule for one VM among others."""
    chosen: dict[Uuid, Placement] = {}
    planned: dict[HostName, list[Wanted]] = {}
    for each in in_order(wanted):
        chosen[each.vm.uuid] = placement = choose_among(ground, each, planned)
        if placement.targets:
            planned.setdefault(placement.targets[0], []).append(each)
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vms", type=int, default=5000)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ground, wanted = scene(options.vms, options.hosts)
    took = []
    for _ in range(options.rounds):
        begun = time.process_time()
        chosen = choose_batch(ground, wanted)
        took.append(time.process_time() - begun)
    placed = sum(bool(placement.targets) for placement in chosen.values())
    whole = statistics.median(took)
    good = whole <= MOST_S
    print(f"{options.vms} VMs on {options.hosts} hosts, all at once: {whole:.2f} s, {placed} have a place")
    print(f"  at most {MOST_S:g} s{'' if good else '   MISSED'}")
    some = in_order(wanted)[:PART]
    begun = time.process_time()
    alone = one_by_one(ground, some)
    each = (time.process_time() - begun) / len(some)
    same = list(alone.items()) == list(choose_batch(ground, some).items())
    print(f"one by one, the first {len(some)}: {each * 1000:.1f} ms each, against {whole / len(wanted) * 1000:.2f} ms")
    print(f"  both say the same: {'yes' if same else 'NO'}")
    own = [replace(each, looks=ground.looks) for each in wanted[:OF_ONE_HOST]]
    begun = time.process_time()
    choose_batch(ground, own)
    print(f"{len(own)} VMs with looks of their own: {time.process_time() - begun:.2f} s")
    return 0 if good and same else 1


if __name__ == "__main__":
    sys.exit(main())
