"""What `rejoin` gives back of what a fence had set aside on a host: definitions of VMs that still belong there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .looks import HostLook
from .model import Uuid
from .record import VmRecord


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The VMs that libvirt on the host knows again, each seen to be; and why not all, in words, where that is known."""

    vms: frozenset[Uuid]
    says: str = ""


def to_give_back(look: HostLook, records: Iterable[VmRecord]) -> tuple[Uuid, ...]:
    """The VMs whose definition was set aside on the host, and that are recorded on no other: stopped since, or there.

    One that runs elsewhere would be started here beside its new copy. A saved image is not given back: it is memory of
    before the fence, and nobody can say that the VM's disks are as they were then.
    """
    belong = (record for record in records if record.host in (None, look.host) and record.suspect == look.host)
    return tuple(sorted(record.uuid for record in belong if record.uuid in look.aside))
