"""Effects on the store. The clock is read here, and nowhere below."""

from __future__ import annotations

import time
from typing import Any

from ..core.model import Inventory
from ..core.stored import Busy, Lease
from ..effects import Effect, TakeLease
from ..stores.ask import Asker, ask
from ..stores.holder import Holder
from ..stores.port import Store

POLL_S = 0.2
"""How often a run that waits for a lease asks again."""


class StorePerformer:
    """The store's effects, for one run."""

    def __init__(self, inventory: Inventory, store: Store, holder: Holder) -> None:
        self._store = store
        self._by = Asker(holder, inventory.settings.lease_s)

    def perform(self, effect: Effect[Any]) -> Any:
        """Ask the store once, now."""
        return ask(self._store, effect, self._by, time.time())

    def take_lease(self, effect: TakeLease) -> Lease | Busy:
        """Take a lease, waiting for it as long as the admin agreed to."""
        until = time.monotonic() + effect.wait_s
        while True:
            taken: Lease | Busy = self.perform(effect)
            if isinstance(taken, Lease) or time.monotonic() >= until:
                return taken
            time.sleep(min(POLL_S, max(0.0, until - time.monotonic())))
