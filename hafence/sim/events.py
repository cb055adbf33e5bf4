"""What can happen to the simulated world, each thing under a word that scenario folders use.

An event is (when, verb, argument): `12.5 cut "kvm-01 - storage"`. The verbs are the functions of VERBS, and
`run`, which begins a command (`commands.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..core.model import HostName, Uuid
from ..effects import Statement
from .hosts import NORMAL, UNKILLABLE, ZOMBIE_LEADER, Qemu, SimHost
from .network import STORAGE
from .play import Theatre
from .storage import EVICTED_AFTER_S
from .world import EPOCH, World


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """Something that happens at a moment, in seconds since the world began."""

    at: float
    verb: str
    what: str = ""


class BadEvent(ValueError):
    """An event that no world knows. The message is for the author of a scenario."""


# ---------------------------------------------------------------- reading arguments


def _host(world: World, name: str) -> SimHost:
    try:
        return world.hosts[HostName(name)]
    except KeyError:
        raise BadEvent(f"no host {name!r}; there are {', '.join(world.hosts)}") from None


def _setting(world: World, what: str, values: tuple[str, ...]) -> tuple[SimHost, str]:
    name, _, value = what.partition("=")
    if value not in values:
        raise BadEvent(f"{what!r} is no HOST=VALUE with one of {', '.join(repr(v) for v in values)}")
    return _host(world, name), value


def _vm(world: World, name: str) -> Uuid:
    try:
        return world.inventory.find_vm(name).uuid
    except LookupError as error:
        raise BadEvent(str(error)) from None


def _link(what: str) -> tuple[str, str, bool]:
    both = " - " in what
    one, _, other = what.partition(" - " if both else " > ")
    if not one or not other:
        raise BadEvent(f"{what!r} is no link: write 'A - B', or 'A > B' for one direction; '*' is everybody")
    return one, other, both


# ---------------------------------------------------------------- the network


def _cut(theatre: Theatre, what: str) -> None:
    world = theatre.world
    one, other, both = _link(what)
    world.network.drop(one, other, both)
    _note_storage(world)
    world.say("network", f"drops {what}")


def _mend(theatre: Theatre, what: str) -> None:
    world = theatre.world
    one, other, _ = _link(what)
    world.network.mend(one, other)
    _note_storage(world)
    world.say("network", f"mends {what}")
    world.watch_all()


def _note_storage(world: World) -> None:
    lost = world.storage.lost_at
    for name in world.hosts:
        if world.network.passes(name, STORAGE):
            lost.pop(name, None)
        elif name not in lost:
            lost[name] = world.now
            if world.log is not None:
                world.agenda.call_at(world.now + EVICTED_AFTER_S, partial(_say_evicted, world, name, world.now))


def _say_evicted(world: World, name: HostName, since: float) -> None:
    if world.storage.lost_at.get(name) == since and any(world.host(name).all_living()):
        world.say(STORAGE, f"evicts the watchers of {name}, whose qemu live on: rbd status shows none")


# ---------------------------------------------------------------- hosts


def _power_off(theatre: Theatre, what: str) -> None:
    theatre.world.power_off(_host(theatre.world, what), "a fault")


def _power_on(theatre: Theatre, what: str) -> None:
    theatre.world.power_on(_host(theatre.world, what))


def _freeze(theatre: Theatre, what: str) -> None:
    _host(theatre.world, what).held = True
    theatre.world.say(what, "runs out of memory: nothing but its qemu processes moves")


def _unfreeze(theatre: Theatre, what: str) -> None:
    host = _host(theatre.world, what)
    if host.held:
        theatre.world.say(what, "moves again")
        theatre.world.agenda.release(host)


def _attribute(name: str, values: tuple[str, ...]) -> Callable[[Theatre, str], None]:
    def set_it(theatre: Theatre, what: str) -> None:
        host, value = _setting(theatre.world, what, values)
        setattr(host, name, value)
        theatre.world.say(host.name, f"{name.replace('_', ' ')}: {value or 'none'}")

    return set_it


def _slow(theatre: Theatre, what: str) -> None:
    name, _, seconds = what.partition("=")
    _host(theatre.world, name).slow_s = _number(seconds)
    theatre.world.say(name, f"begins scripts {seconds} s late")


def _memory(theatre: Theatre, what: str) -> None:
    name, _, mib = what.partition("=")
    _host(theatre.world, name).memory_free_mib = int(_number(mib))
    theatre.world.say(name, f"has {mib} MiB free")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadEvent(f"{text!r} is no number") from None


# ---------------------------------------------------------------- processes


_STATES = {"killable": NORMAL, "unkillable": UNKILLABLE, "zombie-leader": ZOMBIE_LEADER}


def _qemu(theatre: Theatre, what: str) -> None:
    """`VM HOST begins | dies | killable | unkillable | zombie-leader | respawns SECONDS | autostarts`."""
    world = theatre.world
    words = what.split()
    if len(words) < 3:
        raise BadEvent(f"{what!r} is not 'VM HOST begins' or the like")
    vm, host, does = _vm(world, words[0]), _host(world, words[1]), words[2]
    living = host.living(vm)
    if does == "begins":
        world.begin_qemu(vm, host)
    elif does == "autostarts":
        host.autostart.add(vm)
    elif does == "dies":
        _die(world, living)
    elif does in _STATES:
        for qemu in living:
            qemu.state = _STATES[does]
            world.say(host.name, f"qemu {qemu.pid} of {words[0]} is {does}")
        if does == "killable":
            world.thaw(host)
    elif does == "respawns" and len(words) == 4:
        for qemu in living:
            qemu.respawns_after_s = _number(words[3])
        world.say(host.name, f"a manager starts {words[0]} again {words[3]} s after its death")
    else:
        raise BadEvent(f"{what!r}: a qemu begins, dies, autostarts, respawns SECONDS, or is {', '.join(_STATES)}")


def _die(world: World, living: list[Qemu]) -> None:
    for qemu in living:
        qemu.respawns_after_s = None
        world.end_qemu(qemu)


def _thaw(theatre: Theatre, what: str) -> None:
    theatre.world.thaw(_host(theatre.world, what))


# ---------------------------------------------------------------- store, storage, people


def _store(theatre: Theatre, what: str) -> None:
    theatre.world.store.up = _up(what)
    theatre.world.say("store", f"is {what}")


def _storage(theatre: Theatre, what: str) -> None:
    theatre.world.storage.up = _up(what)
    theatre.world.say(STORAGE, f"is {what}")
    theatre.world.watch_all()


def _up(what: str) -> bool:
    if what not in ("up", "down"):
        raise BadEvent(f"{what!r} is neither 'up' nor 'down'")
    return what == "up"


def _hooks(theatre: Theatre, what: str) -> None:
    theatre.world.hook_errors = (what,) if what else ()
    theatre.world.say("hooks", f"say no: {what}" if what else "agree")


def _operator(theatre: Theatre, what: str) -> None:
    if what not in ("yes", "no", "nobody"):
        raise BadEvent(f"{what!r}: an operator says yes, no, or is nobody")
    theatre.world.operator = what


def _state(theatre: Theatre, what: str) -> None:
    """A person states that a host is powered off, whether or not that is so."""
    world = theatre.world
    name = HostName(_host(world, what).name)
    at = EPOCH + world.now
    lasts = world.inventory.settings.statement_age_s
    world.store.statements[name] = Statement(name, "somebody", "the rack is dark", at, at + lasts)
    world.say("operator", f"states that {name} is powered off")


# ---------------------------------------------------------------- admin nodes


def _on_admin(name: str) -> Callable[[Theatre, str], None]:
    def call(theatre: Theatre, what: str) -> None:
        if what not in theatre.world.admins:
            raise BadEvent(f"no admin node {what!r}; there are {', '.join(theatre.world.admins)}")
        getattr(theatre, name)(theatre.world.admins[what])

    return call


def _interrupt(theatre: Theatre, what: str) -> None:
    for run in theatre.runs:
        if run.id == what:
            theatre.interrupt(run)


def heal(theatre: Theatre, what: str = "") -> None:
    """Every fault ends: links pass, hosts are up and well, processes wake, managers rest, store and storage answer."""
    world = theatre.world
    world.say("world", "every fault is mended")
    world.network.cut.clear()
    _note_storage(world)
    world.store.up = world.storage.up = True
    world.hook_errors = ()
    for host in world.hosts.values():
        world.power_on(host)
        world.agenda.release(host)
        host.sshd = host.libvirtd = host.bmc = "ok"
        host.firewall = host.start_fault = ""
        host.slow_s = 0.0
        host.memory_free_mib = 32768
        for qemu in host.qemus:
            qemu.respawns_after_s = None
        world.thaw(host)
    for admin in world.admins.values():
        theatre.release(admin)
    world.watch_all()


VERBS: dict[str, Callable[[Theatre, str], None]] = {
    "cut": _cut,
    "mend": _mend,
    "power_off": _power_off,
    "power_on": _power_on,
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "sshd": _attribute("sshd", ("ok", "gone", "hung", "login", "key", "forced", "noforward")),
    "libvirtd": _attribute("libvirtd", ("ok", "hung", "absent")),
    "firewall": _attribute("firewall", ("", "drop", "reject")),
    "bmc": _attribute("bmc", ("ok", "ignores", "gone")),
    "starts": _attribute("start_fault", ("", "fails", "dies", "slow")),
    "slow": _slow,
    "memory": _memory,
    "qemu": _qemu,
    "thaw": _thaw,
    "store": _store,
    "storage": _storage,
    "hooks": _hooks,
    "operator": _operator,
    "state": _state,
    "crash": _on_admin("crash"),
    "hold": _on_admin("hold"),
    "release": _on_admin("release"),
    "interrupt": _interrupt,
    "heal": heal,
}
