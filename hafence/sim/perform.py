"""Each effect, performed on the simulated world. The same effects as in `runner/perform.py`; no rule is decided here.

An effect that reaches out has at least three points, each a step of its own: its intent is written down; it is
done and the answer is under way; the answer is there. A run can crash, be held or lose a link at each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..core.captures import Source
from ..core.needs import Need
from ..core.starts import HookResult
from ..core.stored import Busy, Lease
from ..effects import (
    AddEntries,
    Answer,
    Ask,
    AskClients,
    AskPower,
    AwaitReady,
    Drifts,
    Effect,
    EndWatch,
    Fence,
    FetchDefinitions,
    GiveBack,
    Journalled,
    LeaseLost,
    ListEntries,
    LookAt,
    MemoryNeed,
    NeedsOf,
    NoteOutcome,
    NoteSecondLevel,
    Now,
    OwnAddresses,
    Recall,
    RecallEvacuations,
    RecallPlanned,
    RehearseStorage,
    RemoveEntries,
    RenewLease,
    RunHooks,
    SendOff,
    Settle,
    SharedDisks,
    SharedHostKeys,
    Sleep,
    Start,
    Startable,
    StoreError,
    TakeLease,
    Tell,
    Together,
    Uptime,
    Witness,
    WritableDisks,
)
from ..stores.ask import ask
from .array import add_entries, ask_clients, list_entries, own_addresses, rehearse, remove_entries, writable_disks
from .bmc import ask_power, send_off
from .definitions import drifts, fetch, source_of
from .kernel import Act, Join
from .libvirt import NEEDS
from .looking import look_at
from .network import STORE
from .run import SimRun
from .serving import await_ready
from .sessions import clock, fence, settle, start, witness
from .watch import end_watch, give_back, renewed
from .words import risk_words
from .world import World

STORE_S = 0.002
HOOKS_S = 0.4
PERSON_S = 3.0
LEASE_POLL_S = 5.0
PART = " part"
"""How the name of an act ends that is one of several which its run has asked for at once."""


def perform(world: World, run: SimRun, effect: Effect[Any]) -> Act[Any]:
    """The act that does what the effect asks for and ends in its answer. The workflow gets LeaseLost and StoreError.

    With the journal before and after it, as in `runner/effect_runner.py`: what is an intent does not begin where it
    can't be written down, and if what came of it can't be, the next effect meets the failure.
    """
    parts = effect.effects if isinstance(effect, Together) else (effect,)
    if run.journals and Journalled.INTENT in [part.journalled for part in parts] and not _store_answers(world, run):
        yield STORE_S
        raise StoreError("the store could not be written")
    answer = yield from _act(world, run, effect)
    write_down(world, run, parts)
    return answer


def write_down(world: World, run: SimRun, effects: Iterable[Effect[Any]]) -> None:
    """What came of effects goes into the journal, as far as it is told of them."""
    if run.journals and [1 for effect in effects if effect.journalled is not Journalled.NOTHING]:
        run.owed = not _store_answers(world, run)


def at_once(effect: Effect[Any]) -> tuple[type[Effect[Any]], ...]:
    """The kinds of what is asked for at once: mostly one."""
    return tuple(map(type, effect.effects)) if isinstance(effect, Together) else (type(effect),)


def _act(world: World, run: SimRun, effect: Effect[Any]) -> Act[Any]:
    kind = type(effect)
    if kind in AT_ONCE:
        return _without_time(world, run, effect)
    act: Callable[[World, SimRun, Any], Act[Any]] = _ACTS.get(kind, _ask_store)
    return act(world, run, effect)


def _without_time(world: World, run: SimRun, effect: Effect[Any]) -> Act[Any]:
    """An effect without time among several that are asked for together."""
    yield 0.0
    return AT_ONCE[type(effect)](world, run, effect)


# ---------------------------------------------------------------- the admin node


def _now(world: World, run: SimRun, _: Now) -> float:
    return clock(world, run)


def _uptime(world: World, run: SimRun, _: Uptime) -> float:
    return world.now - run.admin.booted_at


def _startable(world: World, run: SimRun, effect: Startable) -> Source:
    return source_of(world, run, effect.vm)


def _memory_need(world: World, run: SimRun, effect: MemoryNeed) -> int | None:
    return 4096


def _needs_of(world: World, run: SimRun, effect: NeedsOf) -> tuple[Need, ...]:
    return NEEDS


def _tell(world: World, run: SimRun, effect: Tell) -> None:
    if effect.risk is not None:
        run.named.update(effect.risk.hosts)
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
    return _is_own(world, run) or (world.store.up and world.network.passes(run.admin.name, STORE))


def _is_own(world: World, run: SimRun) -> bool:
    """Whether the run's store is a file on its own admin node, to which no network leads."""
    return run.admin.store is not world.store


def _ask_store(world: World, run: SimRun, effect: Effect[Any]) -> Act[Any]:
    """One call: the question may not arrive, and so may the answer to a question that did.

    The clock is the admin node's and is read before the question is sent, as the product does.
    """
    now = clock(world, run)
    yield STORE_S
    world.touch(STORE)
    name, own = run.admin.name, _is_own(world, run)
    if not (own or (world.store.up and world.network.one_way(name, STORE))):
        yield run.inventory.settings.connect_timeout_s
        raise StoreError("the store could not be reached")
    answer: Any = None
    lost: LeaseLost | None = None
    try:
        answer = ask(run.admin.store, effect, run.asker, now)
        if isinstance(effect, Recall) and not run.captures:
            run.captures = {each.vm: each for each in run.admin.store.captures(run.inventory.vms)}
    except LeaseLost as error:
        lost = error
    yield STORE_S
    world.touch(STORE)
    if not (own or (world.store.up and world.network.one_way(STORE, name))):
        yield run.inventory.settings.connect_timeout_s
        raise StoreError("the store did not answer")
    if lost is not None:
        raise lost
    return answer


def _take_lease(world: World, run: SimRun, effect: TakeLease) -> Act[Lease | Busy]:
    """Take a lease, waiting for it as long as the admin agreed to."""
    until = world.now + effect.wait_s
    while True:
        taken: Lease | Busy = yield from _ask_store(world, run, effect)
        if isinstance(taken, Lease) or world.now >= until:
            return taken
        wait_s = min(LEASE_POLL_S, max(0.01, until - world.now))
        run.held_s += wait_s
        yield wait_s


def _ask_in_passing(world: World, run: SimRun, effect: Effect[Any]) -> Act[Any]:
    """Read the store with no time of its own: beside this stands another question to it, whose steps meet every fault
    of the store that this one would."""
    if not _store_answers(world, run):
        yield run.inventory.settings.connect_timeout_s
        raise StoreError("the store could not be reached")
    return ask(run.admin.store, effect, run.asker, clock(world, run))


def _renew_lease(world: World, run: SimRun, effect: RenewLease) -> Act[Lease]:
    """Make the lease last from now on, and with it what watches by it."""
    lease: Lease = yield from _ask_store(world, run, effect)
    renewed(run, lease.vm, lease.expires_at)
    return lease


# ---------------------------------------------------------------- several at once


def _together(world: World, run: SimRun, effect: Together) -> Act[tuple[Any, ...]]:
    tasks = [world.agenda.spawn(_caught(world, run, part), run.admin, run.id + PART) for part in effect.effects]
    for task, part in zip(tasks, effect.effects, strict=True):
        task.does = (type(part),)
    for number, task in enumerate(tasks):
        while not task.done:
            yield Join(task, 600.0)
        if effect.first_may_do and number == 0 and not isinstance(task.value, Exception) and task.value.settles:
            return tuple(each.value if each.done else () for each in tasks)
    for task in tasks:
        if isinstance(task.value, Exception):
            raise task.value
    return tuple(task.value for task in tasks)


def _caught(world: World, run: SimRun, effect: Effect[Any]) -> Act[Any]:
    try:
        return (yield from _act(world, run, effect))
    except (LeaseLost, StoreError) as error:
        return error


AT_ONCE: dict[type[Effect[Any]], Callable[[World, SimRun, Any], Any]] = {
    Now: _now,
    Uptime: _uptime,
    MemoryNeed: _memory_need,
    NeedsOf: _needs_of,
    Startable: _startable,
    Drifts: drifts,
    SharedHostKeys: lambda world, run, effect: (),
    SharedDisks: lambda world, run, effect: (),
    Tell: _tell,
    NoteSecondLevel: lambda world, run, effect: None,
    NoteOutcome: lambda world, run, effect: None,
    WritableDisks: writable_disks,
    OwnAddresses: own_addresses,
}
_ACTS: dict[type[Effect[Any]], Callable[[World, SimRun, Any], Act[Any]]] = {
    Together: _together,
    Ask: _ask,
    Sleep: _sleep,
    RunHooks: _run_hooks,
    TakeLease: _take_lease,
    RenewLease: _renew_lease,
    RecallPlanned: _ask_in_passing,
    RecallEvacuations: _ask_in_passing,
    LookAt: look_at,
    Fence: fence,
    EndWatch: end_watch,
    GiveBack: give_back,
    FetchDefinitions: fetch,
    Witness: witness,
    Start: start,
    Settle: settle,
    AwaitReady: await_ready,
    AskPower: ask_power,
    SendOff: send_off,
    AskClients: ask_clients,
    ListEntries: list_entries,
    AddEntries: add_entries,
    RehearseStorage: rehearse,
    RemoveEntries: remove_entries,
}
"""What takes time, beside plain questions to the store."""
