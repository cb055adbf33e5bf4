"""What must be true of every case, whatever happened in it. Nothing here knows how hafence decides.

1. At no moment two living processes of a VM can write to its disks, one of which hafence has started: unless nobody who
   was asked could have known (`grounds.py`). What is excused is counted, by its excuse.
2. Every start that was sent stood on what its record says, whether or not harm came of it (`grounds.py`).
3. A run that refused has started nothing and left the record as it was; one that says that it has started a VM saw no
   other copy that could write.
4. What is recorded is true once the world is quiet.
5. Every run ends within its budget, and in no unexpected exception.
6. When every fault is mended, running the command again ends with exactly one copy of the VM, up (`liveness.py`).
7. No run fences or starts anything against planned work that was announced before its latest round of looks.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.model import Settings, Uuid
from ..core.outcome import Decision
from ..core.record import VmRecord, VmState
from .grounds import lacks
from .run import SimRun
from .simulation import Simulation
from .store import SimStore
from .world import World

QUIET_S = 400.0
"""How long after the last event the world is given to come to rest: leases, deadlines and late scripts end."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise. `rule` is one of split_brain, grounds, refusal, copies, record, budget, bug, liveness,
    planned."""

    rule: str
    says: str


def budget_s(settings: Settings, hosts: int) -> float:
    """The longest that one run for one VM may take, by its own time-outs, without waiting for people or a lease."""
    connect = settings.connect_timeout_s
    look = 2 * connect + 1
    attempt = 3 * connect + settings.ssh_timeout_s + 5
    fence = (hosts + 2) * attempt + look + settings.power_timeout_s + 10
    start = 2 * (settings.start_timeout_s + connect + 5) + look
    store = 30 * connect
    return 2 * (fence + look) + hosts * (start + fence) + settings.start_timeout_s + store


def check_runs(simulation: Simulation, first: int = 0) -> list[Violation]:
    """Rules 3 and 5, for the runs that have been, from the first of that number on."""
    found: list[Violation] = []
    world = simulation.world
    limit = budget_s(world.inventory.settings, len(world.hosts))
    for run in simulation.runs[first:]:
        if run.crashed:
            continue
        if run.ended_at is None:
            found.append(Violation("budget", f"{run.id} never ended; it waits for {type(run.effect).__name__}"))
            continue
        waits_s = sum(vm.ready.within_s for vm in world.inventory.vms.values() if vm.ready)
        spent = run.ended_at - run.began_at - run.held_s
        if spent > limit + waits_s:
            found.append(Violation("budget", f"{run.id} took {spent:.0f} s of at most {limit + waits_s:.0f}"))
        if run.bug is not None:
            found.append(Violation("bug", f"{run.id} ended in {type(run.bug).__name__}: {run.bug}"))
        found += _check_refusal(world, run)
        found += _check_copies(world, run)
    return found


def _check_refusal(world: World, run: SimRun) -> list[Violation]:
    found = []
    for outcome in run.outcomes:
        if outcome.decision is not Decision.REFUSED:
            continue
        if any(vm == outcome.uuid for _, vm, _ in run.sent):
            found.append(Violation("refusal", f"{run.id} refused ({outcome.reason.value}) and had sent a start"))
        for who, before, after in run.admin.store.writes:
            if who == run.id and after.uuid == outcome.uuid and not _settles(before, after):
                found.append(
                    Violation("refusal", f"{run.id} refused ({outcome.reason.value}) and wrote '{after.words}'")
                )
    return found


def _check_copies(world: World, run: SimRun) -> list[Violation]:
    """Whoever says that a VM runs on a host has looked, and saw no other process that could write."""
    found = []
    for outcome in run.outcomes:
        looks = next((looks for looks in reversed(world.notes.looks) if looks.run == run.id), None)
        if outcome.decision is not Decision.STARTED or outcome.dry_run or looks is None:
            continue
        others = set(looks.writers[outcome.uuid]) - {outcome.host}
        if others or len(looks.writers[outcome.uuid]) > 1:
            found.append(Violation("copies", f"{run.id} started it on {outcome.host} and saw a copy on {others}"))
    return found


def _settles(before: VmRecord | None, after: VmRecord) -> bool:
    """A start of an earlier run that was found to have come to nothing is no change of what is believed."""
    return before is not None and before.state is VmState.STARTING and after.state is VmState.STOPPED


def check_splits(simulation: Simulation, first: int = 0) -> list[Violation]:
    """Rule 1: split-brains that nothing excuses, from the first of that number on."""
    world = simulation.world
    return [
        Violation("split_brain", f"{world.name_of(split.vm)}: {split.words} at {split.at:.3f}")
        for split in world.splits[first:]
        if split.excuse is None
    ]


def check_starts(simulation: Simulation, first: int = 0) -> list[Violation]:
    """Rule 2: starts whose grounds did not hold, from the first of that number on."""
    world = simulation.world
    found = []
    for sent in world.notes.sent[first:]:
        if lacking := lacks(world.inventory, world.notes, sent):
            grounds = sent.grounds.value if sent.grounds else "nothing"
            found.append(Violation("grounds", f"{sent.run} started it at {sent.at:.3f} on {grounds}: {lacking}"))
    return found


def check_planned(simulation: Simulation, first: int = 0) -> list[Violation]:
    """Rule 7: orders that planned work forbade, from the first of that number on."""
    defied = simulation.world.notes.defied[first:]
    return [Violation("planned", f"{each.run} {each.what} at {each.at:.3f}") for each in defied]


def check_records(simulation: Simulation) -> list[Violation]:
    """Rule 4. A record that no run has written is the inventory's word and nobody's promise. Of several stores only the
    record that was written last is held against the world: no store knows what runs by another have done."""
    world = simulation.world
    latest: dict[Uuid, SimStore] = {}
    for store in world.stores:
        for vm, at in store.written_at.items():
            if vm not in latest or latest[vm].written_at[vm] <= at:
                latest[vm] = store
    found = []
    for vm, record in ((vm, store.records[vm]) for vm, store in latest.items()):
        living = world.qemus.get(vm, [])
        if record.state is VmState.STOPPED and record.proven_dead:
            wrong = [q for q in world.writers(vm) if q.by]
            if wrong:
                found.append(Violation("record", f"recorded '{record.words}', and it runs on {wrong[0].host.name}"))
        if record.state is VmState.RUNNING and record.started_at is not None and record.host is not None:
            here = [q for q in living if q.host.name == record.host]
            if not here and not _struck_since(world, record):
                found.append(Violation("record", f"recorded '{record.words}', and no copy is there"))
    return found


def _struck_since(world: World, record: VmRecord) -> bool:
    """Whether the recorded host lost a copy since the run that wrote the record sent its start."""
    lost = world.lost.get((record.uuid, record.host or ""))
    return lost is not None
