"""What each effect on the store asks of it: the same calls in the real world and in the simulated one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.stored import PlannedWork
from ..effects import (
    DropLease,
    Effect,
    EndWork,
    KeepCapture,
    LearnMachine,
    LiftQuarantine,
    PlanWork,
    Quarantine,
    Recall,
    RecallEvacuations,
    RecallPlanned,
    RecordStatement,
    RenewLease,
    SpendStatement,
    StoreHealth,
    TakeLease,
    WriteRecord,
)
from . import past, rules
from .holder import Holder
from .port import Store


@dataclass(frozen=True, slots=True)
class Asker:
    """The run that asks, and how long its leases last, in seconds."""

    holder: Holder
    lease_s: float


def ask(store: Store, effect: Effect[Any], by: Asker, now: float) -> Any:
    """Ask the store once. `now` is the clock of the admin node on which the run is, read when it asks."""
    return ASKS[type(effect)](store, effect, by, now)


ASKS: Mapping[type[Effect[Any]], Callable[[Store, Any, Asker, float], Any]] = {
    Recall: lambda store, _, by, now: store.recall(now),
    StoreHealth: lambda store, _, by, now: tuple((problem.code, problem.says) for problem in store.check()),
    TakeLease: lambda store, effect, by, now: store.take_lease(effect.vm, by.holder, by.lease_s, now),
    RenewLease: lambda store, effect, by, now: store.renew_lease(effect.lease, by.lease_s, now),
    DropLease: lambda store, effect, by, now: store.drop_lease(effect.lease),
    WriteRecord: lambda store, effect, by, now: store.write_record(effect.record, effect.lease, now),
    Quarantine: lambda store, effect, by, now: store.quarantine(effect.host, effect.why, by.holder.run, now),
    LiftQuarantine: lambda store, effect, by, now: store.lift_quarantine(effect.host, effect.machine_id, now),
    LearnMachine: lambda store, effect, by, now: store.learn_machine(effect.host, effect.machine_id, now),
    RecordStatement: lambda store, effect, by, now: store.state(
        effect.host, by.holder.who, effect.reason, now, effect.expires_at
    ),
    RecallPlanned: lambda store, _, by, now: rules.in_force(store.planned(), now),
    RecallEvacuations: lambda store, effect, by, now: past.evacuations(store, effect.since, by.holder.run),
    PlanWork: lambda store, effect, by, now: store.plan(
        [PlannedWork(effect.kind, name, by.holder.who, effect.reason, now, effect.until) for name in effect.names]
    ),
    EndWork: lambda store, effect, by, now: store.end_planned(effect.kind, effect.names),
    KeepCapture: lambda store, effect, by, now: store.keep_capture(effect.capture),
    SpendStatement: lambda store, effect, by, now: store.spend_statement(effect.host, effect.why, now),
}
"""The effects that ask the store, each with its call. Waiting for a lease is not among it: whoever asks, asks again."""
