"""What a rule asks of the history, read from any engine: its rows are years old, and input like all that is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..core.evacuations import Evacuation
from ..core.model import HostName, is_name
from .port import RunSummary, Store

FIRST_ROWS = 20
"""So many rows are read at first: mostly the hour has fewer."""


def evacuations(store: Store, since: float, but: str) -> tuple[Evacuation, ...]:
    """The evacuations since a moment that have touched something, or may have; without the run `but`, which asks."""
    rows = FIRST_ROWS
    while True:
        runs = store.runs(limit=rows)
        if len(runs) < rows or runs[-1].row.at < since:
            return tuple(_evacuations(runs, since, but))
        rows *= 8


def _evacuations(runs: tuple[RunSummary, ...], since: float, but: str) -> Iterator[Evacuation]:
    for run in runs:
        row, host = run.row, run.row.details.get("host")
        if row.command != "evacuate" or row.at < since or row.run == but:
            continue
        if isinstance(host, str) and is_name(host) and _may_have_touched(run):
            yield Evacuation(HostName(host), row.run, row.who, row.at)


def _may_have_touched(run: RunSummary) -> bool:
    """Whether a VM was fenced or started. A run without an end may have done both."""
    if run.end is None:
        return True
    vms = run.end.result.get("vms")
    return any(_touched(vm) for vm in vms) if isinstance(vms, list) else True


def _touched(vm: Any) -> bool:
    if not isinstance(vm, Mapping):
        return True
    return vm.get("decision") in ("started", "failed") or vm.get("verdict") == "confirmed_dead"
