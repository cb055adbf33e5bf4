"""`hafence history`: the runs, newest first."""

from __future__ import annotations

import click

from ..context import Options, find_vm, open_to_show, read_inventory
from ..options import common_options, complete_vm, json_option, pass_options
from ..show.output import out, print_document


@click.command("history", short_help="List the runs, newest first.")
@click.argument("vm", required=False, shell_complete=complete_vm)
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Show at most so many runs."
)
@json_option
@common_options
@pass_options
def history(options: Options, vm: str | None, limit: int) -> int:
    """List the runs, newest first; with VM, those that handled it."""
    inventory = read_inventory(options)
    uuid = find_vm(inventory, vm).uuid if vm is not None else None

    from ..show.history import summary_object
    from ..show.tables import table

    store = open_to_show(options, inventory)
    try:
        runs = [summary_object(summary, inventory) for summary in store.runs(uuid, limit)]
        name = store.name
    finally:
        store.close()
    if options.json:
        print_document({"store": name, "runs": runs})
        return 0
    if not runs:
        out(f"no run yet in {name}" if vm is None else f"no run has handled {vm} yet")
        return 0
    rows = [
        (
            str(run["run"]),
            str(run["command"]),
            str(run["subject"]),
            "-" if run["exit"] is None else str(run["exit"]),
            _end(run["decision"], run["reason"], run["exit"]),
        )
        for run in runs
    ]
    out(table(("RUN", "COMMAND", "ON", "EXIT", "CAME TO"), rows))
    return 0


def _end(decision: str | None, reason: str | None, code: int | None) -> str:
    if code is None:
        return "goes on, or was killed"
    return f"{decision}: {reason}" if decision else ""
