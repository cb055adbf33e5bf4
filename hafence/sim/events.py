"""What can happen to the simulated world, each thing under a word that scenario folders use (hafence(1), SCENARIOS).

An event is (when, verb, argument): `12.5 cut "kvm-01 - storage"`. The verbs are the keys of VERBS, and
`run`, which begins a command (`commands.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.model import HostName
from ..core.stored import PlannedWork, WorkKind
from . import events_hosts as hosts
from .arguments import BadEvent as BadEvent
from .arguments import read_admin, read_amount, read_cluster, read_host, read_number, read_setting, read_up, read_vm
from .network import STORAGE, STORE
from .serving import NEVER
from .simulation import Simulation
from .world import EPOCH


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """Something that happens at a moment, in seconds since the world began."""

    at: float
    verb: str
    what: str = ""
    place: str = field(default="", compare=False)
    """File and line where it was written, or ''."""


# ---------------------------------------------------------------- store, storage, people


def _store(simulation: Simulation, what: str) -> None:
    simulation.world.store.up = read_up(what)
    simulation.world.say(STORE, f"is {what}")


def _own_store(simulation: Simulation, what: str) -> None:
    """An admin node goes by an empty store of its own from now on: it was set up so, or its store was changed."""
    simulation.world.give_store(read_admin(simulation.world, what))


def _storage(simulation: Simulation, what: str) -> None:
    """`up`, `down`, or `forbids`: it answers, and nobody may change whom it shuts out."""
    storage = simulation.world.storage
    storage.forbids = what == "forbids"
    storage.up = storage.forbids or read_up(what)
    simulation.world.say(STORAGE, "forbids every change of whom it shuts out" if storage.forbids else f"is {what}")
    simulation.world.watch_all()


def _disks(simulation: Simulation, what: str) -> None:
    """Whether every writable disk of a VM is one that the storage fence covers."""
    world = simulation.world
    name, value = read_setting(what, ("covered", "uncovered"))
    vm = frozenset({read_vm(world, name)})
    world.uncovered = world.uncovered - vm if value == "covered" else world.uncovered | vm
    world.say(STORAGE, f"holds {'every' if value == 'covered' else 'not every'} writable disk of {name}")


def _definition(simulation: Simulation, what: str) -> None:
    """Whether the inventory has something that a VM could be started from; `today` takes its definition anew."""
    world = simulation.world
    name, value = read_setting(what, ("ok", "missing", "today"))
    vm = read_vm(world, name)
    if value != "missing":
        world.unstartable.pop(vm, None)
    if value == "today":
        world.named[vm] = max((qemu.disks for qemu in world.qemus.get(vm, ())), default=0)
    elif value == "missing":
        world.unstartable[vm] = "the inventory has no domain_xml of it"
    world.say("inventory", f"domain_xml of {name}: {value}")


def _ready(simulation: Simulation, what: str) -> None:
    """`VM=SECONDS`: it serves so long after it runs; `VM=never`."""
    world = simulation.world
    name, value = read_setting(what)
    world.serves_after[read_vm(world, name)] = NEVER if value == "never" else read_amount(value)
    world.say(name, "never serves" if value == "never" else f"serves {value} s after its start")


def _hooks(simulation: Simulation, what: str) -> None:
    simulation.world.hook_errors = (what,) if what else ()
    simulation.world.say("hooks", f"say no: {what}" if what else "agree")


def _operator(simulation: Simulation, what: str) -> None:
    if what not in ("yes", "no", "nobody"):
        raise BadEvent(f"{what!r}: an operator says yes, no, or is nobody")
    simulation.world.operator = what


def _state(simulation: Simulation, what: str) -> None:
    """A person states that a host is powered off, whether or not that is so."""
    world = simulation.world
    name = HostName(read_host(world, what).name)
    at = EPOCH + world.now
    lasts = world.inventory.settings.statement_age_s
    world.store.state(name, "somebody", "the rack is dark", at, at + lasts)
    world.say("operator", f"states that {name} is powered off")


WORK_LASTS_S = 3600.0


def _plan(simulation: Simulation, kind: WorkKind, name: str) -> None:
    world = simulation.world
    at = EPOCH + world.now
    world.store.plan([PlannedWork(kind, name, "somebody", "rewiring", at, at + WORK_LASTS_S)])


def _disarm(simulation: Simulation, what: str) -> None:
    """Somebody disarms a cluster."""
    _plan(simulation, WorkKind.DISARMED, read_cluster(simulation.world, what))
    simulation.world.say("operator", f"disarms {what} for {WORK_LASTS_S:g} s")


def _arm(simulation: Simulation, what: str) -> None:
    """Somebody ends that."""
    simulation.world.store.end_planned(WorkKind.DISARMED, [read_cluster(simulation.world, what)])
    simulation.world.say("operator", f"arms {what}")


def _maintenance(simulation: Simulation, what: str) -> None:
    """`HOST=on`: somebody is at work there, by the store's word; `HOST=off` ends it."""
    world = simulation.world
    name, value = read_setting(what, ("on", "off"))
    host = read_host(world, name).name
    if value == "on":
        _plan(simulation, WorkKind.MAINTENANCE, host)
    else:
        world.store.end_planned(WorkKind.MAINTENANCE, [host])
    world.say("operator", f"{'begins' if value == 'on' else 'ends'} the maintenance of {name}")


# ---------------------------------------------------------------- admin nodes and clocks


def _crash(simulation: Simulation, what: str) -> None:
    simulation.crash(read_admin(simulation.world, what))


def _hold(simulation: Simulation, what: str) -> None:
    simulation.hold(read_admin(simulation.world, what))


def _release(simulation: Simulation, what: str) -> None:
    simulation.release(read_admin(simulation.world, what))


def _boot(simulation: Simulation, what: str) -> None:
    admin = read_admin(simulation.world, what)
    admin.booted_at = simulation.world.now
    simulation.world.say(admin.name, "has just booted")


def _deaths(simulation: Simulation, what: str) -> None:
    """Whether others see that a run has died: on its own machine they do, elsewhere they wait for its lease to end."""
    if what not in ("seen", "unseen"):
        raise BadEvent(f"{what!r}: the death of a run is seen or unseen")
    simulation.world.death_seen = what == "seen"
    simulation.world.say(STORE, f"the death of a run is {what} by others")


def _interrupt(simulation: Simulation, what: str) -> None:
    for run in simulation.runs:
        if run.id == what:
            simulation.interrupt(run)


def _clock(simulation: Simulation, what: str) -> None:
    """`NAME=SECONDS`: how far the clock of a host or an admin node is ahead. Set while runs go on, it jumps."""
    world = simulation.world
    name, seconds = read_setting(what)
    ahead_s = read_number(seconds)
    if name in world.admins:
        world.admins[name].clock_offset_s = ahead_s
    else:
        read_host(world, name).clock_offset_s = ahead_s
    off = f"{abs(ahead_s):g} s {'ahead' if ahead_s > 0 else 'behind'}" if ahead_s else "right"
    world.say(name, f"its clock is {off}")


def heal(simulation: Simulation, what: str = "") -> None:
    """Every fault ends: links pass, hosts are up and well, processes wake, managers rest, clocks are right, store and
    storage answer."""
    world = simulation.world
    world.say("world", "every fault is mended")
    world.network.cut.clear()
    hosts.note_storage(world)
    world.store.up = world.storage.up = True
    world.storage.forbids = False
    world.hook_errors = ()
    world.unstartable.clear()
    world.serves_after.clear()
    for store in world.stores:
        for work in store.planned():
            store.end_planned(work.kind, [work.name])
    for host in world.hosts.values():
        world.power_on(host)
        world.agenda.release(host)
        host.answers_for = host
        host.sshd = host.libvirtd = host.bmc = "ok"
        host.firewall = host.start_fault = host.lacks = host.wants = ""
        host.own_disk = "off"
        host.slow_s = host.clock_offset_s = 0.0
        host.memory_free_mib = 32768
        for qemu in list(host.qemus):
            qemu.respawns_after_s = None
            qemu.halted = ""
            if qemu.disks:
                world.named[qemu.vm] = max(qemu.disks, world.named.get(qemu.vm, 0))
            if qemu.hidden:
                world.end_qemu(qemu)
        world.thaw(host)
    for admin in world.admins.values():
        admin.clock_offset_s = 0.0
        simulation.release(admin)
    world.watch_all()


SSHD = ("ok", "gone", "hung", "login", "key", "unknown", "forced", "nosession", "noforward")
LIBVIRTD = ("ok", "hung", "gone", "absent")
FIREWALL = ("", "drop", "drop-tcp", "drop-ping", "reject", "reject-net", "reject-port")
LACKS = ("", "ping", "flock", "virsh", "ss")
BMC = ("ok", "ignores", "gone")
WANTS = ("", "disk", "network")
STARTS = ("", "fails", "dies", "pauses", "slow")
"""What can be wrong with a host's parts; the words are explained in `hosts.py`."""

VERBS: dict[str, Callable[[Simulation, str], None]] = {
    "cut": hosts.cut,
    "mend": hosts.mend,
    "power_off": hosts.power_off,
    "power_on": hosts.power_on,
    "reinstall": hosts.reinstall,
    "clone": hosts.clone,
    "take_over": hosts.take_over,
    "switches": hosts.switches,
    "freeze": hosts.freeze,
    "unfreeze": hosts.unfreeze,
    "sshd": hosts.attribute("sshd", SSHD),
    "libvirtd": hosts.attribute("libvirtd", LIBVIRTD),
    "firewall": hosts.attribute("firewall", FIREWALL),
    "lacks": hosts.attribute("lacks", LACKS),
    "bmc": hosts.attribute("bmc", BMC),
    "wants": hosts.attribute("wants", WANTS),
    "starts": hosts.attribute("start_fault", STARTS),
    "guard": hosts.attribute("guard", ("on", "off")),
    "own_disk": hosts.attribute("own_disk", ("on", "off")),
    "slow": hosts.slow,
    "memory": hosts.memory,
    "qemu": hosts.qemu,
    "thaw": hosts.thaw,
    "store": _store,
    "own_store": _own_store,
    "storage": _storage,
    "disks": _disks,
    "definition": _definition,
    "ready": _ready,
    "hooks": _hooks,
    "operator": _operator,
    "state": _state,
    "disarm": _disarm,
    "arm": _arm,
    "maintenance": _maintenance,
    "crash": _crash,
    "deaths": _deaths,
    "hold": _hold,
    "release": _release,
    "interrupt": _interrupt,
    "boot": _boot,
    "clock": _clock,
    "heal": heal,
}
