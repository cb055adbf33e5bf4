"""What runs on hosts: the fence, start and settle scripts, by the contract in `effects/` and `core/replies.py`.

A script is sent once and then lives on the host: it goes on when its session is cut or the admin node that
sent it is gone. What keeps a late one from doing harm is in the script itself: the deadline, the lock on the
target, and the ticket.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..core.attempts import FenceOrder
from ..core.marks import Claim, Mark
from ..core.model import HostName, Uuid
from ..core.owners import UnitStop, owner_words
from ..core.replies import STATUS_ALIVE, STATUS_DEAD, STATUS_UNKNOWN, wrong_machine
from ..core.starts import StartOrder, StartResult
from ..core.whys import ANOTHER_STORE, DISKS_DIFFER, another_store, sentence
from ..core.wire import PROTOCOL, Hello
from .hosts import Qemu, SimHost
from .kernel import Act
from .late_writes import LEFT_BEHIND, bring_to_an_end, left_on
from .libvirt import Answer, answer_of, brings_back, forget
from .managers import UNIT, begin_start, owner_of, stop_units
from .world import EPOCH, World

HELD = "another-program-writes-to-its-disk"
SCAN_S = 0.03
DESTROY_S = 0.25
HUNG_VIRSH_S = 2.0
"""How long a script waits for a virsh that does not answer."""
KILLED_S = 0.2
"""How long after SIGKILL a script looks whether it worked."""
START_S = 0.7
POLL_S = 1.0
SPARE_S = 0.5
"""What the kill leaves of the time beside the settle time, for the two looks."""


NOTHING: Mapping[Uuid, int] = MappingProxyType({})


class Printed(NamedTuple):
    """What a script printed, its exit status, and, for the oracle, what lived when it looked last."""

    stdout: str
    status: int
    looked_at: float
    living: frozenset[Uuid]
    disks: Mapping[Uuid, int] = NOTHING
    """The generation of the disks to which a process wrote that it met, of each VM of which it met one."""


class Settled(NamedTuple):
    """What a start or settle script found, in the script's words."""

    result: StartResult
    says: str


def clock(world: World, host: SimHost) -> float:
    """The host's own clock, in seconds since the epoch."""
    return EPOCH + world.now + host.clock_offset_s


class Leftovers(NamedTuple):
    """What became of one VM's leftovers."""

    verdict: str
    found: int
    killed: int
    state: str = ""
    why: str = ""
    reset: int = 0


def fence_script(
    world: World, host: SimHost, order: FenceOrder, nonce: str, until: float, named: Mapping[Uuid, int]
) -> Act[Printed]:
    """Find, destroy, kill, and look twice. After `until` (the world's time) nothing is killed any more. `named`: the
    generation of disks which the definition names from which each VM would be started."""
    known = Hello(clock(world, host), host.machine_id, host.boot_id)
    who = f"machine={known.machine_id} host={host.name} boot={known.boot_id}"
    hello = f"{PROTOCOL} {nonce} hello clock={known.clock:.3f} {who}"
    yield SCAN_S
    world.touch(host.name)
    if wrong_machine(order, known) is not None:
        return Printed(hello + "\n", STATUS_UNKNOWN, world.now, frozenset(order.vms))  # it was told to end
    marks = {vm: _anothers_mark(world, host, order.claim, vm) for vm in order.vms}
    barred = {vm for vm, mark in marks.items() if _bars(order.claim, mark)}
    disks = {vm: max(qemu.disks for qemu in host.living(vm)) for vm in order.vms if host.living(vm)}
    newer = [vm for vm in disks if any(qemu.disks != named[vm] for qemu in host.living(vm))]
    spared = {vm: host.found(vm) for vm in newer if order.starts and vm not in barred}
    first = {vm: host.found(vm) for vm in order.vms if vm not in barred and vm not in spared}
    if not order.rehearse and world.now < until:
        for vm in (*first, *spared):
            _leave_mark(world, host, order.claim, vm)
            host.permits.discard(vm)
    stop = UnitStop.FORETOLD if order.rehearse else UnitStop.STOPPED if world.now < until else UnitStop.FAILED
    owners = {vm: owner_of(world.name_of(vm), living, stop) for vm, living in first.items()}
    if order.rehearse:
        ends = {vm: _rehearsed(host, vm, living) for vm, living in first.items()}
    elif world.now >= until:
        ends = {vm: _judged(host, vm, living, set(), "deadline-passed") for vm, living in first.items()}
    else:
        ends = yield from _end_leftovers(world, host, order, until, first)
    lines = [hello]
    ends |= dict.fromkeys(barred, Leftovers("unknown", 0, 0, "", ANOTHER_STORE))
    ends |= {vm: Leftovers("alive", len(living), 0, "", DISKS_DIFFER) for vm, living in spared.items()}
    for vm, (verdict, found, killed, state, why, reset) in ends.items():
        seen = "" if vm in barred else found  # one that is left to another store is not searched for
        facts = f"found={seen} killed={killed} zombie=0 destroy=none autostart=off state={state} why={why}"
        aside = {} if vm in barred or vm in spared else _set_aside(world, host, order, vm, verdict, until)
        ended = {"reset": str(reset)} if reset else {}
        ended |= {"differs": "newer.qcow2"} if vm in spared else {}
        about = {**aside, **ended, **(owner_words(owners[vm]) if vm in owners else {}), **_about(marks[vm])}
        facts += "".join(f" {key}={value}" for key, value in about.items())
        lines.append(f"{PROTOCOL} {nonce} vm {vm} {verdict} {facts}")
    lines.append(f"{PROTOCOL} {nonce} end vms={len(order.vms)}\n")
    words = {each.verdict for each in ends.values()}
    status = STATUS_UNKNOWN if "unknown" in words else STATUS_ALIVE if "alive" in words else STATUS_DEAD
    living = frozenset(vm for vm in order.vms if vm in barred or _may_still_write(world, host, vm))
    return Printed("\n".join(lines), status, world.now, living, disks)


def _may_still_write(world: World, host: SimHost, vm: Uuid) -> bool:
    return bool(host.living(vm)) or vm in host.jobs or any(left_on(world, host, vm))


def _set_aside(world: World, host: SimHost, order: FenceOrder, vm: Uuid, verdict: str, until: float) -> dict[str, str]:
    """What becomes of a VM's saved image, of its entry in the list of libvirt-guests and of its definition, in the
    script's words."""
    is_aside = forget(host, vm) if order.aside and not order.watch and verdict == "dead" else None
    definition = {} if is_aside is None else {"definition": "aside" if is_aside else "kept"}
    return {**_saved_aside(world, host, order, vm, verdict, until), **definition}


def _saved_aside(
    world: World, host: SimHost, order: FenceOrder, vm: Uuid, verdict: str, until: float
) -> dict[str, str]:
    if vm not in host.saved:
        return {}
    if order.rehearse or verdict != "dead":
        return {"saved": "on", "guests": "on"}
    if world.now >= until:
        return {"saved": "failed", "guests": "failed"}
    host.saved.discard(vm)
    return {"saved": "aside", "guests": "out"}


def _anothers_mark(world: World, host: SimHost, claim: Claim | None, vm: Uuid) -> Mark | None:
    """Another store's mark on a VM, where there is one and an order with a claim meets it."""
    store, run, at = host.marks.get(vm, ("", "", 0.0))
    if claim is None or store in ("", claim.store):
        return None
    return Mark(store, run, world.now - at)


def _bars(claim: Claim | None, mark: Mark | None) -> bool:
    return claim is not None and mark is not None and claim.is_barred_by(mark)


def _about(mark: Mark | None) -> dict[str, str]:
    return {} if mark is None else mark.about


def _leave_mark(world: World, host: SimHost, claim: Claim | None, vm: Uuid) -> None:
    if claim is not None:
        host.marks[vm] = (claim.store, claim.run, world.now)


def _rehearsed(host: SimHost, vm: Uuid, living: list[Qemu]) -> Leftovers:
    if not living:
        why = _in_the_way(host, vm, living)
        return Leftovers("unknown" if why else "dead", 0, 0, "", why)
    why = brings_back(host, vm, living) if answer_of(host) is Answer.SILENT else ""
    if why := why or (HELD if host.is_held(vm) else ""):
        return Leftovers("unknown", len(living), 0, living[0].state, why)  # as it would be after the kill
    return Leftovers("alive", len(living), 0, living[0].state, "rehearsal")


def _in_the_way(host: SimHost, vm: Uuid, known: list[Qemu]) -> str:
    """Why a VM of which no process lives any more is not gone from here for good, in the scripts' word, or ''."""
    if host.is_in_doubt(vm):
        return "a-program-bears-its-uuid"
    why = "a-start-is-under-way" if vm in host.locks else brings_back(host, vm, known)
    return why or (HELD if host.is_held(vm) else "")


def _end_leftovers(
    world: World, host: SimHost, order: FenceOrder, until: float, first: dict[Uuid, list[Qemu]]
) -> Act[dict[Uuid, Leftovers]]:
    host.autostart.difference_update(first)
    answers = answer_of(host) is Answer.ANSWERS
    if answers:
        for vm in first:
            if vm in host.jobs and not host.jobs[vm].slow:
                del host.jobs[vm]  # libvirt gives up a start that it is asked to destroy
    sent: set[int] = set()
    leftovers = [qemu for living in first.values() for qemu in living]
    if leftovers:
        if world.now < until:
            stop_units(world, host, leftovers)
        yield DESTROY_S if answers else HUNG_VIRSH_S
        world.touch(host.name)
    while any(qemu.alive for qemu in leftovers):
        for qemu in leftovers:
            if qemu.alive and qemu.pid not in sent and world.now < until:
                sent.add(qemu.pid)
                world.say(host.name, f"SIGKILL to qemu {qemu.pid} of {world.name_of(qemu.vm)}")
                asked = qemu.manager == UNIT or (answer_of(host) is Answer.ANSWERS and not qemu.stray)
                world.kill(qemu, by_libvirt=asked)
        if world.now >= until - order.settle_s - SPARE_S:
            break
        yield KILLED_S if not any(qemu.alive for qemu in leftovers) else POLL_S
        world.touch(host.name)
    fresh = _fresh(host, first)
    yield order.settle_s
    world.touch(host.name)
    resets = yield from _settle_writes(world, host, first, until)
    fresh |= _fresh(host, first)
    ends = {}
    for vm, living in first.items():
        judged = _judged(host, vm, living, sent, "", vm in fresh, _left_under_way(world, host, vm))
        ends[vm] = judged._replace(reset=resets[vm])
    return ends


def _settle_writes(world: World, host: SimHost, vms: Iterable[Uuid], until: float) -> Act[dict[Uuid, int]]:
    """Flush and reset what the dead have under way, until nothing is, or no time is left. How many were reset."""
    resets = dict.fromkeys(vms, 0)
    while True:
        for vm in resets:
            if world.now < until:
                resets[vm] += bring_to_an_end(world, host, vm)
        if world.now >= until - SPARE_S or not any(_left_under_way(world, host, vm) for vm in resets):
            return resets
        yield POLL_S
        world.touch(host.name)


def _left_under_way(world: World, host: SimHost, vm: Uuid) -> str:
    """Why a write of the VM's dead may still land, in the script's word, or ''."""
    return next((LEFT_BEHIND[late.kind] for late in left_on(world, host, vm)), "")


def _fresh(host: SimHost, first: dict[Uuid, list[Qemu]]) -> set[Uuid]:
    """The VMs of which a qemu lives that was not there at first: somebody starts it again."""
    return {vm for vm, known in first.items() if any(qemu not in known for qemu in host.found(vm))}


def _judged(
    host: SimHost, vm: Uuid, known: list[Qemu], sent: set[int], why: str, fresh: bool = False, under_way: str = ""
) -> Leftovers:
    survivors = [qemu for qemu in known if qemu.alive]
    killed = sum(1 for qemu in known if not qemu.alive)
    if fresh:
        return Leftovers("alive", len(known), killed, "", "respawned")
    if survivors:
        said = "survived-sigkill" if survivors[0].pid in sent else "not-killed"
        return Leftovers("alive", len(known), killed, survivors[0].state, said)
    if why:
        return Leftovers("unknown", len(known), killed, "", why)
    if why := _in_the_way(host, vm, known) or under_way:
        return Leftovers("unknown", len(known), killed, "", why)
    return Leftovers("dead", len(known), killed)


def start_script(world: World, host: SimHost, order: StartOrder, by: str, until: float, disks: int) -> Act[Settled]:
    """Start a VM under the target's lock, if neither `until` (the world's time) nor a higher ticket forbids it.
    `disks`: the generation that its definition names."""
    if host.lacks == "flock":
        return _look(host, order.vm) or Settled(StartResult.CLEAN, "it lacks flock")
    end = world.now + order.within_s
    mark = _anothers_mark(world, host, order.claim, order.vm)
    if _bars(order.claim, mark):
        world.say(
            host.name, f"the start of {world.name_of(order.vm)} by {by} does nothing: another store's run was here"
        )
        return Settled(StartResult.BARRED, sentence(ANOTHER_STORE, _about(mark)))
    _leave_mark(world, host, order.claim, order.vm)
    lock = yield from _lock(world, host, order.vm, end)
    if lock is None:
        return Settled(
            StartResult.UNKNOWN, "another start of the VM is still under way there" + another_store(_about(mark))
        )
    came_to = yield from _start_locked(world, host, order, by, until, lock, disks)
    _unlock(host, order.vm, lock)
    return came_to._replace(says=came_to.says + another_store(_about(mark)))


def is_refused(world: World, host: SimHost, order: StartOrder) -> bool:
    """Whether a start that arrives now does nothing: it is for another boot of its target, or a later run, or another
    store's, was there."""
    if _bars(order.claim, _anothers_mark(world, host, order.claim, order.vm)):
        return True
    return not _is_for_this_boot(world, host, order) or _was_superseded(host, order, "start")


def _is_for_this_boot(world: World, host: SimHost, order: StartOrder) -> bool:
    """Whether a start is for the boot in which its target is. Only of KVM hosts, which are looked into, it is known."""
    return order.boot_id == host.boot_id or not world.inventory.cluster_of(HostName(host.name)).is_kvm


def _start_locked(
    world: World, host: SimHost, order: StartOrder, by: str, until: float, lock: object, disks: int
) -> Act[Settled]:
    name = world.name_of(order.vm)
    if not _is_for_this_boot(world, host, order):
        world.say(
            host.name, f"the start of {name} by {by} does nothing: {host.name} has booted since it was looked into"
        )
        return _look(host, order.vm) or Settled(StartResult.CLEAN, "it has booted since it was looked into")
    if not _take_ticket(host, order, "start"):
        world.say(host.name, f"the start of {name} by {by} does nothing: a later run was here")
        return Settled(StartResult.UNKNOWN, "a newer run has been at it there")
    host.permits.add(order.vm)
    seen = _look(host, order.vm)
    if seen is not None:
        return seen
    if answer_of(host) is not Answer.ANSWERS:
        yield HUNG_VIRSH_S
        return _look(host, order.vm) or Settled(StartResult.CLEAN, "libvirt does not answer")
    if world.now >= until:
        world.say(host.name, f"the start of {name} by {by} comes too late and does nothing")
        return Settled(StartResult.CLEAN, "the time allowed for the start had passed before libvirt was asked")
    job = begin_start(world, host, order.vm, by, host.start_fault == "slow", disks)
    while host.jobs.get(order.vm) is job:
        if world.now >= until:
            job.lock = lock
            return Settled(StartResult.UNKNOWN, "libvirt had not finished the start in time")
        yield START_S if host.start_fault != "slow" else POLL_S
        world.touch(host.name)
    return _look(host, order.vm) or Settled(StartResult.CLEAN, "libvirt could not start it")


def settle_script(world: World, host: SimHost, order: StartOrder, until: float) -> Act[Settled]:
    """Wait for the lock, raise the ticket, look."""
    if host.lacks == "flock":
        return Settled(StartResult.UNKNOWN, "it lacks flock")
    mark = _anothers_mark(world, host, order.claim, order.vm)
    if _bars(order.claim, mark):
        return Settled(StartResult.UNKNOWN, sentence(ANOTHER_STORE, _about(mark)))
    _leave_mark(world, host, order.claim, order.vm)
    lock = yield from _lock(world, host, order.vm, world.now + order.within_s)
    if lock is None:
        return Settled(StartResult.UNKNOWN, "another start of the VM is still under way there")
    came_to = yield from _settle_locked(world, host, order, until)
    _unlock(host, order.vm, lock)
    return came_to


def _settle_locked(world: World, host: SimHost, order: StartOrder, until: float) -> Act[Settled]:
    if not _take_ticket(host, order, "settle"):
        return Settled(StartResult.UNKNOWN, "a newer run has been at it there")
    host.permits.discard(order.vm)
    yield SCAN_S
    world.touch(host.name)
    while order.vm in host.jobs and not host.found(order.vm) and world.now < until:
        yield POLL_S
        world.touch(host.name)
    if (seen := _look(host, order.vm)) is not None:
        return seen
    if brings_back(host, order.vm, ()):
        return Settled(StartResult.UNKNOWN, "libvirt does not answer")
    return Settled(StartResult.CLEAN, "no copy of it is there and no start is under way")


def _was_superseded(host: SimHost, order: StartOrder, kind: str) -> bool:
    """Whether a later run has been here. A start is also refused where a settle of the same ticket has been."""
    seen, seen_kind = host.tickets.get(order.vm, (-1, ""))
    return seen > order.ticket or (seen == order.ticket and (seen_kind, kind) == ("settle", "start"))


def _take_ticket(host: SimHost, order: StartOrder, kind: str) -> bool:
    """Leave the ticket on the host. False if a later run has been here."""
    if _was_superseded(host, order, kind):
        return False
    host.tickets[order.vm] = (order.ticket, kind)
    return True


def _lock(world: World, host: SimHost, vm: Uuid, end: float) -> Act[object | None]:
    """Wait for the lock on a VM on this host; None when `end` comes first."""
    yield SCAN_S
    world.touch(host.name)
    while vm in host.locks:
        if world.now >= end:
            return None
        yield POLL_S
        world.touch(host.name)
    lock = object()
    host.locks[vm] = lock
    return lock


def _unlock(host: SimHost, vm: Uuid, lock: object) -> None:
    job = host.jobs.get(vm)
    if host.locks.get(vm) is lock and (job is None or job.lock is not lock):
        del host.locks[vm]


def _look(host: SimHost, vm: Uuid) -> Settled | None:
    """A living qemu, or a start in libvirt's hands; None when there is neither."""
    if host.found(vm):
        return Settled(StartResult.RUNNING, "it runs there")
    if host.is_in_doubt(vm):
        return Settled(StartResult.UNKNOWN, "a program there bears its UUID")
    if vm in host.jobs:
        return Settled(StartResult.UNKNOWN, "libvirt calls the VM active, and no process of it is seen")
    return None
