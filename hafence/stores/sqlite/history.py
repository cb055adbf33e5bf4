"""The history in SQLite. What its rows are, and why they form one chain, is in `history_codec`."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from ...core.model import Uuid
from .. import history_codec as codec
from ..codec import storable
from ..history_codec import BEGIN, END, STEP
from ..port import Json, RunHistory, RunRow, RunSummary, StepRow
from .rows import meta, put_meta


def begin_run(db: sqlite3.Connection, run: RunRow) -> None:
    """Append the beginning of a run."""
    body = codec.begin_body(run)
    codec.check_new(run.run, db.execute("SELECT 1 FROM history WHERE run = ?", (run.run,)).fetchone() is not None)
    _append(db, run.run, 0, BEGIN, run.at, body)


def add_step(db: sqlite3.Connection, run: str, step: StepRow) -> int:
    """Append a step; the answer is its number in the run."""
    number = _next_number(db, run)
    _append(db, run, number, STEP, step.at, codec.step_body(step))
    return number


def end_run(db: sqlite3.Connection, run: str, at: float, exit_code: int, result: Json) -> None:
    """Append the end of a run."""
    _append(db, run, _next_number(db, run), END, at, codec.end_body(exit_code, result))


def runs(db: sqlite3.Connection, vm: Uuid | None, limit: int) -> tuple[RunSummary, ...]:
    """The latest runs, newest first."""
    found: list[RunSummary] = []
    for row in db.execute("SELECT * FROM history WHERE n = 0 ORDER BY seq DESC"):
        if len(found) >= limit:
            break
        began = codec.began(row)
        if vm is None or vm in began.vms:
            last = db.execute("SELECT * FROM history WHERE run = ? ORDER BY n DESC LIMIT 1", (began.run,)).fetchone()
            found.append(RunSummary(began, codec.ended(last) if last and last[3] == END else None))
    return tuple(found)


def run(db: sqlite3.Connection, text: str) -> RunHistory:
    """One run's history. LookupError for an id that is unknown or not unique."""
    run_id = _find(db, text)
    rows = db.execute("SELECT * FROM history WHERE run = ? ORDER BY n", (run_id,)).fetchall()
    return codec.history_of(run_id, rows)


def chain_problems(db: sqlite3.Connection) -> list[str]:
    """Where the chain is broken, in words; empty when it holds."""
    return codec.chain_problems(db.execute("SELECT * FROM history ORDER BY seq"), meta(db, "history_head"))


def _append(db: sqlite3.Connection, run_id: str, number: int, kind: str, at: float, body: Mapping[str, Any]) -> None:
    entry = codec.new_entry(codec.head_in(meta(db, "history_head")), run_id, number, kind, at, body)
    db.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?)", entry)
    put_meta(db, "history_head", [entry[0], entry[7]])


def _next_number(db: sqlite3.Connection, run_id: str) -> int:
    last = db.execute("SELECT n, kind FROM history WHERE run = ? ORDER BY n DESC LIMIT 1", (run_id,)).fetchone()
    return codec.next_number(run_id, last)


def _find(db: sqlite3.Connection, text: str) -> str:
    wanted = storable(text.strip())
    hits = db.execute(
        "SELECT run FROM history WHERE n = 0 AND substr(run, 1, ?) = ? ORDER BY run = ? DESC, seq DESC LIMIT 6",
        (len(wanted), wanted, wanted),
    ).fetchall()
    return codec.choose_run(text, wanted, [str(hit[0]) for hit in hits])
