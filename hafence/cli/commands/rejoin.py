"""`hafence rejoin HOST…`: take fenced hosts back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..context import Options, find_host, open_to_read, read_inventory, store_url
from ..options import common_options, complete_host, json_option, pass_options
from ..show.output import out, print_document

if TYPE_CHECKING:
    from ...core.model import Host, Inventory


@click.command("rejoin", short_help="Take fenced hosts back.")
@click.argument("hosts", metavar="[HOST]...", nargs=-1, shell_complete=complete_host)
@click.option("--all", "every", is_flag=True, help="Every host that is in quarantine.")
@click.option("--yes", is_flag=True, help="Take it back without asking, if it is clean.")
@json_option
@common_options
@pass_options
def rejoin(options: Options, hosts: tuple[str, ...], every: bool, yes: bool) -> int:
    """Look into a quarantined host for leftovers and stale definitions, lift its storage fence, and take it back.

    Of several hosts each is a run of its own; the exit code is the highest.
    """
    if bool(hosts) == every:
        raise click.UsageError("name the hosts to take back, or all that are in quarantine with --all")
    inventory = read_inventory(options)
    named = [find_host(inventory, host) for host in hosts] if hosts else _quarantined(options, inventory)
    if not named:
        _tell(options, [], "no host is in quarantine: nothing to do")
    ends = [_take_back(options, inventory, host, yes) for host in dict.fromkeys(host.name for host in named)]
    if options.json and ends:
        _tell(options, [document for _, document in ends], "")
    return max((code for code, _ in ends), default=0)


def _quarantined(options: Options, inventory: Inventory) -> list[Host]:
    store = open_to_read(options, inventory)
    try:
        rows = store.quarantined()
    finally:
        store.close()
    return [inventory.hosts[row.host] for row in rows if row.host in inventory.hosts]


def _take_back(options: Options, inventory: Inventory, name: str, yes: bool) -> tuple[int, dict[str, Any]]:
    """One host's run: its exit code and document."""
    from ...workflows.host_status import rejoin as workflow
    from ..host_command import played_for_host

    host = find_host(inventory, name)
    if not _is_needed(options, inventory, host):
        message = f"{name} is not in quarantine: nothing to do"
        if not options.json:
            out(message)
        about = {"host": name, "done": True, "reason": "not_in_quarantine", "message": message}
        return 0, {"run": None, **about, "ways_out": [], "exit": 0}
    return played_for_host(options, inventory, host, "rejoin", {}, lambda run: workflow(run, host), yes)


def _is_needed(options: Options, inventory: Inventory, host: Host) -> bool:
    from ...runner import open_session
    from ...workflows.rejoin_needed import rejoin_needed
    from ..show.voices import QuietVoice

    store = store_url(options, inventory)
    with open_session(inventory, store, "rejoin", (), {}, QuietVoice(), dry_run=True) as session:
        return session.play(rejoin_needed(host))


def _tell(options: Options, documents: list[dict[str, Any]], message: str) -> None:
    """One host's document stands alone; those of several, or of none, in a list."""
    if not options.json:
        out(message)
    elif len(documents) == 1:
        print_document(documents[0])
    else:
        print_document({"hosts": documents, "exit": max((each["exit"] for each in documents), default=0)})
