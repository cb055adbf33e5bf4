"""Starts and their settling on real hosts: failing, slow, left behind, overtaken."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from hafence.adapters.hosts import kvm
from hafence.core.attempts import Verdict
from hafence.core.model import HostName, StartMode, Uuid, Vm
from hafence.core.starts import StartOrder, StartResult
from hafence.inventory.domain_xml import read_domain

from ..lab import faults
from ..lab.cluster import Lab
from ..lab.vm import FileDisk, LabVm, arguments_by_hand
from .conftest import NONCE, Shell
from .hosts import HOST, looked, run_start, settle, start

pytestmark = pytest.mark.lab


def test_beside_a_qemu_that_somebody_started_by_hand_without_a_uuid_none_is_started(lab: Lab, inside: Shell) -> None:
    vm = lab.define_vm(HOST, "web-01")
    lab.hosts[HOST].spawn(arguments_by_hand("web-01"))
    assert settle(inside, vm).result is StartResult.RUNNING
    begun = start(inside, vm, ticket=2)
    assert (begun.result, "already" in begun.says) == (StartResult.RUNNING, True)
    assert lab.copies(vm.uuid) == 0


@pytest.mark.parametrize("mode", [StartMode.PERSISTENT, StartMode.TRANSIENT])
def test_a_vm_is_started_once(lab: Lab, inside: Shell, mode: StartMode) -> None:
    vm = lab.define_vm(HOST, "web-01")
    assert start(inside, vm, mode=mode).result is StartResult.RUNNING
    again = start(inside, vm, mode=mode, ticket=2)
    assert (again.result, "already" in again.says) == (StartResult.RUNNING, True)
    assert settle(inside, vm, ticket=2).result is StartResult.RUNNING
    assert lab.copies(vm.uuid) == 1
    assert (Uuid(vm.uuid) in looked(inside).defined) == (mode is StartMode.PERSISTENT)


def test_four_starts_at_once_start_one(lab: Lab, inside: Shell) -> None:
    vm = lab.define_vm(HOST, "web-01")
    with ThreadPoolExecutor() as pool:
        replies = list(pool.map(lambda ticket: start(inside, vm, ticket, within_s=20), (1, 2, 3, 4)))
    assert StartResult.RUNNING in {reply.result for reply in replies}
    assert lab.copies(vm.uuid) == 1


@pytest.mark.parametrize("mode", [StartMode.PERSISTENT, StartMode.TRANSIENT])
def test_a_failed_start_leaves_nothing(lab: Lab, inside: Shell, mode: StartMode) -> None:
    vm = lab.define_vm(HOST, "web-01")
    with faults.failing_start(lab, HOST, says="a secret of this host"):
        run = run_start(inside, vm, mode=mode)
    reply = kvm.parse_start(NONCE, run, 0.0)
    assert reply.result is StartResult.CLEAN
    assert "secret" not in reply.says + run.stdout
    assert "a secret of this host" in run.stderr
    assert looked(inside).defined == frozenset()
    assert settle(inside, vm).result is StartResult.CLEAN


@contextmanager
def locked(lab: Lab, seconds: float) -> Iterator[LabVm]:
    """A VM on whose image a process on another host holds qemu's lock for so long, as a dead client's may be held."""
    path = lab.folder / "vms" / "locked.raw"
    path.write_bytes(bytes(1 << 20))
    lab.start_vm("kvm-02", "db-01", disk=FileDisk(path))
    end = threading.Timer(seconds, lambda: lab.hosts["kvm-02"].virsh("destroy db-01"))
    end.start()
    yield lab.define_vm(HOST, "web-01", disk=FileDisk(path))
    end.cancel()
    end.join()


@pytest.mark.parametrize("mode", [StartMode.PERSISTENT, StartMode.TRANSIENT])
def test_a_start_waits_for_a_lock_that_passes(lab: Lab, inside: Shell, mode: StartMode) -> None:
    with locked(lab, 4) as vm:
        reply = start(inside, vm, mode=mode, within_s=20)
    assert reply.result is StartResult.RUNNING, reply
    assert lab.copies(vm.uuid) == 1


@pytest.mark.parametrize("mode", [StartMode.PERSISTENT, StartMode.TRANSIENT])
def test_a_lock_that_stays_is_named_and_nothing_is_left(lab: Lab, inside: Shell, mode: StartMode) -> None:
    with locked(lab, 60) as vm:
        reply = start(inside, vm, mode=mode, within_s=6)
    assert reply.result is StartResult.CLEAN, reply
    assert "lock on an image" in reply.says
    assert lab.copies(vm.uuid) == 0
    assert Uuid(vm.uuid) not in looked(inside).defined


def test_a_failed_start_does_not_take_away_what_was_defined_before(lab: Lab, inside: Shell) -> None:
    vm = lab.define_vm(HOST, "web-01")
    lab.hosts[HOST].virsh(f"define {vm.xml}")
    with faults.failing_start(lab, HOST):
        assert start(inside, vm).result is StartResult.CLEAN
    assert looked(inside).defined == {vm.uuid}


@pytest.mark.parametrize("mode", [StartMode.PERSISTENT, StartMode.TRANSIENT])
def test_a_domain_that_libvirt_rejects_leaves_nothing(lab: Lab, inside: Shell, mode: StartMode) -> None:
    vm = lab.define_vm(HOST, "web-01")
    xml = vm.xml.read_text().replace("machine='pc'", "machine='none-such'")
    assert start(inside, vm, mode=mode, xml=xml).result is StartResult.CLEAN
    assert looked(inside).defined == frozenset()


@pytest.mark.parametrize("mode", [StartMode.PERSISTENT, StartMode.TRANSIENT])
@pytest.mark.parametrize("name", ["Windows Server 2019 (SQL)", "__clone", ".hidden", "J\u00e4ger+a@b:c [2]", "-x"])
def test_whatever_libvirt_calls_a_vm_it_is_started_seen_and_fenced(
    lab: Lab, inside: Shell, mode: StartMode, name: str
) -> None:
    vm = lab.define_vm(HOST, "web-01")
    xml = vm.xml.read_text().replace("<name>web-01</name>", f"<name>{name}</name>")
    assert name in xml
    assert start(inside, vm, mode=mode, xml=xml).result is StartResult.RUNNING
    assert start(inside, vm, ticket=2, mode=mode, xml=xml).says.startswith("it runs there already")
    assert looked(inside).copies == {vm.uuid: 1}
    assert inside.fence(vm.uuid).verdict is Verdict.CONFIRMED_DEAD
    assert lab.copies(vm.uuid) == 0


DECOY = "<uuid>6d6f6a5a-0000-4000-8000-0000000000dd</uuid>"


@pytest.mark.parametrize("mode", [StartMode.PERSISTENT, StartMode.TRANSIENT])
@pytest.mark.parametrize(
    "uuid",
    [
        f"<!-- cloned from {DECOY} --><uuid >{{}}</uuid\n>",
        f"<metadata><a:app xmlns:a='http://example.org/a'>{DECOY}</a:app></metadata><uuid>\n {{}} </uuid>",
        "<uuid><![CDATA[{}]]></uuid>",
        "<uuid>&#x36;{:.35}</uuid>",
    ],
    ids=range(4),
)
def test_a_uuid_that_xml_allows_is_read_as_libvirt_reads_it(
    lab: Lab, inside: Shell, mode: StartMode, uuid: str
) -> None:
    vm = lab.define_vm(HOST, "web-01")
    written = uuid.format(vm.uuid) if "&#x" not in uuid else f"<uuid>&#{ord(vm.uuid[0])};{vm.uuid[1:]}</uuid>"
    xml = vm.xml.read_text().replace(f"<uuid>{vm.uuid}</uuid>", written)
    assert written in xml
    assert start(inside, vm, mode=mode, xml=xml).result is StartResult.RUNNING
    assert lab.copies(vm.uuid) == 1


@pytest.mark.parametrize("mode", [StartMode.PERSISTENT, StartMode.TRANSIENT])
def test_a_start_that_outlives_its_run_is_settled_by_the_next(lab: Lab, inside: Shell, mode: StartMode) -> None:
    vm = lab.define_vm(HOST, "web-01")
    with faults.slow_start(lab, HOST):
        assert start(inside, vm, mode=mode, within_s=2).result is StartResult.UNKNOWN
        assert settle(inside, vm, ticket=2, within_s=1).result is StartResult.UNKNOWN
        assert start(inside, vm, ticket=3, within_s=1).result is StartResult.UNKNOWN
    lab.wait_copies(vm.uuid, 1)
    assert settle(inside, vm, ticket=4).result is StartResult.RUNNING
    assert lab.copies(vm.uuid) == 1


def test_a_start_whose_script_and_virsh_are_killed_is_not_called_clean(lab: Lab, inside: Shell) -> None:
    vm = lab.define_vm(HOST, "web-01")
    with faults.slow_start(lab, HOST):
        assert start(inside, vm, within_s=2).result is StartResult.UNKNOWN
        lab.hosts[HOST].shell("pkill -9 -x virsh")
        assert settle(inside, vm, ticket=2, within_s=1).result is StartResult.UNKNOWN
    assert settle(inside, vm, ticket=3).result is StartResult.RUNNING


def test_a_settle_sees_to_it_that_an_older_start_does_not_begin(lab: Lab, inside: Shell) -> None:
    vm = lab.define_vm(HOST, "web-01")
    assert settle(inside, vm, ticket=5).result is StartResult.CLEAN
    for ticket in (4, 5):
        reply = start(inside, vm, ticket=ticket)
        assert (reply.result, "newer" in reply.says) == (StartResult.UNKNOWN, True)
    assert lab.copies(vm.uuid) == 0
    assert start(inside, vm, ticket=6).result is StartResult.RUNNING


@pytest.mark.parametrize("boot_id", ["6d6f6a5a-0000-4000-8000-000000000001", ""])
def test_a_start_for_another_boot_of_the_host_does_not_begin(lab: Lab, inside: Shell, boot_id: str) -> None:
    """With a boot the tickets are forgotten that would have stopped a run whose lease was taken over."""
    vm = lab.define_vm(HOST, "web-01")
    reply = start(inside, vm, boot_id=boot_id)
    assert (reply.result, reply.says) == (StartResult.CLEAN, "it has booted since it was looked into")
    assert (lab.copies(vm.uuid), looked(inside).defined) == (0, frozenset())
    assert start(inside, vm, boot_id=looked(inside).boot_id or "").result is StartResult.RUNNING
    assert start(inside, vm, ticket=2, boot_id=boot_id).result is StartResult.RUNNING  # what is there is seen
    assert lab.copies(vm.uuid) == 1


def test_a_start_after_the_deadline_does_not_begin(lab: Lab, inside: Shell) -> None:
    vm = lab.define_vm(HOST, "web-01")
    order = StartOrder(Uuid(vm.uuid), HostName(HOST), 1, time.time() - 1, 10, inside.boot_id)
    whole = Vm(Uuid(vm.uuid), vm.name, HostName(HOST))
    domain, mode = read_domain(vm.xml.read_text()), StartMode.PERSISTENT
    program = kvm.start_program(order, whole, domain, mode, NONCE, inside.host, time.time, settings=inside.settings)
    reply = kvm.parse_start(NONCE, inside.run(program), time.time())
    assert (lab.copies(vm.uuid), looked(inside).defined) == (0, frozenset())
    assert reply.result is not StartResult.RUNNING


def test_a_start_that_is_late_by_the_hosts_clock_alone_does_not_begin(lab: Lab, inside: Shell) -> None:
    """The admin node's clock was set back by more than a minute after the look, or has stood still."""
    vm = lab.define_vm(HOST, "web-01")
    reply = start(inside, vm, clock_offset_s=-70.0)
    assert (reply.result, "had passed" in reply.says) == (StartResult.CLEAN, True)
    assert (lab.copies(vm.uuid), looked(inside).defined) == (0, frozenset())
    assert start(inside, vm, ticket=2, clock_offset_s=-30.0).result is StartResult.RUNNING


def test_a_settle_on_a_hung_libvirt_knows_nothing(lab: Lab, inside: Shell) -> None:
    vm = lab.define_vm(HOST, "web-01")
    with faults.libvirtd_hung(lab, HOST):
        assert settle(inside, vm, within_s=5).result is StartResult.UNKNOWN
        assert start(inside, vm, ticket=2, within_s=5).result is StartResult.CLEAN
    assert settle(inside, vm, ticket=3).result is StartResult.CLEAN


@pytest.mark.parametrize("content", ["", "x", "1", "1 stop", "99999999999999999999999 start", "-1 start"])
def test_a_ticket_that_cannot_be_read_stops_every_start(lab: Lab, inside: Shell, content: str) -> None:
    vm = lab.define_vm(HOST, "web-01")
    folder = lab.hosts[HOST].path("/run/hafence")
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / f"{vm.uuid}.ticket").write_text(content)
    assert start(inside, vm).result is StartResult.UNKNOWN
    assert settle(inside, vm).result is StartResult.UNKNOWN
    assert lab.copies(vm.uuid) == 0


def test_the_locks_are_for_root_alone(lab: Lab, inside: Shell) -> None:
    vm = lab.define_vm(HOST, "web-01")
    assert settle(inside, vm).result is StartResult.CLEAN
    folder = lab.hosts[HOST].path("/run/hafence")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
