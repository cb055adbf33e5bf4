"""Debian's real fence agents against the lab's BMCs: what each says is what the BMC did."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from itertools import groupby

import pytest

from tests.lab import faults
from tests.lab.bmc import Bmc, IpmiBmc, Mode, RedfishBmc
from tests.lab.cluster import Lab

pytestmark = pytest.mark.bmc
Start = Callable[..., Bmc]
OFF, ON = 2, 0

both = pytest.mark.parametrize("kind", [IpmiBmc, RedfishBmc])


@both
def test_off_pulls_the_plug_of_a_host_and_on_boots_it(lab: Lab, start_bmc: Start, kind: type[Bmc]) -> None:
    bmc = start_bmc(kind, "kvm-01")
    vm = lab.start_vm("kvm-01", "web-01")
    assert bmc.ask("status").returncode == ON
    assert bmc.ask("off").returncode == 0
    assert bmc.ask("status").returncode == OFF
    assert lab.copies(vm.uuid) == 0
    assert not lab.hosts["kvm-01"].is_on()
    assert bmc.ask("on").returncode == 0
    assert lab.hosts["kvm-01"].is_on()
    # ipmitool sends an order again that got no answer in time
    assert [order for order, _ in groupby(bmc.orders)] == ["off", "on"]


def test_off_ends_what_sigkill_does_not(lab: Lab, start_bmc: Start) -> None:
    bmc = start_bmc(IpmiBmc, "kvm-01")
    vm = lab.start_vm("kvm-01", "web-01")
    faults.unkillable(lab, lab.qemu(vm).pid)
    assert bmc.ask("off").returncode == 0
    assert lab.copies(vm.uuid) == 0


@both
def test_already_off_is_off(start_bmc: Start, kind: type[Bmc]) -> None:
    bmc = start_bmc(kind)
    bmc.mode = Mode.CONFLICT_WHEN_OFF
    assert bmc.ask("off").returncode == 0
    assert bmc.ask("off").returncode == 0
    assert bmc.power == "off"


@both
@pytest.mark.parametrize("mode", [Mode.IGNORES_OFF, Mode.REFUSES_OFF])
def test_an_off_that_was_not_done_is_a_failure(start_bmc: Start, kind: type[Bmc], mode: Mode) -> None:
    bmc = start_bmc(kind)
    bmc.mode = mode
    assert bmc.ask("off", power_timeout=3).returncode == 1
    assert bmc.power == "on"
    assert "off" in bmc.orders


@both
def test_an_off_that_was_done_and_answered_with_an_error(start_bmc: Start, kind: type[Bmc]) -> None:
    bmc = start_bmc(kind)
    bmc.mode = Mode.OFF_WITH_ERROR
    bmc.ask("off")
    assert bmc.power == "off"


@both
def test_a_slow_off_is_waited_for(start_bmc: Start, kind: type[Bmc]) -> None:
    bmc = start_bmc(kind)
    bmc.mode = Mode.SLOW_OFF
    assert bmc.ask("off").returncode == 0
    assert bmc.power == "off"


@both
def test_a_wrong_password_does_nothing(start_bmc: Start, kind: type[Bmc]) -> None:
    bmc = start_bmc(kind)
    assert bmc.ask("off", password="guess").returncode == 1
    assert bmc.orders == []
    assert bmc.power == "on"


@both
def test_a_bmc_that_cannot_say_its_state_is_neither_on_nor_off(start_bmc: Start, kind: type[Bmc]) -> None:
    bmc = start_bmc(kind)
    bmc.mode = Mode.NO_STATUS
    assert bmc.ask("status").returncode not in (ON, OFF)


@both
def test_a_bmc_without_power_is_neither_on_nor_off(start_bmc: Start, kind: type[Bmc]) -> None:
    bmc = start_bmc(kind)
    bmc.die()
    assert bmc.ask("status", power_timeout=3).returncode not in (ON, OFF)


def test_a_silent_ipmi_bmc_times_out_and_answers_later(start_bmc: Start) -> None:
    bmc = start_bmc(IpmiBmc)
    with bmc.hang():
        assert bmc.ask("status", power_timeout=3).returncode not in (ON, OFF)
    assert bmc.ask("status").returncode == ON


def test_a_silent_redfish_bmc_hangs_its_agent(start_bmc: Start) -> None:
    bmc = start_bmc(RedfishBmc)
    with bmc.hang(), pytest.raises(subprocess.TimeoutExpired):
        bmc.ask("status", timeout_s=6)
    assert bmc.ask("status").returncode == ON


def test_the_inventorys_device_holds_no_password(start_bmc: Start) -> None:
    bmc = start_bmc(IpmiBmc, user="root", password="hunter2hunter2")
    assert "hunter2" not in str(bmc.device())
    assert bmc.password_file.read_text() == "hunter2hunter2"
    assert bmc.password_file.stat().st_mode & 0o777 == 0o600
