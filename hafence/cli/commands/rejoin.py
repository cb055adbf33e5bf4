"""`hafence rejoin HOST`: take a fenced host back."""

from __future__ import annotations

import click

from ..context import Options, find_host, read_inventory
from ..options import common_options, complete_host, json_option, pass_options


@click.command("rejoin", short_help="Take a fenced host back.")
@click.argument("host", shell_complete=complete_host)
@click.option("--yes", is_flag=True, help="Take it back without asking, if it is clean.")
@json_option
@common_options
@pass_options
def rejoin(options: Options, host: str, yes: bool) -> int:
    """Look into a quarantined host for leftovers and stale definitions, lift its storage fence, and take it back."""
    inventory = read_inventory(options)
    found = find_host(inventory, host)

    from ...workflows.host_status import rejoin as workflow
    from ..host_command import play_for_host

    return play_for_host(options, inventory, found, "rejoin", {}, lambda run: workflow(run, found), yes)
