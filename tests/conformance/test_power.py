"""BMCs that do what they are told, don't, or can't say, with Debian's fence agents, and the simulated ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.steps import Step, ask_power, at_once, does, look, power_off, strike
from tests.conformance.worlds import compare
from tests.lab.bmc import Bmc, IpmiBmc, Mode, RedfishBmc
from tests.lab.cluster import Lab

HOSTS = ("kvm-01", "kvm-02", "kvm-03", "kvm-04")
LIKE: dict[Mode, str] = {
    Mode.NORMAL: "ok",
    Mode.IGNORES_OFF: "ignores",
    Mode.REFUSES_OFF: "ignores",
    Mode.OFF_WITH_ERROR: "ok",
    Mode.SLOW_OFF: "ok",
    Mode.NO_STATUS: "gone",
    Mode.CONFLICT_WHEN_OFF: "ok",
}
"""Every way in which a lab BMC takes orders, and the simulated BMC that takes them so."""

BATCHES = (
    (Mode.NORMAL, Mode.IGNORES_OFF, Mode.REFUSES_OFF, Mode.OFF_WITH_ERROR),
    (Mode.SLOW_OFF, Mode.NO_STATUS, Mode.CONFLICT_WHEN_OFF),
)
Start = Callable[..., Bmc]


def test_every_mode_is_compared() -> None:
    assert set(LIKE) == set(Mode) == {mode for batch in BATCHES for mode in batch}


def settings(devices: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """An inventory with a device for each host."""
    return {
        "fencing": {"power_timeout": 10},
        "hosts": {host: {"power": [[device]]} for host, device in devices.items()},
    }


@pytest.mark.parametrize("modes", BATCHES, ids=lambda modes: " ".join(mode.name for mode in modes))
def test_a_power_off_in_every_mode(lab: Lab, start_bmc: Start, modes: tuple[Mode, ...]) -> None:
    hosts = HOSTS[: len(modes)]
    strikes: list[Step] = []
    devices = {}
    for host, mode in zip(hosts, modes, strict=True):
        bmc = start_bmc(RedfishBmc if mode is Mode.CONFLICT_WHEN_OFF else IpmiBmc, host)
        bmc.mode = mode
        devices[host] = bmc.device(power_timeout=2)
        strikes.append(does(lambda real: None, f"bmc {host}={LIKE[mode]}"))
    steps: list[Step] = [
        *strikes,
        at_once(*(ask_power(host) for host in hosts)),
        at_once(*(power_off(host, rehearse=True) for host in hosts)),
        look(*hosts),
        at_once(*(power_off(host) for host in hosts)),
        look(*hosts),
        at_once(*(power_off(host) for host, mode in zip(hosts, modes, strict=True) if LIKE[mode] == "ok")),
        at_once(*(power_off(host, rehearse=True) for host in hosts)),
    ]
    compare(lab, [], steps, **settings(devices))


def test_a_bmc_that_is_silent_dead_lets_nobody_in_or_whose_host_is_off(
    lab: Lab, start_bmc: Start, tmp_path: Path
) -> None:
    silent, dead, locked, well = (start_bmc(IpmiBmc, host) for host in HOSTS)
    (tmp_path / "wrong").write_text("wrong-horse\n")
    devices = {host: bmc.device(login_timeout=2) for host, bmc in zip(HOSTS, (silent, dead, locked, well), strict=True)}
    devices["kvm-03"] = locked.device(password_file=str(tmp_path / "wrong"))
    steps: list[Step] = [
        does(lambda real: silent.hang(), "bmc kvm-01=gone"),
        does(lambda real: dead.die(), "bmc kvm-02=gone"),
        strike("power_off", "kvm-02", sim=["power_off kvm-02"]),
        does(lambda real: None, "bmc kvm-03=gone"),
        power_off("kvm-04", within_s=-1),
        ask_power("kvm-04", within_s=-1),
        strike("power_off", "kvm-04", sim=["power_off kvm-04"]),
        at_once(*(power_off(host, rehearse=True) for host in HOSTS), *(power_off(host) for host in HOSTS)),
        look(*HOSTS),
    ]
    compare(lab, [], steps, **settings(devices))
