"""`disarm`, `arm` and `maintenance`: what people announce, recorded in the store until its time is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ..core.parsing import moment_words
from ..core.planned import way_to_end
from ..core.stored import Planned, PlannedWork, WorkKind
from ..effects import EndWork, Now, PlanWork, RecallPlanned, Workflow, do


class WorkReason(Enum):
    """What came of it: stable words."""

    DISARMED = "disarmed"
    ARMED = "armed"
    MAINTENANCE = "maintenance"
    MAINTENANCE_ENDED = "maintenance_ended"
    NOTHING_TO_DO = "nothing_to_do"


@dataclass(frozen=True, slots=True)
class WorkOutcome:
    """The end of such a command, and the sentence for people. `names`: the clusters or hosts that it was about."""

    reason: WorkReason
    names: tuple[str, ...]
    message: str
    until: float | None = None


def announce(kind: WorkKind, names: tuple[str, ...], reason: str, lasts_s: float) -> Workflow[WorkOutcome]:
    """Record planned work from now on. It takes the place of what was announced of the same before."""
    before = _of(kind, (yield from do(RecallPlanned())))
    until = (yield from do(Now())) + lasts_s
    yield from do(PlanWork(kind, names, reason, until))
    replaced = [before[name] for name in names if name in before]
    message = f"{', '.join(names)}: {_MEANS[kind]}, until {moment_words(until)}. {_ends(kind, names)} ends it before"
    if replaced:
        was = ", ".join(f"{work.name} until {moment_words(work.until)} by {work.who}" for work in replaced)
        message += f" (it takes the place of what was announced before: {was})"
    return WorkOutcome(_BEGUN[kind], names, f"{message}.", until)


def to_be_ended(kind: WorkKind, names: tuple[str, ...] | None) -> Workflow[tuple[str, ...]]:
    """Which of these, or of all, have planned work that holds: what needs no end leaves no row in the history."""
    holding = _of(kind, (yield from do(RecallPlanned())))
    return tuple(name for name in sorted(holding) if names is None or name in names)


def end(kind: WorkKind, names: tuple[str, ...]) -> Workflow[WorkOutcome]:
    """End planned work before its time."""
    yield from do(EndWork(kind, names))
    return WorkOutcome(_ENDED[kind], names, f"{', '.join(names)}: {_OVER[kind]}.")


def nothing_to_end(kind: WorkKind, names: tuple[str, ...] | None) -> WorkOutcome:
    """Where nothing of it holds."""
    if kind is WorkKind.DISARMED:
        what = f"{', '.join(names)}: not disarmed" if names else "nothing is disarmed"
    else:
        what = f"{', '.join(names or ())}: not in maintenance by 'hafence maintenance'"
    return WorkOutcome(WorkReason.NOTHING_TO_DO, names or (), f"{what}: nothing to do.")


def _of(kind: WorkKind, planned: Planned) -> Mapping[str, PlannedWork]:
    works = planned.disarmed.values() if kind is WorkKind.DISARMED else planned.maintenance.values()
    return {work.name: work for work in works}


def _ends(kind: WorkKind, names: tuple[str, ...]) -> str:
    return ", ".join(way_to_end(PlannedWork(kind, name, "", "", 0.0, 0.0)) for name in names)


_BEGUN = {WorkKind.DISARMED: WorkReason.DISARMED, WorkKind.MAINTENANCE: WorkReason.MAINTENANCE}
_ENDED = {WorkKind.DISARMED: WorkReason.ARMED, WorkKind.MAINTENANCE: WorkReason.MAINTENANCE_ENDED}
_MEANS = {
    WorkKind.DISARMED: "disarmed, nothing is fenced and nothing started there",
    WorkKind.MAINTENANCE: "in maintenance, nothing is started there, fenced there or fenced through it",
}
_OVER = {
    WorkKind.DISARMED: "armed again, VMs may be fenced and started there",
    WorkKind.MAINTENANCE: "no more in maintenance",
}
