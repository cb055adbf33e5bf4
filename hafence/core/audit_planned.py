"""What an audit finds of planned work: a cluster that nobody may fence in is told as long as that holds."""

from __future__ import annotations

from collections.abc import Iterator

from .planned import way_to_end, work_words, works_of
from .stored import WorkKind
from .survey import Code, Finding, Severity, Survey


def find_planned(scene: Survey) -> Iterator[Finding]:
    """A finding for each disarmed cluster and for each host in maintenance by the store's word."""
    for work in works_of(scene.planned, scene.inventory.clusters, scene.inventory.hosts):
        if work.kind is WorkKind.DISARMED:
            saw = f"is disarmed {work_words(work)}: nothing is fenced and nothing started there"
            yield Finding(Code.DISARMED, Severity.WARNING, work.name, saw, way_to_end(work))
        else:
            saw = f"is in maintenance {work_words(work)}"
            yield Finding(Code.MAINTENANCE, Severity.WARNING, work.name, saw, way_to_end(work))
