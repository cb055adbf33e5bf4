"""The judgements on what is stored that every engine shares: who holds a lease, which statement counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ..core.model import HostName
from ..core.parsing import moment_words
from ..core.record import VmRecord
from ..core.stored import Busy, Lease, Planned, PlannedWork, Recollection, Statement, WorkKind
from ..effects import LeaseLost
from .codec import when
from .holder import Holder
from .port import LeaseRow, QuarantineRow, StatementRow

CLOCK_SLACK_S = 5.0
"""A statement this little in the future is one of just now: clocks are set in small steps."""


def recollection(
    now: float,
    records: Iterable[VmRecord],
    quarantined: Iterable[QuarantineRow],
    machines: Mapping[HostName, str],
    statements: Iterable[StatementRow],
    planned: Iterable[PlannedWork],
) -> Recollection:
    """What a run needs to know of all that is stored."""
    return Recollection(
        records={record.uuid: record for record in records},
        quarantine={row.host: f"{row.why} (since {moment_words(row.since)}, run {row.run})" for row in quarantined},
        machine_ids=machines,
        statements={
            row.host: Statement(row.host, row.who, row.reason, row.at, row.expires_at)
            for row in statements
            if row.ended_at is None and row.at <= now + CLOCK_SLACK_S and now < row.expires_at
        },
        planned=in_force(planned, now),
    )


def in_force(planned: Iterable[PlannedWork], now: float) -> Planned:
    """The planned work that holds now.

    A statement permits, so one of the future counts for nothing; planned work forbids, so it holds until its end has
    passed, whatever its beginning says: by a clock that was set back, too.
    """
    holding = [work for work in planned if now < work.until]
    return Planned(
        {work.name: work for work in holding if work.kind is WorkKind.DISARMED},
        {HostName(work.name): work for work in holding if work.kind is WorkKind.MAINTENANCE},
    )


def expiry(ttl_s: float, now: float) -> float:
    """When a lease taken or renewed now expires. ValueError for no length or no moment: a bug."""
    if not (math.isfinite(ttl_s) and ttl_s > 0):
        raise ValueError(f"not a lease's length: {ttl_s!r} s")
    return when(when(now) + ttl_s)


def in_the_way(held: LeaseRow | None, now: float, is_gone: Callable[[Holder], bool]) -> Busy | None:
    """Why a lease is not free, or None. `is_gone`: whether it is certain that a holder's process no longer lives."""
    if held is not None and held.expires_at > now and not is_gone(held.holder):
        return Busy(held.vm, held.holder.words, held.holder.run, held.expires_at, held.taken_at)
    return None


def next_token(last: int, now: float) -> int:
    """A token above all before it, and above those of a store that was lost."""
    return max(last + 1, int(now * 1000))


def still_held(stored: LeaseRow | None, lease: Lease, now: float) -> LeaseRow:
    """The stored lease, if it is this one and has not expired; LeaseLost, with what became of it."""
    when(now)
    if stored is None or (stored.token != lease.token and stored.expires_at <= now):
        raise LeaseLost(f"the lease on {lease.vm} is no longer this run's")
    if stored.token != lease.token:
        raise LeaseLost(f"the lease on {lease.vm} was taken over by run {stored.holder.run}, {stored.holder.words}")
    if stored.expires_at <= now:
        raise LeaseLost(f"the lease on {lease.vm} expired {now - stored.expires_at:.1f} s ago")
    return stored


def next_record(record: VmRecord, lease: Lease) -> VmRecord:
    """The record as it is to be written. ValueError where `lease` is on another VM: a bug."""
    if lease.vm != record.uuid:
        raise ValueError(f"a lease on {lease.vm} gives no right to write {record.uuid}")
    return replace(record, revision=record.revision + 1)


def check_revision(record: VmRecord, stored: VmRecord | None) -> None:
    """LeaseLost if what is stored is not what `record` was made from."""
    revision = stored.revision if stored else 0
    if revision != record.revision:
        raise LeaseLost(f"the record of {record.uuid} changed meanwhile (revision {revision}, not {record.revision})")


def new_lease(lease: Lease, holder: Holder, now: float) -> LeaseRow:
    """The row of a lease that is taken now."""
    return LeaseRow(lease.vm, lease.token, holder, float(now), lease.expires_at)


def ended(statement: StatementRow, why: str, at: float) -> StatementRow:
    """A statement that has been spent."""
    return replace(statement, ended_at=when(at), ended_why=why)
