"""`hafence evacuate HOST`: the HA start of every HA VM of a host."""

from __future__ import annotations

import click

from ..context import Options, check_siblings, find_host, read_inventory, store_url
from ..options import common_options, complete_host, pass_options, run_options


@click.command("evacuate", short_help="Fence all HA VMs of a host, then start them elsewhere.")
@click.argument("host", shell_complete=complete_host)
@run_options
@common_options
@pass_options
def evacuate(options: Options, host: str, sibling: tuple[str, ...], dry_run: bool, yes: bool, wait: float) -> int:
    """Fence every HA VM that is recorded on a host in one go, then start each on another, or refuse it.

    All are placed before anything is touched. One that is refused holds up no other; run again, it finishes the
    rest.
    """
    inventory = read_inventory(options)
    suspect = find_host(inventory, host)
    siblings = check_siblings(options, inventory, sibling, (), suspect.name)

    from ...core.outcome import exit_of
    from ...runner import open_session
    from ...workflows.evacuate import evacuate as workflow
    from ...workflows.vm_run import Request
    from ..runs import Asked, played
    from ..show.documents import outcomes_object
    from ..show.results import show_evacuated
    from ..show.voices import open_voice
    from ..tell_others import tell_others

    asked = Asked("evacuate", siblings=siblings, host=suspect.name, dry_run=dry_run, yes=yes, wait_s=wait)
    with (
        open_voice(options, inventory, f"evacuate {suspect.name}") as voice,
        open_session(
            inventory, store_url(options, inventory), asked.command, asked.uuids, asked.details, voice, dry_run
        ) as session,
    ):
        run = Request(session.run_id, inventory, dry_run, yes, siblings, wait_s=wait, store_id=session.store_id)
        ended = played(
            session, workflow(run, suspect), lambda end: (exit_of(end), outcomes_object(run.id, end, exit_of(end)))
        )
    show_evacuated(options, run.id, suspect.name, ended, exit_of(ended))
    tell_others(inventory, ended, outcomes_object(run.id, ended, exit_of(ended)))
    return exit_of(ended)
