"""The simulated store answers like the real one: the same operations on both, in random order."""

from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from hafence.core.model import HostName, Uuid, parse_uuid
from hafence.core.record import VmRecord, VmState
from hafence.core.stored import Busy, Lease
from hafence.effects import LeaseLost
from hafence.sim.store import SimStore
from hafence.stores import open_store
from hafence.stores.holder import Holder
from hafence.stores.port import RunRow, Store

VMS = (parse_uuid("6d6f6a5a-0000-4000-8000-000000000001"), parse_uuid("6d6f6a5a-0000-4000-8000-000000000002"))
RUNS = ("run-1", "run-2")
START = 1_763_824_000.0
TTL_S = 120.0


def far_away(run: str) -> Holder:
    """A holder of whom nothing can be seen from here: only time ends its leases."""
    return Holder(run, f"somebody@{run}", 1, "1", "another boot", "another namespace", "f" * 32)


class Both:
    """The same store twice. Tokens differ by where they begin; every comparison is of what they mean."""

    def __init__(self, real: Store) -> None:
        self.real = real
        self.sim = SimStore()
        self.leases: dict[tuple[Uuid, str], tuple[Lease, Lease]] = {}
        self.revision: dict[Uuid, int] = {}

    def take(self, vm: Uuid, run: str, now: float) -> None:
        real = self.real.take_lease(vm, far_away(run), TTL_S, now)
        sim = self.sim.take_lease(vm, run, f"somebody@{run}", TTL_S, now, frozenset())
        assert type(real) is type(sim), (vm, run, now)
        assert real.expires_at == sim.expires_at
        if isinstance(real, Busy) and isinstance(sim, Busy):
            assert (real.run, real.vm) == (sim.run, sim.vm)
        if isinstance(real, Lease) and isinstance(sim, Lease):
            self.leases[vm, run] = (real, sim)

    def renew(self, vm: Uuid, run: str, now: float) -> None:
        real, sim = self.leases[vm, run]
        lost_there, lost_here = False, False
        try:
            real = self.real.renew_lease(real, TTL_S, now)
        except LeaseLost:
            lost_there = True
        try:
            self.sim.renew_lease(sim, TTL_S, now)
        except LeaseLost:
            lost_here = True
        assert lost_there == lost_here
        self.leases[vm, run] = (real, sim)

    def drop(self, vm: Uuid, run: str) -> None:
        real, sim = self.leases[vm, run]
        self.real.drop_lease(real)
        self.sim.drop_lease(sim)

    def write(self, vm: Uuid, run: str, now: float, stale: bool) -> None:
        real, sim = self.leases[vm, run]
        revision = self.revision.get(vm, 0) - (1 if stale else 0)
        if revision < 0:
            return
        record = VmRecord(vm, VmState.RUNNING, HostName("kvm-02"), None, revision, run, 7, None, now)
        there: VmRecord | None = None
        here: VmRecord | None = None
        with suppress(LeaseLost):
            there = self.real.write_record(record, real, now)
        with suppress(LeaseLost):
            here = self.sim.write_record(record, sim, now)
        assert there == here
        if here is not None:
            self.revision[vm] = here.revision

    def compare(self, now: float) -> None:
        there, here = self.real.recall(now), self.sim.recall(now)
        assert (dict(there.records), dict(there.machine_ids)) == (dict(here.records), dict(here.machine_ids))
        assert set(there.quarantine) == set(here.quarantine)


@pytest.mark.parametrize("seed", range(12))
def test_random_operations_are_answered_alike(tmp_path: Path, seed: int) -> None:
    real = open_store(f"sqlite://{tmp_path}/state.db")
    for run in RUNS:
        real.begin_run(RunRow(run, START, "somebody", "start-vm"))
    both, dice, now, done = Both(real), Random(seed), START, 0
    for _ in range(60):
        now += dice.choice((0.0, 1.0, 50.0, 119.0, 121.0))
        vm, run = dice.choice(VMS), dice.choice(RUNS)
        does = dice.choice(("take", "take", "renew", "drop", "write", "write", "stale"))
        if does == "take":
            both.take(vm, run, now)
        elif (vm, run) in both.leases:
            done += 1
            if does == "renew":
                both.renew(vm, run, now)
            elif does == "drop":
                both.drop(vm, run)
            else:
                both.write(vm, run, now, does == "stale")
        both.compare(now)
    real.close()
    assert done > 10, "the dice made too few operations to compare"
