"""The store of the simulated world: the engine in memory, and what the world's eye sees of it.

Nothing is judged here: who holds a lease, what may be written and which statement counts is said by `stores/rules.py`,
as in the product, by the clock of whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..core.model import HostName, Uuid
from ..core.record import VmRecord
from ..core.stored import Lease
from ..stores.holder import Holder
from ..stores.memory.store import MemoryStore


class SimStore(MemoryStore):
    """One store for all admin nodes, or one of several. `is_gone`: whether the death of a run's process is seen by
    others."""

    def __init__(self, is_gone: Callable[[Holder], bool], number: int = 1) -> None:
        super().__init__(is_gone, f"{number:016x}")
        self.up = True
        """Whether it answers anybody."""
        self.writes: list[tuple[str, VmRecord | None, VmRecord]] = []
        """Every record that was replaced: by which run, what it was, what it became."""
        self.written_at: dict[Uuid, float] = {}
        """When each record was last written."""

    @property
    def records(self) -> Mapping[Uuid, VmRecord]:
        """What is recorded of each VM."""
        return self._records

    @property
    def machine_ids(self) -> Mapping[HostName, str]:
        """The machine-ids that runs have learnt."""
        return self._machines

    def write_record(self, record: VmRecord, lease: Lease, now: float) -> VmRecord:
        """See Store. It is noted who has written what."""
        before = self._records.get(record.uuid)
        after = super().write_record(record, lease, now)
        self.written_at[record.uuid] = now
        self.writes.append((self._leases[lease.vm].holder.run, before, after))
        return after
