"""What can happen to hosts, to the processes on them and to the links between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..core.model import HostName
from .arguments import BadEvent, read_amount, read_host, read_link, read_setting, read_vm
from .hosts import NORMAL, UNKILLABLE, ZOMBIE_LEADER, Qemu
from .network import STORAGE
from .simulation import Simulation
from .storage import EVICTED_AFTER_S
from .world import World

# ---------------------------------------------------------------- the network


def cut(simulation: Simulation, what: str) -> None:
    """`A - B`: packets between them are dropped; `A > B`: in this direction."""
    world = simulation.world
    one, other, both = read_link(what)
    world.network.drop(one, other, both)
    note_storage(world)
    world.say("network", f"drops {what}")


def mend(simulation: Simulation, what: str) -> None:
    """The opposite of `cut`, both ways."""
    world = simulation.world
    one, other, _ = read_link(what)
    world.network.mend(one, other)
    note_storage(world)
    world.say("network", f"mends {what}")
    world.watch_all()


def note_storage(world: World) -> None:
    """Since when each host's packets have not reached the storage, now that a link has changed."""
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


def power_off(simulation: Simulation, what: str) -> None:
    """A host loses power."""
    simulation.world.power_off(read_host(simulation.world, what), "a fault")


def power_on(simulation: Simulation, what: str) -> None:
    """A host has booted; libvirt starts what it starts by itself."""
    simulation.world.power_on(read_host(simulation.world, what))


def reinstall(simulation: Simulation, what: str) -> None:
    """A host is another machine from now on, behind the same address and with the same host keys."""
    world = simulation.world
    host = read_host(world, what)
    world.power_off(host, "it is being reinstalled")
    host.machine_id = f"{int(host.machine_id, 16) + 2**64:032x}"
    host.defined.clear()
    host.autostart.clear()
    world.power_on(host)


def clone(simulation: Simulation, what: str) -> None:
    """`HOST=OTHER`: a host is cloned from the image of another: one host key and one machine-id, boots of its own."""
    name, other = read_setting(what)
    host, source = read_host(simulation.world, name), read_host(simulation.world, other)
    host.machine_id = source.machine_id
    simulation.world.say(host.name, f"is a clone of {source.name}")


def take_over(simulation: Simulation, what: str) -> None:
    """`HOST=OTHER`: another host answers at a host's address. Nobody notices it by the key where they are clones."""
    name, other = read_setting(what)
    host, taker = read_host(simulation.world, name), read_host(simulation.world, other)
    if taker.machine_id != host.machine_id:
        raise BadEvent(f"{what!r}: only a clone shows the same host key; for another host write 'sshd: {name}=key'")
    host.answers_for = taker
    simulation.world.say(host.name, f"its address is {taker.name}'s now")


def switches(simulation: Simulation, what: str) -> None:
    """`HOST=OTHER`: the power device that the inventory has under a host is another host's."""
    name, other = read_setting(what)
    host, wired = read_host(simulation.world, name), read_host(simulation.world, other)
    host.switches = wired
    simulation.world.say(host.name, f"its power device switches {wired.name}")


def freeze(simulation: Simulation, what: str) -> None:
    """A host runs out of memory."""
    read_host(simulation.world, what).held = True
    simulation.world.say(what, "runs out of memory: nothing but its qemu processes moves")


def unfreeze(simulation: Simulation, what: str) -> None:
    """A frozen host moves again."""
    host = read_host(simulation.world, what)
    if host.held:
        simulation.world.say(what, "moves again")
        simulation.world.agenda.release(host)


def attribute(name: str, values: tuple[str, ...]) -> Callable[[Simulation, str], None]:
    """An event `HOST=VALUE` that sets an attribute of a host."""

    def set_it(simulation: Simulation, what: str) -> None:
        named, value = read_setting(what, values)
        host = read_host(simulation.world, named)
        setattr(host, name, value)
        simulation.world.say(host.name, f"{name.replace('_', ' ')}: {value or 'none'}")

    return set_it


def slow(simulation: Simulation, what: str) -> None:
    """`HOST=SECONDS`: scripts begin that late."""
    name, seconds = read_setting(what)
    read_host(simulation.world, name).slow_s = read_amount(seconds)
    simulation.world.say(name, f"begins scripts {seconds} s late")


def memory(simulation: Simulation, what: str) -> None:
    """`HOST=MIB`: so much memory is free."""
    name, mib = read_setting(what)
    read_host(simulation.world, name).memory_free_mib = int(read_amount(mib))
    simulation.world.say(name, f"has {mib} MiB free")


# ---------------------------------------------------------------- processes


_STATES = {"killable": NORMAL, "unkillable": UNKILLABLE, "zombie-leader": ZOMBIE_LEADER}


def qemu(simulation: Simulation, what: str) -> None:
    """`VM HOST begins | dies | killable | unkillable | zombie-leader | respawns SECONDS | autostarts | …`."""
    world = simulation.world
    words = what.split()
    if len(words) < 3:
        raise BadEvent(f"{what!r} is not 'VM HOST begins' or the like")
    vm, host, does = read_vm(world, words[0]), read_host(world, words[1]), words[2]
    living = host.living(vm)
    if does == "begins":
        world.begin_qemu(vm, host, stray=True)
    elif does == "autostarts":
        host.autostart.add(vm)
    elif does == "defined":
        host.defined.add(vm)
    elif does == "undefined":
        host.defined.discard(vm)
    elif does == "dies":
        _die(world, living)
    elif does in _STATES:
        for process in living:
            process.state = _STATES[does]
            world.say(host.name, f"qemu {process.pid} of {words[0]} is {does}")
        if does == "killable":
            world.thaw(host)
    elif does == "respawns" and len(words) == 4:
        for process in living:
            process.respawns_after_s = read_amount(words[3])
        world.say(host.name, f"a manager starts {words[0]} again {words[3]} s after its death")
    else:
        known = f"begins, dies, autostarts, respawns SECONDS, is defined or undefined there, or is {', '.join(_STATES)}"
        raise BadEvent(f"{what!r}: a qemu {known}")


def _die(world: World, living: list[Qemu]) -> None:
    for process in living:
        process.respawns_after_s = None
        world.end_qemu(process)


def thaw(simulation: Simulation, what: str) -> None:
    """Processes in uninterruptible sleep wake, and die of a pending kill."""
    simulation.world.thaw(read_host(simulation.world, what))
