"""The look on real hosts."""

from __future__ import annotations

import pytest

from hafence.core.looks import Blind, Libvirt
from hafence.core.model import Uuid

from ..lab import faults
from ..lab.cluster import Lab
from .conftest import Shell
from .hosts import HOST, look, looked

pytestmark = pytest.mark.lab


def test_a_look_sees_what_the_host_holds(lab: Lab, inside: Shell) -> None:
    running = lab.start_vm(HOST, "web-01", autostart=True)
    transient = lab.start_vm(HOST, "web-02", persistent=False)
    stray = lab.define_vm(HOST, "web-03")
    off = lab.define_vm(HOST, "web-04")
    lab.start_stray(HOST, stray)
    lab.start_stray(HOST, stray)
    lab.hosts[HOST].virsh(f"define {off.xml}")
    lab.wait_copies(stray.uuid, 2)
    seen = looked(inside)
    assert seen.copies == {running.uuid: 1, transient.uuid: 1, stray.uuid: 2}
    assert seen.active == {running.uuid, transient.uuid}
    assert seen.defined == {running.uuid, off.uuid}
    assert seen.autostart == {running.uuid}
    assert seen.libvirt is Libvirt.OK
    assert (seen.missing, abs(seen.clock_offset_s) < 5) == ((), True)


def test_a_look_tells_the_memory_that_libvirt_reports(lab: Lab, inside: Shell) -> None:
    with faults.short_of_memory(lab, HOST, 100):
        seen = looked(inside)
    assert seen.memory_free_mib == 100
    assert seen.memory_total_mib is not None
    assert seen.memory_total_mib > 100


@pytest.mark.parametrize(
    ("fault", "libvirt"), [(faults.libvirtd_hung, Libvirt.HUNG), (faults.libvirtd_gone, Libvirt.DOWN)]
)
def test_a_look_sees_processes_whatever_libvirt_does(lab: Lab, inside: Shell, fault, libvirt: Libvirt) -> None:  # type: ignore[no-untyped-def]
    vm = lab.start_vm(HOST, "web-01", autostart=True)
    with fault(lab, HOST):
        seen = looked(inside)
    assert (seen.libvirt, seen.copies) == (libvirt, {Uuid(vm.uuid): 1})
    assert seen.autostart == {Uuid(vm.uuid)}
    assert (seen.active, seen.memory_free_mib) == (frozenset(), None)


def test_a_look_names_the_programs_that_are_missing(lab: Lab, inside: Shell) -> None:
    with faults.missing_program(lab, HOST, "virsh", "flock"):
        seen = looked(inside)
    assert (seen.libvirt, set(seen.missing)) == (Libvirt.FAILED, {"virsh", "flock"})


def test_where_neither_virsh_nor_a_daemon_is_libvirt_is_absent(lab: Lab, inside: Shell) -> None:
    with faults.libvirtd_gone(lab, HOST), faults.missing_program(lab, HOST, "virsh"):
        assert looked(inside).libvirt is Libvirt.ABSENT


def test_a_look_that_cannot_see_processes_says_so(lab: Lab, inside: Shell) -> None:
    with faults.missing_program(lab, HOST, "grep"):
        seen = look(inside)
    assert isinstance(seen, Blind)
    assert "grep" in seen.says
