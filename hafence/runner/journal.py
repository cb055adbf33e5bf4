"""The run's history: every consequential effect before it is performed, and what came of each."""

from __future__ import annotations

import re
import time
from typing import Any

from ..core.model import Uuid
from ..effects import (
    Ask,
    Effect,
    Fence,
    FenceStorage,
    LiftQuarantine,
    LiftStorageFence,
    LookAt,
    PowerOff,
    Quarantine,
    RecordStatement,
    RunHooks,
    Settle,
    SpendStatement,
    Start,
    Tell,
    Witness,
    WriteRecord,
)
from ..stores.port import StepRow, Store
from .plain import plain

_INTENDED = (Fence, Start, Settle, PowerOff, FenceStorage, LiftStorageFence, RunHooks)
"""Effects that reach out and change something: in the journal before they begin."""
_PEOPLE = (RecordStatement, SpendStatement, LiftQuarantine, Ask)
_RECORDED = (*_INTENDED, *_PEOPLE, LookAt, Witness, WriteRecord, Quarantine, Tell)


class StoreJournal:
    """A run's journal in the store."""

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._run = run

    def intends(self, effect: Effect[Any]) -> None:
        """Write down the intent of what kills, starts or fences."""
        if isinstance(effect, _INTENDED):
            self._add(f"intent_{step_name(effect)}", effect, {"effect": plain(effect)})

    def records(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        """Write down what came of it, with how long it took."""
        if isinstance(effect, _RECORDED):
            data = {"effect": plain(effect), "answer": plain(answer), "seconds": round(seconds, 3)}
            self._add(step_name(effect), effect, data)

    def _add(self, kind: str, effect: Effect[Any], data: dict[str, Any]) -> None:
        self._store.add_step(self._run, StepRow(time.time(), kind, _vm_of(effect), data))


def step_name(effect: Effect[Any]) -> str:
    """An effect's name in the history: `LookAt` is `look_at`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(effect).__name__).lower()


def _vm_of(effect: Effect[Any]) -> Uuid | None:
    """The one VM that the step is about, or None where it is about several or none."""
    match effect:
        case Start(order) | Settle(order):
            return order.vm
        case RunHooks(vm):
            return vm
        case WriteRecord(record):
            return record.uuid
        case Fence(order) if len(order.vms) == 1:
            return order.vms[0]
    return None
