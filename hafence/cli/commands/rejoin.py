"""`hafence rejoin HOST`: take a fenced host back."""

from __future__ import annotations

import click

from ..context import Wants, find_host, read_inventory
from ..options import common_options, complete_host, json_option, pass_wants


@click.command("rejoin", short_help="Take a fenced host back.")
@click.argument("host", shell_complete=complete_host)
@click.option("--yes", is_flag=True, help="Take it back without asking, if it is clean.")
@json_option
@common_options
@pass_wants
def rejoin(wants: Wants, host: str, yes: bool) -> int:
    """Look into a quarantined host for leftovers and stale definitions, lift its storage fence, and take it back."""
    inventory = read_inventory(wants)
    found = find_host(inventory, host)

    from ...workflows.host_status import rejoin as story
    from ..host_command import play_for_host

    return play_for_host(wants, inventory, found, "rejoin", {}, lambda run: story(run, found), yes)
