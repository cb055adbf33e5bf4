"""The simulated store: records, leases, quarantine and statements in memory, by the rules of the real port.

It answers like `stores/port.py` promises and is held to it by the same contract tests.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from ..core.model import HostName, Uuid
from ..core.record import VmRecord
from ..core.stored import Busy, Lease, Recollection, Statement
from ..effects import LeaseLost


class Held:
    """A lease as it is stored."""

    __slots__ = ("expires_at", "run", "token", "who")

    def __init__(self, token: int, run: str, who: str, expires_at: float) -> None:
        self.token = token
        self.run = run
        self.who = who
        self.expires_at = expires_at


class SimStore:
    """Every method reads and changes at one moment; `now` is the clock of whoever judges expiry."""

    __slots__ = ("leases", "machine_ids", "quarantined", "records", "statements", "token", "up", "writes")

    def __init__(self) -> None:
        self.up = True
        self.records: dict[Uuid, VmRecord] = {}
        self.leases: dict[Uuid, Held] = {}
        self.quarantined: dict[HostName, str] = {}
        self.machine_ids: dict[HostName, str] = {}
        self.statements: dict[HostName, Statement] = {}
        self.token = 0
        self.writes: list[tuple[str, VmRecord | None, VmRecord]] = []
        """Every record that was replaced: by which run, what it was, what it became."""

    def recall(self, now: float) -> Recollection:
        """What a run needs to know."""
        statements = {h: s for h, s in self.statements.items() if s.at <= now < s.expires_at}
        return Recollection(dict(self.records), dict(self.quarantined), dict(self.machine_ids), statements)

    def take_lease(self, vm: Uuid, run: str, who: str, ttl_s: float, now: float, gone: Set[str]) -> Lease | Busy:
        """Take a lease that is free, expired, or held by one of the runs of which it is certain that they are gone."""
        held = self.leases.get(vm)
        if held is not None and now < held.expires_at and held.run not in gone:
            return Busy(vm, held.who, held.run, held.expires_at)
        self.token += 1
        self.leases[vm] = Held(self.token, run, who, now + ttl_s)
        return Lease(vm, self.token, now + ttl_s)

    def renew_lease(self, lease: Lease, ttl_s: float, now: float) -> None:
        """Make the lease last from now."""
        self._held(lease, now).expires_at = now + ttl_s

    def drop_lease(self, lease: Lease) -> None:
        """Give the lease back."""
        held = self.leases.get(lease.vm)
        if held is not None and held.token == lease.token:
            del self.leases[lease.vm]

    def write_record(self, record: VmRecord, lease: Lease, now: float) -> VmRecord:
        """Replace a record, if its revision and the lease still hold."""
        held = self._held(lease, now)
        before = self.records.get(record.uuid)
        if (before.revision if before is not None else 0) != record.revision:
            raise LeaseLost("the record was changed by another run")
        after = replace(record, revision=record.revision + 1)
        self.records[record.uuid] = after
        self.writes.append((held.run, before, after))
        return after

    def _held(self, lease: Lease, now: float) -> Held:
        held = self.leases.get(lease.vm)
        if held is None or held.token != lease.token:
            raise LeaseLost("another run has taken it over" if held else "it was dropped")
        if now >= held.expires_at:
            raise LeaseLost("it has expired")
        return held
