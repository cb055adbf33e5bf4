"""The storage fences of an audit: could each be made? Some hosts of each cluster are asked, all of them in turn."""

from __future__ import annotations

from collections.abc import Container, Mapping

from ..core.looks import HostLook, Look
from ..core.model import Cluster, HostName, HostState, Inventory
from ..core.storage.port import Asker, Unanswered
from ..core.storage.registry import storage_fence_of
from ..core.storage.rehearsal import Rehearsal
from ..effects import RehearseStorage, Together, Workflow, do
from .storage_fence import LOOK_S

TURN_S = 3600.0
"""After so long the next hosts of a cluster come first."""


def rehearse_storages(
    inventory: Inventory, quarantine: Container[HostName], looks: Mapping[HostName, Look], now: float
) -> Workflow[dict[str, dict[str, Rehearsal | Unanswered]]]:
    """Whether the storage fence of each cluster could be made, by who was asked, in words. Nothing is changed."""
    well = {name for name, look in looks.items() if isinstance(look, HostLook) and name not in quarantine}
    asked = tuple(
        RehearseStorage(asker, now + LOOK_S)
        for _, cluster in sorted(inventory.clusters.items())
        for asker in askers_of(inventory, cluster, well, now)
    )
    if not asked:
        return {}
    told: dict[str, dict[str, Rehearsal | Unanswered]] = {}
    for each, answer in zip(asked, (yield from do(Together(asked))), strict=True):
        told.setdefault(each.asker.cluster, {})[each.asker.says] = answer
    return told


def askers_of(inventory: Inventory, cluster: Cluster, well: Container[HostName], now: float) -> tuple[Asker, ...]:
    """As many hosts as fence paths are rehearsed of each, of those that are well; this machine where none is."""
    fence = storage_fence_of(cluster)
    if fence is None:
        return ()
    members = [host.name for host in inventory.members(cluster.name) if host.state is HostState.ENABLED]
    hosts = [name for name in members if name in well]
    if not hosts:
        return (Asker(fence.storage, cluster.name, None),)
    first = int(now // TURN_S) * inventory.settings.paths % len(hosts)
    chosen = (*hosts[first:], *hosts[:first])[: inventory.settings.paths]
    return tuple(Asker(fence.storage, cluster.name, name) for name in sorted(chosen))
