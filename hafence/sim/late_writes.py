"""Writes that outlive the process that made them, and land on its disks later: the kinds that a real host has.

    queue     bytes in the send queue of a connection to the storage: sent again and again until they pass, or reset
    request   a request that goes on without its process (io_uring), to a path that hangs: nothing ends it but its path
    cache     pages of a device that somebody else has open: flushed by whoever asks for it, or by the kernel, late

What lands after a newer copy has begun to write is as bad as a second writer, and is judged as one. A host that loses
power loses them all; the storage refuses them where it has shut their client out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..core.model import Uuid
from .hosts import Qemu, SimHost
from .kernel import Agenda
from .network import STORAGE, Network
from .storage import SimStorage

QUEUE, REQUEST, CACHE = "queue", "request", "cache"
KINDS = (QUEUE, REQUEST, CACHE)
LANDS_S = {QUEUE: 15.0, REQUEST: 5.0, CACHE: 18.0}
"""How much later what is under way lands once its way is free, at most: a kernel's next try (RFC 6298 doubles the pause
each time), and its flusher's (dirty_expire_centisecs)."""
LEFT_BEHIND = {
    QUEUE: "lacks-ss-for-bytes-on-their-way",
    REQUEST: "its-writes-are-in-flight",
    CACHE: "its-writes-are-still-being-flushed",
}
"""What the fence script says of one that it could not bring to its end."""


class LateWrite:
    """What a dead process has under way."""

    __slots__ = ("kind", "writer")

    def __init__(self, writer: Qemu, kind: str) -> None:
        self.writer = writer
        self.kind = kind


class Shore(Protocol):
    """What of the world is theirs: where they come from, and where they land."""

    agenda: Agenda
    network: Network
    storage: SimStorage
    late: list[LateWrite]
    begun: dict[Uuid, list[Qemu]]

    @property
    def now(self) -> float:
        """Seconds since the world began."""

    def say(self, who: str, text: str) -> None:
        """Put a line into the log."""

    def name_of(self, vm: Uuid) -> str:
        """A VM's name."""

    def keeps_out(self, qemu: Qemu) -> bool:
        """Whether the storage refuses what a process writes, living or dead."""

    def note_split(self, writers: list[Qemu], how: str) -> None:
        """Two copies have written to one disk, the older one last."""


def leave(world: Shore, qemu: Qemu, clean: bool) -> None:
    """A process has died. What passes at once has landed by now, and one that could close its images has flushed."""
    passes = _passes(world, qemu.host)
    under_way = not clean if qemu.leaves == CACHE else bool(qemu.leaves) and not passes
    if not under_way or not qemu.host.up:
        return
    late = LateWrite(qemu, qemu.leaves)
    world.late.append(late)
    world.say(qemu.host.name, f"what qemu {qemu.pid} wrote is under way ({late.kind})")
    if passes:
        _lands_later(world, late)


def ways_are_free(world: Shore) -> None:
    """Links or the storage have changed: what can get there lands later, unless that is prevented by then."""
    for late in world.late:
        if _passes(world, late.writer.host):
            _lands_later(world, late)


def left_on(world: Shore, host: SimHost, vm: Uuid) -> Iterator[LateWrite]:
    """What dead processes of a VM have under way on a host."""
    return (late for late in world.late if late.writer.host is host and late.writer.vm == vm)


def lose(world: Shore, host: SimHost) -> None:
    """A host's memory is gone."""
    world.late[:] = [late for late in world.late if late.writer.host is not host]


def bring_to_an_end(world: Shore, host: SimHost, vm: Uuid) -> int:
    """What the fence script does about a VM's: flush, and reset. How many connections were reset."""
    reset = 0
    for late in list(left_on(world, host, vm)):
        if late.kind == QUEUE and host.lacks != "ss":
            world.late.remove(late)
            world.say(host.name, f"resets the connection of qemu {late.writer.pid}: its last bytes never arrive")
            reset += 1
        elif late.kind == CACHE and _passes(world, host):
            _land(world, late)
    return reset


def _passes(world: Shore, host: SimHost) -> bool:
    return host.up and world.storage.up and world.network.passes(host.name, STORAGE)


def _lands_later(world: Shore, late: LateWrite) -> None:
    def arrive() -> None:
        if late in world.late and _passes(world, late.writer.host):
            _land(world, late)

    world.agenda.call_at(world.now + LANDS_S[late.kind], arrive)


def _land(world: Shore, late: LateWrite) -> None:
    world.late.remove(late)
    writer = late.writer
    if world.keeps_out(writer):
        world.say(STORAGE, f"refuses what qemu {writer.pid} of {writer.host.name} wrote")
        return
    world.say(writer.host.name, f"what qemu {writer.pid} wrote lands on the disk of {world.name_of(writer.vm)}")
    newer = [qemu for qemu in world.begun[writer.vm] if qemu.born_at > writer.born_at and not qemu.incoming]
    if newer:
        world.note_split([writer, newer[-1]], "have written, and a write of the older one has landed last")
