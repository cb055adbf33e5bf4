"""The run's history: every consequential effect before it is performed, and what came of each."""

from __future__ import annotations

import time
from typing import Any

from ..effects import Effect, Journalled
from ..stores.port import StepRow, Store
from .step_format import INTENT, asked, came, kind_of


class StoreJournal:
    """A run's journal in the store."""

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._run = run

    def intends(self, effect: Effect[Any]) -> None:
        """Write down the intent of what reaches out and changes something."""
        if effect.journalled is Journalled.INTENT:
            self._add(INTENT + kind_of(effect), effect, asked(effect))

    def records(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        """Write down what came of it, with how long it took."""
        if effect.journalled is not Journalled.NOTHING:
            self._add(kind_of(effect), effect, {**came(effect, answer), "seconds": round(seconds, 3)})

    def _add(self, kind: str, effect: Effect[Any], data: dict[str, Any]) -> None:
        self._store.add_step(self._run, StepRow(time.time(), kind, effect.concerns, data))
