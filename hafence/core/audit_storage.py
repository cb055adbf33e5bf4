"""The audit's findings of storage fences: those that end one day, and those that could not be made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from .model import Cluster, HostName
from .storage.port import Unanswered, WhyEnds
from .storage.registry import storage_fence_of
from .storage.rehearsal import Hindrance, Rehearsal
from .storage.results import Ends, HowLong, Lasts, NoneThere, NotKnown, Renewed
from .survey import Code, Finding, Severity, Survey

_TRY = {
    WhyEnds.NOT_ASKED: "'hafence audit --renew'",
    WhyEnds.NOT_SEEN: "'hafence audit --renew' again",
    WhyEnds.NOT_ADDED: "mend that and 'hafence audit --renew' again",
}
"""What may be tried about a storage fence that ends."""


def that_end(scene: Survey) -> Iterator[Finding]:
    """Those of quarantined hosts, whose leftovers nobody would keep out any more."""
    for host, how_long in sorted(scene.storage_fences.items()):
        yield from _ending(host, how_long)


def _ending(host: HostName, how_long: HowLong) -> Iterator[Finding]:
    end = f"end what is left on {host}, then 'hafence rejoin {host}'"
    match how_long:
        case Ends():
            saw = f"its storage fence ends one day: {how_long.says}"
            do = f"{_TRY[how_long.why]}, or {end}" if how_long.why in _TRY else end
        case NotKnown():
            saw = f"whether its storage fence lasts is not known: {how_long.says}"
            do = f"mend the way to the storage and run the audit again, or {end}"
        case NoneThere() | Lasts() | Renewed():
            return
        case _:
            assert_never(how_long)
    yield Finding(Code.STORAGE_FENCE_ENDS, Severity.CRITICAL, host, saw, do)


def unusable(scene: Survey) -> Iterator[Finding]:
    """Those that could not be made: by nobody who was asked, or not by all of them."""
    for name, told in sorted(scene.rehearsed_storages.items()):
        cluster = scene.inventory.clusters[name]
        yield from _unanswered(cluster, told)
        for hindrance in Hindrance:
            asked = [
                by for by, each in sorted(told.items()) if isinstance(each, Rehearsal) and hindrance in each.hindrances
            ]
            if asked:
                yield _hindered(cluster, hindrance, asked, can_be_made(told))


def can_be_made(told: Mapping[str, Rehearsal | Unanswered]) -> bool:
    """Whether somebody who was asked could make a storage fence that holds."""
    return any(isinstance(each, Rehearsal) and not each.hindrances for each in told.values())


def _unanswered(cluster: Cluster, told: Mapping[str, Rehearsal | Unanswered]) -> Iterator[Finding]:
    silent = [f"{asker}: {each.says}" for asker, each in sorted(told.items()) if isinstance(each, Unanswered)]
    if silent and len(silent) == len(told):
        saw = f"its storage could be asked by nobody who was tried ({'; '.join(silent)})"
        yield _finding(cluster, Severity.CRITICAL, saw, "mend the way to the storage: no storage fence can be made")
    elif silent:
        saw = f"its storage can't be asked by some ({'; '.join(silent)})"
        yield _finding(cluster, Severity.WARNING, saw, "mend it there: a fence asks the next host, which costs time")


def _hindered(cluster: Cluster, hindrance: Hindrance, asked: list[str], others_can: bool) -> Finding:
    fence = storage_fence_of(cluster)
    assert fence is not None, "only storage fences are rehearsed"
    saw, do = fence.words_of(hindrance)
    severity = Severity.WARNING if others_can else Severity.CRITICAL
    return _finding(cluster, severity, f"{saw} (asked by {', '.join(asked)})", do)


def _finding(cluster: Cluster, severity: Severity, saw: str, do: str) -> Finding:
    return Finding(Code.STORAGE_FENCE_UNUSABLE, severity, cluster.name, saw, do)
