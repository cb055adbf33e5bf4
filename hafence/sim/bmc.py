"""Power devices of the simulated world: each of a host's answers as its BMC is (hosts.py)."""

from __future__ import annotations

from ..core.model import HostName
from ..core.power import Power, PowerSeen
from ..effects import AskPower, SendOff
from .kernel import Act
from .observed import note_planned
from .run import SimRun
from .sessions import clock
from .world import World

CALL_S = 0.8
"""One call of an agent, to the device and back."""
GONE_S = 2.5
"""How much longer one takes that no device answers."""


def send_off(world: World, run: SimRun, effect: SendOff) -> Act[None]:
    """Tell a host's device to switch it off. It does, ignores it, or can't be told."""
    host = world.host(effect.device.host)
    note_planned(world, run, f"switches {host.name} off", HostName(host.name))
    yield CALL_S / 2
    world.touch(host.name)
    if clock(world, run) >= effect.not_after:
        return
    if host.bmc == "ok":
        world.power_off(host.switches, f"switched off by {run.id}")
    yield CALL_S / 2 if host.bmc != "gone" else GONE_S
    world.touch(host.name)


def ask_power(world: World, run: SimRun, effect: AskPower) -> Act[PowerSeen]:
    """Ask a host's device whether it is on. What it says is how it was half-way."""
    host = world.host(effect.device.host)
    if clock(world, run) >= effect.not_after:
        yield 0.0
        return PowerSeen(Power.ERROR, "was not asked: no time was left", clock(world, run))
    yield CALL_S / 2
    world.touch(host.name)
    at = clock(world, run)
    if host.bmc == "gone":
        yield GONE_S
        return PowerSeen(Power.ERROR, "can't tell", at)
    power = Power.ON if host.switches.up else Power.OFF
    yield CALL_S / 2
    return PowerSeen(power, f"says {power.value}", at)
