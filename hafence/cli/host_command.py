"""What `confirm-dead` and `rejoin` share: one workflow about one host, its history and its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.model import Host, Inventory
from ..core.outcome import Exit
from ..effects import Workflow
from ..runner import open_session
from ..workflows.host_status import HostOutcome
from ..workflows.vm_run import Request
from .context import Options, store_url
from .runs import played
from .show.output import out, print_document
from .show.voices import open_voice


def play_for_host(
    options: Options,
    inventory: Inventory,
    host: Host,
    command: str,
    details: Mapping[str, Any],
    workflow: Callable[[Request], Workflow[HostOutcome]],
    yes: bool = False,
) -> int:
    """Play the workflow, show its end, and answer the exit code: 0 when it was done, 3 when it was refused."""
    code, document = played_for_host(options, inventory, host, command, details, workflow, yes)
    if options.json:
        print_document(document)
    return code


def played_for_host(
    options: Options,
    inventory: Inventory,
    host: Host,
    command: str,
    details: Mapping[str, Any],
    workflow: Callable[[Request], Workflow[HostOutcome]],
    yes: bool = False,
) -> tuple[int, dict[str, Any]]:
    """The same; the document is answered and not printed."""
    asked = {"host": host.name, "yes": yes, **details}
    with (
        open_voice(options, inventory, f"{command} {host.name}") as voice,
        open_session(inventory, store_url(options, inventory), command, (), asked, voice) as session,
    ):
        run = Request(session.run_id, inventory, yes=yes, store_id=session.store_id)
        outcome = played(session, workflow(run), lambda o: (_exit(o), _object(run.id, o)))
    if not options.json:
        out(outcome.message)
        for way in outcome.ways_out:
            out(f"  way out: {way}")
    return _exit(outcome), _object(run.id, outcome)


def _exit(outcome: HostOutcome) -> Exit:
    return Exit.DONE if outcome.done else outcome.exit


def _object(run: str, outcome: HostOutcome) -> dict[str, Any]:
    return {
        "run": run,
        "host": outcome.host,
        "done": outcome.done,
        "reason": outcome.reason.value,
        "message": outcome.message,
        "ways_out": list(outcome.ways_out),
        "exit": int(_exit(outcome)),
    }
