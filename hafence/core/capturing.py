"""From which host a running VM's definition may be captured: only from the one copy that is certainly the VM.

A capture decides from which disks the VM is started one day. One that was taken from a second copy, or from a process
that somebody has left behind, would name the wrong ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from .captures import Capture, NotFetched
from .looks import HostLook, Look, copies_of
from .model import HostName, Uuid
from .record import VmRecord, VmState
from .risks import listed


class Why(Enum):
    """Why a VM was not captured: stable words."""

    NOT_RUNNING = "not_running"
    """It runs on no host that answers."""
    SILENT = "silent"
    """Nobody can say whether it runs where it is recorded."""
    TWO_COPIES = "two_copies"
    STARTING = "starting"
    """A start of it is under way, or was left in flight."""
    NOT_FETCHED = "not_fetched"


@dataclass(frozen=True, slots=True)
class Captured:
    """What came of the capture of one VM: `capture`, or `why` not."""

    vm: Uuid
    name: str
    capture: Capture | None = None
    why: Why | None = None
    about: str = ""

    @property
    def says(self) -> str:
        """In words, behind the VM's name."""
        if self.capture is not None:
            return f"captured on {self.capture.host}"
        assert self.why is not None, "captured, or not for a reason"
        return _SAYS[self.why].format(self.about)

    @property
    def is_bad(self) -> bool:
        """Whether it runs and could not be captured: whoever asked for all that run has not got it."""
        return self.capture is None and self.why is not Why.NOT_RUNNING


_SAYS = {
    Why.NOT_RUNNING: "not captured: it runs on no host that answers",
    Why.SILENT: "not captured: nobody could look into {}, where it is recorded",
    Why.TWO_COPIES: "not captured: copies of it are on {}; see 'hafence audit'",
    Why.STARTING: "not captured: a start of it is under way on {}",
    Why.NOT_FETCHED: "not captured: {}",
}


def where_to_capture(
    record: VmRecord, looks: Mapping[HostName, Look], harmless: Collection[HostName]
) -> HostName | tuple[Why, str]:
    """The host to ask, or why none. `harmless`: hosts on which an old process is that is kept from the disks."""
    copies = {name: number for name, number in copies_of(record.uuid, looks).items() if name not in harmless}
    if len(copies) > 1 or sum(copies.values()) > 1:
        return Why.TWO_COPIES, listed(list(copies))
    if record.state is VmState.STARTING:
        return Why.STARTING, str(record.host)
    home = record.host
    if home is not None and home not in copies:
        look = looks.get(home)
        if not isinstance(look, HostLook) or not look.lacks(record.uuid):
            return Why.SILENT, home
    return next(iter(copies)) if copies else (Why.NOT_RUNNING, "")


def captured(vm: Uuid, name: str, host: HostName, fetched: Capture | NotFetched) -> Captured:
    """What came of asking the host."""
    if isinstance(fetched, Capture):
        return Captured(vm, name, fetched)
    return Captured(vm, name, None, Why.NOT_FETCHED, f"{host} {fetched.says}")


def news(fetched: Iterable[Capture], kept: Iterable[Capture]) -> tuple[Capture, ...]:
    """Of what was fetched what the store does not know yet: another definition, or one beside another of the
    inventory's, which would not count. That a VM was seen on another host is none."""
    known = {each.vm: (each.digest, each.beside) for each in kept}
    return tuple(each for each in fetched if known.get(each.vm) != (each.digest, each.beside))
