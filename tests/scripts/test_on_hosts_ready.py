"""Waiting until a VM serves, on real hosts: what real libvirt says of its agent and of its addresses."""

from __future__ import annotations

import time

import pytest

from hafence.adapters.hosts import kvm
from hafence.core.model import Ready, Uuid
from hafence.core.ready import Readiness, Serves

from ..lab import faults, serving
from ..lab.cluster import Lab
from ..lab.vm import LabVm
from .conftest import NONCE, Shell
from .hosts import HOST

pytestmark = pytest.mark.lab
AGENT = Ready()
LDAP = Ready(serving.PORT)


def ask(inside: Shell, vm: LabVm, ready: Ready, within_s: float = 0.0) -> Readiness:
    program = kvm.ready_program(NONCE, inside.host, Uuid(vm.uuid), ready, within_s, settings=inside.settings)
    run = inside.run(program, kvm.most_s(within_s, inside.settings))
    return kvm.parse_ready(NONCE, run, ready, time.time())


def test_an_agent_that_nobody_has_put_in_does_not_answer(lab: Lab, inside: Shell) -> None:
    readiness = ask(inside, serving.deaf_vm(lab, HOST, "dir-01"), AGENT)
    assert (readiness.serves, readiness.says) == (Serves.NOT_YET, "its guest agent does not answer")


def test_a_vm_without_the_channel_has_no_agent(lab: Lab, inside: Shell) -> None:
    readiness = ask(inside, lab.start_vm(HOST, "web-01"), AGENT)
    assert readiness.serves is Serves.NOT_YET
    assert readiness.says == "its definition has no channel for a guest agent"


def test_a_vm_that_has_ended_or_that_nobody_knows_is_not_run(lab: Lab, inside: Shell) -> None:
    vm = serving.deaf_vm(lab, HOST, "dir-01")
    lab.hosts[HOST].virsh(f"destroy {vm.name}")
    assert ask(inside, vm, AGENT).says == "libvirt there does not run it"
    lab.hosts[HOST].virsh(f"undefine {vm.name}")
    assert ask(inside, vm, AGENT).says == "libvirt there does not run it"


@pytest.mark.slow
def test_a_guest_that_boots_serves_when_it_has(lab: Lab, inside: Shell) -> None:
    """Its agent tells its address, and 127.0.0.1, where this host's sshd listens, too."""
    vm = serving.serving_vm(lab, HOST, "dir-01")
    before = ask(inside, vm, LDAP)
    assert before.serves is Serves.NOT_YET
    agent, port = ask(inside, vm, AGENT, 60.0), ask(inside, vm, LDAP, 60.0)
    assert (agent.serves, agent.says) == (Serves.YES, "its guest agent answers")
    words = f"TCP port {serving.PORT} of {serving.ADDRESS} takes connections"
    assert (port.serves, port.says) == (Serves.YES, words)
    closed = ask(inside, vm, Ready(22))
    assert (closed.serves, closed.says) == (Serves.NOT_YET, "no address of it takes a connection")


def test_a_vm_whose_address_nobody_knows_has_none(lab: Lab, inside: Shell) -> None:
    vm = serving.deaf_vm(lab, HOST, "dir-01")
    assert ask(inside, vm, LDAP).says == "libvirt there tells no address of it"


@pytest.mark.parametrize("ready", [AGENT, LDAP])
def test_a_libvirt_that_hangs_is_not_waited_for_beyond_its_time(lab: Lab, inside: Shell, ready: Ready) -> None:
    vm = serving.deaf_vm(lab, HOST, "dir-01")
    with faults.libvirtd_hung(lab, HOST):
        before = time.monotonic()
        readiness = ask(inside, vm, ready, 1.0)
        assert time.monotonic() - before < kvm.most_s(1.0, inside.settings)
    assert (readiness.serves, readiness.says) == (Serves.NOT_YET, "libvirt there does not answer")


def test_a_host_that_lacks_a_program_says_which(lab: Lab, inside: Shell) -> None:
    vm = serving.deaf_vm(lab, HOST, "dir-01")
    with faults.missing_program(lab, HOST, "virsh"):
        assert (ask(inside, vm, AGENT).serves, ask(inside, vm, AGENT).says) == (Serves.NOT_YET, "lacks virsh")
