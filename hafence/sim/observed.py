"""Who could have seen what, taken down while runs ask (notes.py): by the world's own links, hosts and firewalls.

The simulated effects tell a run what it would be told. What is noted here is what there was to be seen at that moment,
so that the oracle notices a run that was told and made nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from ..core.attempts import FenceOrder
from ..core.evidence import Sign as Seen
from ..core.model import HostName, Uuid
from ..core.starts import StartOrder
from ..core.stored import WorkKind
from ..core.troubles import met_straight
from ..effects import Witness
from .hosts import SimHost
from .kernel import Act
from .late_writes import left_on
from .network import STORAGE, Network, seconds_to_meet, signs_seen, trouble_reaching
from .notes import Attempt, Defied, Looks, Observer, Scan, Sent, Sign, Watch
from .run import SimRun
from .scripts import Printed, is_refused
from .world import EPOCH, World

RUNS_NOTHING = frozenset({"forced", "nosession"})
"""How an sshd is that takes the login and runs none of our scripts."""
_SAYS_NOTHING = frozenset({"drop", "drop-tcp"})
"""Firewalls behind which a TCP connection meets silence."""
_SAYS_NO_ROUTE = frozenset({"reject", "reject-net"})
"""Firewalls that answer a TCP connection as a router could, too."""
_KERNEL_ANSWERS = frozenset({Seen.SYN_ACK, Seen.RST})


def answers(network: Network, source: str, host: SimHost) -> bool | None:
    """Whether anything at all comes back of a TCP connection to a host. None: an error of which the connection does not
    tell who has sent it; a witness sees that it is the host's own."""
    if not host.up or not network.passes(source, host.name) or host.firewall in _SAYS_NOTHING:
        return False
    return None if host.firewall in _SAYS_NO_ROUTE else True


def note_looks(world: World, run: SimRun, hosts: Iterable[HostName]) -> None:
    """A round of looks from a run's admin node, at the moment at which its packets arrive."""
    notes, source = world.notes, run.admin.name
    silent, seen = set(), set()
    for name in hosts:
        host = world.hosts[name]
        itself = host.answers_for is host  # else another machine is at its address
        answered = answers(world.network, source, host.answers_for)
        if answered and itself:
            notes.signs.append(Sign(world.now, run.id, name, source))
        elif answered is False:
            silent.add(name)
        if itself and _is_able(world, run, host):
            seen.add(name)
    writers = {
        vm: tuple(HostName(qemu.host.name) for qemu in world.writers(vm) if qemu.host.name in seen)
        for vm in world.qemus
    }
    quarantined = frozenset(row.host for row in run.admin.store.quarantined())
    asked, silent_ones, seen_ones = frozenset(hosts), frozenset(silent), frozenset(seen)
    at_work = _at_work(run, EPOCH + world.now)
    notes.looks.append(Looks(world.now, run.id, asked, silent_ones, seen_ones, writers, quarantined, at_work))


def note_seen_through(world: World, run: SimRun, suspect: HostName, sibling: HostName) -> None:
    """A working sibling was let look into the suspect for the admin node."""
    if world.hosts[suspect].answers_for is world.hosts[suspect]:
        world.notes.signs.append(Sign(world.now, run.id, suspect, sibling))


def note_attempt(world: World, run: SimRun, order: FenceOrder, answered: bool | None) -> None:
    """A working sibling's connection to the suspect, which something answered or nothing (see `answers`)."""
    assert order.proxy is not None, "straight ways are for copies that a run has started itself"
    suspect = world.hosts[order.suspect]
    if answered and suspect.answers_for is suspect:
        world.notes.signs.append(Sign(world.now, run.id, order.suspect, order.proxy))
    elif answered is False:
        world.notes.attempts.append(Attempt(world.now, run.id, order.suspect, order.proxy))


def writers_hosts(world: World, vms: Iterable[Uuid]) -> frozenset[HostName]:
    """The hosts on which a living client of the VMs' images could write now."""
    return frozenset(HostName(qemu.host.name) for vm in vms for qemu in world.writers(vm))


def note_clients(world: World, run: SimRun, hosts: Iterable[HostName]) -> None:
    """The storage has told who uses the VMs' images: a living client on a host is a sign of its life."""
    for host in sorted(hosts):
        world.notes.signs.append(Sign(world.now, run.id, host, STORAGE))


def note_scan(world: World, run: SimRun, host: HostName, machine: SimHost, printed: Printed) -> None:
    """The report of a fence script has arrived."""
    name = HostName(machine.name)
    world.notes.scans.append(Scan(printed.looked_at, run.id, host, name, printed.living, printed.disks))


def note_sent(world: World, run: SimRun, order: StartOrder, until: float, disks: int = 0) -> None:
    """A start is on its way to its target. One that comes after its own deadline (the world's time), or that is refused
    there, does nothing."""
    if world.now >= until or is_refused(world, world.host(order.target), order):
        return
    record = run.admin.store.records.get(order.vm)
    suspect = record.last_host if record is not None else None
    off_at, shut_out, stated = -math.inf, False, False
    if suspect is not None:
        host = world.hosts[suspect]
        off_at = host.off_at if host.up else world.now
        shut_out = _shut_out(world, order.vm, host)
        clock = EPOCH + world.now + run.admin.clock_offset_s
        stated = any(
            row.host == suspect and row.ended_at is None and row.at <= clock < row.expires_at
            for row in run.admin.store.statements()
        )
    grounds = record.grounds if record is not None else None
    named = frozenset(run.named)
    note_planned(world, run, f"starts on {order.target}", order.target, suspect)
    at_work = _at_work(run, EPOCH + world.now)
    sent = Sent(
        world.now, run.id, order.vm, order.target, suspect, grounds, off_at, shut_out, stated, named, at_work, disks
    )
    world.notes.sent.append(sent._replace(own_disk=world.hosts[order.target].own_disk == "on"))


def _at_work(run: SimRun, now: float) -> frozenset[HostName]:
    """The hosts in maintenance by the word of the run's store, as its admin node's clock has it."""
    until = now + run.admin.clock_offset_s
    works = (work for work in run.admin.store.planned() if work.kind is WorkKind.MAINTENANCE)
    return frozenset(HostName(work.name) for work in works if until < work.until)


def note_planned(world: World, run: SimRun, what: str, *hosts: HostName | None) -> None:
    """A run sends an order that concerns hosts. It had to know of planned work that was announced before its latest
    round of looks, or before it began: after that nothing is sent that nobody has asked the store about."""
    looked = [looks.at for looks in world.notes.looks if looks.run == run.id]
    since = EPOCH + max([run.began_at, *looked])
    clock = EPOCH + world.now + run.admin.clock_offset_s
    concerned = {*hosts, *(world.inventory.hosts[host].cluster for host in hosts if host is not None)}
    for work in run.admin.store.planned():
        if work.name in concerned and work.since < since and clock < work.until:
            world.notes.defied.append(Defied(world.now, run.id, f"{what}: {work.kind.value} {work.name}"))


def _shut_out(world: World, vm: Uuid, host: SimHost) -> bool:
    living = any(until > world.now for (name, _), until in world.storage.blocklist.items() if name == host.name)
    covered = vm not in world.uncovered
    writers = [*host.living(vm), *(late.writer for late in left_on(world, host, vm))]
    return living and covered and all(world.storage.keeps_out(qemu, world.now) for qemu in writers)


# ---------------------------------------------------------------- witnesses


class Glance(NamedTuple):
    """What there was to be seen of a suspect when its witnesses looked."""

    at: float
    sees: frozenset[Observer]
    """To whom, the admin node and every sibling, a sign of life gets at that moment."""


def glance(world: World, run: SimRun, suspect: SimHost) -> Glance:
    """Everybody's view of a suspect at this moment."""
    network, others = world.network, siblings(world, suspect)
    sees: set[Observer] = {name for name in others if signs_seen(network, name, suspect, same_segment=True)}
    if signs_seen(network, run.admin.name, suspect, run.admin.same_segment):
        sees.add(None)
    return Glance(world.now, frozenset(sees))


def siblings(world: World, suspect: SimHost) -> list[HostName]:
    """The other hosts of a suspect's cluster."""
    cluster = world.inventory.hosts[HostName(suspect.name)].cluster
    return [host.name for host in world.inventory.members(cluster) if host.name != suspect.name]


def reach(world: World, run: SimRun, host: SimHost, takes_s: float = 0.0) -> Act[str]:
    """The way of a script that is over at once, after which it was there: why it was not, or ''."""
    world.touch(host.name)
    trouble = trouble_reaching(world.network, run.admin.name, host)
    yield seconds_to_meet(trouble, run.inventory.settings.connect_timeout_s) + takes_s
    world.touch(host.name)
    trouble = trouble or trouble_reaching(world.network, run.admin.name, host)
    if trouble is not None:
        return met_straight(trouble)
    return "it runs no script" if host.sshd in RUNS_NOTHING else ""


def able_siblings(world: World, run: SimRun, suspect: SimHost) -> frozenset[HostName]:
    """The siblings whom the admin node can ask now."""
    return frozenset(name for name in siblings(world, suspect) if _is_able(world, run, world.hosts[name]))


def _is_able(world: World, run: SimRun, host: SimHost) -> bool:
    return host.sshd not in RUNS_NOTHING and trouble_reaching(world.network, run.admin.name, host) is None


def note_watch(world: World, run: SimRun, effect: Witness, able: frozenset[HostName], first: Glance) -> None:
    """A round of witnesses has ended. `able` could be asked when it began: whoever was lost midway tells nothing."""
    name, suspect = effect.suspect, world.hosts[effect.suspect]
    able &= able_siblings(world, run, suspect)
    sees = first.sees | (glance(world, run, suspect.answers_for).sees - {None})  # the admin node looks once
    told: list[Observer] = [None, *(sibling for sibling in effect.siblings if sibling in able)]
    for observer in told:
        if observer in sees and suspect.answers_for is suspect:
            world.notes.signs.append(Sign(first.at, run.id, name, observer or run.admin.name))
    whole = frozenset(sibling for sibling in able if world.hosts[sibling].lacks != "ping")
    nothing = frozenset(each for each in told if each not in sees and (each is None or each in whole))
    silent_to = {sibling: _silent_to(world, sibling, suspect) for sibling in told if sibling is not None}
    world.notes.watches.append(Watch(first.at, run.id, name, nothing, whole, silent_to))


def _silent_to(world: World, observer: HostName, suspect: SimHost) -> frozenset[HostName]:
    others = [HostName(suspect.name), *siblings(world, suspect)]
    return frozenset(
        name
        for name in others
        if name != observer
        and signs_seen(world.network, observer, world.hosts[name], False).isdisjoint(_KERNEL_ANSWERS)
    )
