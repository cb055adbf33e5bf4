"""The history: one chain of rows, only ever added to.

Each row bears the SHA-256 of (the hash of the row before, itself); the last one's is kept in `meta` as well. So
a row that was changed, taken out, put in between or cut off at the end shows. It holds against accidents and
against an edit by hand, not against someone who computes the chain anew.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from ...core.model import Uuid, is_name, parse_uuid
from ...effects import StoreError
from .port import Json, RunEnd, RunRow, RunStory, RunSummary, StepRow
from .sqlite_errors import RowError
from .sqlite_rows import LATEST, canonical, meta, put_meta, storable, when

_BEGIN, _STEP, _END = "begin", "step", "end"


def begin_run(db: sqlite3.Connection, run: RunRow) -> None:
    """Append the beginning of a run."""
    if not is_name(run.run):
        raise ValueError(f"not a run's id: {run.run!r}")
    if db.execute("SELECT 1 FROM history WHERE run = ?", (run.run,)).fetchone():
        raise StoreError(f"the store knows a run {run.run} already")
    body = {"who": storable(run.who), "command": run.command, "vms": list(run.vms), "details": dict(run.details)}
    _append(db, run.run, 0, _BEGIN, run.at, body)


def add_step(db: sqlite3.Connection, run: str, step: StepRow) -> int:
    """Append a step; the answer is its number in the run."""
    number = _next_number(db, run)
    _append(db, run, number, _STEP, step.at, {"kind": step.kind, "vm": step.vm, "data": dict(step.data)})
    return number


def end_run(db: sqlite3.Connection, run: str, at: float, exit_code: int, result: Json) -> None:
    """Append the end of a run."""
    _append(db, run, _next_number(db, run), _END, at, {"exit_code": exit_code, "result": dict(result)})


def runs(db: sqlite3.Connection, vm: Uuid | None, limit: int) -> tuple[RunSummary, ...]:
    """The latest runs, newest first."""
    found: list[RunSummary] = []
    for row in db.execute("SELECT * FROM history WHERE n = 0 ORDER BY seq DESC"):
        if len(found) >= limit:
            break
        began = _began(row)
        if vm is None or vm in began.vms:
            last = db.execute("SELECT * FROM history WHERE run = ? ORDER BY n DESC LIMIT 1", (began.run,)).fetchone()
            found.append(RunSummary(began, _ended(last) if last and last[3] == _END else None))
    return tuple(found)


def run(db: sqlite3.Connection, text: str) -> RunStory:
    """One run's story. LookupError for an id that is unknown or not unique."""
    run_id = _find(db, text)
    rows = db.execute("SELECT * FROM history WHERE run = ? ORDER BY n", (run_id,)).fetchall()
    if [row[2] for row in rows] != list(range(len(rows))):
        raise RowError(f"table history, run {run_id}: a step is missing")
    kinds = [row[3] for row in rows]
    ended = kinds[-1] == _END
    if kinds[0] != _BEGIN or set(kinds[1 : -1 if ended else None]) - {_STEP}:
        raise RowError(f"table history, run {run_id}: beginning, steps and end are out of order")
    steps = rows[1:-1] if ended else rows[1:]
    return RunStory(_began(rows[0]), tuple(_step(row) for row in steps), _ended(rows[-1]) if ended else None)


def chain_problems(db: sqlite3.Connection) -> list[str]:
    """Where the chain is broken, in words; empty when it holds."""
    previous, expected = "", 1
    for row in db.execute("SELECT * FROM history ORDER BY seq"):
        seq = row[0]
        if seq != expected:
            return [f"history: entries {expected} to {seq - 1} are missing"]
        if row[6] != previous:
            return [f"history: entry {seq} does not follow the one before it"]
        try:
            _body(row)
        except RowError as error:
            return [str(error)]
        previous, expected = row[7], expected + 1
    if meta(db, "history_head") != [expected - 1, previous]:
        return [f"history: entries after {expected - 1} were cut off, or added past hafence"]
    return []


# ---------------------------------------------------------------- writing


def _append(db: sqlite3.Connection, run_id: str, number: int, kind: str, at: float, body: Mapping[str, Any]) -> None:
    head = meta(db, "history_head")
    if not (isinstance(head, list) and len(head) == 2 and type(head[0]) is int and isinstance(head[1], str)):
        raise RowError("table meta, row 'history_head': not the head of a chain")
    seq, previous = head[0] + 1, head[1]
    fields = (seq, run_id, number, kind, when(at), canonical(body))
    digest = _hash(previous, fields)
    db.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*fields, previous, digest))
    put_meta(db, "history_head", [seq, digest])


def _next_number(db: sqlite3.Connection, run_id: str) -> int:
    last = db.execute("SELECT n, kind FROM history WHERE run = ? ORDER BY n DESC LIMIT 1", (run_id,)).fetchone()
    if last is None:
        raise StoreError(f"the store knows no run {run_id}: nothing can be added to it")
    if last[1] == _END:
        raise StoreError(f"run {run_id} has ended: nothing can be added to it")
    return int(last[0]) + 1


def _hash(previous: object, fields: Iterable[object]) -> str:
    return hashlib.sha256(json.dumps([previous, *fields], default=repr).encode()).hexdigest()


# ---------------------------------------------------------------- reading


def _find(db: sqlite3.Connection, text: str) -> str:
    wanted = storable(text.strip())
    hits = db.execute(
        "SELECT run FROM history WHERE n = 0 AND substr(run, 1, ?) = ? ORDER BY run = ? DESC, seq DESC LIMIT 6",
        (len(wanted), wanted, wanted),
    ).fetchall()
    names = [str(hit[0]) for hit in hits]
    if not wanted or not names:
        raise LookupError(f"no run {text!r} in the history: 'hafence history' lists them")
    if len(names) > 1 and names[0] != wanted:
        more = " and others" if len(names) > 5 else ""
        raise LookupError(f"{text!r} is the beginning of several runs: {', '.join(names[:5])}{more}")
    return names[0]


def _body(row: tuple[Any, ...]) -> Mapping[str, Any]:
    """A row's body, once the row has been seen to match its hash."""
    seq, at, text = row[0], row[4], row[5]
    if row[7] != _hash(row[6], row[:6]):
        raise RowError(f"history: entry {seq} was changed (it does not match its hash)")
    try:
        body = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(at, float) or not 0 <= at < LATEST:
        raise RowError(f"history: entry {seq} is not one of hafence's")
    return body


def _began(row: tuple[Any, ...]) -> RunRow:
    body = _body(row)
    try:
        vms = tuple(parse_uuid(vm) for vm in body["vms"])
        return RunRow(row[1], row[4], body["who"], body["command"], vms, body["details"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RowError(f"history: entry {row[0]} is not the beginning of a run") from None


def _step(row: tuple[Any, ...]) -> StepRow:
    body = _body(row)
    try:
        vm = None if body["vm"] is None else parse_uuid(body["vm"])
        return StepRow(row[4], body["kind"], vm, body["data"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RowError(f"history: entry {row[0]} is not a step") from None


def _ended(row: tuple[Any, ...]) -> RunEnd:
    body = _body(row)
    try:
        return RunEnd(row[4], int(body["exit_code"]), body["result"])
    except (KeyError, TypeError, ValueError):
        raise RowError(f"history: entry {row[0]} is not the end of a run") from None
