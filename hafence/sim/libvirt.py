"""A simulated host's libvirt: whether it answers, and what its answer, or its silence, means for a VM.

The rule is the host scripts' (adapters/hosts/scripts/absence.sh), which is shell and can't be run here; the conformance
tests play every fault of libvirt in both worlds and compare what is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from ..core.backing import Backing, FileBacking
from ..core.looks import Libvirt
from ..core.model import Uuid
from ..core.needs import Lack, Lacking, Need, NeedKind
from .hosts import Qemu, SimHost


class Answer(Enum):
    """What a script that asks libvirt meets."""

    ANSWERS = "answers"
    SILENT = "silent"
    """It does not answer, or there is no virsh to ask a daemon that lives."""
    DOWN = "down"
    ABSENT = "absent"


_DISK = Need(NeedKind.WRITE, "/srv/images/vm.img", is_written=True)
_NETWORK = Need(NeedKind.NETWORK, "prod")
NEEDS = (_DISK, _NETWORK)
"""What each VM's definition names."""
LACKS = {"": (), "disk": (Lack(_DISK, Lacking.MISSING),), "network": (Lack(_NETWORK, Lacking.MISSING),)}
"""What a look says of a host that wants something."""
BACKINGS: dict[str, dict[Need, Backing]] = {
    "off": {_DISK: FileBacking("nfs", "0", 4711)},
    "on": {_DISK: FileBacking("ext2/ext3", "d7097545604aef04", 12)},
}
"""What it says of the VM's disk, by whether the host has one of its own."""


def has_virsh(host: SimHost) -> bool:
    """Whether virsh is installed."""
    return host.lacks != "virsh" and host.libvirtd != "absent"


def answer_of(host: SimHost) -> Answer:
    """What a script that asks libvirt meets on a host."""
    if host.libvirtd in ("gone", "absent"):
        return Answer.DOWN if has_virsh(host) else Answer.ABSENT
    return Answer.ANSWERS if host.libvirtd == "ok" and has_virsh(host) else Answer.SILENT


def is_busy(host: SimHost) -> bool:
    """Whether a domain's lock is held for so long that `virsh list` waits in vain: by a start in a hook, or by the
    destruction of a process that does not end."""
    return any(job.slow for job in host.jobs.values()) or any(q.kill_pending and not q.stray for q in host.qemus)


def seen_in(host: SimHost) -> Libvirt:
    """How a look finds libvirt."""
    answer = answer_of(host)
    if answer is Answer.SILENT:
        return Libvirt.HUNG if has_virsh(host) else Libvirt.FAILED
    if answer is Answer.ANSWERS:
        return Libvirt.BUSY if is_busy(host) else Libvirt.OK
    return Libvirt.DOWN if answer is Answer.DOWN else Libvirt.ABSENT


def brings_back(host: SimHost, vm: Uuid, known: Sequence[Qemu]) -> str:
    """Why libvirt may still bring a copy of a VM of which no process lives, in the scripts' word, or ''.

    `known` are the processes that were found at first. Where libvirt does not answer, only one that was its own, and
    that nobody is connected to it, clears the VM.
    """
    answer = answer_of(host)
    if answer is Answer.ANSWERS:
        if vm not in host.jobs:
            return ""
        return "libvirt-is-busy-with-it" if host.jobs[vm].slow else "being-started"
    if answer is not Answer.SILENT:
        return ""
    if all(qemu.stray for qemu in known):
        return "libvirt-does-not-answer" if has_virsh(host) else "libvirt-cannot-be-asked"
    if not host.jobs:
        return ""
    return "libvirt-may-still-start-it" if has_virsh(host) else "libvirt-cannot-be-asked"


def forget(host: SimHost, vm: Uuid) -> bool | None:
    """What becomes of a VM's definition that is to be set aside: whether it was; None without one."""
    if vm not in host.defined:
        return None
    if answer_of(host) is not Answer.ANSWERS:
        return False
    host.defined.discard(vm)
    host.aside.add(vm)
    return True


def know_again(host: SimHost, vms: Sequence[Uuid]) -> frozenset[Uuid]:
    """The VMs whose definitions are given back."""
    back = frozenset(vm for vm in vms if vm in host.aside) if answer_of(host) is Answer.ANSWERS else frozenset[Uuid]()
    host.aside -= back
    host.defined |= back
    return back
