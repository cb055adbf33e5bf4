"""`hafence history`: the runs, newest first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ..context import Options, find_vm, open_to_show, read_inventory
from ..options import common_options, complete_vm, json_option, pass_options
from ..show.output import out, print_document, say
from ..since import Since

if TYPE_CHECKING:
    from ...core.model import Uuid
    from ...stores.port import RunSummary, Store

MOST = 100_000
"""Runs that are read; who has more asks for the time of interest."""


@click.command("history", short_help="List the runs, newest first.")
@click.argument("vm", required=False, shell_complete=complete_vm)
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Show at most so many runs."
)
@click.option("--failed", is_flag=True, help="Only those that did not end with exit status 0, or have not ended.")
@click.option("--since", type=Since(), metavar="TIME", help="Only those since then: 5m, 2h, 3d ago, or a date.")
@json_option
@common_options
@pass_options
def history(options: Options, vm: str | None, limit: int, failed: bool, since: float | None) -> int:
    """List the runs, newest first; with VM, those that handled it."""
    inventory = read_inventory(options)
    uuid = find_vm(inventory, vm).uuid if vm is not None else None

    from ..show.history import summary_object

    store = open_to_show(options, inventory)
    try:
        found, before = _found(store, uuid, failed, since)
        name = store.name
    finally:
        store.close()
    runs = [summary_object(summary, inventory) for summary in found[:limit]]
    left = len(found) - len(runs)
    if options.json:
        print_document({"store": name, "runs": runs, "not_shown": left})
        return 0
    if not runs:
        none = f"no run yet in {name}" if vm is None else f"no run has handled {vm} yet"
        out(f"none of {before} runs is meant" if before else none)
        return 0
    _print(runs)
    if left and not options.quiet:
        say(f"{left} more, older {'ones' if left > 1 else 'one'} not shown: -n {len(found)} shows all")
    return 0


def _found(store: Store, vm: Uuid | None, failed: bool, since: float | None) -> tuple[list[RunSummary], int]:
    """The runs that are meant, newest first, and of how many."""
    runs = store.runs(vm, MOST)
    meant = [run for run in runs if since is None or run.row.at >= since]
    return [run for run in meant if not failed or run.end is None or run.end.exit_code != 0], len(runs)


def _print(runs: list[dict[str, Any]]) -> None:
    from ..show.history import moved, took, when
    from ..show.tables import table
    from ..show.terminal import can_show

    arrow = "→" if can_show("→", sys.stdout.encoding) else "->"
    rows = [
        (
            str(run["run"]),
            when(run),
            str(run["who"]),
            str(run["command"]),
            str(run["subject"]),
            moved(run, arrow),
            took(run),
            "-" if run["exit"] is None else str(run["exit"]),
            _end(run["decision"], run["reason"], run["exit"]),
        )
        for run in runs
    ]
    heads = ("RUN", "WHEN", "WHO", "COMMAND", "ON", f"FROM {arrow} TO", "TOOK", "EXIT", "CAME TO")
    out(table(heads, rows))


def _end(decision: str | None, reason: str | None, code: int | None) -> str:
    if code is None:
        return "goes on, or was killed"
    return f"{decision}: {reason}" if decision else ""
