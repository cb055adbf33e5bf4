"""Power and storage fences of the simulated world: believed only where they were observed."""

from __future__ import annotations

from ..core.evidence import Evidence, Observation, Proof
from ..core.model import HostName, Uuid
from ..effects import FenceStorage, LiftStorageFence, PowerOff, RenewStorageFence, SecondLevelReply
from .kernel import Act
from .network import STORAGE, trouble_reaching
from .observed import note_watchers
from .run import SimRun
from .sessions import clock
from .storage import Client
from .world import World

POWER_S = 2.5
CEPH_S = 0.4


def power_off(world: World, run: SimRun, effect: PowerOff) -> Act[SecondLevelReply]:
    """Ask the host's BMC, and believe only what is seen afterwards. A rehearsal is done where it answers."""
    host = world.host(effect.host)
    yield POWER_S / 2
    world.touch(host.name)
    if host.bmc == "gone":
        yield POWER_S
        return _not_off(world, run, host.name, "its BMC does not answer, or can't tell")
    if effect.rehearse:
        return SecondLevelReply("power", True, "on" if host.up else "off", _off(world, run, host.name, host.up))
    if clock(world, run) >= effect.not_after:
        return _not_off(world, run, host.name, "the lease had ended")
    if host.bmc == "ok":
        world.power_off(host, f"switched off by {run.id}")
    yield POWER_S / 2
    world.touch(host.name)
    if host.up:
        return _not_off(world, run, host.name, "accepted 'off' and is still on")
    return SecondLevelReply("power", True, "seen off", _off(world, run, host.name, host.up))


def _off(world: World, run: SimRun, name: str, up: bool) -> tuple[Evidence, ...]:
    if up:
        return ()
    return (Observation("power", f"BMC of {name}", clock(world, run), f"{name} is off", Proof.HOST_OFF),)


def _not_off(world: World, run: SimRun, name: str, says: str) -> SecondLevelReply:
    return SecondLevelReply("power", False, says, (Observation("power", name, clock(world, run), says, Proof.NOTHING),))


def fence_storage(world: World, run: SimRun, effect: FenceStorage) -> Act[dict[Uuid, SecondLevelReply]]:
    """Put the VMs' clients on the blocklist and see them there. A watcher that is seen is noted as what it is."""
    yield CEPH_S / 2
    suspect = world.host(effect.suspect)
    world.touch(STORAGE)
    world.touch(suspect.name)
    replies = {vm: _failed(world, run, "a disk is not in Ceph", ()) for vm in effect.vms if vm in world.uncovered}
    covered = [vm for vm in effect.vms if vm not in world.uncovered]
    if not _some_way_to_storage(world, run, effect.siblings) or clock(world, run) >= effect.not_after:
        return replies | {vm: _failed(world, run, "nobody reaches the storage", ()) for vm in covered}
    signs = {vm: _watching(world, run, vm, effect.suspect) for vm in covered}
    note_watchers(world, run, effect.suspect, covered)
    clients: dict[Uuid, list[Client]] = {}
    for vm in covered:
        if _strangers(world, vm, effect):
            replies[vm] = _failed(world, run, "another host uses its image too", signs[vm])
        else:
            clients[vm] = world.storage.clients_to_block(vm, world.qemus.get(vm, ()), suspect.name, effect.alone)
    if effect.rehearse:
        would = "would put its clients on the blocklist (foretold)"
        return replies | {vm: SecondLevelReply("storage", True, would, signs[vm]) for vm in clients}
    for client in dict.fromkeys(client for known in clients.values() for client in known):
        _block(world, client, expire_s(world, effect.suspect))
    yield CEPH_S / 2
    world.touch(STORAGE)
    reached = _some_way_to_storage(world, run, effect.siblings)
    for vm, known in clients.items():
        seen = reached and all(client in world.storage.blocklist for client in known)
        lasts = clock(world, run) + expire_s(world, effect.suspect) / 2 if (suspect.name, None) in known else None
        replies[vm] = _blocked(world, run, effect.suspect, signs[vm], seen, lasts)
    return replies


def _strangers(world: World, vm: Uuid, effect: FenceStorage) -> bool:
    """Whether a host that nobody has looked into is a client of the VM's image too."""
    known = {effect.suspect, *effect.siblings}
    return not known.issuperset(HostName(name) for name in _watchers(world, vm))


def _watchers(world: World, vm: Uuid) -> list[str]:
    return world.storage.watchers(vm, world.qemus.get(vm, ()), world.now)


def _block(world: World, client: Client, lasts_s: float) -> None:
    host, pid = client
    world.storage.block(client, world.now + lasts_s, world.host(host).qemus)
    world.agenda.call_at(world.now + lasts_s + 0.001, world.watch_all)
    world.say(STORAGE, f"keeps {f'the client of qemu {pid} on {host}' if pid else f'every client of {host}'} out")


def expire_s(world: World, host: HostName) -> float:
    """How long an entry of the blocklist lasts for a host."""
    ceph = world.inventory.cluster_of(host).ceph
    assert ceph is not None, "a storage fence is asked for only where the cluster has Ceph"
    return ceph.expire_s


def _watching(world: World, run: SimRun, vm: Uuid, suspect: HostName) -> tuple[Evidence, ...]:
    watchers = _watchers(world, vm)
    proves = Proof.HOST_ALIVE if suspect in watchers else Proof.NOTHING
    return (Observation("watchers", STORAGE, clock(world, run), f"watchers: {', '.join(watchers) or 'none'}", proves),)


def _failed(world: World, run: SimRun, says: str, signs: tuple[Evidence, ...]) -> SecondLevelReply:
    nothing = Observation("storage", STORAGE, clock(world, run), says, Proof.NOTHING)
    return SecondLevelReply("storage", False, says, (*signs, nothing))


def _blocked(
    world: World, run: SimRun, suspect: HostName, signs: tuple[Evidence, ...], seen: bool, lasts: float | None
) -> SecondLevelReply:
    if not seen:
        return _failed(world, run, "the blocklist does not show it", signs)
    proof = Observation("blocklist", STORAGE, clock(world, run), f"{suspect} is kept out", Proof.DISKS_FENCED)
    return SecondLevelReply("storage", True, "seen on the blocklist", (*signs, proof), lasts)


def _some_way_to_storage(world: World, run: SimRun, siblings: tuple[HostName, ...]) -> bool:
    if not world.storage.up:
        return False
    if world.network.passes(run.admin.name, STORAGE):
        return True
    for name in siblings:
        world.touch(name)
        reached = trouble_reaching(world.network, run.admin.name, world.host(name)) is None
        if reached and world.network.passes(name, STORAGE):
            return True
    return False


def _members(world: World, host: HostName) -> tuple[HostName, ...]:
    cluster = world.inventory.hosts[host].cluster
    return tuple(member.name for member in world.inventory.members(cluster) if member.name != host)


def lift_storage_fence(world: World, run: SimRun, effect: LiftStorageFence) -> Act[str]:
    """Take the host off the blocklist."""
    yield CEPH_S
    world.touch(STORAGE)
    if world.inventory.cluster_of(effect.host).ceph is None:
        return ""
    if not _some_way_to_storage(world, run, _members(world, effect.host)):
        return "failed: nobody reaches the storage"
    if not world.storage.lift(effect.host):
        return ""
    world.watch_all()
    return f"the blocklist lets {effect.host} in again"


def renew_storage_fence(world: World, run: SimRun, effect: RenewStorageFence) -> Act[str]:
    """Keep the host out beyond entries that end soon. Ceph does not move the end of one: the whole host is added."""
    yield CEPH_S
    world.touch(STORAGE)
    if world.inventory.cluster_of(effect.host).ceph is None:
        return ""
    if not _some_way_to_storage(world, run, _members(world, effect.host)):
        return "failed: nobody reaches the storage"
    lasts_s = expire_s(world, effect.host)
    mine = {client: until for client, until in world.storage.blocklist.items() if client[0] == effect.host}
    whole: Client = (effect.host, None)
    lasting = {client for client, until in mine.items() if until >= world.now + lasts_s / 2}
    if whole in lasting or lasting >= mine.keys():
        return ""
    if not effect.alone or whole in mine:
        return "failed: entries end soon"
    _block(world, whole, lasts_s)
    return f"every client of {effect.host} is kept out"
