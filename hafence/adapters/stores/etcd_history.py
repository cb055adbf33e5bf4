"""The history in etcd. What its entries are, and why they form one chain, is in `history_codec`.

An entry lies under its run and its number in it; `begin` lists the runs in the order of their beginnings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ...core.model import Uuid
from ...effects import StoreError
from . import history_codec as codec
from .codec import Row, RowError, meta_row, read_all, read_meta, sealed, storable, text_in
from .etcd_rows import Last, One, history_key
from .etcd_tables import EtcdTables
from .etcd_view import Changes, Moment, View
from .history_codec import BEGIN, END, STEP
from .port import Json, RunEnd, RunRow, RunStory, RunSummary, StepRow

_HEAD = One("meta", "history_head")
_AT_ONCE = 50
"""Runs that are read in one call: two readings each, and etcd takes 128."""


def begin_run(tables: EtcdTables, run: RunRow) -> None:
    """Append the beginning of a run."""
    body = codec.begin_body(run)
    first = history_key(run.run, 0)

    def write(view: View, changes: Changes) -> None:
        if view.one("history", first) is not None:
            raise StoreError(f"the store knows a run {run.run} already")
        seq = _append(view, changes, run.run, 0, BEGIN, run.at, body)
        changes.put("begin", sealed("begin", read_begin, seq, run.run))

    tables.write((_HEAD, One("history", first)), write)


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
            tuple(want for run in some for want in (One("history", history_key(run, 0)), Last("history", f"{run}/")))
        )
        for run in some:
            first, last = view.one("history", history_key(run, 0)), view.last("history", f"{run}/")
            if first is None or last is None:
                raise RowError(f"table history, run {run}: a step is missing")
            began = codec.began(first)
            if vm is None or vm in began.vms:
                found.append(RunSummary(began, _ended(last)))
    return tuple(found[: max(0, limit)])


def run(moment: Moment, text: str) -> RunStory:
    """One run's story. LookupError for an id that is unknown or not unique."""
    wanted = storable(text.strip())
    names = [run for _, run in _begins(moment) if wanted and run.startswith(wanted)]
    names.sort(key=lambda name: name != wanted)
    run_id = codec.choose_run(text, wanted, names[:6])
    return codec.story(run_id, list(moment.rows("history", f"{run_id}/")))


def chain_problems(entries: Sequence[Row], begins: Sequence[Row], head: Row | None) -> list[str]:
    """Where the chain is broken, or the list of beginnings does not fit it, in words; empty when all holds."""
    chain = sorted(entries, key=lambda entry: entry[0] if type(entry[0]) is int else 0)
    problems = codec.chain_problems(chain, read_meta("history_head", head))
    if problems:
        return problems
    listed = read_all("begin", begins, read_begin)
    if list(listed) != [(entry[0], entry[1]) for entry in chain if entry[2] == 0]:
        return ["history: the list of runs does not fit the entries"]
    return []


def read_begin(row: Row) -> tuple[int, str]:
    """A run's number in the chain, and its id."""
    if type(row[0]) is not int:
        raise ValueError(f"{row[0]!r} is not a number")
    return row[0], text_in(row[1])


def _begins(moment: Moment) -> Iterator[tuple[int, str]]:
    """The runs, newest first."""
    for row in moment.rows("begin", descend=True):
        yield from read_all("begin", [row], read_begin)


def _ended(last: Row) -> RunEnd | None:
    return codec.ended(last) if last[3] == END else None


def _append_to(tables: EtcdTables, run: str, kind: str, at: float, body: Mapping[str, Any]) -> int:
    def write(view: View, changes: Changes) -> int:
        last = view.last("history", f"{run}/")
        number = codec.next_number(run, None if last is None else (last[2], last[3]))
        _append(view, changes, run, number, kind, at, body)
        return number

    return tables.write((_HEAD, Last("history", f"{run}/")), write)


def _append(view: View, changes: Changes, run: str, number: int, kind: str, at: float, body: Mapping[str, Any]) -> int:
    head = codec.head_in(read_meta("history_head", view.one("meta", "history_head")))
    entry = codec.new_entry(head, run, number, kind, at, body)
    changes.put("history", entry)
    changes.put("meta", meta_row("history_head", [entry[0], entry[7]]))
    return int(entry[0])
