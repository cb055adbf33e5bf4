"""`hafence capture [VM…]`: the definitions of running VMs into the store, so that a start goes on from their disks of
today when their host is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.captures import Capture, NotFetched
from ..core.capturing import Captured, captured, where_to_capture
from ..core.looks import Look
from ..core.model import HostName, Uuid, Vm
from ..core.record import kept_from_writing, record_of
from ..core.stored import Recollection
from ..effects import Effect, FetchDefinitions, KeepCapture, LookAt, Now, Recall, Together, Workflow, do
from .vm_run import Request

AT_ONCE = 16
"""Of so many VMs a host is asked in one go."""


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
    """The same after a round of looks."""
    now = yield from do(Now())
    asked, done = _where(vms, memory, looks, now)
    fetched = yield from fetch(asked)
    for vm, host in asked:
        came = fetched[vm.uuid]
        if isinstance(came, Capture):
            yield from do(KeepCapture(came))
        done.append(captured(vm.uuid, vm.name, host, came))
    return tuple(sorted(done, key=lambda each: each.name))


def what_runs(
    vms: Iterable[Vm], memory: Recollection, looks: Mapping[HostName, Look], now: float
) -> Workflow[dict[Uuid, Capture]]:
    """The definitions of those that run, as their hosts have them; nothing is kept. For an audit."""
    asked, _ = _where(vms, memory, looks, now)
    fetched = yield from fetch(asked)
    return {vm: each for vm, each in fetched.items() if isinstance(each, Capture)}


def keep(captures: Iterable[Capture]) -> Workflow[None]:
    """Keep what an audit of a moment ago has fetched."""
    for each in captures:
        yield from do(KeepCapture(each))


def _where(
    vms: Iterable[Vm], memory: Recollection, looks: Mapping[HostName, Look], now: float
) -> tuple[list[tuple[Vm, HostName]], list[Captured]]:
    """Which host is asked for which VM, and what becomes of the others."""
    asked: list[tuple[Vm, HostName]] = []
    done: list[Captured] = []
    for vm in vms:
        record = record_of(vm, memory.records)
        where = where_to_capture(record, looks, kept_from_writing(record, memory.quarantine, now))
        if isinstance(where, tuple):
            done.append(Captured(vm.uuid, vm.name, None, *where))
        else:
            asked.append((vm, where))
    return asked, done


def fetch(asked: Sequence[tuple[Vm, HostName]]) -> Workflow[dict[Uuid, Capture | NotFetched]]:
    """The definitions of VMs, each from its host: all hosts at once, the VMs of a host in parts."""
    of_host: dict[HostName, list[Uuid]] = {}
    for vm, host in asked:
        of_host.setdefault(host, []).append(vm.uuid)
    most = max((len(vms) for vms in of_host.values()), default=0)
    found: dict[Uuid, Capture | NotFetched] = {}
    for start in range(0, most, AT_ONCE):
        parts = {host: tuple(vms[start : start + AT_ONCE]) for host, vms in sorted(of_host.items())}
        fetches: tuple[Effect[Any], ...] = tuple(FetchDefinitions(host, part) for host, part in parts.items() if part)
        for came in (yield from do(Together(fetches))):
            found |= came
    return found


def _is_kvm(run: Request, vm: Vm) -> bool:
    return run.inventory.cluster_of(vm.host).is_kvm
