"""Recorded against observed: what an audit finds. Pure: the whole view of a moment in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never

from .audit_paths import down_with_its_host, fence_paths, watched
from .audit_planned import find_planned
from .audit_storage import that_end, unusable
from .drifted import definition_drift
from .left_behind import guests_left_behind, undefine_command
from .looks import Blind, HostLook, Libvirt, Look, Silence, shows_life, twin_of, way_to_look
from .model import DUMP, Host, HostName, Uuid, Vm
from .placement import Placement, Room, choose_targets, keeps_apart, sizes_mib, ways_to_targets
from .power import DeviceId, Power, devices_of
from .record import VmState, kept_from_writing
from .room_without import room_without
from .survey import Code, Finding, Severity, Survey
from .two_stores import two_stores

CLOCK_OFF_S = 2.0
"""A host's clock that is at least this far off is worth a word, whenever in its answer's time it was read. Deadlines
are corrected; logs are not."""


_WORST_FIRST = (Severity.CRITICAL, Severity.UNKNOWN, Severity.WARNING)
"""CRITICAL outranks UNKNOWN, since it is certain. No finding is OK."""


def find_all(scene: Survey) -> tuple[Finding, ...]:
    """Every finding, the worst first; two living copies of one VM before everything else."""
    found = [*_store(scene), *_hosts(scene), *fence_paths(scene), *_vms(scene), *_unknown_vms(scene), *_disks(scene)]
    found += find_planned(scene)
    found += room_without(scene)
    return tuple(
        sorted(found, key=lambda f: (f.code is not Code.SPLIT_BRAIN, _WORST_FIRST.index(f.severity), f.code, f.subject))
    )


def worst(findings: tuple[Finding, ...]) -> Severity:
    """The status of an audit."""
    return min((finding.severity for finding in findings), key=_WORST_FIRST.index, default=Severity.OK)


def _store(scene: Survey) -> Iterator[Finding]:
    for code, says in scene.store_problems:
        if code is Code.STORE_UNREADABLE:
            do = "until then nothing can be started, and nobody knows where a VM should be"
            yield Finding(code, Severity.UNKNOWN, scene.inventory.store, says, do)
            continue
        do = "keep the file, and restore the store from a backup"
        yield Finding(code, Severity.CRITICAL, scene.inventory.store, says, do)
    yield from two_stores(scene)


def _hosts(scene: Survey) -> Iterator[Finding]:
    for host, why in sorted(scene.quarantine.items()):
        rejoin = f"'hafence rejoin {host}'"
        do = rejoin if isinstance(scene.looks.get(host), HostLook) else f"see that {host} is well, then {rejoin}"
        yield Finding(Code.QUARANTINED, Severity.WARNING, host, why, do)
    yield from that_end(scene)
    yield from unusable(scene)
    for host_, look in watched(scene):
        yield from _host(scene, host_, look)
        yield from _power(scene, host_, look)
    yield from _clones(scene)


def _clones(scene: Survey) -> Iterator[Finding]:
    """Hosts that are one machine, or that can't be told apart by what they show: a fence of one could hit the other."""
    seen: dict[str, list[HostName]] = {}
    for name, look in sorted(scene.looks.items()):
        if isinstance(look, HostLook) and look.machine_id:
            seen.setdefault(look.machine_id, []).append(name)
        twin = twin_of(name, scene.looks)
        if twin is not None and name < twin:
            saw = f"is the same machine as {twin}: one of the two addresses is another host's"
            yield Finding(Code.CLONE, Severity.CRITICAL, name, saw, "find out which machine holds which address")
    for names in seen.values():
        apart = [name for name in names if twin_of(name, scene.looks) is None]
        if len(apart) > 1:
            saw = f"has the machine-id of {', '.join(apart[1:])}: cloned from one image"
            do = "on each but one: 'rm /etc/machine-id && systemd-machine-id-setup', then reboot it"
            yield Finding(Code.CLONE, Severity.WARNING, apart[0], saw, do)
    for first, *others in scene.shared_keys:
        saw = (
            f"shows the same SSH host key as {', '.join(others)}: nobody notices when one takes over another's address"
        )
        do = "on each but one: 'rm /etc/ssh/ssh_host_*_key* && ssh-keygen -A', then 'hafence inventory scan-keys'"
        yield Finding(Code.CLONE, Severity.WARNING, first, saw, do)


def _host(scene: Survey, host: Host, look: Look | None) -> Iterator[Finding]:
    match look:
        case None:
            yield Finding(Code.HOST_SILENT, Severity.UNKNOWN, host.name, "was not looked at", "run the audit again")
        case Silence():
            here = sum(1 for vm in scene.inventory.vms.values() if scene.record(vm).host == host.name)
            severity = Severity.CRITICAL if here and host.name not in scene.quarantine else Severity.WARNING
            saw = f"does not answer: {look.says}; VMs recorded there: {here}"
            do = f"see after {host.name}" + ("; 'hafence start-vm' moves its VMs" if here else "")
            yield Finding(Code.HOST_SILENT, severity, host.name, saw, do)
        case Blind():
            yield Finding(
                Code.HOST_BLIND,
                Severity.WARNING,
                host.name,
                look.says,
                f"{way_to_look(look)}, or disable the host",
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


def _answering(host: Host, look: HostLook) -> Iterator[Finding]:
    if look.libvirt is not Libvirt.OK:
        yield Finding(
            Code.LIBVIRT_DOWN,
            Severity.WARNING,
            host.name,
            f"libvirt: {look.libvirt.value}",
            _LIBVIRT_HELP.get(look.libvirt, "restart libvirtd on {}").format(host.name),
        )
    if look.missing:
        saw = "lacks " + ", ".join(look.missing)
        yield Finding(Code.PROGRAM_MISSING, Severity.WARNING, host.name, saw, f"install them on {host.name}")
    if look.clock_off_s > CLOCK_OFF_S:
        within = f" (give or take {look.clock_within_s:.1f} s)" if look.clock_within_s >= 0.5 else ""
        saw = f"its clock is {look.clock_offset_s:+.1f} s off this machine's{within}"
        yield Finding(Code.CLOCK_OFF, Severity.WARNING, host.name, saw, "mend the time synchronisation")


def _power(scene: Survey, host: Host, look: Look | None) -> Iterator[Finding]:
    """Would each level of its power fence work? Nothing was switched: each device was asked."""
    unusable = 0
    for level in range(1, len(host.power) + 1):
        seen = {device: scene.power[device] for device in devices_of(host, level) if device in scene.power}
        off = [device for device, each in seen.items() if each.power is Power.OFF]
        if off and look is not None and shows_life(look):
            saw = f"it answers, and {_devices(off)} of level {level} says that it is off: it is another machine's"
            do = "correct its options under 'power:', or a fence switches off another machine and starts the VMs twice"
            yield Finding(Code.WRONG_POWER, Severity.CRITICAL, host.name, saw, do)
        silent = {device: each for device, each in seen.items() if each.power is Power.ERROR}
        unusable += bool(silent)
        for device, each in silent.items():
            # The last level that is left: without it a silent host's VMs stay down.
            severity = Severity.CRITICAL if unusable == len(host.power) else Severity.WARNING
            saw = f"{_devices([device])} of level {level} {each.says}"
            do = "mend it, or correct its entry under 'power:'; then run the audit again"
            yield Finding(Code.POWER_UNUSABLE, severity, host.name, saw, do)


def _devices(devices: Sequence[DeviceId]) -> str:
    return " and ".join(f"{device.agent} ({device.number})" for device in devices)


def _vms(scene: Survey) -> Iterator[Finding]:
    sizes = sizes_mib(scene.inventory.vms.values())
    for vm in sorted(scene.inventory.vms.values(), key=lambda v: v.name):
        yield from _refused_definition(scene, vm)
        if scene.inventory.cluster_of(vm.host).is_kvm:
            if not scene.remembered:
                if _is_two(copies := scene.copies(vm.uuid)):
                    yield _two_copies(scene, vm, copies, "where it should be is not known")
                continue
            yield from whereabouts(scene, vm)
            yield from down_with_its_host(scene, vm)
            yield from _definitions(scene, vm)
            yield from guests_left_behind(scene, vm)
            yield from definition_drift(scene, vm)
            if vm.ha:
                yield from _startable(scene, vm, sizes)


def _is_two(copies: Mapping[HostName, int]) -> bool:
    return sum(copies.values()) > 1


def _two_copies(scene: Survey, vm: Vm, copies: Mapping[HostName, int], should: str) -> Finding:
    where = " and ".join(f"{name} ({number})" if number > 1 else name for name, number in scene.copies(vm.uuid).items())
    saw = f"TWO LIVING COPIES: on {where}; {should}"
    do = f"unless it is being migrated: {_end_all_but_one(scene, vm, list(copies))}"
    return Finding(Code.SPLIT_BRAIN, Severity.CRITICAL, vm.name, saw, do)


def _end_all_but_one(scene: Survey, vm: Vm, on: list[HostName]) -> str:
    """What to type. Which copy is the right one is known only where the store could be read."""
    recorded = scene.record(vm).host if scene.remembered else None
    if len(on) == 1:
        fence = f"'hafence fence {vm.name} --host {on[0]}' ends all of them"
        return f"choose one and end the others there; or {fence}, then 'hafence start-vm {vm.name}'"
    others = [f"'hafence fence {vm.name} --host {host}'" for host in on if host != recorded]
    if len(others) < len(on):
        return ", then ".join(others)
    return f"choose one, and fence the others: {', '.join(others)}"


def whereabouts(scene: Survey, vm: Vm) -> Iterator[Finding]:
    """What is not as it should be about where a VM is: recorded here, seen there."""
    record, copies = scene.record(vm), scene.copies(vm.uuid)
    for host in sorted(kept_from_writing(record, scene.quarantine, scene.at) & copies.keys() - {record.host}):
        saw = f"its old process on {host} lives on: kept from the disks by a storage fence, and still on the network"
        do = f"'hafence fence {vm.name} --host {host}', then 'hafence rejoin {host}'"
        yield Finding(Code.FENCED_LEFTOVER, Severity.WARNING, vm.name, saw, do)
        del copies[host]
    if _is_two(copies):
        yield _two_copies(scene, vm, copies, f"recorded as {record.words}")
    elif record.state is VmState.STARTING:
        saw = f"run {record.run} left a start on {record.host} whose outcome is not recorded"
        yield Finding(Code.START_UNSETTLED, Severity.WARNING, vm.name, saw, f"'hafence start-vm {vm.name}' settles it")
    elif copies and record.host not in copies:
        saw = f"runs on {next(iter(copies))}, recorded as {record.words}"
        fence = f"'hafence fence {vm.name} --host {next(iter(copies))}'"
        do = f"{fence} if it should not run there; else correct the inventory's host"
        yield Finding(Code.VM_ELSEWHERE, Severity.CRITICAL, vm.name, saw, do)
    elif not copies and record.state is VmState.STOPPED and vm.ha:
        saw = f"is recorded as {record.words}, and no host that answers runs it"
        do = f"to have it back: 'hafence start-vm {vm.name}'"
        yield Finding(Code.VM_STOPPED, Severity.WARNING, vm.name, saw, do)
    elif not copies and record.state is VmState.RUNNING and isinstance(scene.looks.get(record.suspect), HostLook):
        severity = Severity.CRITICAL if vm.ha else Severity.WARNING
        saw = f"is recorded as {record.words}, and no host that answers runs it"
        yield Finding(Code.VM_GONE, severity, vm.name, saw, f"'hafence start-vm {vm.name}'")


def _definitions(scene: Survey, vm: Vm) -> Iterator[Finding]:
    """A definition that a host keeps after the VM has moved away is a second copy that waits for a reboot."""
    home = scene.record(vm).host or scene.record(vm).last_host
    for name, look in sorted(scene.looks.items()):
        if not isinstance(look, HostLook):
            continue
        auto = vm.uuid in look.autostart
        if vm.uuid in look.defined and name != home and not look.runs(vm.uuid):
            severity = Severity.CRITICAL if auto else Severity.WARNING
            saw = f"still defined on {name}" + (" WITH AUTOSTART: it comes back with that host" if auto else "")
            do = f"on {name}: '{undefine_command(vm.uuid)}'"
            yield Finding(Code.STALE_DEFINITION, severity, vm.name, saw, do)
        elif auto and vm.ha:
            saw = f"libvirt starts it with {name}, whatever runs elsewhere by then"
            do = f"on {name}: 'virsh autostart --disable {vm.uuid}'"
            yield Finding(Code.AUTOSTART, Severity.WARNING, vm.name, saw, do)


def _refused_definition(scene: Survey, vm: Vm) -> Iterator[Finding]:
    """What `inventory check` and a start would refuse, of every VM: found today, not on the day of the start. Of a VM
    without any definition `_startable` tells."""
    why = scene.not_startable.get(vm.uuid)
    if vm.domain_xml is not None and why:
        do = (
            f"correct it until 'hafence inventory check' is content, or keep what '{DUMP} {vm.uuid}' prints on its host"
        )
        yield Finding(Code.XML_MISSING, Severity.WARNING, vm.name, f"could not be started: {why}", do)


def _startable(scene: Survey, vm: Vm, sizes: Mapping[Uuid, int]) -> Iterator[Finding]:
    """Would an HA start find what it needs, if the VM's host were gone now?"""
    if scene.not_startable.get(vm.uuid) and vm.domain_xml is not None:
        return
    cluster = scene.inventory.cluster_of(vm.host)
    if not scene.has_definition(vm):
        yield Finding(
            Code.XML_MISSING,
            Severity.WARNING,
            vm.name,
            "has no domain_xml and was never captured: it could not be started",
            f"give its domain_xml, or 'hafence capture {vm.name}' while it runs",
        )
        return
    suspect = scene.record(vm).suspect
    room = Room(
        vm.memory_mib or scene.memory_mib.get(vm.uuid),
        {other.uuid: other for other in scene.inventory.vms.values() if keeps_apart(vm, other)},
        {},
        sizes,
        vm,
    )
    hosts = scene.inventory.members(cluster.name)
    placement = choose_targets(suspect, hosts, room, scene.quarantine, scene.looks_for(vm))
    if not placement.targets:
        yield _would_start_nowhere(vm, suspect, placement)
    elif len(placement.targets) == 1 and placement.unable:
        yield _on_one_host_only(vm, placement)


def _on_one_host_only(vm: Vm, placement: Placement) -> Finding:
    """Others would do, and lack something: with one more host gone it would start nowhere."""
    against = dict(placement.excluded)
    lacking = "; ".join(f"{name} {against[name].says}" for name in placement.unable)
    saw = f"only {placement.targets[0]} could take it: {lacking}"
    do = "; ".join(f"{name}: {against[name].way}" for name in placement.unable)
    return Finding(Code.ONE_HOST_ONLY, Severity.WARNING, vm.name, saw, do)


def _would_start_nowhere(vm: Vm, suspect: HostName | None, placement: Placement) -> Finding:
    against = "; ".join(f"{name} {unfit.says}" for name, unfit in placement.excluded if name != suspect)
    code = Code.NO_ROOM if placement.lacks_memory else Code.WOULD_NOT_START
    saw = f"no host could take it: {against or 'the cluster has no other host'}"
    do = "; ".join((*ways_to_targets(placement), "free or bring back a host of the cluster"))
    return Finding(code, Severity.WARNING, vm.name, saw, do)


def _disks(scene: Survey) -> Iterator[Finding]:
    """A VM's fence says nothing of another VM that writes to the same disk."""
    for disk in scene.shared_disks:
        do = "give each VM a disk of its own, or mark it as <shareable/> in each definition if the guests expect that"
        yield Finding(Code.SHARED_DISK, Severity.CRITICAL, disk.vms[0], disk.says, do)


def _unknown_vms(scene: Survey) -> Iterator[Finding]:
    for name, look in sorted(scene.looks.items()):
        if isinstance(look, HostLook):
            for uuid in sorted((set(look.copies) | look.active) - scene.inventory.vms.keys()):
                saw = f"runs on {name} and is not in the inventory"
                yield Finding(Code.VM_UNKNOWN, Severity.WARNING, uuid, saw, "add it to the inventory, or end it")
