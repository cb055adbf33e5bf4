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
    told, and says nothing of the time after that. `definitions`: whether that of a VM was set aside at
    the end, of those that libvirt had one of and where it was to be.
    """

    suspect: HostName
    came: Mapping[Uuid, int] = field(default_factory=dict)
    living: frozenset[Uuid] = frozenset()
    whole: bool = False
    definitions: Mapping[Uuid, bool] = field(default_factory=dict)


def joined(suspect: HostName, reports: Sequence[WatchReport]) -> WatchReport:
    """What several watches on one suspect met, of a run that fenced it more than once."""
    came: Counter[Uuid] = Counter()
    for report in reports:
        came.update(report.came)
    living = frozenset(vm for report in reports for vm in report.living)
    definitions = {vm: aside for report in reports for vm, aside in report.definitions.items()}
    whole = bool(reports) and all(report.whole for report in reports)
    return WatchReport(suspect, dict(came), living, whole, definitions)
