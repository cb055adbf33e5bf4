"""`hafence explain RUN`: why a run decided so, and what would unblock a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..context import Options, open_to_show, read_inventory
from ..options import common_options, complete_run, json_option, pass_options
from ..show.output import out_folded, print_document

if TYPE_CHECKING:
    from ...stores.port import Store


@click.command("explain", short_help="Show why a run decided so.")
@click.argument("run", default="last", shell_complete=complete_run)
@click.option("--failed", is_flag=True, help="Only the VMs that did not end as wanted.")
@json_option
@common_options
@pass_options
def explain(options: Options, run: str, failed: bool) -> int:
    """Print the chain that led to a run's decision: its steps, the evidence with source and age, the rule that fired,
    and what would turn a refusal into a start.

    RUN is a run's id or the unique beginning of one; without it, or with 'last', the latest run.
    """
    inventory = read_inventory(options)

    from ..show.history import history_object, only_failed

    store = open_to_show(options, inventory)
    try:
        workflow = store.run(_latest(store) if run == "last" else run)
    except LookupError as error:
        raise click.UsageError(str(error.args[0])) from None
    finally:
        store.close()
    document = history_object(workflow, inventory)
    if failed:
        document = only_failed(document)
    if options.json:
        print_document(document)
        return 0
    from ..show.explain import chain_lines

    for line in chain_lines(document, options.verbose > 0):
        out_folded(line)
    return 0


def _latest(store: Store) -> str:
    runs = store.runs(limit=1)
    if not runs:
        raise LookupError(f"there is no run yet in {store.name}")
    return runs[0].row.run
