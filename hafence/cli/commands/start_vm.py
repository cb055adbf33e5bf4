"""`hafence start-vm VM`: the HA start."""

from __future__ import annotations

import click

from ..context import Options, check_siblings, find_host, find_vm, read_inventory, store_url
from ..options import common_options, complete_host, complete_vm, pass_options, run_options


@click.command("start-vm", short_help="Fence a VM on its host, then start it elsewhere.")
@click.argument("vm", shell_complete=complete_vm)
@click.option("--to", metavar="HOST", shell_complete=complete_host, help="Start on this host and on no other.")
@run_options
@common_options
@pass_options
def start_vm(
    options: Options, vm: str, to: str | None, sibling: tuple[str, ...], dry_run: bool, yes: bool, wait: float
) -> int:
    """Fence the VM's leftover through a sibling, then start the VM on another host, or refuse.

    VM is a UUID (dashed or not, any case), a name, or the unique beginning of a UUID.
    """
    inventory = read_inventory(options)
    found = find_vm(inventory, vm)
    siblings = check_siblings(options, inventory, sibling, (found,), None)
    target = find_host(inventory, to).name if to is not None else None

    from ...runner import open_session
    from ...workflows.start_vm import start_vm as workflow
    from ...workflows.vm_run import Request
    from ..runs import Asked, played
    from ..show.documents import outcome_object
    from ..show.results import show_outcome
    from ..show.voices import open_voice
    from ..tell_others import tell_others

    asked = Asked("start-vm", (found,), siblings, to=target, dry_run=dry_run, yes=yes, wait_s=wait)
    with (
        open_voice(options, inventory, f"start-vm {found.name}") as voice,
        open_session(
            inventory, store_url(options, inventory), asked.command, asked.uuids, asked.details, voice, dry_run
        ) as session,
    ):
        run = Request(session.run_id, inventory, dry_run, yes, siblings, target, wait, session.store_id)
        outcome = played(session, workflow(run, found), lambda o: (o.exit, outcome_object(o)))
    show_outcome(options, outcome)
    tell_others(inventory, [outcome], outcome_object(outcome))
    return outcome.exit
