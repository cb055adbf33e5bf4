"""The audit's finding of two stores, from the marks that runs have left on hosts (core/marks.py)."""

from __future__ import annotations

from collections.abc import Iterator

from .looks import HostLook
from .marks import Mark
from .model import HostName
from .survey import Code, Finding, Severity, Survey

MARKS_TOLD_S = 7 * 86400.0
"""So long after a store's last run its mark on a host is told. A host keeps marks until it boots, and a store that was
given up leaves none."""


def two_stores(scene: Survey) -> Iterator[Finding]:
    """Runs that go by stores of their own know nothing of each other: no lease keeps two from acting at once, and each
    store's records grow old."""
    youngest: dict[str, tuple[Mark, HostName]] = {}
    for name, look in sorted(scene.looks.items()):
        for mark in look.marks if isinstance(look, HostLook) else ():
            before = youngest.get(mark.store)
            if mark.age_s <= MARKS_TOLD_S and (before is None or mark.age_s < before[0].age_s):
                youngest[mark.store] = (mark, name)
    own = scene.store_id or min(youngest, key=lambda store: youngest[store][0].age_s, default="")
    whose = "this admin node's" if scene.store_id else "the other"
    last = f", whose run {_said(*youngest[own])}" if own in youngest else ""
    for store, (mark, host) in sorted(youngest.items()):
        if store != own:
            saw = f"run {_said(mark, host)}, by store {store}; {whose} is {own}{last}"
            do = (
                "have every admin node use one store ('store: etcd://…'); of a store that was given up this ends by"
                " itself, a week after its last run"
            )
            yield Finding(Code.TWO_STORES, Severity.WARNING, host, saw, do)


def _said(mark: Mark, host: HostName) -> str:
    return f"{mark.run} was at a VM on {host} {mark.age_s:.0f} s ago"
