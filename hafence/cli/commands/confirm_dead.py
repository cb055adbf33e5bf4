"""`hafence confirm-dead HOST`: a person's recorded statement that a host is powered off."""

from __future__ import annotations

import sys

import click

from ..context import Options, find_host, read_inventory
from ..options import common_options, complete_host, json_option, one_line, pass_options
from ..show.output import say


def _reason(ctx: click.Context, param: click.Parameter, value: str) -> str:
    return one_line(value, "how you know it")


@click.command("confirm-dead", short_help="State that a host is powered off.")
@click.argument("host", shell_complete=complete_host)
@click.option("--reason", required=True, metavar="TEXT", callback=_reason, help="How you know it; it is recorded.")
@click.option("--confirm", metavar="HOST", help="The host's name once more, instead of typing it when asked.")
@json_option
@common_options
@pass_options
def confirm_dead(options: Options, host: str, reason: str, confirm: str | None) -> int:
    """State that a host is powered off, so that its VMs may start although nobody can look into it.

    Say so only of a host that you have seen without power. If it lives, its VMs will run twice and their disks
    will be destroyed. The statement is recorded with your name, expires, and ends with the host's recovery. A
    host that shows any sign of life refutes it.
    """
    inventory = read_inventory(options)
    found = find_host(inventory, host)

    from ...workflows.host_status import confirm_dead as workflow
    from ..host_command import play_for_host

    typed = confirm if confirm is not None else _typed(found.name)
    if typed != found.name:
        nobody = "nobody could be asked: give --confirm HOST" if typed is None else f"{typed!r} is not {found.name!r}"
        say(f"hafence: nothing was recorded: {nobody}")
        return 3
    return play_for_host(
        options, inventory, found, "confirm-dead", {"reason": reason}, lambda run: workflow(run, found, reason)
    )


def _typed(name: str) -> str | None:
    """What the admin types as the host's name, or None where there is no terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    sys.stderr.write(
        f"If {name} still has power, its VMs will run twice and their disks will be destroyed.\n"
        f"Type the host's name to state that it is powered off: "
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip()
