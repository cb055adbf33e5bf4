"""Others hear of a run that has ended: the system's log, and a program of the admin's own (`notify:`).

Neither is ever in the way: it comes when the result has been shown and recorded, its time is bounded, and what goes
wrong with it changes no exit code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.outcome import Decision, Exit, Outcome
from .show.output import say

if TYPE_CHECKING:
    from ..core.model import Inventory

NOTIFY_S = 10.0
"""How long the program may take. It is then killed with all its children."""


def tell_others(inventory: Inventory, outcomes: Sequence[Outcome], document: Mapping[str, Any]) -> None:
    """Tell of each VM's outcome. A dry run has changed nothing, and nobody is told."""
    told = [outcome for outcome in outcomes if not outcome.dry_run]
    if not told:
        return
    _log(told)
    if inventory.notify is not None:
        for event in dict.fromkeys(event_of(outcome) for outcome in told):
            _notify(inventory.notify, event, document)


def event_of(outcome: Outcome) -> str:
    """The event by its stable name: the gravest word that fits."""
    match outcome.exit:
        case Exit.NEEDS_PERSON:
            return "needs_person"
        case Exit.START_FAILED:
            return "start_failed"
    return outcome.decision.value


def line_of(outcome: Outcome) -> str:
    """An outcome for the system's log: `run= vm= suspect= decision= reason= host= exit=`, apart by blanks."""
    about = {
        "run": outcome.run,
        "vm": outcome.name,
        "suspect": outcome.suspect,
        "decision": outcome.decision.value,
        "reason": outcome.reason.value,
        "host": outcome.host or "-",
        "exit": str(int(outcome.exit)),
    }
    return " ".join(f"{key}={value}" for key, value in about.items())


def _log(outcomes: Sequence[Outcome]) -> None:
    import syslog

    syslog.openlog("hafence", syslog.LOG_PID, syslog.LOG_DAEMON)
    for outcome in outcomes:
        level = syslog.LOG_NOTICE if outcome.exit is Exit.DONE else syslog.LOG_WARNING
        if outcome.decision is Decision.FAILED:
            level = syslog.LOG_ERR
        syslog.syslog(level, line_of(outcome))
    syslog.closelog()


def _notify(program: str, event: str, document: Mapping[str, Any]) -> None:
    import json

    from ..adapters.local.commands import last_words, run_command

    env = {"HAFENCE_EVENT": event, "HAFENCE_RUN": str(document["run"])}
    done = run_command([program], NOTIFY_S, stdin=json.dumps({"event": event, **document}) + "\n", env=env)
    if done.trouble or done.status != 0:
        say(f"hafence: notify: {done.trouble or f'{program}: exit {done.status}: {last_words(done)}'}")
