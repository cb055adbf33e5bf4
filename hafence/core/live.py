"""Where each VM is seen at this moment, against what is recorded of it, and what to type where that needs a person.

The rules are the audit's (core/audit.py, whereabouts). What it says nothing of is a VM whose host shows nothing: that
is no VM that is down, and must not be told as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .audit import whereabouts
from .looks import Blind, HostLook, Look, Silence, way_to_look
from .model import HostName, Vm
from .record import VmRecord, VmState, kept_from_writing
from .survey import Code, Finding, Survey


class Seen(Enum):
    """What was seen of a VM, by a stable word; the worst first."""

    TWICE = "twice"
    UNSETTLED = "unsettled"
    DOWN = "down"
    NOT_SEEN = "not_seen"
    """Nobody could look where it is recorded: it may run there."""
    ELSEWHERE = "elsewhere"
    LEFTOVER = "leftover"
    """It is where it should be, and its old process lives, kept from the disks."""
    RUNNING = "running"
    STOPPED = "stopped"
    NOT_LOOKED_AT = "not_looked_at"
    """hafence can't look into its hypervisor."""


WORST_FIRST = tuple(Seen)
WELL = frozenset({Seen.RUNNING, Seen.STOPPED, Seen.NOT_LOOKED_AT})
_BY_CODE = {
    Code.SPLIT_BRAIN: Seen.TWICE,
    Code.START_UNSETTLED: Seen.UNSETTLED,
    Code.VM_STOPPED: Seen.DOWN,
    Code.VM_GONE: Seen.DOWN,
    Code.VM_ELSEWHERE: Seen.ELSEWHERE,
    Code.FENCED_LEFTOVER: Seen.LEFTOVER,
}


@dataclass(frozen=True, slots=True)
class LiveVm:
    """One VM at the moment of a look. `says` and `do` are empty where all is well; `do` is a command if one helps."""

    vm: Vm
    seen: Seen
    on: tuple[HostName, ...]
    """The hosts on which a copy was seen."""
    says: str = ""
    do: str = ""


def live_vm(scene: Survey, vm: Vm) -> LiveVm:
    """What a look shows of one VM."""
    on = tuple(scene.copies(vm.uuid))
    if not scene.inventory.cluster_of(vm.host).is_kvm:
        return LiveVm(vm, Seen.NOT_LOOKED_AT, on)
    record = scene.record(vm)
    found = sorted(whereabouts(scene, vm), key=lambda finding: WORST_FIRST.index(_BY_CODE[finding.code]))
    if found:
        seen = _BY_CODE[found[0].code]
        kept_out = kept_from_writing(record, scene.quarantine, scene.at) - {record.host}
        rivals = [host for host in on if host not in kept_out]
        return LiveVm(vm, seen, on, found[0].saw, _command(record, vm, rivals, seen, found[0]))
    if on:
        return LiveVm(vm, Seen.RUNNING, on)
    if record.state is VmState.STOPPED:
        return LiveVm(vm, Seen.STOPPED, on)
    return _not_seen(vm, record.suspect, scene.looks.get(record.suspect))


def _command(record: VmRecord, vm: Vm, on: list[HostName], seen: Seen, finding: Finding) -> str:
    others = [host for host in on if host != record.host]
    if seen in (Seen.DOWN, Seen.UNSETTLED):
        return f"hafence start-vm {vm.name}" if vm.ha else f"start it on {record.suspect}: it has 'ha: false'"
    if seen is Seen.TWICE and record.host in on and others:
        fences = " && ".join(f"hafence fence {vm.name} --host {host}" for host in others)
        return f"unless it is being migrated: {fences}"
    if seen is Seen.ELSEWHERE:
        return f"if it should not run there: hafence fence {vm.name} --host {on[0]}"
    return finding.do


def _not_seen(vm: Vm, host: HostName, look: Look | None) -> LiveVm:
    start = f"hafence start-vm {vm.name}" if vm.ha else f"see after {host}"
    match look:
        case Silence():
            return LiveVm(vm, Seen.NOT_SEEN, (), f"recorded on {host}, which does not answer: {look.says}", start)
        case Blind():
            says = f"recorded on {host}, which lets nobody look into it: {look.says}"
            return LiveVm(vm, Seen.NOT_SEEN, (), says, way_to_look(look))
        case _:
            return LiveVm(vm, Seen.NOT_SEEN, (), f"recorded on {host}, which was not looked at", start)


def host_seen(look: Look | None) -> tuple[str, str]:
    """What a look shows of a host: a stable word, and what stands in the way of more."""
    match look:
        case HostLook():
            return "answers", ""
        case Blind():
            return "blind", look.says
        case Silence():
            return "silent", look.says
        case _:
            return "not_looked_at", ""
