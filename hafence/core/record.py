"""What is recorded of a VM, and the only steps a record may take.

    running@A ──mark_stopped──► stopped, last A ──mark_starting──► starting@B, last A ──mark_running──► running@B
         ▲                           ▲   │                               │
         └────────── restore ────────┼───┘◄────────── mark_clean ────────┘

Each step is a compare-and-set on the record's revision, made under the run's lease, and is in the store
before its effect begins. So a run killed anywhere leaves either a record that is true, or `starting@B`,
which tells the next run the one host on which a start may be in flight.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from .looks import HostLook, Look
from .model import HostName, Uuid, Vm
from .reasons import PROOFS, Reason


class VmState(Enum):
    """The state of a VM's record."""

    RUNNING = "running"
    STOPPED = "stopped"
    STARTING = "starting"


@dataclass(frozen=True, slots=True)
class ShutOut:
    """A host whose whole address was observed to be kept from the VM's disks, while a process of the VM may live there.

    It counts until `until` (seconds since the epoch), before which no entry of the storage fence ends, and as long as
    the host is in quarantine: `rejoin` lifts the entries. A fence of single clients is not enough to stand here: a
    process that is started there later is another client.
    """

    host: HostName
    until: float


@dataclass(frozen=True, slots=True)
class VmRecord:
    """One VM in the store. `revision` 0 means not stored yet: the inventory's word is all there is.

    `host` is where it runs (RUNNING) or may be starting (STARTING); `last_host` is the suspect of a
    VM that does not run. `grounds` is why a VM that does not run was allowed to start; a failed start leaves
    it stopped after a proof, and puts it back after silence. `ticket` orders the start scripts on a
    target: one with a lower ticket than the target has seen does nothing. `started_at` is when a run
    last saw its own start succeed (seconds since the epoch). `shut_out` are the hosts with a leftover that
    only a storage fence keeps from writing. `unproven` are the hosts that the VM was taken from without a proof (on
    silence, or a person's word), and into which nobody has looked since: a copy may live there to this day, however
    well the hosts after them are proved.
    """

    uuid: Uuid
    state: VmState
    host: HostName | None
    last_host: HostName | None
    revision: int = 0
    run: str | None = None
    ticket: int = 0
    grounds: Reason | None = None
    started_at: float | None = None
    shut_out: tuple[ShutOut, ...] = ()
    unproven: tuple[HostName, ...] = ()

    @property
    def proven_dead(self) -> bool:
        """Whether the stop stands on a proof and not on silence."""
        return self.grounds in PROOFS

    @property
    def suspect(self) -> HostName:
        """The host believed to hold the VM's leftover qemu."""
        suspect = self.host if self.state is VmState.RUNNING else self.last_host
        assert suspect is not None, "checked when the record was read"
        return suspect

    @property
    def words(self) -> str:
        """The record for people."""
        if self.state is VmState.RUNNING:
            return f"running on {self.host}"
        if self.state is VmState.STOPPED:
            return f"stopped (last on {self.last_host})"
        return f"being started on {self.host} (last on {self.last_host})"


def unseen(uuid: Uuid, home: HostName) -> VmRecord:
    """The record of a VM that no run has touched: it runs where the inventory says."""
    return VmRecord(uuid, VmState.RUNNING, home, None)


def record_of(vm: Vm, records: Mapping[Uuid, VmRecord]) -> VmRecord:
    """What is recorded of a VM, or else what the inventory says."""
    return records.get(vm.uuid) or unseen(vm.uuid, vm.host)


def mark_stopped(record: VmRecord, run: str, grounds: Reason, shut_out_until: float | None = None) -> VmRecord:
    """After the fence, before any start. `shut_out_until`: how long a whole suspect is kept from the disks at least."""
    others = tuple(each for each in record.shut_out if each.host != record.suspect)
    new = (ShutOut(record.suspect, shut_out_until),) if shut_out_until is not None else ()
    return replace(
        record,
        state=VmState.STOPPED,
        host=None,
        last_host=record.suspect,
        run=run,
        grounds=grounds,
        shut_out=(*others, *new),
        unproven=(*_without(record, record.suspect), *(() if grounds in PROOFS else (record.suspect,))),
    )


def mark_starting(record: VmRecord, target: HostName, run: str, ticket: int) -> VmRecord:
    """Right before a start is sent to `target`."""
    assert record.state is VmState.STOPPED, "only a VM marked stopped may be started"
    return replace(record, state=VmState.STARTING, host=target, run=run, ticket=ticket)


def mark_clean(record: VmRecord) -> VmRecord:
    """After a start on `record.host` was proven to have left nothing there."""
    assert record.state is VmState.STARTING, "only a start can be found to have failed"
    assert record.host is not None, "a start has a target"
    return replace(record, state=VmState.STOPPED, host=None, unproven=_without(record, record.host))


def mark_running(record: VmRecord, host: HostName, run: str, at: float | None) -> VmRecord:
    """After the VM was seen running on `host`. `at` is None where it was found there and not started."""
    return replace(
        record,
        state=VmState.RUNNING,
        host=host,
        last_host=record.suspect if record.suspect != host else record.last_host,
        run=run,
        grounds=None,
        started_at=at,
        shut_out=tuple(each for each in record.shut_out if each.host != host),
        unproven=_without(record, host),
    )


def restore(record: VmRecord) -> VmRecord:
    """Put a VM that was believed dead on silence alone back to where it was."""
    assert record.state is VmState.STOPPED, "a start in flight is settled first"
    return replace(
        record,
        state=VmState.RUNNING,
        host=record.last_host,
        last_host=None,
        grounds=None,
        unproven=_without(record, record.suspect),
    )


def looked_into(record: VmRecord, looks: Mapping[HostName, Look]) -> VmRecord:
    """The record once hosts were looked into: what was seen to have no copy is unproven no longer."""
    seen = {name for name, look in looks.items() if isinstance(look, HostLook) and look.lacks(record.uuid)}
    return replace(record, unproven=tuple(host for host in record.unproven if host not in seen))


def _without(record: VmRecord, host: HostName) -> tuple[HostName, ...]:
    return tuple(each for each in record.unproven if each != host)


def kept_from_writing(record: VmRecord, quarantine: Container[HostName], now: float) -> frozenset[HostName]:
    """The hosts on which a living process of the VM is no second copy: it was observed to be unable to write.

    A host that rejoined is trusted no more than any other, and no longer is a fence whose entries may have ended.
    """
    return frozenset(each.host for each in record.shut_out if each.host in quarantine and now < each.until)
