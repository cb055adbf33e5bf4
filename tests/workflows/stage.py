"""What the dialogues have in common: three hosts, one VM and its records, and how a dialogue is written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hafence.core.looks import HostLook, Look
from hafence.core.model import CephSettings, Cluster, Host, HostName, Inventory, PowerDevice, Vm
from hafence.core.outcome import Outcome
from hafence.core.power import Power, PowerSeen
from hafence.core.reasons import Reason
from hafence.core.record import VmRecord, VmState, mark_starting, mark_stopped
from hafence.core.storage.ceph import Client
from hafence.core.storage.port import ClientsSeen, EntriesSeen, Entry, Volume, WritableDisk
from hafence.core.stored import Planned, PlannedWork, Recollection, Statement, WorkKind
from hafence.effects import AddEntries, AskClients, AskPower, Workflow, WritableDisks
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


def _work(kind: WorkKind, name: str) -> PlannedWork:
    return PlannedWork(kind, name, "alice", "rewiring", 50.0, 3650.0)


ARMED = Planned()
DISARMED = Planned({"prod": _work(WorkKind.DISARMED, "prod")})


def at_work(*hosts: HostName) -> Planned:
    """Hosts in maintenance by the store's word."""
    return Planned({}, {name: _work(WorkKind.MAINTENANCE, name) for name in hosts})


def memory(*records: VmRecord, quarantine: dict[HostName, str] | None = None, **more: Any) -> Recollection:
    return Recollection(
        {record.uuid: record for record in records},
        quarantine or {},
        more.get("machine_ids", {}),
        more.get("statements", {}),
        more.get("planned", ARMED),
    )


def stated(name: HostName) -> dict[HostName, Statement]:
    return {name: Statement(name, "alice", "seen dark", 50.0, 3650.0)}


OFF, ON, NO_WORD = (PowerSeen(power, f"says {power.value}", 100.0) for power in (Power.OFF, Power.ON, Power.ERROR))
CLIENT = Client("10.0.0.1", 0, 5)
"""A client of kvm-01."""
LONG_S = 30 * 86400.0


def power(done: bool) -> dict[type[Any], Any]:
    """A power device that does as it is told, or one that nobody can ask."""
    return {AskPower: OFF if done else NO_WORD}


def storage(done: bool, *vms: Vm, client: Client = CLIENT) -> dict[type[Any], Any]:
    """A storage that shuts out whom it is told to, or does not. It holds every disk of the VMs (of all, without)."""
    elsewhere = (WritableDisk("file:/disk.raw", "vda (file)"),)
    return {
        WritableDisks: lambda effect: elsewhere if vms and effect.vm not in {vm.uuid for vm in vms} else None,
        AskClients: lambda effect: seen_on(effect.volumes, client),
        AddEntries: lambda effect: listed(*effect.clients if done else ()),
    }


def seen_on(volumes: tuple[str, ...], *clients: Client) -> ClientsSeen[Client]:
    """These watch every volume, as a host sees it that is asked."""
    return ClientsSeen({name: Volume(name, clients, ()) for name in volumes}, "10.0.0.2", 100.0)


def listed(*clients: Client, until: float = 100.0 + LONG_S) -> EntriesSeen[Client]:
    """These are shut out until then."""
    return EntriesSeen(tuple(Entry(client, until) for client in clients), 100.0)


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
    return Request("run-1", it, store_id="5709e5709e5709e5", **wishes)
