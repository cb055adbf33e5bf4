"""What `disarm`, `arm` and `maintenance` share: their options, a run of its own in the history, and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .context import Options, store_url
from .options import Duration, one_line
from .show.output import out, print_document

if TYPE_CHECKING:
    from ..core.model import Inventory
    from ..core.stored import WorkKind
    from ..effects import Workflow
    from ..workflows.planned_work import WorkOutcome

LONGEST_S = 30 * 86400.0
"""What is forgotten must not keep a cluster from being fenced for ever."""


class WorkTime(Duration):
    """How long planned work lasts: `2h`, `90m`; at least a second."""

    def __init__(self) -> None:
        super().__init__(LONGEST_S)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        seconds = super().convert(value, param, ctx)
        if seconds < 1:
            self.fail(f"{value} is over before it has begun.", param, ctx)
        return seconds


def read_reason(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A reason on one line, as it is recorded."""
    return None if value is None else one_line(value, "what is being done")


def play_announcement(
    options: Options, inventory: Inventory, command: str, kind: WorkKind, names: tuple[str, ...], why: tuple[str, float]
) -> int:
    """Record planned work; `why`: the reason, and how long it lasts, in seconds."""
    from ..workflows.planned_work import announce

    reason, lasts_s = why
    details = {"reason": reason, "lasts_s": lasts_s}
    return _play(options, inventory, command, names, details, lambda: announce(kind, names, reason, lasts_s))


def play_end(
    options: Options, inventory: Inventory, command: str, kind: WorkKind, names: tuple[str, ...] | None
) -> int:
    """End planned work, of all clusters without `names`. Where there is none: nothing to do, and no row in the
    history."""
    from ..runner import open_session
    from ..workflows.planned_work import end, nothing_to_end, to_be_ended
    from .show.voices import QuietVoice

    store = store_url(options, inventory)
    with open_session(inventory, store, command, (), {}, QuietVoice(), dry_run=True) as session:
        there = session.play(to_be_ended(kind, names))
    if not there:
        return _show(options, None, nothing_to_end(kind, names))
    return _play(options, inventory, command, there, {}, lambda: end(kind, there))


def _play(
    options: Options,
    inventory: Inventory,
    command: str,
    names: tuple[str, ...],
    details: dict[str, Any],
    workflow: Callable[[], Workflow[WorkOutcome]],
) -> int:
    from ..runner import open_session
    from .runs import played
    from .show.voices import open_voice

    subject = ", ".join(names)
    asked = {"subject": subject, **details}
    with (
        open_voice(options, inventory, f"{command} {subject}") as voice,
        open_session(inventory, store_url(options, inventory), command, (), asked, voice) as session,
    ):
        run = session.run_id
        outcome = played(session, workflow(), lambda ended: (0, _object(run, ended)))
    return _show(options, run, outcome)


def _show(options: Options, run: str | None, outcome: WorkOutcome) -> int:
    if options.json:
        print_document(_object(run, outcome))
    else:
        out(outcome.message)
    return 0


def _object(run: str | None, outcome: WorkOutcome) -> dict[str, Any]:
    from .show.times import timestamp

    return {
        "run": run,
        "names": list(outcome.names),
        "done": True,
        "reason": outcome.reason.value,
        "until": timestamp(outcome.until) if outcome.until is not None else None,
        "message": outcome.message,
        "exit": 0,
    }
