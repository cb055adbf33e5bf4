"""When a VM of the simulated world serves, and what its host answers to whoever waits for that."""

from __future__ import annotations

import math

from ..core.ready import Readiness, Serves
from ..core.troubles import Trouble, met_straight
from ..effects import AwaitReady
from .hosts import SimHost
from .kernel import Act
from .libvirt import has_virsh
from .network import seconds_to_meet, trouble_reaching
from .observed import RUNS_NOTHING
from .run import SimRun
from .sessions import clock
from .world import World

AGAIN_S = 1.0
"""How long after one question the next one is asked."""
NEVER = math.inf


def await_ready(world: World, run: SimRun, effect: AwaitReady) -> Act[Readiness]:
    """Ask the VM's host until it serves, or for as long as the effect says; the last answer."""
    host = world.host(effect.target)
    until = world.now + effect.within_s
    while True:
        world.touch(host.name)
        trouble = trouble_reaching(world.network, run.admin.name, host)
        yield seconds_to_meet(trouble, run.inventory.settings.connect_timeout_s)
        world.touch(host.name)
        serves, says = _answer(world, host, effect, trouble or trouble_reaching(world.network, run.admin.name, host))
        if serves is Serves.YES or world.now >= until:
            return Readiness(serves, says, clock(world, run))
        yield min(AGAIN_S, until - world.now)


def _answer(world: World, host: SimHost, effect: AwaitReady, trouble: Trouble | None) -> tuple[Serves, str]:
    if trouble is not None:
        return Serves.UNKNOWN, met_straight(trouble)
    if host.sshd in RUNS_NOTHING or not has_virsh(host):
        return Serves.UNKNOWN, "it runs no such script"
    if host.libvirtd != "ok":
        return Serves.NOT_YET, "libvirt there does not answer"
    after_s = world.serves_after.get(effect.vm, 0.0)
    if any(world.now >= qemu.born_at + after_s and not qemu.halted for qemu in host.living(effect.vm)):
        return Serves.YES, f"{effect.ready.says} answers"
    return Serves.NOT_YET, f"{effect.ready.says} does not answer"
