"""Recorded against observed: what an audit finds. Pure: the whole view of a moment in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import assert_never

from .looks import Blind, HostLook, Libvirt, Look, Silence, copies_of
from .model import Host, HostName, HostState, Inventory, Uuid, Vm
from .placement import Room, choose_targets, keeps_apart, sizes_mib
from .record import VmRecord, VmState, kept_from_writing, record_of
from .replies import Finding as Reading
from .replies import Verdict

UNREADABLE = "store_unreadable"
CLOCK_OFF_S = 2.0
"""A host's clock that is this far off is worth a word. Deadlines are corrected; logs are not."""


class Severity(IntEnum):
    """The monitoring plugins' scale, which is also the audit's exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that is not as it should be: what, how bad, about whom, what was seen, what to do."""

    code: str
    severity: Severity
    subject: str
    saw: str
    do: str


@dataclass(frozen=True, slots=True)
class Scene:
    """All that an audit has looked at."""

    inventory: Inventory
    records: Mapping[Uuid, VmRecord]
    quarantine: Mapping[HostName, str]
    looks: Mapping[HostName, Look]
    paths: Mapping[HostName, Mapping[HostName, Reading]]
    """For each suspect-to-be and each sibling: what the rehearsal of the fence through it came to."""
    at: float
    """When, in seconds since the epoch."""
    store_problems: tuple[tuple[str, str], ...] = ()
    """What the store says of itself: a stable word and a sentence each."""
    memory_mib: Mapping[Uuid, int | None] = field(default_factory=dict)
    storage_fences: Mapping[HostName, str] = field(default_factory=dict)
    """What came of renewing the storage fence of each quarantined host; begins with 'failed' where it failed."""
    remembered: bool = True
    """Whether the store could be read: without it nobody knows where a VM should be."""

    def record(self, vm: Vm) -> VmRecord:
        """The VM's record, or what the inventory says."""
        return record_of(vm, self.records)

    def copies(self, vm: Uuid) -> dict[HostName, int]:
        """Hosts on which a copy was seen, each with the number of processes."""
        return copies_of(vm, self.looks)


_WORST_FIRST = (Severity.CRITICAL, Severity.UNKNOWN, Severity.WARNING)
"""CRITICAL outranks UNKNOWN, since it is certain. No finding is OK."""


def find_all(scene: Scene) -> tuple[AuditFinding, ...]:
    """Every finding, the worst first; two living copies of one VM before everything else."""
    found = [*_store(scene), *_hosts(scene), *_paths(scene), *_vms(scene), *_unknown_vms(scene)]
    return tuple(
        sorted(found, key=lambda f: (f.code != "split_brain", _WORST_FIRST.index(f.severity), f.code, f.subject))
    )


def worst(findings: tuple[AuditFinding, ...]) -> Severity:
    """The status of an audit."""
    return min((finding.severity for finding in findings), key=_WORST_FIRST.index, default=Severity.OK)


def _store(scene: Scene) -> Iterator[AuditFinding]:
    for code, says in scene.store_problems:
        if code == UNREADABLE:
            do = "until then nothing can be started, and nobody knows where a VM should be"
            yield AuditFinding(code, Severity.UNKNOWN, scene.inventory.store, says, do)
            continue
        do = "keep the file, and restore the store from a backup"
        yield AuditFinding(code, Severity.CRITICAL, scene.inventory.store, says, do)


def _watched(scene: Scene) -> Iterator[tuple[Host, Look | None]]:
    """The hosts that should be up: those in maintenance or disabled are people's own business."""
    for host in sorted(scene.inventory.hosts.values(), key=lambda h: h.name):
        if host.state is HostState.ENABLED and scene.inventory.cluster_of(host.name).is_kvm:
            yield host, scene.looks.get(host.name)


def _hosts(scene: Scene) -> Iterator[AuditFinding]:
    for host, why in sorted(scene.quarantine.items()):
        yield AuditFinding(
            "quarantined", Severity.WARNING, host, why, f"see that {host} is well, then 'hafence rejoin {host}'"
        )
    for host, says in sorted(scene.storage_fences.items()):
        if says.startswith("failed"):
            saw = f"its storage fence ends one day and could not be made to last: {says.removeprefix('failed: ')}"
            do = f"end what is left on {host}, then 'hafence rejoin {host}'"
            yield AuditFinding("storage_fence_ends", Severity.CRITICAL, host, saw, do)
    for host_, look in _watched(scene):
        yield from _host(scene, host_, look)


def _host(scene: Scene, host: Host, look: Look | None) -> Iterator[AuditFinding]:
    match look:
        case None:
            yield AuditFinding("host_silent", Severity.UNKNOWN, host.name, "was not looked at", "run the audit again")
        case Silence():
            here = sum(1 for vm in scene.inventory.vms.values() if scene.record(vm).host == host.name)
            severity = Severity.CRITICAL if here and host.name not in scene.quarantine else Severity.WARNING
            saw = f"does not answer: {look.says}; VMs recorded there: {here}"
            do = f"see after {host.name}" + ("; 'hafence start-vm' moves its VMs" if here else "")
            yield AuditFinding("host_silent", severity, host.name, saw, do)
        case Blind():
            yield AuditFinding(
                "host_blind",
                Severity.WARNING,
                host.name,
                look.says,
                "let hafence's key run a shell there, or disable the host",
            )
        case HostLook():
            yield from _answering(host, look)
        case _:
            assert_never(look)


_LIBVIRT_HELP = {
    Libvirt.BUSY: "see which VM it is starting on {}, and what holds that start up",
    Libvirt.HUNG: "restart libvirtd on {}, or give it more time if it is only slow (fencing: libvirt_timeout)",
    Libvirt.DOWN: "start libvirtd on {}",
    Libvirt.ABSENT: "install libvirt on {}",
}


def _answering(host: Host, look: HostLook) -> Iterator[AuditFinding]:
    if look.libvirt is not Libvirt.OK:
        yield AuditFinding(
            "libvirt_down",
            Severity.WARNING,
            host.name,
            f"libvirt: {look.libvirt.value}",
            _LIBVIRT_HELP.get(look.libvirt, "restart libvirtd on {}").format(host.name),
        )
    if look.missing:
        saw = "lacks " + ", ".join(look.missing)
        yield AuditFinding("program_missing", Severity.WARNING, host.name, saw, f"install them on {host.name}")
    if abs(look.clock_offset_s) > CLOCK_OFF_S:
        saw = f"its clock is {look.clock_offset_s:+.1f} s off this machine's"
        yield AuditFinding("clock_off", Severity.WARNING, host.name, saw, "mend the time synchronisation")


def _paths(scene: Scene) -> Iterator[AuditFinding]:
    """Can every host be fenced, and by more than one sibling where the cluster has more?"""
    for host, _ in _watched(scene):
        paths = scene.paths.get(host.name, {})
        good = [
            name for name, reading in paths.items() if reading.verdict in (Verdict.CONFIRMED_DEAD, Verdict.STILL_ALIVE)
        ]
        siblings = len(scene.inventory.members(host.cluster)) - 1
        bad = "; ".join(f"{name}: {reading.detail}" for name, reading in sorted(paths.items()) if name not in good)
        if not good:
            saw = f"no sibling can fence it ({bad or 'the cluster has no sibling that answers'})"
            do = "mend one path: without it hafence can only refuse, or rely on power and storage"
            yield AuditFinding("no_fence_path", Severity.CRITICAL, host.name, saw, do)
        elif len(good) < min(2, siblings):
            saw = f"only {good[0]} can fence it ({bad or 'no other sibling answers'})"
            yield AuditFinding("few_fence_paths", Severity.WARNING, host.name, saw, "mend a second path")


def _vms(scene: Scene) -> Iterator[AuditFinding]:
    sizes = sizes_mib(scene.inventory.vms.values())
    for vm in sorted(scene.inventory.vms.values(), key=lambda v: v.name):
        if scene.inventory.cluster_of(vm.host).is_kvm:
            if not scene.remembered:
                if _is_two(copies := scene.copies(vm.uuid)):
                    yield _two_copies(vm, copies, "where it should be is not known")
                continue
            yield from _whereabouts(scene, vm)
            yield from _definitions(scene, vm)
            if vm.ha:
                yield from _startable(scene, vm, sizes)


def _is_two(copies: Mapping[HostName, int]) -> bool:
    return sum(copies.values()) > 1


def _two_copies(vm: Vm, copies: Mapping[HostName, int], should: str) -> AuditFinding:
    where = " and ".join(f"{name} ({number})" if number > 1 else name for name, number in copies.items())
    saw = f"TWO LIVING COPIES: on {where}; {should}"
    do = f"unless it is being migrated: choose one, and fence the other with 'hafence fence {vm.name} --host HOST'"
    return AuditFinding("split_brain", Severity.CRITICAL, vm.name, saw, do)


def _whereabouts(scene: Scene, vm: Vm) -> Iterator[AuditFinding]:
    record, copies = scene.record(vm), scene.copies(vm.uuid)
    for host in sorted(kept_from_writing(record, scene.quarantine, scene.at) & copies.keys() - {record.host}):
        saw = f"its old process on {host} lives on: kept from the disks by a storage fence, and still on the network"
        do = f"'hafence fence {vm.name} --host {host}', then 'hafence rejoin {host}'"
        yield AuditFinding("fenced_leftover", Severity.WARNING, vm.name, saw, do)
        del copies[host]
    if _is_two(copies):
        yield _two_copies(vm, scene.copies(vm.uuid), f"recorded as {record.words}")
    elif record.state is VmState.STARTING:
        saw = f"run {record.run} left a start on {record.host} whose outcome is not recorded"
        yield AuditFinding(
            "start_unsettled", Severity.WARNING, vm.name, saw, f"'hafence start-vm {vm.name}' settles it"
        )
    elif copies and record.host not in copies:
        saw = f"runs on {next(iter(copies))}, recorded as {record.words}"
        do = "correct the inventory's host, or fence the copy that should not run"
        yield AuditFinding("vm_elsewhere", Severity.CRITICAL, vm.name, saw, do)
    elif not copies and record.state is VmState.STOPPED and vm.ha:
        saw = f"is recorded as {record.words}, and no host that answers runs it"
        do = f"to have it back: 'hafence start-vm {vm.name}'"
        yield AuditFinding("vm_stopped", Severity.WARNING, vm.name, saw, do)
    elif not copies and record.state is VmState.RUNNING and isinstance(scene.looks.get(record.suspect), HostLook):
        severity = Severity.CRITICAL if vm.ha else Severity.WARNING
        saw = f"is recorded as {record.words}, and no host that answers runs it"
        yield AuditFinding("vm_gone", severity, vm.name, saw, f"'hafence start-vm {vm.name}'")


def _definitions(scene: Scene, vm: Vm) -> Iterator[AuditFinding]:
    """A definition that a host keeps after the VM has moved away is a second copy that waits for a reboot."""
    home = scene.record(vm).host or scene.record(vm).last_host
    for name, look in sorted(scene.looks.items()):
        if not isinstance(look, HostLook):
            continue
        auto = vm.uuid in look.autostart
        if vm.uuid in look.defined and name != home and not look.runs(vm.uuid):
            severity = Severity.CRITICAL if auto else Severity.WARNING
            saw = f"still defined on {name}" + (" WITH AUTOSTART: it comes back with that host" if auto else "")
            do = f"on {name}: 'virsh undefine {vm.uuid}'"
            yield AuditFinding("stale_definition", severity, vm.name, saw, do)
        elif auto and vm.ha:
            saw = f"libvirt starts it with {name}, whatever runs elsewhere by then"
            do = f"on {name}: 'virsh autostart --disable {vm.uuid}'"
            yield AuditFinding("autostart", Severity.WARNING, vm.name, saw, do)


def _startable(scene: Scene, vm: Vm, sizes: Mapping[Uuid, int]) -> Iterator[AuditFinding]:
    """Would an HA start find what it needs, if the VM's host were gone now?"""
    cluster = scene.inventory.cluster_of(vm.host)
    if vm.domain_xml is None and not cluster.start_command:
        yield AuditFinding(
            "xml_missing",
            Severity.WARNING,
            vm.name,
            "has no domain_xml: it could not be started",
            "give its domain_xml",
        )
        return
    suspect = scene.record(vm).suspect
    room = Room(
        vm.memory_mib or scene.memory_mib.get(vm.uuid),
        {other.uuid: other for other in scene.inventory.vms.values() if keeps_apart(vm, other)},
        {},
        sizes,
    )
    hosts = scene.inventory.members(cluster.name)
    placement = choose_targets(suspect, hosts, room, scene.quarantine, scene.looks)
    if placement.targets:
        return
    against = "; ".join(f"{name} {why}" for name, why in placement.excluded if name != suspect)
    code = "no_room" if " MiB free" in against else "would_not_start"
    saw = f"no host could take it: {against or 'the cluster has no other host'}"
    yield AuditFinding(code, Severity.WARNING, vm.name, saw, "free or bring back a host of the cluster")


def _unknown_vms(scene: Scene) -> Iterator[AuditFinding]:
    for name, look in sorted(scene.looks.items()):
        if isinstance(look, HostLook):
            for uuid in sorted((set(look.copies) | look.active) - scene.inventory.vms.keys()):
                saw = f"runs on {name} and is not in the inventory"
                yield AuditFinding("vm_unknown", Severity.WARNING, uuid, saw, "add it to the inventory, or end it")
