"""What can happen to hosts, to the processes on them and to the links between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..core.model import HostName, Uuid
from .arguments import BadEvent, read_amount, read_host, read_link, read_setting, read_vm
from .hosts import NORMAL, UNKILLABLE, ZOMBIE_LEADER, SimHost
from .late_writes import KINDS
from .managers import HIDDEN_PROGRAM, MANAGED, UNIT, begin_migration, begin_start
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
    host.aside.clear()
    host.autostart.clear()
    host.saved.clear()
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
    """`VM HOST begins | dies | killable | respawns SECONDS | …`: see KINDS."""
    world = simulation.world
    words = what.split()
    if len(words) < 3:
        raise BadEvent(f"{what!r} is not 'VM HOST begins' or the like")
    vm, host, does, more = read_vm(world, words[0]), read_host(world, words[1]), words[2], words[3:]
    if does not in _DOES or len(more) != _DOES[does][0]:
        raise BadEvent(f"{what!r}: a qemu {_KNOWN}")
    _DOES[does][1](world, vm, host, more)


def _begins(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    world.begin_qemu(vm, host, stray=True)


def _dies(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    for process in host.living(vm):
        process.respawns_after_s = None
        world.end_qemu(process)


def _changes_to(does: str) -> Callable[[World, Uuid, SimHost, list[str]], None]:
    def change(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
        for process in host.living(vm):
            process.state = _STATES[does]
            world.say(host.name, f"qemu {process.pid} of {world.name_of(vm)} is {does}")
        if does == "killable":
            world.thaw(host)

    return change


def _run_by(manager: str, says: str) -> Callable[[World, Uuid, SimHost, list[str]], None]:
    """Somebody brings the VM back, and, but for `respawns`, is seen to run it behind libvirt's back."""

    def run(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
        for process in host.living(vm):
            process.respawns_after_s = read_amount(more[0])
            process.manager = manager
            process.stray = process.stray or bool(manager)
        world.say(host.name, f"{says} starts {world.name_of(vm)} again {more[0]} s after its death")

    return run


def _hides(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    for process in host.living(vm):
        process.hidden, process.stray = "uuid", True
        world.say(host.name, f"qemu {process.pid} of {world.name_of(vm)} runs as {HIDDEN_PROGRAM}")


def _holds(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    world.begin_qemu(vm, host, stray=True).hidden = "disk"
    world.say(host.name, f"that is no qemu but another program, which writes to the disks of {world.name_of(vm)}")


def _differs(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    for process in host.living(vm):
        process.disks += 1
        world.say(host.name, f"qemu {process.pid} of {world.name_of(vm)} writes to disks of no definition")


def _leaves(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    if more[0] not in KINDS:
        raise BadEvent(f"{more[0]!r}: what a process leaves under way is one of {', '.join(KINDS)}")
    for process in host.living(vm):
        process.leaves = more[0]
        if not process.locks_its_images:
            world.storage.locks.pop(vm, None)
        world.say(host.name, f"qemu {process.pid} of {world.name_of(vm)} writes ({more[0]})")


def _starts_slowly(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    is_active = vm in host.jobs or any(not process.stray for process in host.living(vm))
    if not is_active and not host.refuses(vm):
        world.say(host.name, f"somebody starts {world.name_of(vm)}, which libvirt takes its time over")
        begin_start(world, host, vm, "", slow=True)


def _migrates(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    to, seconds = read_host(world, more[0]), read_amount(more[1])
    for process in host.living(vm):
        world.say(host.name, f"qemu {process.pid} of {world.name_of(vm)} is being migrated to {to.name}")
        begin_migration(world, process, to, seconds)


def _may_start(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    host.autostart.add(vm)


def _is_saved(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    for process in host.living(vm):
        world.end_qemu(process)
    host.saved.add(vm)
    world.say(host.name, f"libvirt-guests has saved {world.name_of(vm)}")


def _is_defined(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    host.defined.add(vm)


def _is_not_defined(world: World, vm: Uuid, host: SimHost, more: list[str]) -> None:
    host.defined.discard(vm)


_DOES: dict[str, tuple[int, Callable[[World, Uuid, SimHost, list[str]], None]]] = {
    "begins": (0, _begins),
    "dies": (0, _dies),
    **{state: (0, _changes_to(state)) for state in _STATES},
    "respawns": (1, _run_by("", "a manager")),
    "unit": (1, _run_by(UNIT, "a systemd unit")),
    "managed": (1, _run_by(MANAGED, "another manager, which runs it,")),
    "hidden": (0, _hides),
    "holds": (0, _holds),
    "differs": (0, _differs),
    "leaves": (1, _leaves),
    "starts-slowly": (0, _starts_slowly),
    "migrates": (2, _migrates),
    "autostarts": (0, _may_start),
    "saved": (0, _is_saved),
    "defined": (0, _is_defined),
    "undefined": (0, _is_not_defined),
}
"""What can happen to a VM's process on a host, and how many words follow."""
_KNOWN = (
    "begins, dies, autostarts, is saved, starts-slowly, respawns SECONDS, is run by a unit SECONDS or managed SECONDS,"
    f" migrates HOST SECONDS, is hidden, holds (another program its disks), differs in its disks,"
    f" leaves a KIND of write under way,"
    f" is defined or undefined there, or is {', '.join(_STATES)}"
)


def thaw(simulation: Simulation, what: str) -> None:
    """Processes in uninterruptible sleep wake, and die of a pending kill."""
    simulation.world.thaw(read_host(simulation.world, what))
