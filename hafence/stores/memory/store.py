"""The store in memory: what the simulated world keeps, under the very rules that the product's engines keep to.

The judgements (`rules`), what may be stored (`codec`) and the history (`history_codec`) are every engine's. Values are
kept as objects and not as sealed rows, so that a simulated run costs a fraction of a millisecond: nothing damages them
here. It ends with its process, so `open_store` knows it not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from ...core.captures import Capture
from ...core.model import HostName, Uuid
from ...core.record import VmRecord
from ...core.stored import Busy, Lease, PlannedWork, Recollection, WorkKind
from .. import codec, rules
from ..capture_codec import capture_columns, read_capture
from ..codec import read_again, when
from ..holder import Holder, is_gone
from ..port import Json, LeaseRow, Problem, QuarantineRow, RunHistory, RunRow, RunSummary, StatementRow, StepRow
from .history import History


class MemoryStore:
    """A `Store` of which there is one: whoever shares it holds this very object. `is_gone` judges a lease's holder."""

    def __init__(self, is_gone: Callable[[Holder], bool] = is_gone, store_id: str = "") -> None:
        self._store_id = codec.read_store_id(store_id or codec.new_store_id())
        self._is_gone = is_gone
        self._lock = threading.RLock()
        self._records: dict[Uuid, VmRecord] = {}
        self._leases: dict[Uuid, LeaseRow] = {}
        self._quarantine: dict[HostName, QuarantineRow] = {}
        self._machines: dict[HostName, str] = {}
        self._statements: list[StatementRow] = []
        self._planned: dict[str, PlannedWork] = {}
        self._captures: dict[Uuid, Capture] = {}
        self._last_token = 0
        self._history = History()

    @property
    def name(self) -> str:
        """There is no place that people could look at."""
        return "memory"

    # ------------------------------------------------ read

    def store_id(self) -> str:
        """See Store."""
        return self._store_id

    def recall(self, now: float) -> Recollection:
        """See Store."""
        when(now)
        with self._lock:
            machines = dict(self._machines)
            return rules.recollection(
                now,
                self._records.values(),
                self._quarantine.values(),
                machines,
                self._statements,
                self._planned.values(),
            )

    def leases(self) -> tuple[LeaseRow, ...]:
        """See Store."""
        with self._lock:
            return tuple(row for _, row in sorted(self._leases.items()))

    def quarantined(self) -> tuple[QuarantineRow, ...]:
        """See Store."""
        with self._lock:
            return tuple(row for _, row in sorted(self._quarantine.items()))

    def statements(self) -> tuple[StatementRow, ...]:
        """See Store."""
        with self._lock:
            return tuple(self._statements)

    def planned(self) -> tuple[PlannedWork, ...]:
        """See Store."""
        with self._lock:
            return tuple(work for _, work in sorted(self._planned.items()))

    def captures(self, vms: Iterable[Uuid]) -> tuple[Capture, ...]:
        """See Store."""
        with self._lock:
            return tuple(self._captures[vm] for vm in sorted(set(vms)) if vm in self._captures)

    def runs(self, vm: Uuid | None = None, limit: int = 50) -> tuple[RunSummary, ...]:
        """See Store."""
        with self._lock:
            return self._history.runs(vm, limit)

    def run(self, text: str) -> RunHistory:
        """See Store."""
        with self._lock:
            return self._history.run(text)

    def check(self) -> tuple[Problem, ...]:
        """See Store."""
        with self._lock:
            return tuple(Problem("history_broken", line) for line in self._history.problems())

    # ------------------------------------------------ append

    def begin_run(self, run: RunRow) -> None:
        """See Store."""
        with self._lock:
            self._history.begin_run(run)

    def add_step(self, run: str, step: StepRow) -> int:
        """See Store."""
        with self._lock:
            return self._history.add_step(run, step)

    def end_run(self, run: str, at: float, exit_code: int, result: Json) -> None:
        """See Store."""
        with self._lock:
            self._history.end_run(run, at, exit_code, result)

    def state(self, host: HostName, who: str, reason: str, at: float, expires_at: float) -> None:
        """See Store."""
        new = StatementRow(host, who, reason, when(at), when(expires_at))
        with self._lock:
            columns = codec.statement_columns(len(self._statements) + 1, new)
            _, statement = read_again("statement", codec.read_statement, columns)
            self._end_statements(host, "another statement took its place", at)
            self._statements.append(statement)

    # ------------------------------------------------ replace

    def spend_statement(self, host: HostName, why: str, at: float) -> None:
        """See Store."""
        with self._lock:
            self._end_statements(host, why, at)

    def quarantine(self, host: HostName, why: str, run: str, at: float) -> None:
        """See Store."""
        with self._lock:
            there = self._quarantine.get(host)
            new = QuarantineRow(host, why, run, there.since if there else when(at))
            self._quarantine[host] = read_again("quarantine", codec.read_quarantine, codec.quarantine_columns(new))

    def lift_quarantine(self, host: HostName, machine_id: str | None, at: float) -> None:
        """See Store."""
        when(at)
        if machine_id is not None:
            read_again("machine", codec.read_machine, codec.machine_columns(host, machine_id, at))
        with self._lock:
            self._end_statements(host, "the host was taken back", at)
            self._quarantine.pop(host, None)
            self._machines.pop(host, None)
            if machine_id is not None:
                self._machines[host] = machine_id

    def learn_machine(self, host: HostName, machine_id: str, at: float) -> None:
        """See Store."""
        read_again("machine", codec.read_machine, codec.machine_columns(host, machine_id, at))
        with self._lock:
            self._machines[host] = machine_id

    def plan(self, works: Iterable[PlannedWork]) -> None:
        """See Store."""
        stored = [read_again("planned", codec.read_planned, codec.planned_columns(work)) for work in works]
        with self._lock:
            self._planned.update((work.subject, work) for work in stored)

    def end_planned(self, kind: WorkKind, names: Iterable[str]) -> None:
        """See Store."""
        with self._lock:
            for name in names:
                self._planned.pop(codec.subject_of(kind, name), None)

    def keep_capture(self, capture: Capture) -> None:
        """See Store."""
        kept = read_again("capture", read_capture, capture_columns(capture))
        with self._lock:
            self._captures[kept.vm] = kept

    # ------------------------------------------------ compare-and-set

    def take_lease(self, vm: Uuid, holder: Holder, ttl_s: float, now: float) -> Lease | Busy:
        """See Store."""
        expires_at = rules.expiry(ttl_s, now)
        with self._lock:
            busy = rules.in_the_way(self._leases.get(vm), now, self._is_gone)
            if busy is not None:
                return busy
            lease = Lease(vm, rules.next_token(self._last_token, now), expires_at)
            columns = codec.lease_columns(rules.new_lease(lease, holder, now))
            self._leases[vm] = read_again("lease", codec.read_lease, columns)
            self._last_token = lease.token
            return lease

    def renew_lease(self, lease: Lease, ttl_s: float, now: float) -> Lease:
        """See Store."""
        expires_at = rules.expiry(ttl_s, now)
        with self._lock:
            held = rules.still_held(self._leases.get(lease.vm), lease, now)
            self._leases[lease.vm] = replace(held, expires_at=expires_at)
            return replace(lease, expires_at=expires_at)

    def drop_lease(self, lease: Lease) -> None:
        """See Store."""
        with self._lock:
            held = self._leases.get(lease.vm)
            if held is not None and held.token == lease.token:
                del self._leases[lease.vm]

    def write_record(self, record: VmRecord, lease: Lease, now: float) -> VmRecord:
        """See Store."""
        written = rules.next_record(record, lease)
        with self._lock:
            rules.still_held(self._leases.get(lease.vm), lease, now)
            rules.check_revision(record, self._records.get(record.uuid))
            stored = read_again("record", codec.read_record, codec.record_columns(written, now))
            self._records[record.uuid] = stored
            return stored

    # ------------------------------------------------ the end

    def close(self) -> None:
        """See Store."""

    def _end_statements(self, host: HostName, why: str, at: float) -> None:
        for number, row in enumerate(self._statements):
            if row.host == host and row.ended_at is None:
                self._statements[number] = rules.ended(row, why, at)
