"""The storage of the simulated world, asked: the four questions of core/storage/port.py, and what a VM writes to.

It says what is the case in storage.py, in the clients of Ceph RBD (core/storage/ceph.py), and plans nothing: a VM has
an image, each process is a client with its process number for a nonce, and a host's clients come from its address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from functools import partial

from ..core.model import Host, HostName, Uuid
from ..core.storage.ceph import Client as CephClient
from ..core.storage.port import Asker, ClientsSeen, EntriesSeen, Entry, Unanswered, Volume, WritableDisk
from ..core.storage.rehearsal import Hindrance, Rehearsal
from ..effects import AddEntries, AskClients, ListEntries, OwnAddresses, RehearseStorage, RemoveEntries, WritableDisks
from .kernel import Act
from .network import STORAGE, seconds_to_meet, trouble_reaching
from .observed import note_clients, writers_hosts
from .run import SimRun
from .sessions import clock
from .storage import Client
from .world import EPOCH, World

CEPH_S = 0.2
"""One conversation, once the host that is asked has been reached."""
NO_ANSWER_S = 10.0
"""How long one call waits for a storage that does not answer, as in adapters/storage/ceph.py."""
ADMINS_IP = "192.0.2.254"
"""From where an admin node reaches the storage: nobody's address in the inventory."""
Entries = EntriesSeen[CephClient]


# ---------------------------------------------------------------- what a VM writes to


def writable_disks(world: World, run: SimRun, effect: WritableDisks) -> tuple[WritableDisk, ...]:
    """A VM's image, and a disk beside it where the storage does not hold all of them."""
    elsewhere = (WritableDisk("file:/elsewhere.raw", "vdb (file)"),) if effect.vm in world.uncovered else ()
    return (WritableDisk(f"rbd:{_image(world, effect.vm)}", "vda (network)"), *elsewhere)


def _image(world: World, vm: Uuid) -> str:
    return f"rbd/{world.inventory.vms[vm].name}"


def _vm_of(world: World, image: str) -> Uuid | None:
    """The VM whose image it is, by its own name or by `disks` of the inventory."""
    for uuid, vm in world.inventory.vms.items():
        if image == _image(world, uuid) or f"rbd:{image}" in vm.disks:
            return uuid
    return None


def own_addresses(world: World, run: SimRun, effect: OwnAddresses) -> tuple[str, ...]:
    """The admin nodes are no clients."""
    return ()


# ---------------------------------------------------------------- whose client is whose


def _ip(host: Host) -> str:
    """The address from which a host reaches the storage: one of nobody's where the inventory has none that is one."""
    for text in (host.storage_address, host.address):
        try:
            return str(ipaddress.ip_address(text or ""))
        except ValueError:
            continue
    return f"192.0.2.{1 + sum(host.name.encode()) % 250}"


def _client(world: World, client: Client) -> CephClient:
    host, pid = client
    return CephClient(_ip(world.inventory.hosts[HostName(host)]), 0, pid or 0)


def _client_of(world: World, asked: CephClient) -> Client:
    hosts = world.inventory.hosts.values()
    host = next(host.name for host in hosts if asked.ip in (_ip(host), host.address, host.storage_address))
    return host, asked.nonce or None


# ---------------------------------------------------------------- the conversations


def _reach(world: World, run: SimRun, asker: Asker) -> Act[str]:
    """The way to the host that is asked. Why it could not be reached, or ''."""
    if asker.host is None:
        return ""
    world.touch(asker.host)
    trouble = trouble_reaching(world.network, run.admin.name, world.host(asker.host))
    yield seconds_to_meet(trouble, run.inventory.settings.connect_timeout_s)
    world.touch(asker.host)
    return trouble.says if trouble is not None else ""


def _answers(world: World, run: SimRun, asker: Asker) -> bool:
    """Whether the storage and whoever asks it reach each other, and the admin node reaches that one."""
    world.touch(STORAGE)
    here = asker.host or run.admin.name
    if asker.host is not None:
        world.touch(asker.host)
        if trouble_reaching(world.network, run.admin.name, world.host(asker.host)) is not None:
            return False
    return world.storage.up and world.network.passes(here, STORAGE)


def _converse(world: World, run: SimRun, asker: Asker, not_after: float) -> Act[str]:
    """From the question to the moment when the storage has it. Why it never has, or ''."""
    trouble = yield from _reach(world, run, asker)
    if trouble:
        return trouble
    yield CEPH_S / 2
    if not _answers(world, run, asker):
        yield max(0.0, min(NO_ANSWER_S, not_after - clock(world, run)))
        world.touch(STORAGE)
        return "the storage did not answer in time"
    return ""


def _back(world: World, run: SimRun, asker: Asker) -> Act[str]:
    """The answer's way back. Why it never comes, or ''."""
    yield CEPH_S / 2
    return "" if _answers(world, run, asker) else "no answer came in time"


def ask_clients(world: World, run: SimRun, effect: AskClients) -> Act[ClientsSeen[CephClient] | Unanswered]:
    """Who watches the images, and who has taken their locks last."""
    trouble = yield from _converse(world, run, effect.asker, effect.not_after)
    if trouble:
        return Unanswered(trouble)
    volumes: dict[str, Volume[CephClient]] = {}
    for name in effect.volumes:
        vm = _vm_of(world, name)
        if vm is None:
            return Unanswered(f"no image {name}")
        watchers = world.storage.watchers(vm, world.qemus.get(vm, ()), world.now)
        lock = world.storage.locks.get(vm)
        volumes[name] = Volume(
            name,
            tuple(_client(world, client) for client in watchers),
            () if lock is None else (_client(world, lock),),
        )
    at = clock(world, run)
    living = writers_hosts(world, filter(None, map(partial(_vm_of, world), effect.volumes)))
    trouble = yield from _back(world, run, effect.asker)
    if trouble:
        return Unanswered(trouble)
    note_clients(world, run, living)
    host = effect.asker.host
    return ClientsSeen(volumes, _ip(world.inventory.hosts[host]) if host is not None else ADMINS_IP, at)


def list_entries(world: World, run: SimRun, effect: ListEntries) -> Act[Entries | Unanswered]:
    """The blocklist."""
    trouble = yield from _converse(world, run, effect.asker, effect.not_after)
    if trouble:
        return Unanswered(trouble)
    return (yield from _listed(world, run, effect.asker))


def add_entries(world: World, run: SimRun, effect: AddEntries) -> Act[Entries | Unanswered]:
    """Block clients, and list the blocklist. Ceph does not move the end of an entry that is there."""
    trouble = yield from _converse(world, run, effect.asker, effect.not_after)
    if trouble:
        return Unanswered(trouble)
    if clock(world, run) < effect.not_after and not world.storage.forbids:
        for client in (_client_of(world, each) for each in effect.clients):
            if effect.anew:
                world.storage.unblock(client)
            _block(world, client, _expire_s(world, effect.asker))
    return (yield from _listed(world, run, effect.asker))


def remove_entries(world: World, run: SimRun, effect: RemoveEntries) -> Act[Entries | Unanswered]:
    """Let clients in again, and list the blocklist."""
    trouble = yield from _converse(world, run, effect.asker, effect.not_after)
    if trouble:
        return Unanswered(trouble)
    if clock(world, run) < effect.not_after and not world.storage.forbids:
        for client in (_client_of(world, each) for each in effect.clients):
            world.storage.unblock(client)
            world.say(STORAGE, f"lets {_words(client)} in again")
        world.watch_all()
    return (yield from _listed(world, run, effect.asker))


def rehearse(world: World, run: SimRun, effect: RehearseStorage) -> Act[Rehearsal | Unanswered]:
    """Whether who asks may change the blocklist."""
    trouble = yield from _converse(world, run, effect.asker, effect.not_after)
    if trouble:
        return Unanswered(trouble)
    came = Rehearsal((Hindrance.RIGHT,) if world.storage.forbids else (), clock(world, run))
    trouble = yield from _back(world, run, effect.asker)
    return Unanswered(trouble) if trouble else came


def _listed(world: World, run: SimRun, asker: Asker) -> Act[Entries | Unanswered]:
    entries = tuple(_entries(world))
    at = clock(world, run)
    trouble = yield from _back(world, run, asker)
    return Unanswered(trouble) if trouble else EntriesSeen(entries, at)


def _entries(world: World) -> Iterator[Entry[CephClient]]:
    for client, until in sorted(world.storage.blocklist.items(), key=str):
        if until > world.now:
            yield Entry(_client(world, client), EPOCH + until)


def _block(world: World, client: Client, lasts_s: float) -> None:
    host, _ = client
    if world.storage.block(client, world.now, lasts_s, world.host(host).qemus):
        world.agenda.call_at(world.now + lasts_s + 0.001, world.watch_all)
        world.say(STORAGE, f"keeps {_words(client)} out")


def _words(client: Client) -> str:
    host, pid = client
    return f"the client of qemu {pid} on {host}" if pid else f"every client of {host}"


def _expire_s(world: World, asker: Asker) -> float:
    """How long an entry lasts."""
    ceph = world.inventory.clusters[asker.cluster].ceph
    assert ceph is not None, "nobody asks a Ceph that is not there"
    return ceph.expire_s
