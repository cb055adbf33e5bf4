"""Two admin nodes that share one store in etcd: what one does the other knows, and no VM runs twice."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.etcd_parts import Cluster, cluster
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_started, never_twice
from tests.lab.proc import wait_until

SUSPECT = "kvm-01"


@pytest.fixture(scope="module")
def etcd() -> Iterator[Cluster]:
    with cluster(3) as made:
        yield made


@pytest.fixture
def store(etcd: Cluster) -> str:
    return etcd.url(f"lab-{secrets.token_hex(4)}")


def held_in_a_hook(lab: Lab, store: str) -> tuple[AdminNode, Path]:
    """An admin node whose runs wait in a before-start hook until the file is gone."""
    admin = AdminNode(lab, store=store, hooks="hooks")
    gate = admin.folder / "gate"
    gate.touch()
    hook = admin.folder / "hooks" / "wait"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {gate}.reached\nwhile [ -e {gate} ]; do sleep 0.05; done\n")
    hook.chmod(0o755)
    return admin, gate


def wait_for_hook(gate: Path) -> None:
    wait_until(gate.with_name("gate.reached").exists, "the run is in its hook", 60)


def test_of_two_admin_nodes_one_starts_and_the_other_is_busy_and_then_sees_it_done(lab: Lab, store: str) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    one, gate = held_in_a_hook(lab, store)
    other = AdminNode(lab, store=store)
    with never_twice(lab):
        going = one.begin("start-vm", vm.name, "--yes", "--json")
        wait_for_hook(gate)
        busy = other.start_vm(vm.name)
        assert (busy.code, busy["reason"]) == (5, "busy"), busy
        assert f"(pid {going.process.pid})" in busy["message"], busy
        gate.unlink()
        started = going.wait()
        host = assert_started(one, vm, started)
        again = other.start_vm(vm.name)
    assert (again.code, again["reason"], again["host"]) == (0, "already_running", host), again
    assert other.recorded(vm.name) == one.recorded(vm.name) == f"running on {host}"
    assert other.quarantined() == one.quarantined()
    for admin in (one, other):
        assert admin.run_json("store", "check").code == 0
        assert admin.run("explain", started["run"]).code == 0


def test_four_on_two_admin_nodes_move_the_vm_once(lab: Lab, store: str) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    nodes = [AdminNode(lab, store=store) for _ in range(2)]
    with never_twice(lab):
        ended = [each.wait() for each in [node.begin("start-vm", vm.name, "--yes", "--json") for node in nodes * 2]]
    said = sorted((each.code, each["decision"]) for each in ended)
    assert said.count((0, "started")) == 1, said
    assert set(said) <= {(0, "started"), (0, "unchanged"), (5, "refused")}, said
    assert lab.copies(vm.uuid) == 1


def test_what_a_killed_run_leaves_the_other_admin_node_settles_at_once(lab: Lab, store: str) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    one, gate = held_in_a_hook(lab, store)
    with never_twice(lab):
        going = one.begin("start-vm", vm.name, "--yes", "--json")
        wait_for_hook(gate)
        going.kill()
        gate.unlink()
        other = AdminNode(lab, store=store)  # of the same machine: it sees that the holder is gone
        assert_started(other, vm, other.start_vm(vm.name))


def test_without_its_store_nothing_is_killed(lab: Lab, etcd: Cluster, store: str) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, store=store)
    assert admin.start_vm(vm.name, "--dry-run").code == 0
    before = lab.qemus(vm.uuid)
    for member in etcd.members[:2]:
        member.freeze()
    try:
        ended = admin.start_vm(vm.name)
    finally:
        for member in etcd.members:
            member.thaw()
    assert ended.code == 7, ended
    assert "majority" in ended["error"]["message"], ended
    assert lab.qemus(vm.uuid) == before
    assert_started(admin, vm, admin.start_vm(vm.name))


def test_a_leader_that_freezes_in_the_middle_of_a_run_does_not_stop_it(lab: Lab, etcd: Cluster, store: str) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin, gate = held_in_a_hook(lab, store)
    going = admin.begin("start-vm", vm.name, "--yes", "--json")
    wait_for_hook(gate)
    leader = etcd.leader()
    leader.freeze()
    try:
        gate.unlink()
        ended = going.wait()
    finally:
        leader.thaw()
    assert_started(admin, vm, ended)
