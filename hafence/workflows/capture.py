"""`hafence capture [VM…]`: the definitions of running VMs into the store, so that a start goes on from their disks of
today when their host is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.captures import Capture
from ..core.capturing import Captured, captured, where_to_capture
from ..core.looks import Look
from ..core.model import HostName, Vm
from ..core.record import kept_from_writing, record_of
from ..core.stored import Recollection
from ..effects import Effect, FetchDefinition, KeepCapture, LookAt, Now, Recall, Together, Workflow, do
from .vm_run import Request

AT_ONCE = 32
"""So many definitions are fetched at once; each is kept before the next are asked for."""


def capture(run: Request, vms: Iterable[Vm]) -> Workflow[tuple[Captured, ...]]:
    """Look into the clusters of these VMs and fetch what runs there. No lease is wanted: nothing but the capture
    changes, and a run that is at a VM goes by what it has read already."""
    wanted = sorted((vm for vm in vms if _is_kvm(run, vm)), key=lambda vm: vm.name)
    memory = yield from do(Recall())
    clusters = {run.inventory.cluster_of(vm.host).name for vm in wanted}
    hosts = sorted(host.name for cluster in clusters for host in run.inventory.members(cluster))
    looks = (yield from do(LookAt(tuple(hosts)))) if hosts else {}
    return (yield from keep_what_runs(wanted, memory, looks))


def keep_what_runs(
    vms: Iterable[Vm], memory: Recollection, looks: Mapping[HostName, Look]
) -> Workflow[tuple[Captured, ...]]:
    """The same after a round of looks. What a host gives is kept at once."""
    now = yield from do(Now())
    done: list[Captured] = []
    asked: list[tuple[Vm, HostName]] = []
    for vm in vms:
        record = record_of(vm, memory.records)
        where = where_to_capture(record, looks, kept_from_writing(record, memory.quarantine, now))
        if isinstance(where, tuple):
            done.append(Captured(vm.uuid, vm.name, None, *where))
        else:
            asked.append((vm, where))
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        fetches: tuple[Effect[Any], ...] = tuple(FetchDefinition(vm.uuid, host) for vm, host in part)
        answers = yield from do(Together(fetches))
        for (vm, host), fetched in zip(part, answers, strict=True):
            if isinstance(fetched, Capture):
                yield from do(KeepCapture(fetched))
            done.append(captured(vm.uuid, vm.name, host, fetched))
    return tuple(sorted(done, key=lambda each: each.name))


def _is_kvm(run: Request, vm: Vm) -> bool:
    return run.inventory.cluster_of(vm.host).is_kvm
