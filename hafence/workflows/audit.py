"""`hafence audit`: read-only, for cron. Can every host be fenced; is every VM where it should be and nowhere else?

One thing it may change: a quarantined host whose entries on Ceph's blocklist end is kept shut out, or a leftover
could write to its disks again one day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.attempts import FenceOrder, Reading
from ..core.looks import HostLook, Look
from ..core.model import Host, HostName, HostState, Inventory, Uuid
from ..core.record import VmState, record_of
from ..core.stored import Recollection
from ..core.survey import Code, Survey
from ..effects import (
    Effect,
    Fence,
    LookAt,
    MemoryNeed,
    Now,
    Recall,
    RenewStorageFence,
    SharedDisks,
    SharedHostKeys,
    StoreError,
    StoreHealth,
    Together,
    Workflow,
    do,
)
from .vm_run import Request

NOBODY = Uuid("00000000-0000-4000-8000-000000000000")
"""A VM that does not exist: a rehearsal of the fence can find nothing of it."""
NOTHING = Recollection({}, {}, {}, {})


def audit(run: Request) -> Workflow[Survey]:
    """Look at the store, into every host, and along every fence path; change nothing."""
    problems, memory = yield from _remember()
    now = yield from do(Now())
    kvm = [host for host in run.inventory.hosts.values() if run.inventory.cluster_of(host.name).is_kvm]
    orders = _rehearsals(run.inventory, memory, now)
    # At once: a host that hangs would cost its time-out twice.
    look_at: Effect[Any] = LookAt(tuple(sorted(host.name for host in kvm)))
    looks, *replies = yield from do(Together((look_at, *(Fence(order) for order in orders))))
    paths: dict[HostName, dict[HostName, Reading]] = {host.name: {} for host in kvm}
    for order, reply in zip(orders, replies, strict=True):
        assert order.proxy is not None, "a rehearsal goes through a sibling"
        paths[order.suspect][order.proxy] = reply.readings[NOBODY]
    renewed = yield from _renew(run.inventory, memory, looks)
    vms = sorted(run.inventory.vms)
    needs = yield from do(Together(tuple(MemoryNeed(vm) for vm in vms)))
    shared_keys, shared_disks = yield from do(Together((SharedHostKeys(), SharedDisks())))
    return Survey(
        inventory=run.inventory,
        records=memory.records,
        quarantine=memory.quarantine,
        looks=looks,
        paths=paths,
        store_problems=problems,
        memory_mib=dict(zip(vms, needs, strict=True)),
        storage_fences=renewed,
        at=now,
        shared_keys=shared_keys,
        shared_disks=shared_disks,
        remembered=memory is not NOTHING,
    )


def _remember() -> Workflow[tuple[tuple[tuple[Code, str], ...], Recollection]]:
    """What is wrong with the store, and what it knows; NOTHING where it can't be read. The hosts are looked at all the
    same: two living copies are two copies whatever is recorded."""
    try:
        problems = yield from do(StoreHealth())
        return tuple((Code(code), says) for code, says in problems), (yield from do(Recall()))
    except StoreError as error:
        return ((Code.STORE_UNREADABLE, str(error)),), NOTHING


def _renew(inventory: Inventory, memory: Recollection, looks: Mapping[HostName, Look]) -> Workflow[dict[HostName, str]]:
    """Make the storage fences of quarantined hosts last, and what came of each, in words."""
    known = sorted(name for name in memory.quarantine if name in inventory.hosts)
    hosts = [name for name in known if inventory.cluster_of(name).ceph is not None]
    if not hosts:
        return {}
    records = [record_of(vm, memory.records) for vm in inventory.vms.values()]
    elsewhere = {record.uuid for record in records if record.state is VmState.RUNNING}
    effects: list[Effect[str]] = []
    for name in hosts:
        belonging = {record.uuid for record in records if record.host == name}
        look = looks.get(name)
        seen = look.active | set(look.copies) if isinstance(look, HostLook) else set()
        effects.append(RenewStorageFence(name, alone=not belonging and seen <= elsewhere))
    answers = yield from do(Together(tuple(effects)))
    return dict(zip(hosts, answers, strict=True))


def _rehearsals(inventory: Inventory, memory: Recollection, now: float) -> list[FenceOrder]:
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
            machine_id=memory.machine_ids.get(suspect.name),
        )
        for suspect in sorted(up, key=_name)
        for sibling in sorted(up, key=_name)
        if suspect.cluster == sibling.cluster
        and suspect.name != sibling.name
        and inventory.cluster_of(suspect.name).is_kvm
    ]


def _name(host: Host) -> HostName:
    return host.name
