"""`hafence fence VM…` and `hafence fence --host HOST`: the same as the HA start up to the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..context import Options, check_siblings, find_host, find_vm, read_inventory, store_url
from ..options import common_options, complete_host, complete_vm, pass_options, run_options

if TYPE_CHECKING:
    from ...core.outcome import Outcome
    from ...workflows.fence import NotLookedInto


@click.command("fence", short_help="Fence VMs, or all VMs of a host; start nothing.")
@click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete_vm)
@click.option("--host", metavar="HOST", shell_complete=complete_host, help="All VMs of this host, or the VMs on it.")
@run_options
@common_options
@pass_options
def fence(
    options: Options,
    vms: tuple[str, ...],
    host: str | None,
    sibling: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    wait: float,
) -> int:
    """Make sure that the VMs' old processes can never write again, and prove it; start nothing.

    Without --host each VM is fenced where it is recorded. With --host and no VM, all VMs that are recorded
    or seen on that host.
    """
    if not vms and host is None:
        raise click.UsageError("name the VMs to fence, or a host with --host")
    inventory = read_inventory(options)
    found = tuple(dict.fromkeys(find_vm(inventory, vm).uuid for vm in vms))
    chosen = tuple(inventory.vms[uuid] for uuid in found)
    suspect = find_host(inventory, host).name if host is not None else None
    siblings = check_siblings(options, inventory, sibling, chosen, suspect)

    from ...core.outcome import Exit, exit_of
    from ...runner import open_session
    from ...workflows.fence import NotLookedInto
    from ...workflows.fence import fence_or_say as workflow
    from ...workflows.vm_run import Request
    from ..runs import Asked, played
    from ..show.documents import outcomes_object
    from ..show.results import show_not_looked_into, show_outcomes
    from ..show.steps import shortened
    from ..show.voices import open_voice
    from ..tell_others import tell_others

    asked = Asked("fence", chosen, siblings, host=suspect, dry_run=dry_run, yes=yes, wait_s=wait)
    title = f"fence {shortened([vm.name for vm in chosen])}" if chosen else f"fence --host {suspect}"
    with (
        open_voice(options, inventory, title) as voice,
        open_session(
            inventory, store_url(options, inventory), asked.command, asked.uuids, asked.details, voice, dry_run
        ) as session,
    ):
        run = Request(session.run_id, inventory, dry_run, yes, siblings, wait_s=wait, store_id=session.store_id)
        ended = played(session, workflow(run, chosen, suspect), lambda end: _written(run.id, end))
    if isinstance(ended, NotLookedInto):
        show_not_looked_into(options, run.id, ended)
        return Exit.REFUSED
    show_outcomes(options, run.id, ended, exit_of(ended))
    tell_others(inventory, ended, outcomes_object(run.id, ended, exit_of(ended)))
    return exit_of(ended)


def _written(run: str, ended: tuple[Outcome, ...] | NotLookedInto) -> tuple[int, dict[str, Any]]:
    """The exit code and the document of the history."""
    from ...core.outcome import Exit, exit_of
    from ..show.documents import not_looked_into_object, outcomes_object

    if isinstance(ended, tuple):
        return exit_of(ended), outcomes_object(run, ended, exit_of(ended))
    return Exit.REFUSED, not_looked_into_object(run, ended)
