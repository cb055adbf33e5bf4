"""The entries of the history and what they stand for, whatever engine keeps them: one chain, only ever added to.

Each entry bears the SHA-256 of (the hash of the entry before, itself); the last one's is kept under `history_head` as
well. So an entry that was changed, taken out, put in between or cut off at the end shows. It holds against accidents
and against an edit by hand, not against someone who computes the chain anew.

An entry is a row of eight: number in the chain, run, number in the run, kind, at, body, hash of the entry before, hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.model import is_name, parse_uuid
from ..effects import StoreError
from .codec import LATEST, RowError, canonical, storable, when
from .port import Json, RunEnd, RunHistory, RunRow, StepRow

BEGIN, STEP, END = "begin", "step", "end"

Entry = Sequence[Any]
Head = tuple[int, str]
"""The number and the hash of the last entry."""


# ---------------------------------------------------------------- writing


def begin_body(run: RunRow) -> Mapping[str, Any]:
    """The body of a run's beginning."""
    if not is_name(run.run):
        raise ValueError(f"not a run's id: {run.run!r}")
    return {"who": storable(run.who), "command": run.command, "vms": list(run.vms), "details": dict(run.details)}


def step_body(step: StepRow) -> Mapping[str, Any]:
    """The body of a step."""
    return {"kind": step.kind, "vm": step.vm, "data": dict(step.data)}


def end_body(exit_code: int, result: Json) -> Mapping[str, Any]:
    """The body of a run's end."""
    return {"exit_code": exit_code, "result": dict(result)}


def head_in(value: Any) -> Head:
    """The head of the chain, as it is stored."""
    if not (isinstance(value, list) and len(value) == 2 and type(value[0]) is int and isinstance(value[1], str)):
        raise RowError("table meta, row 'history_head': not the head of a chain")
    return value[0], value[1]


def new_entry(head: Head, run: str, number: int, kind: str, at: float, body: Mapping[str, Any]) -> Entry:
    """The entry that follows `head`."""
    fields = (head[0] + 1, run, number, kind, when(at), canonical(body))
    return (*fields, head[1], _hash(head[1], fields))


def check_new(run: str, known: bool) -> None:
    """StoreError for a run that is to begin and has begun before."""
    if known:
        raise StoreError(f"the store knows a run {run} already")


def next_number(run: str, last: Sequence[Any] | None) -> int:
    """The number of a run's next entry, by the number and the kind of its last one."""
    if last is None:
        raise StoreError(f"the store knows no run {run}: nothing can be added to it")
    if last[1] == END:
        raise StoreError(f"run {run} has ended: nothing can be added to it")
    return int(last[0]) + 1


def _hash(previous: object, fields: Iterable[object]) -> str:
    return hashlib.sha256(json.dumps([previous, *fields], default=repr).encode()).hexdigest()


# ---------------------------------------------------------------- reading


def choose_run(text: str, wanted: str, names: Sequence[str]) -> str:
    """Of up to six runs that begin with `wanted`, the one that is meant. LookupError, with a sentence, if none is."""
    if not wanted or not names:
        raise LookupError(f"no run {text!r} in the history: 'hafence history' lists them")
    if len(names) > 1 and names[0] != wanted:
        more = " and others" if len(names) > 5 else ""
        raise LookupError(f"{text!r} is the beginning of several runs: {', '.join(names[:5])}{more}")
    return names[0]


def history_of(run: str, entries: Sequence[Entry]) -> RunHistory:
    """A run's history, from all its entries in their order."""
    if [entry[2] for entry in entries] != list(range(len(entries))):
        raise RowError(f"table history, run {run}: a step is missing")
    kinds = [entry[3] for entry in entries]
    over = kinds[-1] == END
    if kinds[0] != BEGIN or set(kinds[1 : -1 if over else None]) - {STEP}:
        raise RowError(f"table history, run {run}: beginning, steps and end are out of order")
    steps = entries[1:-1] if over else entries[1:]
    return RunHistory(began(entries[0]), tuple(_step(entry) for entry in steps), ended(entries[-1]) if over else None)


def chain_problems(entries: Iterable[Entry], head: Any) -> list[str]:
    """Where the chain is broken, in words; empty when it holds. `head`: as it is stored."""
    previous, expected = "", 1
    for entry in entries:
        seq = entry[0]
        if seq != expected:
            return [f"history: entries {expected} to {seq - 1} are missing"]
        if entry[6] != previous:
            return [f"history: entry {seq} does not follow the one before it"]
        try:
            _body(entry)
        except RowError as error:
            return [str(error)]
        previous, expected = entry[7], expected + 1
    if head != [expected - 1, previous]:
        return [f"history: entries after {expected - 1} were cut off, or added past hafence"]
    return []


def _body(entry: Entry) -> Mapping[str, Any]:
    """An entry's body, once the entry has been seen to match its hash."""
    seq, at, text = entry[0], entry[4], entry[5]
    if entry[7] != _hash(entry[6], entry[:6]):
        raise RowError(f"history: entry {seq} was changed (it does not match its hash)")
    try:
        body = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(at, float) or not 0 <= at < LATEST:
        raise RowError(f"history: entry {seq} is not one of hafence's")
    return body


def began(entry: Entry) -> RunRow:
    """The beginning of a run."""
    body = _body(entry)
    try:
        vms = tuple(parse_uuid(vm) for vm in body["vms"])
        return RunRow(entry[1], entry[4], body["who"], body["command"], vms, body["details"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RowError(f"history: entry {entry[0]} is not the beginning of a run") from None


def _step(entry: Entry) -> StepRow:
    body = _body(entry)
    try:
        vm = None if body["vm"] is None else parse_uuid(body["vm"])
        return StepRow(entry[4], body["kind"], vm, body["data"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RowError(f"history: entry {entry[0]} is not a step") from None


def ended(entry: Entry) -> RunEnd:
    """The end of a run."""
    body = _body(entry)
    try:
        return RunEnd(entry[4], int(body["exit_code"]), body["result"])
    except (KeyError, TypeError, ValueError):
        raise RowError(f"history: entry {entry[0]} is not the end of a run") from None
