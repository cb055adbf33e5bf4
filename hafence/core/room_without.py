"""Room for the loss of one host: which of its VMs would stay down if it failed now. Placed as an evacuation places them
(batch.py), on what this audit has seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .audit_paths import watched
from .batch import Ground, Wanted, choose_among, choose_batch
from .model import Host, HostName, Uuid, Vm
from .record import VmState
from .risks import some_of
from .survey import Code, Finding, Severity, Survey


@dataclass(frozen=True, slots=True)
class Loss:
    """What the loss of a host would come to: its HA VMs, those of them that nobody could start, and those of these that
    a host would take if it came alone, so that only room is lacking."""

    vms: tuple[Vm, ...]
    down: tuple[Vm, ...]
    crowded_out: tuple[Vm, ...]
    lacking_mib: int
    """What those need that are crowded out, as far as it is known."""


Placed = Mapping[HostName, frozenset[Uuid]]


def placed_now(scene: Survey) -> Placed:
    """Where the records say that VMs run."""
    placed: dict[HostName, set[Uuid]] = {}
    for record in map(scene.record, scene.inventory.vms.values()):
        if record.state is VmState.RUNNING and record.host is not None:
            placed.setdefault(record.host, set()).add(record.uuid)
    return {name: frozenset(vms) for name, vms in placed.items()}


def loss_of(scene: Survey, host: Host, placed: Placed) -> Loss:
    """If the host failed now."""
    here = [scene.inventory.vms[uuid] for uuid in placed.get(host.name, ()) if scene.inventory.vms[uuid].ha]
    able = [vm for vm in here if scene.has_definition(vm) and not scene.not_startable.get(vm.uuid)]
    wanted = [Wanted(vm, vm.memory_mib or scene.memory_mib.get(vm.uuid), scene.looks_for(vm)) for vm in able]
    ground = Ground(
        host.name,
        scene.inventory.members(host.cluster),
        scene.inventory.vms,
        placed,
        scene.quarantine,
        scene.looks,
    )
    plan = choose_batch(ground, wanted)
    left = [each for each in wanted if not plan[each.vm.uuid].targets]
    crowded = [each for each in left if choose_among(ground, each, {}).targets]
    homeless = {vm.uuid for vm in here} - {each.vm.uuid for each in wanted} | {each.vm.uuid for each in left}
    return Loss(
        _by_priority(here),
        _by_priority([vm for vm in here if vm.uuid in homeless]),
        _by_priority([each.vm for each in crowded]),
        sum(each.memory_mib or 0 for each in crowded),
    )


def _by_priority(vms: list[Vm]) -> tuple[Vm, ...]:
    return tuple(sorted(vms, key=lambda vm: (-vm.priority, vm.name)))


def room_without(scene: Survey) -> Iterator[Finding]:
    """Each host whose VMs would not all find room. One that could never start anywhere is a finding of its own."""
    if not scene.remembered:
        return
    placed = placed_now(scene)
    for host, _ in watched(scene):
        loss = loss_of(scene, host, placed)
        if loss.crowded_out:
            names = some_of([vm.name for vm in loss.crowded_out])
            need = f" ({loss.lacking_mib} MiB)" if loss.lacking_mib else ""
            saw = f"if it failed now, {names} of its {len(loss.vms)} HA VMs would find no room beside the others{need}"
            do = f"free or add memory in {host.cluster}; 'hafence evacuate {host.name} --dry-run' shows who goes where"
            yield Finding(Code.NO_ROOM, Severity.WARNING, host.name, saw, do)
