"""Planned work: what `hafence disarm` and `hafence maintenance` forbid, and how long.

The one place where it is decided. A cluster that is disarmed: nothing is fenced and nothing started there, whatever
else was agreed to. A host in maintenance by the store is as one whose inventory says `state: maintenance`: no start
goes there, nobody is fenced through it, and it is itself not fenced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .decision import Refused
from .model import Host, HostName, HostState, Inventory
from .parsing import moment_words
from .reasons import Reason
from .stored import Planned, PlannedWork, WorkKind


def work_words(work: PlannedWork) -> str:
    """Who announced it, why, and until when, for people."""
    return f"by {work.who} until {moment_words(work.until)} ({work.reason})"


def way_to_end(work: PlannedWork) -> str:
    """The whole command that ends it."""
    if work.kind is WorkKind.DISARMED:
        return f"'hafence arm --cluster {work.name}'"
    return f"'hafence maintenance {work.name} --end'"


def as_planned(host: Host, planned: Planned) -> Host:
    """The host as it counts now: the inventory's word, and that of whoever is at work there."""
    work = planned.maintenance.get(host.name)
    if work is None or host.state is HostState.MAINTENANCE:
        return host
    return replace(host, state=HostState.MAINTENANCE, work=f"is in maintenance {work_words(work)}")


def inventory_as_planned(inventory: Inventory, planned: Planned) -> Inventory:
    """The same for every host of the inventory."""
    if not planned.maintenance:
        return inventory
    return replace(inventory, hosts={name: as_planned(host, planned) for name, host in inventory.hosts.items()})


def all_as_planned(hosts: Iterable[Host], planned: Planned) -> tuple[Host, ...]:
    """The same for several."""
    return tuple(as_planned(host, planned) for host in hosts)


def disarmed(clusters: Iterable[str], planned: Planned) -> Refused | None:
    """The refusal where one of these clusters is disarmed."""
    for cluster in clusters:
        work = planned.disarmed.get(cluster)
        if work is not None:
            return Refused(Reason.DISARMED, f"{cluster} is disarmed {work_words(work)}", (way_to_end(work),))
    return None


def in_maintenance(suspect: Host, planned: Planned) -> Refused | None:
    """The refusal where people are at work on the suspect, by the inventory's word or the store's."""
    if suspect.state is HostState.MAINTENANCE:
        way = f"end the maintenance of {suspect.name} in the inventory"
        return Refused(Reason.MAINTENANCE, f"{suspect.name} is in maintenance: people are at work there", (way,))
    work = planned.maintenance.get(suspect.name)
    if work is None:
        return None
    return Refused(Reason.MAINTENANCE, f"{suspect.name} is in maintenance {work_words(work)}", (way_to_end(work),))


def forbidden(suspect: Host, planned: Planned) -> Refused | None:
    """The refusal of a fence of the suspect, and of a start of what was on it: in its cluster or of itself."""
    return disarmed((suspect.cluster,), planned) or in_maintenance(suspect, planned)


def works_of(planned: Planned, clusters: Mapping[str, object], hosts: Mapping[HostName, object]) -> list[PlannedWork]:
    """The planned work on these clusters and hosts, clusters first. Of others the inventory knows nothing any more."""
    works = [work for name, work in sorted(planned.disarmed.items()) if name in clusters]
    return works + [work for name, work in sorted(planned.maintenance.items()) if name in hosts]
