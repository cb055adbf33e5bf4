"""`hafence audit`: read-only, for cron. Can every host be fenced; is every VM where it should be and nowhere else?

One thing it does change: the blocklist entries of quarantined hosts are made to last on, or a leftover that was
kept from its disks could write to them again one day.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..core.fencing import FenceOrder, Finding, interpret
from ..core.findings import Scene
from ..core.model import Host, HostName, HostState, Inventory, Uuid
from ..effects import Fence, LookAt, MemoryNeed, Now, Recall, RenewStorageFence, StoreHealth, Story, Together, do
from .course import Run

NOBODY = Uuid("00000000-0000-4000-8000-000000000000")
"""A VM that does not exist: a rehearsal of the fence can find nothing of it."""


def audit(run: Run) -> Story[Scene]:
    """Look at the store, into every host, and along every fence path; change nothing."""
    problems = yield from do(StoreHealth())
    memory = yield from do(Recall())
    kvm = [host for host in run.inventory.hosts.values() if run.inventory.cluster_of(host.name).is_kvm]
    looks = yield from do(LookAt(tuple(sorted(host.name for host in kvm))))
    orders = _rehearsals(run.inventory, (yield from do(Now())))
    replies = yield from do(Together(tuple(Fence(order) for order in orders)))
    paths: dict[HostName, dict[HostName, Finding]] = {host.name: {} for host in kvm}
    for order, reply in zip(orders, replies, strict=True):
        assert order.proxy is not None, "a rehearsal goes through a sibling"
        known = memory.machine_ids.get(order.suspect)
        paths[order.suspect][order.proxy] = interpret(order, reply, known)[NOBODY]
    renewed = yield from _renew(run.inventory, memory.quarantine)
    vms = sorted(run.inventory.vms)
    needs = yield from do(Together(tuple(MemoryNeed(vm) for vm in vms)))
    return Scene(
        inventory=run.inventory,
        records=memory.records,
        quarantine=memory.quarantine,
        looks=looks,
        paths=paths,
        store_problems=problems,
        memory_mib=dict(zip(vms, needs, strict=True)),
        storage_fences=renewed,
    )


def _renew(inventory: Inventory, quarantine: Mapping[HostName, str]) -> Story[dict[HostName, str]]:
    """Renew the storage fences of quarantined hosts, and what came of each, in words."""
    known = sorted(name for name in quarantine if name in inventory.hosts)
    hosts = [name for name in known if inventory.cluster_of(name).ceph is not None]
    if not hosts:
        return {}
    answers = yield from do(Together(tuple(RenewStorageFence(name) for name in hosts)))
    return dict(zip(hosts, answers, strict=True))


def _rehearsals(inventory: Inventory, now: float) -> list[FenceOrder]:
    """The fence path to every host through every sibling. Hosts in maintenance are left to the people there."""
    settings = inventory.settings
    up = [host for host in inventory.hosts.values() if host.state is HostState.ENABLED]
    return [
        FenceOrder(
            suspect=suspect.name,
            proxy=sibling.name,
            vms=(NOBODY,),
            within_s=settings.ssh_timeout_s,
            settle_s=settings.settle_s,
            not_after=now + settings.ssh_timeout_s,
            rehearse=True,
        )
        for suspect in sorted(up, key=_name)
        for sibling in sorted(up, key=_name)
        if suspect.cluster == sibling.cluster
        and suspect.name != sibling.name
        and inventory.cluster_of(suspect.name).is_kvm
    ]


def _name(host: Host) -> HostName:
    return host.name
