"""What people tell hafence about hosts: that one is powered off, or that one may be taken back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ..core.given_back import GivenBack, to_give_back
from ..core.left_behind import undefine_command
from ..core.looks import HostLook, Libvirt, Silence, shows_life
from ..core.model import Host, Uuid, Vm
from ..core.outcome import Exit
from ..core.record import VmRecord, VmState, record_of
from ..core.storage.results import NotKnown, StillThere
from ..core.stored import Busy, Lease, Recollection
from ..effects import (
    Answer,
    Ask,
    DropLease,
    GiveBack,
    Interrupted,
    LeaseLost,
    LiftQuarantine,
    LookAt,
    Now,
    Recall,
    RecordStatement,
    RenewLease,
    SpendStatement,
    StoreError,
    TakeLease,
    Workflow,
    do,
)
from .planned import tell_planned
from .storage_fence import lift_storage_fence
from .vm_run import Request


class HostReason(Enum):
    """Why `confirm-dead` or `rejoin` ended as it did: stable words."""

    STATED = "stated"
    TAKEN_BACK = "taken_back"
    ALIVE = "alive"
    SILENT = "silent"
    BLIND = "blind"
    LEFTOVERS = "leftovers"
    LIBVIRT = "libvirt"
    STALE_DEFINITIONS = "stale_definitions"
    NOT_AGREED = "not_agreed"
    STORAGE_FENCE = "storage_fence"
    BUSY = "busy"
    LEASE_LOST = "lease_lost"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """What came of `confirm-dead` or `rejoin`, and the sentence for people."""

    host: str
    reason: HostReason
    message: str
    ways_out: tuple[str, ...] = ()
    exit: Exit = Exit.REFUSED
    """Where it was not done."""

    @property
    def done(self) -> bool:
        """Whether the command did what it is for."""
        return self.reason in (HostReason.STATED, HostReason.TAKEN_BACK)


def confirm_dead(run: Request, host: Host, reason: str) -> Workflow[HostOutcome]:
    """Record that a person has seen that a host is powered off. A host that answers refutes them."""
    memory = yield from do(Recall())
    looks = yield from do(LookAt((host.name,)))
    look = looks[host.name]
    if shows_life(look):
        how = look.says if isinstance(look, Silence) else "it takes logins"
        if host.name in memory.statements:
            yield from do(SpendStatement(host.name, f"{host.name} was seen alive: {how}"))
        return HostOutcome(host.name, HostReason.ALIVE, f"{host.name} is not powered off: {how}. Nothing was recorded.")
    lasts = run.inventory.settings.statement_age_s
    now = yield from do(Now())
    yield from do(RecordStatement(host.name, reason, now + lasts))
    message = (
        f"recorded: {host.name} is powered off. It holds for {lasts / 60:.0f} minutes, or until {host.name} is back."
    )
    return HostOutcome(host.name, HostReason.STATED, message)


def rejoin(run: Request, host: Host) -> Workflow[HostOutcome]:
    """Take a fenced host back: nothing left over there, no stale definition, then the storage fence is lifted.

    Under the leases of all VMs whose suspect it is: lifting the fence while another run is about to start one of
    them elsewhere would let the old process write beside the new one.
    """
    held: list[Lease] = []
    try:
        memory = yield from do(Recall())
        yield from tell_planned(host, memory)
        busy = yield from _take_leases(run, host, memory, held)
        outcome = busy or (yield from _check_and_take_back(run, host, held))
    except Interrupted:
        outcome = HostOutcome(
            host.name, HostReason.INTERRUPTED, f"interrupted; {host.name} stays in quarantine", (), Exit.INTERRUPTED
        )
    except LeaseLost as why:
        message = f"this run lost a lease ({why}); {host.name} stays in quarantine"
        outcome = HostOutcome(host.name, HostReason.LEASE_LOST, message, ("run the command again",), Exit.BUSY)
    for lease in held:
        try:
            yield from do(DropLease(lease))
        except (LeaseLost, StoreError, Interrupted):
            continue  # it expires by itself
    return outcome


def _take_leases(run: Request, host: Host, memory: Recollection, held: list[Lease]) -> Workflow[HostOutcome | None]:
    for vm in sorted(run.inventory.vms.values(), key=lambda vm: vm.uuid):
        record = record_of(vm, memory.records)
        if host.name not in (record.suspect, record.host):
            continue
        taken = yield from do(TakeLease(vm.uuid, run.wait_s))
        if isinstance(taken, Busy):
            message = f"{vm.name} is being handled by {taken.holder} (run {taken.run}); {host.name} stays as it is"
            return HostOutcome(host.name, HostReason.BUSY, message, ("wait for it",), Exit.BUSY)
        held.append(taken)
    return None


def _check_and_take_back(run: Request, host: Host, held: list[Lease]) -> Workflow[HostOutcome]:
    """With the leases held: the records are read anew, since another run may just have changed them."""
    looks = yield from do(LookAt((host.name,)))
    look = looks[host.name]
    if isinstance(look, Silence):
        return HostOutcome(
            host.name, HostReason.SILENT, f"{host.name} does not answer: {look.says}", ("bring it up first",)
        )
    if not isinstance(look, HostLook):
        return HostOutcome(host.name, HostReason.BLIND, f"nobody can look into {host.name}: {look.says}")
    memory = yield from do(Recall())
    refusal = _left_there(
        host, look, {uuid: (vm, record_of(vm, memory.records)) for uuid, vm in run.inventory.vms.items()}
    )
    if refusal is not None:
        return refusal
    if not run.yes and (yield from do(Ask(f"{host.name} is clean. Take it back?"))) is not Answer.YES:
        return HostOutcome(
            host.name, HostReason.NOT_AGREED, f"{host.name} is clean and stays in quarantine", ("use --yes",)
        )
    for number, lease in enumerate(held):
        held[number] = yield from do(RenewLease(lease))
    not_after = min((lease.expires_at for lease in held), default=math.inf)
    lifted = yield from lift_storage_fence(run.inventory, host, not_after)
    if isinstance(lifted, NotKnown | StillThere):
        message = f"the storage fence of {host.name} could not be lifted: {lifted.says}"
        return HostOutcome(
            host.name, HostReason.STORAGE_FENCE, message, ("mend Ceph's command lines and run the command again",)
        )
    said = [f"{host.name} is taken back", *([lifted.says] if lifted is not None else [])]
    said += yield from _give_back(run, look, memory, not_after)
    yield from do(LiftQuarantine(host.name, look.machine_id))
    return HostOutcome(host.name, HostReason.TAKEN_BACK, "; ".join(said))


def _give_back(run: Request, look: HostLook, memory: Recollection, not_after: float) -> Workflow[list[str]]:
    """Give back what the fence had set aside, of the VMs that belong there: what came of it, in words."""
    vms = [vm for vm in run.inventory.vms.values() if vm.uuid in look.aside]
    back = to_give_back(look, (record_of(vm, memory.records) for vm in vms))
    given = (yield from do(GiveBack(look.host, back, not_after))) if back else GivenBack(frozenset())
    said = []
    if names := [vm.name for vm in vms if vm.uuid in given.vms]:
        said.append(f"libvirt there knows {', '.join(names)} again")
    if names := [vm.name for vm in vms if vm.uuid in back and vm.uuid not in given.vms]:
        said.append(f"the definition of {', '.join(names)} could not be given back: {given.says}")
    if names := [vm.name for vm in vms if vm.uuid not in back]:
        said.append(f"the definition of {', '.join(names)}, recorded elsewhere, stays set aside")
    return said


def _left_there(host: Host, look: HostLook, vms: Mapping[Uuid, tuple[Vm, VmRecord]]) -> HostOutcome | None:
    """The refusal where something of a VM is left that belongs elsewhere. Processes count whatever libvirt says."""
    leftovers: list[Vm] = []
    stale: list[Vm] = []
    for vm, record in vms.values():
        if record.state is VmState.RUNNING and record.host == host.name:
            continue
        if look.runs(vm.uuid):
            leftovers.append(vm)
        elif vm.uuid in look.defined and record.host is not None:
            stale.append(vm)
    if leftovers:
        ways = tuple(f"'hafence fence {vm.name} --host {host.name}'" for vm in leftovers)
        names = ", ".join(vm.name for vm in leftovers)
        return HostOutcome(host.name, HostReason.LEFTOVERS, f"{host.name} still runs {names}, recorded elsewhere", ways)
    if look.libvirt is not Libvirt.OK:
        return HostOutcome(
            host.name, HostReason.LIBVIRT, f"libvirt on {host.name}: {look.libvirt.value}", ("start libvirtd there",)
        )
    if stale:
        ways = tuple(f"on {host.name}: '{undefine_command(vm.uuid)}'" for vm in stale)
        names = ", ".join(vm.name for vm in stale)
        which = "which run elsewhere" if len(stale) > 1 else "which runs elsewhere"
        return HostOutcome(host.name, HostReason.STALE_DEFINITIONS, f"{host.name} still defines {names}, {which}", ways)
    return None
