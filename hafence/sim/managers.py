"""What others do with VMs in the simulated world: who runs a process, and starts and migrations that aren't hafence's.

The host scripts see by its cgroup and its parent who runs a process (adapters/hosts/scripts/owners.sh); here it stands
on the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..core.model import Uuid
from ..core.owners import Owner, RunBy, UnitStop
from .hosts import Job, Qemu, SimHost
from .kernel import Act
from .world import World

SLOW_START_S = 45.0
START_S = 0.65
UNIT, MANAGED = "unit", "managed"
"""Who runs a process beside libvirt: a systemd unit of its own, or another manager."""
HIDDEN_PROGRAM = "kvm.real"


def owner_of(name: str, living: Sequence[Qemu], stop: UnitStop) -> Owner | None:
    """Who runs these processes of the VM `name`, as a fence's script tells it; `stop`: what became of a unit."""
    if not living:
        return None
    if any(qemu.stray and qemu.manager != UNIT for qemu in living):
        managed = any(qemu.manager == MANAGED for qemu in living)
        return Owner(RunBy.OTHER, parent="vm-keeper" if managed else "")
    if any(qemu.manager == UNIT for qemu in living):
        return Owner(RunBy.UNIT, f"{name}.service", stop=stop)
    return Owner(RunBy.LIBVIRT)


def stop_units(world: World, host: SimHost, qemus: Iterable[Qemu]) -> None:
    """systemd is asked to stop the units of these processes: it starts them no more."""
    for qemu in qemus:
        if qemu.manager == UNIT and qemu.respawns_after_s is not None:
            qemu.respawns_after_s = None
            world.say(host.name, f"systemd stops {world.name_of(qemu.vm)}.service")


def begin_start(world: World, host: SimHost, vm: Uuid, by: str, slow: bool, disks: int | None = None) -> Job:
    """libvirtd takes up a start of a VM; it goes on whatever becomes of whoever asked for it. `disks`: the generation
    that its definition names, None for the inventory's."""
    job = host.jobs[vm] = Job(slow, world.named.get(vm, 0) if disks is None else disks)
    world.agenda.spawn(_start(world, host, vm, by, job), host, f"{host.name} libvirtd")
    return job


def _start(world: World, host: SimHost, vm: Uuid, by: str, job: Job) -> Act[None]:
    yield SLOW_START_S if job.slow else START_S
    world.touch(host.name)
    given_up = host.jobs.get(vm) is not job
    if not given_up:
        del host.jobs[vm]
    if job.lock is not None and host.locks.get(vm) is job.lock:
        del host.locks[vm]
    if given_up:
        return
    if host.start_fault == "fails" or host.wants:
        world.say(host.name, f"libvirt can't start {world.name_of(vm)}")
        return
    qemu = world.begin_qemu(vm, host, by)
    qemu.disks = job.disks
    host.defined.add(vm)
    if host.start_fault == "pauses":
        qemu.halted = "i-o-error"
        world.say(host.name, f"qemu {qemu.pid} of {world.name_of(vm)} is paused: an I/O error")
    if host.start_fault == "dies":
        yield START_S + 0.15
        world.end_qemu(qemu)


def begin_migration(world: World, source: Qemu, host: SimHost, after_s: float) -> None:
    """A live migration: a copy comes to life on `host`, and takes over so much later. Until then it does not write;
    where the source has died, it never will."""
    copy = world.begin_qemu(source.vm, host, incoming=True)
    copy.disks = source.disks

    def commit() -> None:
        if not copy.alive:
            return
        if not source.alive:
            world.say(host.name, f"the migration of {world.name_of(copy.vm)} has failed")
            world.end_qemu(copy)
            return
        copy.incoming = False
        host.defined.add(copy.vm)
        world.end_qemu(source, clean=True)
        world.storage.begins(copy, world.network, world.now)
        world.say(host.name, f"qemu {copy.pid} of {world.name_of(copy.vm)} takes over")
        world.watch(copy.vm)

    world.agenda.call_at(world.now + after_s, commit)
