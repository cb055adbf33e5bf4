"""`hafence evacuate` with real libvirt: a tier waits until the VM above it serves, or has had its time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab import faults, serving
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Ended, Going, never_twice
from tests.lab.proc import wait_until
from tests.lab.vm import LabVm

pytestmark = pytest.mark.slow
SUSPECT = "kvm-01"
AGENT: dict[str, Any] = {"guest_agent": True}
TCP: dict[str, Any] = {"tcp": serving.PORT}
Made = Callable[[Lab, str, str], LabVm]


@contextmanager
def evacuating(lab: Lab, make: Made, **ready: Any) -> Iterator[tuple[AdminNode, Going, LabVm, LabVm]]:
    """The evacuation of a host with a directory and a client, once the directory runs elsewhere and is waited for."""
    directory, client = make(lab, SUSPECT, "dir-01"), lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, vms={"dir-01": {"priority": 9, "ready": ready}})
    with never_twice(lab):
        going = admin.begin("evacuate", SUSPECT, "--yes", "--json")
        wait_until(lambda: runs_elsewhere(lab, directory) or going.process.poll() is not None, "it runs elsewhere", 60)
        yield admin, going, directory, client


def runs_elsewhere(lab: Lab, vm: LabVm) -> bool:
    return any(qemu.host != SUSPECT for qemu in lab.qemus(vm.uuid))


def reasons(ended: Ended) -> dict[str, str]:
    return {name: told["reason"] for name, told in ended.vms.items()}


@pytest.mark.parametrize(
    ("ready", "says"),
    [(AGENT, "its guest agent answers"), (TCP, f"TCP port {serving.PORT} of {serving.ADDRESS} takes connections")],
    ids=["guest_agent", "tcp"],
)
def test_the_clients_start_when_a_guest_that_boots_serves(lab: Lab, ready: dict[str, Any], says: str) -> None:
    with evacuating(lab, serving.serving_vm, **ready, within="100s") as (admin, going, _, client):
        ended = going.wait()
        assert lab.copies(client.uuid) == 1
    assert (ended.code, reasons(ended)) == (0, {"dir-01": "confirmed_dead", "web-01": "confirmed_dead"}), ended
    assert f"dir-01 serves: {says}" in ended.stderr
    kinds = [kind for _, kind in admin.steps() if kind in ("intent_start", "await_ready")]
    assert (kinds[0], kinds[-1], set(kinds[1:-1])) == ("intent_start", "intent_start", {"await_ready"})


def test_without_an_agent_they_start_when_its_time_is_over_and_that_is_told(lab: Lab) -> None:
    with evacuating(lab, serving.deaf_vm, **AGENT, within="4s") as (admin, going, directory, client):
        ended = going.wait()
    assert (ended.code, reasons(ended)) == (0, {"dir-01": "not_ready", "web-01": "confirmed_dead"}), ended
    told = ended.vms["dir-01"]
    assert (told["decision"], told["verdict"], told["host"]) == ("started", "confirmed_dead", lab.qemu(directory).host)
    assert "was waited for in vain until 4s after its start (its guest agent does not answer)" in told["message"], told
    assert "Lower priorities wait for it no longer" in ended.stderr
    assert lab.copies(client.uuid) == 1
    assert admin.recorded("dir-01").startswith("running on ")


def test_a_host_that_goes_silent_while_its_vm_is_waited_for_fails_no_start_and_repeats_none(lab: Lab) -> None:
    with evacuating(lab, serving.deaf_vm, **AGENT, within="25s") as (admin, going, directory, client):
        where = lab.qemu(directory)
        admin.wait_step("await_ready", going)
        with faults.frozen_host(lab, where.host):
            ended = going.wait()
        assert lab.qemu(directory) == where
    assert ended.code == 0, ended
    assert reasons(ended)["dir-01"] == "not_ready"
    assert f"whether dir-01 serves, {where.host} can't be asked" in ended.stderr
    assert lab.copies(client.uuid) == 1


def test_ctrl_c_while_waiting_starts_nothing_more_and_the_next_run_waits_on(lab: Lab) -> None:
    with evacuating(lab, serving.deaf_vm, **AGENT, within="30s") as (admin, going, directory, client):
        lives = lab.qemu(directory)
        admin.wait_step("await_ready", going)
        going.signal(signal.SIGINT)
        ended = going.wait()
        assert (ended.code, reasons(ended)) == (130, {"dir-01": "confirmed_dead", "web-01": "interrupted"}), ended
        assert lab.copies(client.uuid) == 0
        ended = admin.run_json("evacuate", SUSPECT, "--yes")
        assert lab.qemu(directory) == lives
    assert (ended.code, reasons(ended)) == (0, {"web-01": "confirmed_dead"}), ended
    assert "held back until dir-01 serves: web-01" in ended.stderr
