"""Scripts inside the lab's hosts: how the tests of real hosts run and read them."""

from __future__ import annotations

import time
from typing import Any

from hafence.adapters.hosts import kvm
from hafence.adapters.hosts.program import ProgramResult
from hafence.core.looks import HostLook, Look
from hafence.core.model import HostName, StartMode, Uuid, Vm
from hafence.core.starts import StartOrder, StartReply
from hafence.inventory.domain_xml import read_domain

from ..lab.vm import LabVm
from .conftest import NONCE, Shell

HOST = "kvm-01"


def look(shell: Shell, *vms: LabVm) -> Look:
    """Look, at these VMs above all, and knowing them by their names."""
    sent = time.time()
    run = shell.run(kvm.look_program(NONCE, shell.host, [Uuid(vm.uuid) for vm in vms], settings=shell.settings))
    names = {vm.name: Uuid(vm.uuid) for vm in vms}
    return kvm.parse_look(NONCE, run, HostName(HOST), sent, time.time(), names.get)


def looked(shell: Shell, *vms: LabVm) -> HostLook:
    seen = look(shell, *vms)
    assert isinstance(seen, HostLook), seen
    return seen


def start(inside: Shell, vm: LabVm, *arguments: Any, **more: Any) -> StartReply:
    """As `run_start`."""
    return kvm.parse_start(NONCE, run_start(inside, vm, *arguments, **more), time.time())


def run_start(
    inside: Shell,
    vm: LabVm,
    ticket: int = 1,
    mode: StartMode = StartMode.PERSISTENT,
    within_s: float = 10,
    xml: str = "",
    boot_id: str | None = None,
    clock_offset_s: float = 0.0,
) -> ProgramResult:
    boot_id = inside.boot_id if boot_id is None else boot_id
    until = time.time() + 60
    order = StartOrder(Uuid(vm.uuid), HostName(HOST), ticket, until, within_s, boot_id, clock_offset_s)
    whole = Vm(Uuid(vm.uuid), vm.name, HostName(HOST))
    domain = read_domain(xml or vm.xml.read_text())
    program = kvm.start_program(order, whole, domain, mode, NONCE, inside.host, time.time, settings=inside.settings)
    return inside.run(program)


def settle(inside: Shell, vm: LabVm, ticket: int = 1, within_s: float = 10) -> StartReply:
    order = StartOrder(Uuid(vm.uuid), HostName(HOST), ticket, time.time() + 60, within_s)
    names = {order.vm: (vm.name,)}
    run = inside.run(kvm.settle_program(order, names, NONCE, inside.host, time.time, settings=inside.settings))
    return kvm.parse_start(NONCE, run, time.time())
