"""`hafence capture [VM…]`: the definitions of running VMs, as they are now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..context import Options, find_vm, read_inventory, store_url
from ..options import common_options, complete_vm, json_option, pass_options
from ..show.output import out, print_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.capturing import Captured


@click.command("capture", short_help="Keep the definitions of running VMs as they are now.")
@click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete_vm)
@json_option
@common_options
@pass_options
def capture(options: Options, vms: tuple[str, ...]) -> int:
    """Fetch the definition of each VM (by default of all that run) from the host that runs it, into the store.

    A start uses the capture until the definition in the inventory is edited, so that a VM whose disks have changed
    since that was written goes on from its disks of today, also when its host is gone. Passwords are not kept.
    """
    inventory = read_inventory(options)
    named = tuple(dict.fromkeys(find_vm(inventory, vm).uuid for vm in vms))
    chosen = tuple(inventory.vms[uuid] for uuid in named) if vms else tuple(inventory.vms.values())

    from ...runner import open_session
    from ...workflows.capture import capture as workflow
    from ...workflows.vm_run import Request
    from ..runs import Asked, played
    from ..show.voices import open_voice

    asked = Asked("capture", chosen if vms else ())
    with (
        open_voice(options, inventory, "capture") as voice,
        open_session(
            inventory, store_url(options, inventory), asked.command, asked.uuids, asked.details, voice
        ) as session,
    ):
        run = Request(session.run_id, inventory, store_id=session.store_id)
        done = played(session, workflow(run, chosen), lambda d: (_code(d, bool(vms)), captures_object(run.id, d)))
    code = _code(done, bool(vms))
    if options.json:
        print_document({**captures_object(run.id, done), "exit": code})
    else:
        _show(done, bool(vms))
    return code


def _code(done: Sequence[Captured], named: bool) -> int:
    """0 where all that was asked for is captured; a VM that does not run is none of "all that run"."""
    from ...core.outcome import Exit

    lacking = [each for each in done if each.capture is None and (named or each.is_bad)]
    return Exit.REFUSED if lacking else Exit.DONE


def _show(done: Sequence[Captured], named: bool) -> None:
    for each in done:
        if named or each.capture is not None or each.is_bad:
            out(f"{each.name}: {each.says}")
    kept = sum(each.capture is not None for each in done)
    if not named:
        out(f"captured: {kept} of {len(done)} VMs")


def captures_object(run: str, done: Sequence[Captured]) -> dict[str, Any]:
    """The captures of a run as JSON."""
    return {"run": run, "vms": [captured_object(each) for each in done]}


def captured_object(each: Captured) -> dict[str, Any]:
    """What came of one VM's capture."""
    from ..show.times import timestamp

    capture = each.capture
    return {
        "vm": {"uuid": each.vm, "name": each.name},
        "captured": capture is not None,
        "reason": each.why.value if each.why else None,
        "host": capture.host if capture else None,
        "at": timestamp(capture.at) if capture else None,
        "digest": capture.digest if capture else None,
        "says": each.says,
    }
