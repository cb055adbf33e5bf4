"""Effects on the store. The clock is read here, and nowhere below."""

from __future__ import annotations

import time

from ..core.model import Inventory
from ..core.record import VmRecord
from ..core.stored import Busy, Lease, Recollection
from ..effects import (
    DropLease,
    LearnMachine,
    LiftQuarantine,
    Quarantine,
    Recall,
    RecordStatement,
    RenewLease,
    SpendStatement,
    StoreHealth,
    TakeLease,
    WriteRecord,
)
from ..stores.holder import Holder
from ..stores.port import Store

POLL_S = 0.2
"""How often a run that waits for a lease asks again."""


class StorePerformer:
    """The store's effects, for one run."""

    def __init__(self, inventory: Inventory, store: Store, holder: Holder) -> None:
        self._store = store
        self._holder = holder
        self._lease_s = inventory.settings.lease_s

    def take_lease(self, effect: TakeLease) -> Lease | Busy:
        """Take a lease, waiting for it as long as the admin agreed to."""
        until = time.monotonic() + effect.wait_s
        while True:
            taken = self._store.take_lease(effect.vm, self._holder, self._lease_s, time.time())
            if isinstance(taken, Lease) or time.monotonic() >= until:
                return taken
            time.sleep(min(POLL_S, max(0.0, until - time.monotonic())))

    def renew_lease(self, effect: RenewLease) -> Lease:
        """Make a lease last from now on."""
        return self._store.renew_lease(effect.lease, self._lease_s, time.time())

    def drop_lease(self, effect: DropLease) -> None:
        """Give a lease back."""
        self._store.drop_lease(effect.lease)

    def recall(self, _: Recall) -> Recollection:
        """What the store knows now."""
        return self._store.recall(time.time())

    def write_record(self, effect: WriteRecord) -> VmRecord:
        """Replace a record under its lease."""
        return self._store.write_record(effect.record, effect.lease, time.time())

    def quarantine(self, effect: Quarantine) -> None:
        """Put a host into quarantine."""
        self._store.quarantine(effect.host, effect.why, self._holder.run, time.time())

    def lift_quarantine(self, effect: LiftQuarantine) -> None:
        """Take a host back."""
        self._store.lift_quarantine(effect.host, effect.machine_id, time.time())

    def learn_machine(self, effect: LearnMachine) -> None:
        """Remember a host's machine-id."""
        self._store.learn_machine(effect.host, effect.machine_id, time.time())

    def record_statement(self, effect: RecordStatement) -> None:
        """Record what a person states."""
        self._store.state(effect.host, self._holder.who, effect.reason, time.time(), effect.expires_at)

    def spend_statement(self, effect: SpendStatement) -> None:
        """End what a person has stated."""
        self._store.spend_statement(effect.host, effect.why, time.time())

    def health(self, _: StoreHealth) -> tuple[tuple[str, str], ...]:
        """What is wrong with the store."""
        return tuple((problem.code, problem.says) for problem in self._store.check())
