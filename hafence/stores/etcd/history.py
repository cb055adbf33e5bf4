"""The history in etcd. What its entries are, and why they form one chain, is in `history_codec`.

An entry lies under its run and its number in it; `begin` lists the runs in the order of their beginnings, and `run`
says how far each has come, so that no step costs more the longer a run is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ...core.model import Uuid
from .. import history_codec as codec
from ..codec import Row, RowError, meta_row, read_all, read_meta, sealed, storable, text_in
from ..history_codec import BEGIN, END, STEP
from ..port import Json, RunEnd, RunHistory, RunRow, RunSummary, StepRow
from .rows import One, history_key
from .tables import EtcdTables
from .view import Changes, Moment, View

_HEAD = One("meta", "history_head")
HowFar = tuple[str, int, str]
"""A run, the number and the kind of its latest entry."""

_AT_ONCE = 50
"""Runs that are read in one call: two readings each, and etcd takes 128."""


def begin_run(tables: EtcdTables, run: RunRow) -> None:
    """Append the beginning of a run."""
    body = codec.begin_body(run)

    def write(view: View, changes: Changes) -> None:
        codec.check_new(run.run, view.one("run", run.run) is not None)
        seq = _append(view, changes, run.run, 0, BEGIN, run.at, body)
        changes.put("begin", sealed("begin", read_begin, seq, run.run))

    tables.write((_HEAD, One("run", run.run)), write)


def add_step(tables: EtcdTables, run: str, step: StepRow) -> int:
    """Append a step; the answer is its number in the run."""
    return _append_to(tables, run, STEP, step.at, codec.step_body(step))


def end_run(tables: EtcdTables, run: str, at: float, exit_code: int, result: Json) -> None:
    """Append the end of a run."""
    _append_to(tables, run, END, at, codec.end_body(exit_code, result))


def runs(moment: Moment, vm: Uuid | None, limit: int) -> tuple[RunSummary, ...]:
    """The latest runs, newest first."""
    found: list[RunSummary] = []
    names = (run for _, run in _begins(moment))
    while len(found) < limit and (some := list(islice(names, _AT_ONCE))):
        view = moment.view(
            tuple(want for run in some for want in (One("history", history_key(run, 0)), One("run", run)))
        )
        firsts = [_began(view, run) for run in some]
        ends = _ends(moment, [_how_far(view, began.run) for began in firsts if vm is None or vm in began.vms])
        found += [RunSummary(began, ends[began.run]) for began in firsts if began.run in ends]
    return tuple(found[: max(0, limit)])


def run(moment: Moment, text: str) -> RunHistory:
    """One run's history. LookupError for an id that is unknown or not unique."""
    wanted = storable(text.strip())
    names = [run for _, run in _begins(moment) if wanted and run.startswith(wanted)]
    names.sort(key=lambda name: name != wanted)
    run_id = codec.choose_run(text, wanted, names[:6])
    entries = list(moment.rows("history", f"{run_id}/"))
    if _how_far(moment.view((One("run", run_id),)), run_id)[1] != len(entries) - 1:
        raise RowError(f"table history, run {run_id}: a step is missing")
    return codec.history_of(run_id, entries)


def chain_problems(entries: Sequence[Row], begins: Sequence[Row], ends: Sequence[Row], head: Row | None) -> list[str]:
    """Where the chain is broken, or the lists of runs do not fit it, in words; empty when all holds."""
    chain = sorted(entries, key=lambda entry: entry[0] if type(entry[0]) is int else 0)
    problems = codec.chain_problems(chain, read_meta("history_head", head))
    if problems:
        return problems
    latest = {entry[1]: (entry[1], entry[2], entry[3]) for entry in chain}
    if list(read_all("begin", begins, read_begin)) != [(entry[0], entry[1]) for entry in chain if entry[2] == 0]:
        return ["history: the list of runs does not fit the entries"]
    if set(read_all("run", ends, _read_how_far)) != set(latest.values()):
        return ["history: how far each run has come does not fit the entries"]
    return []


def read_begin(row: Row) -> tuple[int, str]:
    """A run's number in the chain, and its id."""
    if type(row[0]) is not int:
        raise ValueError(f"{row[0]!r} is not a number")
    return row[0], text_in(row[1])


def _read_how_far(row: Row) -> HowFar:
    if type(row[1]) is not int or row[2] not in (BEGIN, STEP, END):
        raise ValueError("it does not say how far the run has come")
    return text_in(row[0]), row[1], str(row[2])


def _begins(moment: Moment) -> Iterator[tuple[int, str]]:
    """The runs, newest first."""
    for row in moment.rows("begin", descend=True):
        yield from read_all("begin", [row], read_begin)


def _began(view: View, run: str) -> RunRow:
    first = view.one("history", history_key(run, 0))
    if first is None:
        raise RowError(f"table history, run {run}: a step is missing")
    return codec.began(first)


def _how_far(view: View, run: str) -> HowFar:
    row = view.one("run", run)
    if row is None:
        raise RowError(f"table run has no row {run!r}")
    return read_all("run", [row], _read_how_far)[0]


def _ends(moment: Moment, runs: Sequence[HowFar]) -> dict[str, RunEnd | None]:
    """The end of each run, None where it has none yet."""
    over = {run: One("history", history_key(run, number)) for run, number, kind in runs if kind == END}
    view = moment.view(tuple(over.values()))
    ends: dict[str, RunEnd | None] = {}
    for run, number, _ in runs:
        entry = view.one("history", history_key(run, number)) if run in over else None
        if run in over and (entry is None or entry[3] != END):
            raise RowError(f"table history, run {run}: its end is missing")
        ends[run] = None if entry is None else codec.ended(entry)
    return ends


def _append_to(tables: EtcdTables, run: str, kind: str, at: float, body: Mapping[str, Any]) -> int:
    def write(view: View, changes: Changes) -> int:
        last = None if view.one("run", run) is None else _how_far(view, run)
        number = codec.next_number(run, None if last is None else last[1:])
        _append(view, changes, run, number, kind, at, body)
        return number

    return tables.write((_HEAD, One("run", run)), write)


def _append(view: View, changes: Changes, run: str, number: int, kind: str, at: float, body: Mapping[str, Any]) -> int:
    head = codec.head_in(read_meta("history_head", view.one("meta", "history_head")))
    entry = codec.new_entry(head, run, number, kind, at, body)
    changes.put("history", entry)
    changes.put("run", sealed("run", _read_how_far, run, number, kind))
    changes.put("meta", meta_row("history_head", [entry[0], entry[7]]))
    return int(entry[0])
