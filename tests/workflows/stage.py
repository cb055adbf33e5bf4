"""What the dialogues have in common: three hosts, one VM and its records, and how a dialogue is written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hafence.core.evidence import Observation, Proof
from hafence.core.looks import HostLook, Look
from hafence.core.model import CephSettings, Cluster, Host, HostName, Inventory, PowerDevice, Vm
from hafence.core.outcome import Outcome
from hafence.core.reasons import Reason
from hafence.core.record import VmRecord, VmState, mark_starting, mark_stopped
from hafence.core.stored import Recollection, Statement
from hafence.effects import SecondLevelReply, Workflow
from hafence.workflows.vm_run import Request
from tests.core.make import host, inventory, look, uuid, vm

from .drive import Desk, outcome_lines, sentences, shown

K1, K2, K3 = (HostName(f"kvm-0{n}") for n in (1, 2, 3))
WEB = vm(1, name="web-01", domain_xml="/web.xml", memory_mib=1024)
DB = vm(2, name="db-01", domain_xml="/db.xml", host="kvm-01")
RUNNING = VmRecord(uuid(1), VmState.RUNNING, K1, None, 3)
STOPPED = mark_stopped(RUNNING, "run-0", Reason.CONFIRMED_DEAD)
ON_SILENCE = mark_stopped(RUNNING, "run-0", Reason.UNREACHABLE_CONFIRMED)
STARTING = mark_starting(STOPPED, K2, "run-0", 4000)


def book(*vms: Vm, hosts: tuple[Host, ...] = (), **settings: object) -> Inventory:
    names = [each.name for each in hosts]
    rest = [host(name) for name in (K1, K2, K3) if name not in names]
    return inventory([*hosts, *rest], list(vms or (WEB,)), **settings)


def with_power(it: Inventory) -> Inventory:
    fenced = {name: replace(each, power=((PowerDevice("fence_ipmilan"),),)) for name, each in it.hosts.items()}
    return replace(it, hosts=fenced)


def with_ceph(it: Inventory) -> Inventory:
    return replace(it, clusters={"prod": Cluster("prod", ceph=CephSettings())})


def foreign(it: Inventory) -> Inventory:
    return replace(it, clusters={"prod": Cluster("prod", "esxi")})


def seen(**on: tuple[Vm, ...] | Look) -> dict[str, Look]:
    """A round of looks: hosts by their last digit (`k1=(WEB,)`), each with its VMs, or the look itself."""
    looks: dict[str, Look] = {name: look(name) for name in (K1, K2, K3)}
    for key, what in on.items():
        name = HostName(f"kvm-0{key[1:]}")
        looks[name] = look(name, *(each.uuid for each in what)) if isinstance(what, tuple) else what
    return looks


def only_libvirt(name: HostName, *vms: Vm) -> HostLook:
    return replace(look(name), active=frozenset(each.uuid for each in vms))


def memory(*records: VmRecord, quarantine: dict[HostName, str] | None = None, **more: Any) -> Recollection:
    return Recollection(
        {record.uuid: record for record in records},
        quarantine or {},
        more.get("machine_ids", {}),
        more.get("statements", {}),
    )


def stated(name: HostName) -> dict[HostName, Statement]:
    return {name: Statement(name, "alice", "seen dark", 50.0, 3650.0)}


def power(done: bool, words: str = "status is off") -> SecondLevelReply:
    proves = Proof.HOST_OFF if done else Proof.NOTHING
    return SecondLevelReply("power", done, words, (Observation("power", "bmc", 100.0, words, proves),))


def storage(done: bool, *vms: Vm, until: float | None = None) -> dict[str, SecondLevelReply]:
    proves = Proof.DISKS_FENCED if done else Proof.NOTHING
    evidence = Observation("storage", "ceph", 100.0, "on the blocklist", proves)
    return {each.uuid: SecondLevelReply("storage", done, "on the blocklist", (evidence,), until) for each in vms}


Teller = Callable[[Desk, Workflow[Any]], list[str]]
"""What is written down of a workflow that is played at a desk."""


def dialogue(desk: Desk, workflow: Workflow[Any]) -> list[str]:
    """All that was asked for, and the end."""
    end = desk.run(workflow)
    outcomes = end if isinstance(end, tuple) else (end,)
    lines = list(desk.log)
    for each in outcomes:
        lines += outcome_lines(each) if isinstance(each, Outcome) else [f"=> {shown(each)}"]
    return lines


def said(desk: Desk, workflow: Workflow[Any]) -> list[str]:
    """All that is said to people on the way and in the end, each sentence once."""
    end = desk.run(workflow)
    told = [*sentences(desk.asked), *sentences(end)]
    return list(dict.fromkeys(told))


def run(it: Inventory, **wishes: Any) -> Request:
    return Request("run-1", it, **wishes)
