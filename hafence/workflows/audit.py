"""`hafence audit`: read-only, for cron. Can every host be fenced; is every VM where it should be and nowhere else?

And does the storage fence of every quarantined host last, or could a leftover write to its disks again one day?
`renew_storage_fences` sees to that, as a run of its own: it changes something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from ..core.captures import Capture, Source
from ..core.drift import Drift
from ..core.looks import HostLook, Look
from ..core.model import Host, HostName, HostState, Inventory, StartMode, Uuid, Vm
from ..core.needs import Need
from ..core.planned import inventory_as_planned
from ..core.power import devices_of
from ..core.record import VmState, record_of
from ..core.rotation import Paths
from ..core.storage.port import WhyEnds
from ..core.storage.registry import storage_fence_of
from ..core.storage.results import Ends, HowLong
from ..core.stored import Recollection
from ..core.survey import Code, Survey
from ..effects import (
    AskPower,
    Drifts,
    Effect,
    Fence,
    LookAt,
    MemoryNeed,
    NeedsOf,
    Now,
    Parallel,
    Recall,
    SharedDisks,
    SharedHostKeys,
    Startable,
    StoreError,
    StoreHealth,
    Together,
    Workflow,
    do,
)
from .capture import what_runs
from .rehearse import Rehearsed, chosen_paths, look_again, orders_for, rehearse_more
from .rehearse_storage import rehearse_storages
from .storage_fence import look_at_storage_fence, renew_storage_fence
from .vm_run import Request

ASKED_AT_ONCE = 16
"""Power devices of which it is certain that they are asked at once: each has its whole time."""
NOTHING = Recollection({}, {}, {}, {})


def audit(run: Request, seen: Paths = MappingProxyType({})) -> Workflow[Survey]:
    """Look at the store, into every host, and along fence paths: some of every host, all of them in turn. `seen` is
    what earlier audits have seen of them. Changes nothing."""
    problems, memory = yield from _remember()
    inventory = inventory_as_planned(run.inventory, memory.planned)
    now = yield from do(Now())
    kvm = [host for host in inventory.hosts.values() if inventory.cluster_of(host.name).is_kvm]
    orders = orders_for(inventory, memory, chosen_paths(inventory, seen, now), now)
    # At once: a host that hangs would cost its time-out twice.
    look_at: Effect[Any] = LookAt(tuple(sorted(host.name for host in kvm)), every_need=True)
    asked = _power_devices(inventory, kvm, now)
    parts = (look_at, *(Fence(order) for order in orders), *asked)
    looks, *replies = yield from do(Together(parts))
    replies, power = replies[: len(orders)], replies[len(orders) :]
    paths = Rehearsed({host.name: {} for host in kvm})
    paths.note(orders, replies)
    looks = yield from look_again(looks)
    yield from rehearse_more(inventory, memory, looks, seen, paths)
    storages = yield from rehearse_storages(inventory, memory.quarantine, looks, now)
    fences = yield from _look_at_storage_fences(inventory, memory, looks)
    definitions = yield from _definitions(sorted(inventory.vms))
    running: dict[Uuid, Capture] = {}
    drifts: Mapping[Uuid, tuple[Drift, ...]] = {}
    if memory is not NOTHING:
        started_here = (vm for vm in inventory.vms.values() if _starts_from_definitions(inventory, vm))
        running = yield from what_runs(started_here, memory, looks, now)
    if running:
        drifts = yield from do(Drifts(tuple(running.values())))
    shared_keys, shared_disks = yield from do(Together((SharedHostKeys(), SharedDisks())))
    return Survey(
        inventory=inventory,
        records=memory.records,
        quarantine=memory.quarantine,
        looks={name: look.of_needs(()) if isinstance(look, HostLook) else look for name, look in looks.items()},
        told={name: look for name, look in looks.items() if isinstance(look, HostLook) and look.tells_of_needs},
        needs={vm: each.needs for vm, each in definitions.items()},
        paths=paths.readings,
        path_seconds=paths.seconds,
        earlier=seen,
        store_problems=problems,
        memory_mib={vm: each.memory_mib for vm, each in definitions.items()},
        not_startable={vm: each.source.why_not for vm, each in definitions.items()},
        captures=running,
        captured=frozenset(vm for vm, each in definitions.items() if each.source.is_capture),
        drifts=drifts,
        storage_fences=fences,
        rehearsed_storages=storages,
        power={each.device: seen for each, seen in zip(asked, power, strict=True)},
        at=now,
        shared_keys=shared_keys,
        shared_disks=shared_disks,
        remembered=memory is not NOTHING,
        store_id=run.store_id,
        planned=memory.planned,
    )


class _Definition(NamedTuple):
    memory_mib: int | None
    needs: frozenset[Need]
    source: Source


def _definitions(vms: list[Uuid]) -> Workflow[dict[Uuid, _Definition]]:
    """What a start of each VM would go by. Of one VM all is asked for together: its definition is read once."""
    asked: tuple[Effect[Any], ...] = tuple(
        effect for vm in vms for effect in (MemoryNeed(vm), NeedsOf(vm), Startable(vm))
    )
    try:
        answers = yield from do(Together(asked))
    except StoreError:  # what was captured is not known, as little as where a VM should be
        answers = (None, (), Source()) * len(vms)
    of_each = zip(vms, answers[::3], answers[1::3], answers[2::3], strict=True)
    return {vm: _Definition(memory_mib, frozenset(needs), source) for vm, memory_mib, needs, source in of_each}


def _starts_from_definitions(inventory: Inventory, vm: Vm) -> bool:
    cluster = inventory.cluster_of(vm.host)
    return cluster.is_kvm and cluster.start is not StartMode.COMMAND


def with_captured(scene: Survey, kept: Iterable[Uuid]) -> Survey:
    """The audit after these were captured: they are started from what they run with now."""
    new = frozenset(kept)
    drifts = {vm: each for vm, each in scene.drifts.items() if vm not in new}
    return replace(scene, drifts=drifts, captured=scene.captured | new)


def _power_devices(inventory: Inventory, hosts: Iterable[Host], now: float) -> tuple[AskPower, ...]:
    """A question to each power device of the hosts that should be up. Not all of them are asked at the same moment."""
    watched = sorted((host for host in hosts if host.state is HostState.ENABLED), key=lambda host: host.name)
    devices = [device for host in watched for n in range(len(host.power)) for device in devices_of(host, n + 1)]
    rounds = 1 + len(devices) // ASKED_AT_ONCE
    return tuple(AskPower(device, now + inventory.settings.power_timeout_s * rounds) for device in devices)


def _remember() -> Workflow[tuple[tuple[tuple[Code, str], ...], Recollection]]:
    """What is wrong with the store, and what it knows; NOTHING where it can't be read. The hosts are looked at all the
    same: two living copies are two copies whatever is recorded."""
    try:
        problems = yield from do(StoreHealth())
        return tuple((Code(code), says) for code, says in problems), (yield from do(Recall()))
    except StoreError as error:
        return ((Code.STORE_UNREADABLE, str(error)),), NOTHING


def _look_at_storage_fences(
    inventory: Inventory, memory: Recollection, looks: Mapping[HostName, Look]
) -> Workflow[dict[HostName, HowLong]]:
    """How long the storage fence of each quarantined host lasts. Nothing is changed."""
    hosts = _shut_out(inventory, memory, looks)
    if not hosts:
        return {}
    looked = (look_at_storage_fence(inventory, inventory.hosts[name], alone) for name, alone in hosts.items())
    answers = yield from do(Parallel(tuple(looked)))
    return dict(zip(hosts, answers, strict=True))


def can_be_renewed(scene: Survey) -> dict[HostName, Ends]:
    """The storage fences that were seen to end, and that can be made to last."""
    fences = scene.storage_fences.items()
    return {host: each for host, each in fences if isinstance(each, Ends) and each.why is WhyEnds.NOT_ASKED}


def with_renewed(scene: Survey, renewed: Mapping[HostName, HowLong]) -> Survey:
    """The audit after those were renewed. One that is not among them any more has rejoined meanwhile: nothing of it is
    shut out, and nothing ends."""
    asked = can_be_renewed(scene)
    kept = {host: each for host, each in scene.storage_fences.items() if host not in asked}
    return replace(scene, storage_fences={**kept, **renewed})


def renew_storage_fences(
    run: Request, ending: Mapping[HostName, Ends], looks: Mapping[HostName, Look]
) -> Workflow[dict[HostName, HowLong]]:
    """Make the storage fences of hosts last that an audit of a moment ago has seen to end, as far as they are in
    quarantine still: what came of each. `looks` are that audit's. Where the store fails nobody may change anything."""
    try:
        memory = yield from do(Recall())
    except StoreError as error:
        return not_renewed(ending, error)
    still = {name: alone for name, alone in _shut_out(run.inventory, memory, looks).items() if name in ending}
    renewed = (_renew(run.inventory, run.inventory.hosts[name], alone, ending[name]) for name, alone in still.items())
    answers = yield from do(Parallel(tuple(renewed)))
    return dict(zip(still, answers, strict=True))


def _renew(inventory: Inventory, host: Host, alone: bool, ends: Ends) -> Workflow[HowLong | None]:
    try:
        return (yield from renew_storage_fence(inventory, host, alone))
    except StoreError as error:
        return not_renewed({host.name: ends}, error)[host.name]


def not_renewed(ending: Mapping[HostName, Ends], error: StoreError) -> dict[HostName, HowLong]:
    """The same ends, with why nothing was done about them."""
    return {host: replace(ends, why=WhyEnds.NOT_ADDED, detail=str(error)) for host, ends in ending.items()}


def _shut_out(inventory: Inventory, memory: Recollection, looks: Mapping[HostName, Look]) -> dict[HostName, bool]:
    """The quarantined hosts that a storage fence may keep out, each with whether it is alone there: no VM that may use
    the storage is recorded or seen on it, so that all of it may be shut out."""
    known = sorted(name for name in memory.quarantine if name in inventory.hosts)
    records = [record_of(vm, memory.records) for vm in inventory.vms.values()]
    elsewhere = {record.uuid for record in records if record.state is VmState.RUNNING}
    hosts: dict[HostName, bool] = {}
    for name in known:
        if storage_fence_of(inventory.cluster_of(name)) is None:
            continue
        belonging = {record.uuid for record in records if record.host == name}
        look = looks.get(name)
        seen = look.active | set(look.copies) if isinstance(look, HostLook) else set()
        hosts[name] = not belonging and seen <= elsewhere
    return hosts
