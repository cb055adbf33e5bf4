"""`hafence maintenance HOST`: people are at work on a host, for a while."""

from __future__ import annotations

import click

from ..context import Options, find_host, read_inventory
from ..options import common_options, complete_host, json_option, pass_options
from ..planned_work import WorkTime, play_announcement, play_end, read_reason


@click.command("maintenance", short_help="Planned work on a host, for a while.")
@click.argument("host", shell_complete=complete_host)
@click.option("--reason", metavar="TEXT", callback=read_reason, help="What is done; it is recorded.")
@click.option("--for", "lasts", type=WorkTime(), metavar="TIME", help="How long (30m, 2h), at most 30 days.")
@click.option("--end", is_flag=True, help="End it before its time.")
@json_option
@common_options
@pass_options
def maintenance(options: Options, host: str, reason: str | None, lasts: float | None, end: bool) -> int:
    """Count a host as one whose inventory says 'state: maintenance', until the time is over or --end ends it.

    Nothing is started there, nobody is fenced through it, and it is not fenced itself (exit 3, reason maintenance).
    It is kept in the store, with who and why, for all admin nodes that share it, beside the inventory's state.
    """
    inventory = read_inventory(options)
    found = find_host(inventory, host)
    if end and (reason is not None or lasts is not None):
        raise click.UsageError("--end stands alone, without --reason and --for")
    if not end and (reason is None or lasts is None):
        raise click.UsageError("say why and how long, with --reason TEXT --for TIME, or end it with --end")

    from ...core.stored import WorkKind

    if reason is None or lasts is None:
        return play_end(options, inventory, "maintenance", WorkKind.MAINTENANCE, (found.name,))
    why = (reason, lasts)
    return play_announcement(options, inventory, "maintenance", WorkKind.MAINTENANCE, (found.name,), why)
