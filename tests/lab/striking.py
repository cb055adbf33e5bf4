"""Faults that strike several suspects at once: those that do not touch each other are tried in one go, each on a VM."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .cluster import Lab
from .command import AdminNode, Ended, assert_refused, assert_started, never_twice
from .vm import LabVm, Qemu

SUSPECT, SIBLING = "kvm-01", "kvm-02"
"""Where a VM is that is alone, and the sibling that is asked first about it."""
Strike = Callable[[Lab, LabVm], object]
"""A fault that strikes a VM or its host."""


def started_once(lab: Lab, vm: LabVm, admin: AdminNode, reason: str = "confirmed_dead") -> Ended:
    """Run it: it starts, no two copies live at any moment, and one does in the end."""
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended, reason)
    assert lab.copies(vm.uuid) == 1, ended
    return ended


def refused(
    lab: Lab, vm: LabVm, admin: AdminNode, reason: str, verdict: str | None, before: list[Qemu] | None = None
) -> Ended:
    """Run it: it refuses, and nothing lives that did not live before."""
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
    assert_refused(admin, vm, ended, reason, verdict, before)
    return ended


def strike_all(lab: Lab, strikes: Mapping[str, Strike], **overrides: object) -> tuple[AdminNode, dict[str, LabVm]]:
    """A VM on each of the first hosts, and a fault for each. The VMs by the name of their fault."""
    hosts = list(lab.hosts)
    vms = {name: lab.start_vm(hosts[index], f"web-{index + 1:02}") for index, name in enumerate(strikes)}
    admin = AdminNode(lab, **overrides)
    for name, strike in strikes.items():
        strike(lab, vms[name])
    return admin, vms


def assert_each_refused(lab: Lab, strikes: Mapping[str, Strike], reason: str, verdict: str) -> None:
    """Each start is refused for that reason, with the name of its fault in the message, and every VM is left alone."""
    admin, vms = strike_all(lab, strikes)
    before = {name: lab.qemus(vm.uuid) for name, vm in vms.items()}
    for words, ended in start_all(lab, admin, vms).items():
        assert_refused(admin, vms[words], ended, reason, verdict, before[words])
        assert words in ended["message"], ended


def start_all(lab: Lab, admin: AdminNode, vms: Mapping[str, LabVm]) -> dict[str, Ended]:
    """`start-vm` for each at the same time; no VM lives twice meanwhile."""
    with never_twice(lab):
        going = {name: admin.begin("start-vm", vm.name, "--yes", "--json") for name, vm in vms.items()}
        return {name: each.wait() for name, each in going.items()}
