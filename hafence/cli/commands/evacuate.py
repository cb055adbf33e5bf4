"""`hafence evacuate HOST`: the HA start of every HA VM of a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..context import Options, check_siblings, find_host, open_to_read, read_inventory, store_url
from ..options import common_options, complete_host, pass_options, run_options

if TYPE_CHECKING:
    from ...core.model import HostName, Inventory, Vm


@click.command("evacuate", short_help="Fence all HA VMs of a host, then start them elsewhere.")
@click.argument("host", shell_complete=complete_host)
@run_options
@click.option("--json-lines", "lines", is_flag=True, help="Print a JSON object for each event as it happens.")
@common_options
@pass_options
def evacuate(
    options: Options, host: str, sibling: tuple[str, ...], dry_run: bool, yes: bool, wait: float, lines: bool
) -> int:
    """Fence every HA VM that is recorded on a host in one go, then start each on another, or refuse it.

    All are placed before anything is touched. One that is refused holds up no other; run again, it finishes the
    rest. With --json-lines the last line is what --json prints.
    """
    options.lines = lines
    options.json = options.json or lines
    inventory = read_inventory(options)
    suspect = find_host(inventory, host)
    siblings = check_siblings(options, inventory, sibling, (), suspect.name)

    from ...core.outcome import exit_of
    from ...runner import open_session
    from ...workflows.evacuate import evacuate as workflow
    from ...workflows.vm_run import Request
    from ..runs import Asked, played
    from ..show.documents import outcomes_object
    from ..show.lines import LinesVoice
    from ..show.results import show_evacuated
    from ..show.voices import open_voice
    from ..tell_others import tell_others

    vms = _recorded_there(options, inventory, suspect.name)
    asked = Asked("evacuate", vms, siblings, host=suspect.name, dry_run=dry_run, yes=yes, wait_s=wait)
    with open_voice(options, inventory, f"evacuate {suspect.name}", vms) as people:
        voice = LinesVoice(inventory, people) if lines else people
        with open_session(
            inventory, store_url(options, inventory), asked.command, asked.uuids, asked.details, voice, dry_run
        ) as session:
            if isinstance(voice, LinesVoice):
                voice.begin(session.run_id, suspect.name, dry_run, vms)
            run = Request(session.run_id, inventory, dry_run, yes, siblings, wait_s=wait, store_id=session.store_id)
            ended = played(
                session, workflow(run, suspect), lambda end: (exit_of(end), outcomes_object(run.id, end, exit_of(end)))
            )
    show_evacuated(options, run.id, suspect.name, ended, exit_of(ended))
    tell_others(inventory, ended, outcomes_object(run.id, ended, exit_of(ended)))
    return exit_of(ended)


def _recorded_there(options: Options, inventory: Inventory, host: HostName) -> tuple[Vm, ...]:
    """The VMs under which the run is found in the history: those that it is about, as the store has it now."""
    import time

    from ...workflows.evacuate import concerned

    store = open_to_read(options, inventory)
    try:
        return tuple(concerned(inventory, host, store.recall(time.time()))[0])
    finally:
        store.close()
