"""What came back after a fence: another manager may start a VM anew when hafence has just proved it dead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .model import HostName, Uuid


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What the fence's session met on the suspect after its proof, until the VM was seen up elsewhere.

    `came`: how many processes of each VM came to life there; each was sent SIGKILL at once. `living`: the VMs of which
    one was there still at the end. `whole`: the watch lasted until it was ended. One that was cut off saw what it has
    told, and says nothing of the time after that.
    """

    suspect: HostName
    came: Mapping[Uuid, int] = field(default_factory=dict)
    living: frozenset[Uuid] = frozenset()
    whole: bool = False


def joined(suspect: HostName, reports: Sequence[WatchReport]) -> WatchReport:
    """What several watches on one suspect met, of a run that fenced it more than once."""
    came: Counter[Uuid] = Counter()
    for report in reports:
        came.update(report.came)
    living = frozenset(vm for report in reports for vm in report.living)
    return WatchReport(suspect, dict(came), living, bool(reports) and all(report.whole for report in reports))
