"""Looks into simulated hosts: what each tells, and how long it takes to meet one that tells nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..core.halted import Halted
from ..core.looks import SIBLING_MAY_PASS, Blind, HostLook, Libvirt, Look, Silence
from ..core.marks import Mark
from ..core.model import HostName, Inventory, Uuid
from ..core.troubles import Trouble
from ..effects import LookAt
from ..effects.hosts import HEAD_START_S, MOST_SIBLINGS, NEXT_S, SYN_S, THROUGH_S
from .hosts import SimHost
from .kernel import Act
from .libvirt import BACKINGS, LACKS, has_virsh, seen_in
from .managers import HIDDEN_PROGRAM
from .network import seconds_to_meet, trouble_reaching
from .observed import RUNS_NOTHING, note_looks, note_seen_through
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
    siblings = _siblings_that_answer(world, run, effect)
    for name in effect.hosts:
        host = world.hosts[name].answers_for
        world.touch(name)
        trouble = trouble_reaching(network, source, host)
        if trouble is not None:
            silence, takes_s = Silence(name, at, trouble), seconds_to_meet(trouble, timeout_s)
            if effect.through is not None and name == effect.through.suspect and trouble in SIBLING_MAY_PASS:
                silence, takes_s = _from_both_sides(world, run, siblings, silence, takes_s, effect.about)
            elif name in effect.may_be_off and trouble in (Trouble.TIMED_OUT, Trouble.NO_ROUTE):
                takes_s = min(takes_s, SYN_S)
            slowest = max(slowest, takes_s)
            looks[name] = silence
        elif host.sshd in RUNS_NOTHING:
            looks[name] = Blind(name, at, "its login runs a forced command, or opens no session")
        else:
            looks[name] = _look(host, name, at, offset_s, run.inventory, world.now, effect.about)
    if slowest:
        yield slowest
    return looks


def _siblings_that_answer(world: World, run: SimRun, effect: LookAt) -> list[SimHost]:
    """In the order in which a suspect is looked into through them."""
    names = effect.through.siblings if effect.through is not None else ()
    hosts = [world.host(name) for name in names if name in effect.hosts]
    return [host for host in hosts if trouble_reaching(world.network, run.admin.name, host) is None][:MOST_SIBLINGS]


def _from_both_sides(
    world: World, run: SimRun, siblings: list[SimHost], own: Silence, own_s: float, about: tuple[Uuid, ...]
) -> tuple[Silence, float]:
    """The suspect's silence, with what the first sibling that is let in sees there, and how long all that takes."""
    suspect = world.host(own.host).answers_for
    timeout_s, begins_s = run.inventory.settings.connect_timeout_s, min(HEAD_START_S, own_s)
    all_s = begins_s
    for sibling in siblings:
        name = HostName(sibling.name)
        world.touch(name)
        trouble = trouble_reaching(world.network, name, suspect)
        forbidden = sibling.sshd == "noforward"
        ends_s = begins_s + seconds_to_meet(None if forbidden else trouble, timeout_s)
        if trouble is None and not forbidden and suspect.sshd not in RUNS_NOTHING:
            note_seen_through(world, run, own.host, name)
            seen = _look(suspect, own.host, own.at, run.admin.clock_offset_s, run.inventory, world.now, about)
            return replace(own, seen=replace(seen, through=name)), max(min(own_s, SYN_S), ends_s)
        all_s, begins_s = max(all_s, ends_s), min(ends_s, begins_s + NEXT_S)
    return own, max(own_s, min(THROUGH_S, all_s))


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
        # What waits for no VM is told beside one that libvirt is at, too.
        host.memory_total_mib if sees or libvirt is Libvirt.BUSY else None,
        host.memory_free_mib if sees or libvirt is Libvirt.BUSY else None,
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
