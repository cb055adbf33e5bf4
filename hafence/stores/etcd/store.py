"""The store in an etcd cluster: several admin nodes share what runs learn and do.

The same rows, judgements and history as in SQLite (codec, rules, history_codec). Files: wire (bytes to one member),
reply and refused (what it says), login, client (the cluster), rows (keys and values), view and tables (reading and
writing them), history (the chain).

A record is written under the guard that neither it nor its lease's row has changed since both were judged. Leases are
rows with an expiry, as in SQLite, not etcd's own leases: those end by etcd's clock, and here the caller says what time
it is. So a token comes from the store's own counter, too: etcd's revisions begin at 1 again in a new cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from ...core.captures import Capture
from ...core.model import HostName, Uuid
from ...core.record import VmRecord
from ...core.stored import Busy, Lease, PlannedWork, Recollection, WorkKind
from .. import codec, rules
from ..capture_codec import capture_row, read_capture
from ..codec import Row, RowError, when
from ..holder import Holder, is_gone_from_here
from ..port import Json, LeaseRow, Problem, QuarantineRow, RunHistory, RunRow, RunSummary, StatementRow, StepRow
from ..url import EtcdPlace
from . import history as history
from .rows import TABLES, All, One, row_in
from .tables import EtcdTables
from .view import Changes, Moment, View

_TOKEN = One("meta", "last_token")
_CAPTURES_AT_ONCE = 16
"""Captured definitions in one answer: each may be large."""


class EtcdStore:
    """A `Store` in the etcd cluster `place`, made if it is missing. With `read_only`, nothing is changed anywhere."""

    def __init__(self, place: EtcdPlace, *, read_only: bool = False) -> None:
        self._tables = EtcdTables(place, read_only=read_only)

    @property
    def name(self) -> str:
        """The members and the prefix."""
        return self._tables.name

    # ------------------------------------------------ read

    def store_id(self) -> str:
        """See Store."""
        return self._tables.store_id

    def recall(self, now: float) -> Recollection:
        """See Store."""
        when(now)
        wants = (All("record"), All("quarantine"), All("machine"), All("statement"), All("planned"))
        return self._tables.read(wants, lambda view: _recall(view, now))

    def leases(self) -> tuple[LeaseRow, ...]:
        """See Store."""
        return self._tables.read(
            (All("lease"),), lambda view: codec.read_all("lease", view.all("lease"), codec.read_lease)
        )

    def quarantined(self) -> tuple[QuarantineRow, ...]:
        """See Store."""
        return self._tables.read((All("quarantine"),), _quarantined)

    def statements(self) -> tuple[StatementRow, ...]:
        """See Store."""
        return self._tables.read((All("statement"),), lambda view: tuple(row for _, row in _statements(view)))

    def planned(self) -> tuple[PlannedWork, ...]:
        """See Store."""
        return self._tables.read((All("planned"),), _planned)

    def captures(self, vms: Iterable[Uuid]) -> tuple[Capture, ...]:
        """See Store."""
        wants = tuple(One("capture", vm) for vm in sorted(set(vms)))
        parts = (wants[start : start + _CAPTURES_AT_ONCE] for start in range(0, len(wants), _CAPTURES_AT_ONCE))
        return tuple(each for part in parts for each in self._tables.read(part, partial(_captures, part)))

    def runs(self, vm: Uuid | None = None, limit: int = 50) -> tuple[RunSummary, ...]:
        """See Store."""
        return self._tables.read_at_length(lambda moment: history.runs(moment, vm, limit))

    def run(self, text: str) -> RunHistory:
        """See Store."""
        return self._tables.read_at_length(lambda moment: history.run(moment, text))

    def check(self) -> tuple[Problem, ...]:
        """See Store."""
        return (*self._tables.read_at_length(_problems), *_cluster_problems(self._tables))

    # ------------------------------------------------ append

    def begin_run(self, run: RunRow) -> None:
        """See Store."""
        history.begin_run(self._tables, run)

    def add_step(self, run: str, step: StepRow) -> int:
        """See Store."""
        return history.add_step(self._tables, run, step)

    def end_run(self, run: str, at: float, exit_code: int, result: Json) -> None:
        """See Store."""
        history.end_run(self._tables, run, at, exit_code, result)

    def state(self, host: HostName, who: str, reason: str, at: float, expires_at: float) -> None:
        """See Store."""
        statement = StatementRow(host, who, reason, when(at), when(expires_at))

        def write(view: View, changes: Changes) -> None:
            _end_statements(view, changes, host, "another statement took its place", at)
            number = max((number for number, _ in _statements(view)), default=0) + 1
            changes.put("statement", codec.statement_row(number, statement))

        self._tables.write((All("statement"),), write)

    # ------------------------------------------------ replace

    def spend_statement(self, host: HostName, why: str, at: float) -> None:
        """See Store."""
        self._tables.write((All("statement"),), lambda view, changes: _end_statements(view, changes, host, why, at))

    def quarantine(self, host: HostName, why: str, run: str, at: float) -> None:
        """See Store."""
        new = QuarantineRow(host, why, run, when(at))
        codec.quarantine_row(new)  # the name becomes a key: it is judged first

        def write(view: View, changes: Changes) -> None:
            there = _read_one(view, "quarantine", host, codec.read_quarantine)
            changes.put("quarantine", codec.quarantine_row(replace(new, since=there.since if there else new.since)))

        self._tables.write((One("quarantine", host),), write)

    def lift_quarantine(self, host: HostName, machine_id: str | None, at: float) -> None:
        """See Store."""
        when(at)
        learnt = None if machine_id is None else codec.machine_row(host, machine_id, at)

        def write(view: View, changes: Changes) -> None:
            _end_statements(view, changes, host, "the host was taken back", at)
            if view.one("quarantine", host) is not None:
                changes.delete("quarantine", host)
            if learnt is not None:
                changes.put("machine", learnt)
            elif view.one("machine", host) is not None:
                changes.delete("machine", host)

        self._tables.write((One("quarantine", host), One("machine", host), All("statement")), write)

    def learn_machine(self, host: HostName, machine_id: str, at: float) -> None:
        """See Store."""
        row = codec.machine_row(host, machine_id, at)
        self._tables.write((One("machine", host),), lambda _view, changes: changes.put("machine", row))

    def plan(self, works: Iterable[PlannedWork]) -> None:
        """See Store."""
        new = {work.subject: codec.planned_row(work) for work in works}  # the subject becomes a key: it is judged first

        def write(_view: View, changes: Changes) -> None:
            for row in new.values():
                changes.put("planned", row)

        self._tables.write(tuple(One("planned", subject) for subject in new), write)

    def end_planned(self, kind: WorkKind, names: Iterable[str]) -> None:
        """See Store."""
        subjects = [codec.subject_of(kind, name) for name in names]

        def write(view: View, changes: Changes) -> None:
            for subject in subjects:
                if view.one("planned", subject) is not None:
                    changes.delete("planned", subject)

        self._tables.write(tuple(One("planned", subject) for subject in subjects), write)

    def keep_capture(self, capture: Capture) -> None:
        """See Store."""
        row = capture_row(capture)
        self._tables.write((One("capture", capture.vm),), lambda _view, changes: changes.put("capture", row))

    # ------------------------------------------------ compare-and-set

    def take_lease(self, vm: Uuid, holder: Holder, ttl_s: float, now: float) -> Lease | Busy:
        """See Store."""
        expires_at = rules.expiry(ttl_s, now)

        def write(view: View, changes: Changes) -> Lease | Busy:
            busy = rules.in_the_way(_lease(view, vm), now, is_gone_from_here)
            if busy is not None:
                return busy
            last = codec.read_last_token(view.one("meta", "last_token"))
            lease = Lease(vm, rules.next_token(last, now), expires_at)
            changes.put("meta", codec.meta_row("last_token", lease.token))
            changes.put("lease", codec.lease_row(rules.new_lease(lease, holder, now)))
            return lease

        return self._tables.write((One("lease", vm), _TOKEN), write)

    def renew_lease(self, lease: Lease, ttl_s: float, now: float) -> Lease:
        """See Store."""
        expires_at = rules.expiry(ttl_s, now)

        def write(view: View, changes: Changes) -> Lease:
            held = rules.still_held(_lease(view, lease.vm), lease, now)
            changes.put("lease", codec.lease_row(replace(held, expires_at=expires_at)))
            return replace(lease, expires_at=expires_at)

        return self._tables.write((One("lease", lease.vm),), write)

    def drop_lease(self, lease: Lease) -> None:
        """See Store."""

        def write(view: View, changes: Changes) -> None:
            held = _lease(view, lease.vm)
            if held is not None and held.token == lease.token:
                changes.delete("lease", lease.vm)

        self._tables.write((One("lease", lease.vm),), write)

    def write_record(self, record: VmRecord, lease: Lease, now: float) -> VmRecord:
        """See Store."""
        written = rules.next_record(record, lease)
        row = codec.record_row(written, now)

        def write(view: View, changes: Changes) -> VmRecord:
            rules.still_held(_lease(view, lease.vm), lease, now)
            rules.check_revision(record, _read_one(view, "record", record.uuid, codec.read_record))
            changes.put("record", row)
            return written

        return self._tables.write((One("lease", lease.vm), One("record", record.uuid)), write)

    # ------------------------------------------------ the end

    def close(self) -> None:
        """See Store."""
        self._tables.close()


def _recall(view: View, now: float) -> Recollection:
    return rules.recollection(
        now,
        codec.read_all("record", view.all("record"), codec.read_record),
        _quarantined(view),
        dict(codec.read_all("machine", view.all("machine"), codec.read_machine)),
        (row for _, row in _statements(view)),
        _planned(view),
    )


def _read_one(view: View, table: str, key: str, read: Callable[[Row], codec.T]) -> codec.T | None:
    row = view.one(table, key)
    return None if row is None else codec.read_all(table, [row], read)[0]


def _lease(view: View, vm: Uuid) -> LeaseRow | None:
    return _read_one(view, "lease", vm, codec.read_lease)


def _quarantined(view: View) -> tuple[QuarantineRow, ...]:
    return codec.read_all("quarantine", view.all("quarantine"), codec.read_quarantine)


def _planned(view: View) -> tuple[PlannedWork, ...]:
    return codec.read_all("planned", view.all("planned"), codec.read_planned)


def _statements(view: View) -> tuple[tuple[int, StatementRow], ...]:
    return codec.read_all("statement", view.all("statement"), codec.read_statement)


def _captures(wants: Iterable[One], view: View) -> tuple[Capture, ...]:
    found = (_read_one(view, want.table, want.key, read_capture) for want in wants)
    return tuple(each for each in found if each is not None)


def _end_statements(view: View, changes: Changes, host: HostName, why: str, at: float) -> None:
    for number, row in _statements(view):
        if row.host == host and row.ended_at is None:
            changes.put("statement", codec.statement_row(number, rules.ended(row, why, at)))


# ---------------------------------------------------------------- looking at everything

_READERS: dict[str, Callable[[Row], object]] = {
    "record": codec.read_record,
    "lease": codec.read_lease,
    "quarantine": codec.read_quarantine,
    "machine": codec.read_machine,
    "statement": codec.read_statement,
    "planned": codec.read_planned,
    "capture": read_capture,
}


def _problems(moment: Moment) -> tuple[Problem, ...]:
    rows: dict[str, list[Row]] = {table: [] for table in TABLES}
    found: list[Problem] = []
    for table, key, value in moment.everything():
        try:
            if table in rows:
                rows[table].append(row_in(table, key, value))
            elif table != "writer":
                raise RowError(f"the key {table}/{key[:80]} is none of hafence's")
        except RowError as error:
            found.append(Problem("row", str(error)))
    if not any(rows.values()) and not found:
        return ()  # opened to be read only, and not there yet
    meta = {row[0]: row for row in rows["meta"]}
    for table, read in _READERS.items():
        found += _said("row", partial(codec.read_all, table, rows[table], read))
    found += _said("row", lambda: codec.read_last_token(meta.get("last_token")))
    try:
        broken = history.chain_problems(rows["history"], rows["begin"], rows["run"], meta.get("history_head"))
    except RowError as error:
        broken = [str(error)]
    return (*found, *(Problem("history_broken", line) for line in broken))


def _said(code: str, look: Callable[[], object]) -> Iterable[Problem]:
    try:
        look()
    except RowError as error:
        return [Problem(code, str(error))]
    return []


def _cluster_problems(tables: EtcdTables) -> Iterable[Problem]:
    """A member of another cluster is another store. One that is silent is not: a majority is enough."""
    clusters = {name: said for name, said in tables.clusters().items() if isinstance(said, int)}
    if len(set(clusters.values())) > 1:
        yield Problem("damaged", f"{', '.join(clusters)} belong to different etcd clusters: name only members of one")
