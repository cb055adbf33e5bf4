"""Each effect, performed on the simulated world. The same effects as in `runner/perform.py`; no rule is decided here.

An effect that reaches out has at least three points, each a step of its own: its intent is written down; it is
done and the answer is under way; the answer is there. A run can crash, be held or lose a link at each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.starts import HookResult
from ..core.stored import Busy, Lease, Statement
from ..effects import (
    Answer,
    Ask,
    DropLease,
    Effect,
    EndWatch,
    Fence,
    FenceStorage,
    LearnMachine,
    LeaseLost,
    LiftQuarantine,
    LiftStorageFence,
    LookAt,
    MemoryNeed,
    Now,
    PowerOff,
    Quarantine,
    Recall,
    RecordStatement,
    RenewLease,
    RenewStorageFence,
    RunHooks,
    Settle,
    SharedDisks,
    SharedHostKeys,
    Sleep,
    SpendStatement,
    Start,
    Startable,
    StoreError,
    StoreHealth,
    TakeLease,
    Tell,
    Together,
    Uptime,
    Witness,
    WriteRecord,
)
from .kernel import Act, Join
from .network import STORE
from .run import SimRun
from .second_level import fence_storage, lift_storage_fence, power_off, renew_storage_fence
from .sessions import clock, fence, look_at, settle, start, witness
from .watch import end_watch, renewed
from .words import risk_words
from .world import EPOCH, World

STORE_S = 0.002
HOOKS_S = 0.4
PERSON_S = 3.0
LEASE_POLL_S = 5.0

INTENDED = frozenset({Fence, Start, Settle, PowerOff, FenceStorage, RunHooks, Together})
"""Effects whose intent must be in the store before they begin (the runner's journal)."""


def perform(world: World, run: SimRun, effect: Effect[Any]) -> Act[Any]:
    """The act that does what the effect asks for and ends in its answer. The workflow gets LeaseLost and StoreError."""
    kind = type(effect)
    stored = _STORED.get(kind)
    if stored is not None:
        return _ask_store(world, run, stored, effect)
    if kind in INTENDED:
        return _intended(world, run, effect)
    if kind in AT_ONCE:
        return _at_once(world, run, effect)
    return _ACTS[kind](world, run, effect)


def _intended(world: World, run: SimRun, effect: Effect[Any]) -> Act[Any]:
    """The journal before and after. If what came of it can't be written, the next effect meets the failure."""
    if not _store_answers(world, run):
        yield STORE_S
        raise StoreError("the store could not be written")
    answer = yield from _ACTS[type(effect)](world, run, effect)
    run.owed = not _store_answers(world, run)
    return answer


def _at_once(world: World, run: SimRun, effect: Effect[Any]) -> Act[Any]:
    """An effect without time among several that are asked for together."""
    yield 0.0
    return AT_ONCE[type(effect)](world, run, effect)


# ---------------------------------------------------------------- the admin node


def _now(world: World, run: SimRun, _: Now) -> float:
    return clock(world, run)


def _uptime(world: World, run: SimRun, _: Uptime) -> float:
    return world.now - run.admin.booted_at


def _startable(world: World, run: SimRun, effect: Startable) -> str:
    return world.unstartable.get(effect.vm, "")


def _memory_need(world: World, run: SimRun, effect: MemoryNeed) -> int | None:
    return 4096


def _tell(world: World, run: SimRun, effect: Tell) -> None:
    if effect.risk is not None:
        world.say(run.id, f"names the risk: {risk_words(effect.risk)}")


def _ask(world: World, run: SimRun, effect: Ask) -> Act[Answer]:
    if world.operator != "nobody":
        yield PERSON_S
    world.say(run.id, f"asks; the answer: {world.operator}")
    return Answer(world.operator)


def _sleep(world: World, run: SimRun, effect: Sleep) -> Act[None]:
    yield effect.seconds


def _run_hooks(world: World, run: SimRun, effect: RunHooks) -> Act[tuple[HookResult, ...]]:
    yield HOOKS_S
    return (HookResult("check", ""), *(HookResult("site", error) for error in world.hook_errors))


# ---------------------------------------------------------------- the store


def _store_answers(world: World, run: SimRun) -> bool:
    world.touch(STORE)
    return world.store.up and world.network.passes(run.admin.name, STORE)


def _ask_store(world: World, run: SimRun, call: Callable[[World, SimRun, Any], Any], effect: Effect[Any]) -> Act[Any]:
    """One call: the question may not arrive, and so may the answer to a question that did."""
    yield STORE_S
    world.touch(STORE)
    name = run.admin.name
    if not (world.store.up and world.network.one_way(name, STORE)):
        yield run.inventory.settings.connect_timeout_s
        raise StoreError("the store could not be reached")
    answer: Any = None
    lost: LeaseLost | None = None
    try:
        answer = call(world, run, effect)
    except LeaseLost as error:
        lost = error
    yield STORE_S
    world.touch(STORE)
    if not (world.store.up and world.network.one_way(STORE, name)):
        yield run.inventory.settings.connect_timeout_s
        raise StoreError("the store did not answer")
    if lost is not None:
        raise lost
    return answer


def _store_clock(world: World) -> float:
    return EPOCH + world.agenda.now + world.store_clock_offset_s


def _take_lease(world: World, run: SimRun, effect: TakeLease) -> Act[Lease | Busy]:
    """Take a lease, waiting for it as long as the admin agreed to."""
    until = world.now + effect.wait_s
    while True:
        asked_at = clock(world, run)
        taken = yield from _ask_store(world, run, _take_now, effect)
        if isinstance(taken, Lease):
            return Lease(taken.vm, taken.token, asked_at + run.inventory.settings.lease_s)
        if world.now >= until:
            return taken  # type: ignore[no-any-return]  # a Busy, by the type of take_lease()
        wait_s = min(LEASE_POLL_S, max(0.01, until - world.now))
        run.held_s += wait_s
        yield wait_s


def _take_now(world: World, run: SimRun, effect: TakeLease) -> Lease | Busy:
    gone = world.runs_gone if world.death_seen else frozenset()
    ttl_s = run.inventory.settings.lease_s
    return world.store.take_lease(effect.vm, run.id, run.admin.name, ttl_s, _store_clock(world), gone)


def _renew_lease(world: World, run: SimRun, effect: RenewLease) -> Lease:
    """The lease lasts from when the question was asked, by the admin node's clock: never longer than in the store."""
    lease, ttl_s = effect.lease, run.inventory.settings.lease_s
    world.store.renew_lease(lease, ttl_s, _store_clock(world))
    expires_at = clock(world, run) - STORE_S + ttl_s
    renewed(run, lease.vm, expires_at)
    return Lease(lease.vm, lease.token, expires_at)


def _quarantine(world: World, _: SimRun, effect: Quarantine) -> None:
    world.store.quarantined[effect.host] = effect.why


def _lift_quarantine(world: World, _: SimRun, effect: LiftQuarantine) -> None:
    world.store.quarantined.pop(effect.host, None)
    world.store.statements.pop(effect.host, None)
    world.store.machine_ids.pop(effect.host, None)
    if effect.machine_id:
        world.store.machine_ids[effect.host] = effect.machine_id


def _learn_machine(world: World, _: SimRun, effect: LearnMachine) -> None:
    world.store.machine_ids[effect.host] = effect.machine_id


def _record_statement(world: World, run: SimRun, effect: RecordStatement) -> None:
    statement = Statement(effect.host, run.admin.name, effect.reason, clock(world, run), effect.expires_at)
    world.store.statements[effect.host] = statement


def _spend_statement(world: World, _: SimRun, effect: SpendStatement) -> None:
    world.store.statements.pop(effect.host, None)


# ---------------------------------------------------------------- several at once


def _together(world: World, run: SimRun, effect: Together) -> Act[tuple[Any, ...]]:
    parts = [_caught(world, run, part) for part in effect.effects]
    tasks = [world.agenda.spawn(part, run.admin, f"{run.id} part") for part in parts]
    for task in tasks:
        while not task.done:
            yield Join(task, 600.0)
    for task in tasks:
        if isinstance(task.value, Exception):
            raise task.value
    return tuple(task.value for task in tasks)


def _caught(world: World, run: SimRun, effect: Effect[Any]) -> Act[Any]:
    try:
        return (yield from perform(world, run, effect))
    except (LeaseLost, StoreError) as error:
        return error


AT_ONCE: dict[type, Callable[[World, SimRun, Any], Any]] = {
    Now: _now,
    Uptime: _uptime,
    MemoryNeed: _memory_need,
    Startable: _startable,
    SharedHostKeys: lambda world, run, effect: (),
    SharedDisks: lambda world, run, effect: (),
    Tell: _tell,
}
_STORED: dict[type, Callable[[World, SimRun, Any], Any]] = {
    Recall: lambda world, run, effect: world.store.recall(clock(world, run)),
    RenewLease: _renew_lease,
    DropLease: lambda world, run, effect: world.store.drop_lease(effect.lease),
    WriteRecord: lambda world, run, effect: world.store.write_record(effect.record, effect.lease, _store_clock(world)),
    StoreHealth: lambda world, run, effect: (),
    Quarantine: _quarantine,
    LiftQuarantine: _lift_quarantine,
    LearnMachine: _learn_machine,
    RecordStatement: _record_statement,
    SpendStatement: _spend_statement,
}
_ACTS: dict[type, Callable[[World, SimRun, Any], Act[Any]]] = {
    Together: _together,
    Ask: _ask,
    Sleep: _sleep,
    RunHooks: _run_hooks,
    TakeLease: _take_lease,
    LookAt: look_at,
    Fence: fence,
    EndWatch: end_watch,
    Witness: witness,
    Start: start,
    Settle: settle,
    PowerOff: power_off,
    FenceStorage: fence_storage,
    LiftStorageFence: lift_storage_fence,
    RenewStorageFence: renew_storage_fence,
}
