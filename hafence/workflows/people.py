"""What people tell hafence about hosts: that one is powered off, or that one may be taken back."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.looks import HostLook, Libvirt, Silence, shows_life
from ..core.model import Host
from ..core.record import VmState, unseen
from ..effects import (
    Answer,
    Ask,
    LiftQuarantine,
    LiftStorageFence,
    LookAt,
    Now,
    Recall,
    RecordStatement,
    Story,
    do,
)
from .course import Run


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """What came of `confirm-dead` or `rejoin`: whether it was done, and the sentence for people."""

    host: str
    done: bool
    message: str
    ways_out: tuple[str, ...] = ()


def confirm_dead(run: Run, host: Host, reason: str) -> Story[HostOutcome]:
    """Record that a person has seen that a host is powered off. A host that answers refutes them."""
    looks = yield from do(LookAt((host.name,)))
    look = looks[host.name]
    if shows_life(look):
        how = look.says if isinstance(look, Silence) else "it takes logins"
        return HostOutcome(host.name, False, f"{host.name} is not powered off: {how}. Nothing was recorded.")
    lasts = run.inventory.settings.statement_age_s
    now = yield from do(Now())
    yield from do(RecordStatement(host.name, reason, now + lasts))
    message = (
        f"recorded: {host.name} is powered off. It holds for {lasts / 60:.0f} minutes, or until {host.name} is back."
    )
    return HostOutcome(host.name, True, message)


def rejoin(run: Run, host: Host) -> Story[HostOutcome]:
    """Take a fenced host back: nothing left over there, no stale definition, then the storage fence is lifted."""
    memory = yield from do(Recall())
    looks = yield from do(LookAt((host.name,)))
    look = looks[host.name]
    if isinstance(look, Silence):
        return HostOutcome(host.name, False, f"{host.name} does not answer: {look.says}", ("bring it up first",))
    if not isinstance(look, HostLook):
        return HostOutcome(host.name, False, f"nobody can look into {host.name}: {look.says}")
    if look.libvirt is not Libvirt.OK:
        return HostOutcome(host.name, False, f"libvirt on {host.name}: {look.libvirt.value}", ("start libvirtd there",))
    leftovers, stale = [], []
    for vm in run.inventory.vms.values():
        record = memory.records.get(vm.uuid) or unseen(vm.uuid, vm.host)
        if record.state is VmState.RUNNING and record.host == host.name:
            continue
        if look.runs(vm.uuid):
            leftovers.append(vm)
        elif vm.uuid in look.defined and record.host is not None:
            stale.append(vm)
    if leftovers:
        ways = tuple(f"'hafence fence {vm.name} --host {host.name}'" for vm in leftovers)
        names = ", ".join(vm.name for vm in leftovers)
        return HostOutcome(host.name, False, f"{host.name} still runs {names}, recorded elsewhere", ways)
    if stale:
        ways = tuple(f"on {host.name}: 'virsh undefine {vm.uuid}'" for vm in stale)
        names = ", ".join(vm.name for vm in stale)
        return HostOutcome(host.name, False, f"{host.name} still defines {names}, which run elsewhere", ways)
    return (yield from _take_back(run, host, look))


def _take_back(run: Run, host: Host, look: HostLook) -> Story[HostOutcome]:
    if not run.yes and (yield from do(Ask(f"{host.name} is clean. Take it back?"))) is not Answer.YES:
        return HostOutcome(host.name, False, f"{host.name} is clean and stays in quarantine", ("use --yes",))
    lifted = yield from do(LiftStorageFence(host.name))
    if lifted.startswith("failed"):
        return HostOutcome(host.name, False, f"the storage fence of {host.name} could not be lifted: {lifted}")
    yield from do(LiftQuarantine(host.name, look.machine_id))
    return HostOutcome(host.name, True, f"{host.name} is taken back" + (f"; {lifted}" if lifted else ""))
