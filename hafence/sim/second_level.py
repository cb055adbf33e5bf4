"""Power and storage fences of the simulated world: believed only where they were observed."""

from __future__ import annotations

from ..core.evidence import Evidence, Proof
from ..core.model import HostName, Uuid
from ..effects import FenceStorage, LiftStorageFence, PowerOff, RenewStorageFence, SecondLevelReply
from .kernel import Act
from .network import STORAGE, trouble_reaching
from .run import SimRun
from .sessions import clock
from .storage import Client
from .world import World

POWER_S = 2.5
CEPH_S = 0.4


def power_off(world: World, run: SimRun, effect: PowerOff) -> Act[SecondLevelReply]:
    """Ask the host's BMC, and believe only what is seen afterwards."""
    host = world.host(effect.host)
    yield POWER_S / 2
    world.touch(host.name)
    if host.bmc == "gone":
        yield POWER_S
        return SecondLevelReply("power", False, "its BMC does not answer", ())
    if effect.rehearse:
        return SecondLevelReply("power", not host.up, "on" if host.up else "off", _off(world, run, host.name, host.up))
    if clock(world, run) >= effect.not_after:
        return SecondLevelReply("power", False, "the lease had ended", ())
    if host.bmc == "ok":
        world.power_off(host, f"switched off by {run.id}")
    yield POWER_S / 2
    world.touch(host.name)
    says = "accepted 'off' and is still on" if host.up else "seen off"
    return SecondLevelReply("power", not host.up, says, _off(world, run, host.name, host.up))


def _off(world: World, run: SimRun, name: str, up: bool) -> tuple[Evidence, ...]:
    if up:
        return ()
    return (Evidence("power", f"BMC of {name}", clock(world, run), f"{name} is off", Proof.HOST_OFF),)


def fence_storage(world: World, run: SimRun, effect: FenceStorage) -> Act[dict[Uuid, SecondLevelReply]]:
    """Put the VMs' clients on the blocklist and see them there. A missing watcher is noted and proves nothing."""
    yield CEPH_S / 2
    suspect = world.host(effect.suspect)
    world.touch(STORAGE)
    world.touch(suspect.name)
    if not _some_way_to_storage(world, run, effect.siblings):
        return {vm: SecondLevelReply("storage", False, "nobody reaches the storage", ()) for vm in effect.vms}
    clients = {vm: world.storage.clients_to_block(world.qemus.get(vm, ()), suspect.name) for vm in effect.vms}
    if not effect.rehearse and clock(world, run) < effect.not_after:
        for client in {client for known in clients.values() for client in known}:
            _block(world, client, expire_s(world, effect.suspect))
    yield CEPH_S / 2
    world.touch(STORAGE)
    reached = _some_way_to_storage(world, run, effect.siblings)
    listed = world.storage.blocklist
    return {
        vm: _storage_reply(world, run, vm, effect.suspect, reached and all(client in listed for client in known))
        for vm, known in clients.items()
    }


def _block(world: World, client: Client, lasts_s: float) -> None:
    world.storage.blocklist[client] = world.now + lasts_s
    world.agenda.call_at(world.now + lasts_s + 0.001, world.watch_all)
    host, pid = client
    world.say(STORAGE, f"keeps {f'the client of qemu {pid} on {host}' if pid else f'every client of {host}'} out")


def expire_s(world: World, host: HostName) -> float:
    """How long an entry of the blocklist lasts for a host."""
    ceph = world.inventory.cluster_of(host).ceph
    assert ceph is not None, "a storage fence is asked for only where the cluster has Ceph"
    return ceph.expire_s


def _storage_reply(world: World, run: SimRun, vm: Uuid, suspect: HostName, seen: bool) -> SecondLevelReply:
    at = clock(world, run)
    watchers = world.storage.watchers(world.qemus.get(vm, ()), world.network, world.now)
    note = Evidence("watchers", STORAGE, at, f"watchers: {', '.join(watchers) or 'none'}", Proof.NOTHING)
    if vm in world.uncovered:
        return SecondLevelReply("storage", False, "a writable disk is not in Ceph", (note,))
    if not seen:
        return SecondLevelReply("storage", False, "the blocklist does not show it", (note,))
    proof = Evidence("blocklist", STORAGE, at, f"{suspect} is kept out", Proof.DISKS_FENCED)
    return SecondLevelReply("storage", True, "seen on the blocklist", (note, proof))


def _some_way_to_storage(world: World, run: SimRun, siblings: tuple[HostName, ...]) -> bool:
    if not world.storage.up:
        return False
    for name in siblings:
        world.touch(name)
        reached = trouble_reaching(world.network, run.admin.name, world.host(name)) is None
        if reached and world.network.passes(name, STORAGE):
            return True
    return False


def lift_storage_fence(world: World, _: SimRun, effect: LiftStorageFence) -> Act[str]:
    """Take the host off the blocklist."""
    yield CEPH_S
    world.touch(STORAGE)
    if not world.storage.lift(effect.host):
        return ""
    world.watch_all()
    return f"the blocklist lets {effect.host} in again"


def renew_storage_fence(world: World, _: SimRun, effect: RenewStorageFence) -> Act[str]:
    """Make the host's entries last on."""
    yield CEPH_S
    world.touch(STORAGE)
    mine = [client for client in world.storage.blocklist if client[0] == effect.host]
    for client in mine:
        _block(world, client, expire_s(world, effect.host))
    return f"{len(mine)} entries of {effect.host} renewed" if mine else ""
