"""Rule 6 of the oracle: when every fault is mended, running the command again ends with exactly one copy of the VM, up.

What comes of it depends only on what the case has left behind. Millions of cases leave a few hundred worlds; what
is known of one is not tried again.
"""

from __future__ import annotations

from functools import partial

from ..core.model import Uuid
from ..core.reasons import Reason
from .commands import begin_command
from .events import heal
from .oracle import QUIET_S, Violation, check_runs, check_splits, check_starts
from .simulation import Simulation
from .store import SimStore
from .world import EPOCH, World

RERUNS = 4
"""How often the command is run again before liveness is called violated."""
Known = dict[tuple[str, str, str], list[Violation]]
"""What came of the worlds that were left behind so far, under one policy and inventory."""


def mend_everything(simulation: Simulation, at: float) -> bool:
    """Every fault ends at a moment, and the world comes to rest. False if it never does."""
    simulation.world.agenda.call_at(at, partial(heal, simulation))
    return simulation.play(at + QUIET_S)


def check_liveness(
    simulation: Simulation, admin: str, words: str, vm: Uuid, known: Known | None = None
) -> list[Violation]:
    """Run the command again in a mended world, and hold the oracle against that too."""
    if known is None:
        known = {}
    left = (admin, words, left_behind(simulation.world, simulation.world.admins[admin].store))
    if left not in known:
        world = simulation.world
        runs, splits, sent = len(simulation.runs), len(world.splits), len(world.notes.sent)
        found = _run_again(simulation, admin, words, vm)
        found += check_runs(simulation, runs) + check_splits(simulation, splits) + check_starts(simulation, sent)
        known[left] = found
    return known[left]


def left_behind(world: World, store: SimStore) -> str:
    """All that a run can meet in a mended world at rest, without what only tells when and by whom it was brought about.

    Tickets and lease tokens are left out: those of a later run are always higher; and marks: all are old by then.
    """
    now = EPOCH + world.now
    quiet_s = world.inventory.settings.quiet_time_s
    memory = store.recall(now)
    records = [
        (
            vm,
            record.words,
            record.grounds,
            [(each.host, each.until > now) for each in record.shut_out],
            record.unproven,
            record.started_at is not None and now - record.started_at <= quiet_s,
        )
        for vm, record in sorted(memory.records.items())
    ]
    leases = [row.vm for row in store.leases() if row.expires_at > now]
    stored = (records, leases, sorted(memory.statements), sorted(memory.quarantine), sorted(memory.machine_ids.items()))
    whole = sorted(host for (host, pid), until in world.storage.blocklist.items() if pid is None and until > world.now)
    hosts = [
        (
            host.name,
            host.up,
            host.machine_id,
            sorted((q.vm, q.state, q.by != "", q.stray, world.storage.keeps_out(q, world.now)) for q in host.qemus),
            sorted(host.jobs),
            sorted(host.locks),
            sorted(host.defined),
            sorted(host.aside),
            sorted(host.autostart),
            sorted(host.saved),
        )
        for host in world.hosts.values()
    ]
    return repr((stored, whole, hosts, world.operator, world.death_seen))


def _run_again(simulation: Simulation, admin: str, words: str, vm: Uuid) -> list[Violation]:
    """First as it was typed, then plainly, with consent; and what a refusal names as the way out is done."""
    world = simulation.world
    last = ""
    for number in range(RERUNS):
        again = words if number == 0 else f"start-vm {vm} --yes"
        run = begin_command(simulation, admin, again)
        simulation.play(world.now + QUIET_S)
        if run.result == () and run.bug is None:  # an evacuation found nothing left to do
            last = "nothing to do"
            if _is_up(world, vm):
                return []
            continue
        if not run.outcomes:
            return [Violation("liveness", f"{run.id} came to no outcome ({run.result})")]
        outcome = run.outcomes[0]
        last = f"{outcome.decision.value}, {outcome.reason.value}: {outcome.message}"
        if _is_up(world, vm):
            return []
        # a VM whose disks refuse it, by a storage fence that was interrupted, is one that a person fences, too
        if outcome.reason in (Reason.TWO_COPIES, Reason.RUNNING_ELSEWHERE) or outcome.host is not None:
            _follow_way_out(simulation, admin, vm)
    where = ", ".join(q.host.name for q in world.qemus.get(vm, [])) or "nowhere"
    return [Violation("liveness", f"after {RERUNS} more runs {world.name_of(vm)} runs {where}; the last said {last}")]


def _is_up(world: World, vm: Uuid) -> bool:
    """One copy can write. A leftover that the storage keeps out is no second one: the record knows of it."""
    return len(world.writers(vm)) == 1


def _follow_way_out(simulation: Simulation, admin: str, vm: Uuid) -> None:
    """What a person does who is told of a copy that should not be: fence it, as the refusal says.

    Of several copies that is one that can't write, else the oldest.
    """
    world = simulation.world
    writers = world.writers(vm)
    useless = [qemu for qemu in world.qemus.get(vm, []) if qemu not in writers]
    older = min(useless or writers, key=lambda q: q.born_at, default=None)
    if older is not None and (useless or len(writers) > 1):
        begin_command(simulation, admin, f"fence {vm} --host {older.host.name} --yes")
        simulation.play(world.now + QUIET_S)
