"""The simulator: starts per second on one core, and cases of the search per second.

    python benchmarks/simulate.py [--rounds 5]

start      `start-vm` of one VM with a live leftover, in a world of four hosts without faults: at least 2,000 per second
search     cases of the exhaustive one-fault search of one run, and of two, the oracle included

Processor time, not wall time: a busy machine makes nothing slower here. The best round counts. Exit status 1 where
a bound is missed.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hafence.core.outcome import Decision
from hafence.sim.search import collect_seldom, exhaustive
from hafence.sim.simulation import Simulation
from hafence.sim.situations import SUSPECT, VM_UUID, Means, inventory
from hafence.sim.world import World
from hafence.workflows.start_vm import start_vm

STARTS = 2000
AT_LEAST = 2000.0
SHORT = ("sshd-gone", "respawns", "unkillable")
"""Situations with few cases."""


def one_start() -> None:
    """One simulated start, from a new world to its end."""
    known = inventory(Means())
    world = World(known)
    world.begin_qemu(VM_UUID, world.hosts[SUSPECT])
    simulation = Simulation(world)
    run = simulation.begin("admin-1", lambda wanted: start_vm(wanted, known.vms[VM_UUID]), yes=True)
    simulation.play()
    assert run.outcomes[0].decision is Decision.STARTED, run.outcomes


def best(rounds: int, work: Callable[[], int]) -> float:
    """Pieces of work per second of processor time, in the best of some rounds."""
    rates = []
    for _ in range(rounds):
        begun = time.process_time()
        pieces = work()
        rates.append(pieces / (time.process_time() - begun))
    return max(rates)


def starts() -> int:
    """Many starts."""
    for _ in range(STARTS):
        one_start()
    return STARTS


def cases(pairs: bool) -> int:
    """Many cases."""
    return exhaustive("confirm", faults=1, pairs=pairs, situations=SHORT).cases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    one_start()
    gc.collect()
    collect_seldom()
    rate = best(rounds, starts)
    good = rate >= AT_LEAST
    print(f"start: {rate:,.0f} simulated starts per second (at least {AT_LEAST:,.0f}){'' if good else '   MISSED'}")
    print(f"search: {best(1, partial(cases, False)):,.0f} cases of one run per second")
    print(f"search: {best(1, partial(cases, True)):,.0f} cases of one and two runs per second")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
