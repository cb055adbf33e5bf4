"""Looks into simulated hosts: what each tells, and how long it takes to meet one that tells nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..core.halted import Halted
from ..core.looks import Blind, HostLook, Libvirt, Look, Silence
from ..core.marks import Mark
from ..core.model import HostName, Inventory, Uuid
from ..effects import LookAt
from .hosts import SimHost
from .kernel import Act
from .libvirt import BACKINGS, LACKS, has_virsh, seen_in
from .managers import HIDDEN_PROGRAM
from .network import seconds_to_meet, trouble_reaching
from .observed import RUNS_NOTHING, note_looks
from .run import SimRun
from .sessions import LOOK_S, clock
from .world import World

_NONE: frozenset[Uuid] = frozenset()
_NOBODYS: Mapping[Uuid, Mark] = {}


def look_at(world: World, run: SimRun, effect: LookAt) -> Act[Mapping[HostName, Look]]:
    """One look into each host, all at once."""
    timeout_s = run.inventory.settings.connect_timeout_s
    source = run.admin.name
    network = world.network
    yield LOOK_S
    at, offset_s = clock(world, run), run.admin.clock_offset_s
    looks: dict[HostName, Look] = {}
    note_looks(world, run, effect.hosts)
    slowest = 0.0
    for name in effect.hosts:
        host = world.hosts[name].answers_for
        world.touch(name)
        trouble = trouble_reaching(network, source, host)
        if trouble is not None:
            slowest = max(slowest, seconds_to_meet(trouble, timeout_s))
            looks[name] = Silence(name, at, trouble)
        elif host.sshd in RUNS_NOTHING:
            looks[name] = Blind(name, at, "its login runs a forced command, or opens no session")
        else:
            looks[name] = _look(host, name, at, offset_s, run.inventory, world.now, effect.about)
    if slowest:
        yield slowest
    return looks


def _look(
    host: SimHost,
    name: HostName,
    at: float,
    admin_offset_s: float,
    inventory: Inventory,
    now: float,
    about: tuple[Uuid, ...],
) -> HostLook:
    copies: dict[Uuid, int] = {}
    known: set[Uuid] = set()
    doubtful: dict[Uuid, str] = {}
    for qemu in host.qemus:
        if qemu.hidden:
            if qemu.hidden == "uuid":  # who holds a disk is asked by a fence alone
                doubtful[qemu.vm] = HIDDEN_PROGRAM
            continue
        copies[qemu.vm] = copies.get(qemu.vm, 0) + 1
        if not qemu.stray:
            known.add(qemu.vm)
    libvirt = seen_in(host)
    sees = libvirt is Libvirt.OK
    return HostLook(
        name,
        at,
        host.clock_offset_s - admin_offset_s,
        host.machine_id,
        host.boot_id,
        libvirt,
        copies,
        frozenset((*known, *host.jobs)) if sees and (known or host.jobs) else _NONE,
        frozenset(host.defined) if sees and host.defined else _NONE,
        frozenset(host.autostart) if host.autostart else _NONE,
        host.memory_total_mib if sees else None,
        host.memory_free_mib if sees else None,
        _missing(host) if host.lacks or host.libvirtd == "absent" else (),
        # Its lists wait for a VM that it is at; each that matters is asked for alone.
        frozenset(vm for vm in host.jobs if vm not in copies) if libvirt is Libvirt.BUSY else _NONE,
        doubtful,
        frozenset(vm for vm in inventory.vms if vm not in host.jobs) if libvirt is Libvirt.BUSY else _NONE,
        held={vm: Mark(store, run, now - at_) for vm, (store, run, at_) in host.marks.items()}
        if host.marks
        else _NOBODYS,
        marks=_marks(host, now) if host.marks else (),
        saved=frozenset(host.saved) if host.saved else _NONE,
        listed=frozenset(host.saved) if host.saved else _NONE,
        aside=frozenset(host.aside) if host.aside else _NONE,
        halted=_halted(host, about or tuple(inventory.vms)) if sees else {},
        lacking=LACKS[host.wants],
        backings=BACKINGS[host.own_disk],
    )


def _halted(host: SimHost, about: tuple[Uuid, ...]) -> dict[Uuid, Halted]:
    """Of the VMs that libvirt is asked for one by one those that it has paused."""
    return {qemu.vm: Halted("paused", qemu.halted) for qemu in host.qemus if qemu.halted and qemu.vm in about}


def _marks(host: SimHost, now: float) -> tuple[Mark, ...]:
    marks: dict[str, Mark] = {}
    for store, run, at in sorted(host.marks.values(), key=lambda mark: -mark[2]):
        before = marks.get(store)
        marks[store] = replace(before, count=before.count + 1) if before else Mark(store, run, now - at)
    return tuple(marks.values())


def _missing(host: SimHost) -> tuple[str, ...]:
    lacks = {host.lacks, "" if has_virsh(host) else "virsh"} - {""}
    return tuple(sorted(lacks))
