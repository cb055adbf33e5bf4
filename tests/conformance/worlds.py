"""The two worlds that tell a case, and the comparison of what they say."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hafence.core.model import HostName, Inventory
from hafence.effects import Answer, Effect, Sleep, Workflow, do
from hafence.inventory.yaml_tree import read_inventory
from hafence.runner import open_session
from hafence.sim.events import VERBS
from hafence.sim.simulation import Simulation
from hafence.sim.world import World
from tests.conformance.steps import Midway, Placed, Step, Strike, story, uuid_of
from tests.lab.cluster import Lab
from tests.lab.command import QUICK
from tests.lab.faults import ADMIN
from tests.lab.inventory import merge
from tests.lab.proc import LabError, wait_until
from tests.lab.vm import Disk

Disks = Disk | tuple[Disk, ...]


class Mute:
    """A run that nobody watches and nobody can answer."""

    def begins(self, effect: Effect[Any], budget_s: float | None) -> None:
        """Nothing is shown."""

    def ends(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        """Nothing is shown."""

    def tells(self, text: str) -> None:
        """Nothing is shown."""

    def asks(self, question: str) -> Answer:
        """Nobody is there."""
        return Answer.NOBODY


class Real:
    """The lab, asked by the real runner with a real store. `folder` holds the inventory and its keys."""

    def __init__(
        self,
        lab: Lab,
        vms: Sequence[Placed],
        settings: Mapping[str, Any],
        disks: Mapping[str, Disks] = MappingProxyType({}),
    ) -> None:
        self.lab = lab
        for vm in vms:
            disk = disks.get(vm.name)
            if vm.how == "absent":
                lab.define_vm(vm.host, vm.name, disk=disk)
            else:
                autostart, persistent = vm.how == "autostarts", vm.how != "transient"
                lab.start_vm(vm.host, vm.name, persistent=persistent, disk=disk, autostart=autostart)
        path = lab.inventory(**merge({"fencing": dict(QUICK)}, settings))
        self.folder: Path = path.parent
        self.inventory = read_inventory(str(path))
        self._midway: list[threading.Thread] = []
        self._broken: list[BaseException] = []

    def tell(self, steps: Sequence[Step]) -> list[str]:
        """Play the case."""
        with open_session(self.inventory, self.inventory.store, "conformance", (), {}, Mute()) as session:
            said = session.play(story(self.inventory, steps, self))
        for thread in self._midway:
            thread.join(60)
        if self._broken:
            raise self._broken[0]
        return said

    def before_effect(self) -> None:
        """Nobody remembers a neighbour: what the kernel says of a silent one then depends on this effect alone."""
        self.lab.forget_neighbours()

    def boot_id(self, host: HostName) -> str:
        """What its kernel says; '' where it has no power."""
        there = self.lab.hosts[host]
        return there.shell("cat /proc/sys/kernel/random/boot_id").stdout.strip() if there.is_on() else ""

    def strike(self, it: Strike) -> Workflow[None]:
        """Make the fault."""
        it.real(self)
        yield from ()

    def strike_midway(self, it: Midway) -> None:
        """Make it as soon as its moment has come."""

        def wait_and_strike() -> None:
            try:
                wait_until(lambda: it.when(self), "the moment of a midway strike", 30)
                it.strike.real(self)
            except BaseException as error:  # raised by tell()
                self._broken.append(error)

        thread = threading.Thread(target=wait_and_strike, daemon=True)
        thread.start()
        self._midway.append(thread)

    def copies(self, name: str) -> list[str]:
        """The hosts on which a qemu of the VM lives, by the kernel's own word."""
        return sorted(qemu.host for qemu in self.lab.qemus(uuid_of(self.inventory, name)))


class Simulated:
    """The simulation of the same cluster."""

    def __init__(self, inventory: Inventory, vms: Sequence[Placed]) -> None:
        self.inventory = inventory
        self.world = World(inventory, (ADMIN,))
        self.world.admins[ADMIN].same_segment = True
        self.simulation = Simulation(self.world)
        for vm in vms:
            if vm.how == "absent":
                continue
            uuid, host = uuid_of(inventory, vm.name), self.world.hosts[HostName(vm.host)]
            self.world.begin_qemu(uuid, host)
            if vm.how != "transient":
                host.defined.add(uuid)
            if vm.how == "autostarts":
                host.autostart.add(uuid)

    def tell(self, steps: Sequence[Step]) -> list[str]:
        """Play the case."""
        run = self.simulation.begin(ADMIN, lambda _: story(self.inventory, steps, self))
        assert self.simulation.play(), "the simulated case never ends"
        if run.bug is not None:
            raise run.bug
        said: list[str] = run.result
        return said

    def before_effect(self) -> None:
        """The simulated kernels remember no neighbours."""

    def boot_id(self, host: HostName) -> str:
        """What its kernel says."""
        return self.world.hosts[host].boot_id

    def strike(self, it: Strike) -> Workflow[None]:
        """Let the events happen."""
        self._happen(it)
        if it.sim_waits_s:
            yield from do(Sleep(it.sim_waits_s))

    def strike_midway(self, it: Midway) -> None:
        """Let them happen a little later."""
        self.world.agenda.call_at(self.world.now + it.sim_after_s, lambda: self._happen(it.strike))

    def _happen(self, it: Strike) -> None:
        for event in it.sim:
            verb, _, what = event.partition(" ")
            VERBS[verb](self.simulation, what)

    def copies(self, name: str) -> list[str]:
        """The same, by the simulated world's own word. Another program that holds a disk is no copy."""
        living = self.world.qemus.get(uuid_of(self.inventory, name), [])
        return sorted(qemu.host.name for qemu in living if qemu.hidden != "disk")


def compare(
    lab: Lab,
    vms: Sequence[Placed],
    steps: Sequence[Step],
    disks: Mapping[str, Disks] = MappingProxyType({}),
    *,
    to_the_end: bool = True,
    **settings: Any,
) -> None:
    """Tell the case in both worlds. What is read of every answer, and who lives in the end, must be the same.

    `disks` are the VMs' in the lab. Without `to_the_end`, what goes on after the last step is not waited for.
    """
    real = Real(lab, vms, settings, disks)
    simulated = Simulated(real.inventory, vms)
    said = simulated.tell(steps)
    played = real.tell(steps)
    if played != said:
        diff = difflib.unified_diff(played, said, "the lab", "the simulation", lineterm="", n=0)
        raise AssertionError("\n".join(("the two worlds differ:", *diff)))
    for vm in vms if to_the_end else ():
        wanted = simulated.copies(vm.name)
        try:
            wait_until(lambda name=vm.name, wanted=wanted: real.copies(name) == wanted, "", 5)  # type: ignore[misc]
        except LabError:
            assert (vm.name, real.copies(vm.name)) == (vm.name, wanted), "who lives in the end"
