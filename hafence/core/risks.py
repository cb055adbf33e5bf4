"""What a start leaves unproved: a kind and the hosts that it is about. The words are made when it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from .model import HostName
from .reasons import Reason


class RiskKind(Enum):
    """Stable words for what could not be proved."""

    SILENT_SUSPECT = "silent_suspect"
    MOVED_UNSEEN = "moved_unseen"
    NEVER_THERE = "never_there"
    LEFTOVER_LIVES = "leftover_lives"
    COMES_BACK = "comes_back"
    CANNOT_LOOK = "cannot_look"
    NOT_FENCED = "not_fenced"
    CAME_BACK = "came_back"
    OTHER_MANAGER = "other_manager"
    STILL_ARMED = "still_armed"
    LEFT_UNPROVEN = "left_unproven"
    STATE_MADE_ANEW = "state_made_anew"
    EDITED_SINCE = "edited_since"
    NOT_SHUT_OUT = "not_shut_out"


@dataclass(frozen=True, slots=True)
class Risk:
    """One risk. It is said whenever a start that bears it is told of."""

    kind: RiskKind
    hosts: tuple[HostName, ...]

    @property
    def says(self) -> str:
        """The risk in plain words."""
        return _SAYS[self.kind].format(hosts=listed(self.hosts))


_SAYS = {
    RiskKind.SILENT_SUSPECT: (
        "nobody could look into {hosts}; a qemu there that still reaches the storage would write to the same disks, and"
        " writes of one that has ended may be on their way to them"
    ),
    RiskKind.MOVED_UNSEEN: (
        "nobody could say of {hosts} that no copy is there (nobody could look, or libvirt did not answer); one that was"
        " moved or started there without hafence would write to the same disks"
    ),
    RiskKind.NEVER_THERE: (
        "nothing of the VM was found on {hosts}, and libvirt there has no definition of it: if it runs on a host that"
        " is not in the inventory, both copies would write to the same disks"
    ),
    RiskKind.LEFTOVER_LIVES: (
        "the VM's old process on {hosts} may live on: it can't write to the disks as long as the entries on"
        " the blocklist last ('hafence audit' finds those that end, 'hafence audit --renew' makes them last), but it"
        " keeps its network identity; a process that is started there anew is shut out only if the whole address is"
    ),
    RiskKind.COMES_BACK: (
        "the VM's definition may still be on {hosts}: when that is switched on again, a process that is"
        " started there anew (libvirt's autostart, another manager) would write to the same disks"
    ),
    RiskKind.CANNOT_LOOK: (
        "hafence can't look into this hypervisor: a copy of the VM that still runs on {hosts} would write to the same"
        " disks"
    ),
    RiskKind.NOT_FENCED: (
        "pre_fence is off: a copy of the VM that still runs on {hosts} would write to the same disks"
    ),
    RiskKind.CAME_BACK: (
        "something on {hosts} has started the VM there anew since it was fenced; that copy was ended at once, but what"
        " started it may do so again, and then both would write to the same disks"
    ),
    RiskKind.OTHER_MANAGER: (
        "what ran the VM on {hosts} was not libvirt and may start it there again, and then both would write to the same"
        " disks: find out what it is, and take the VM out of its hands"
    ),
    RiskKind.STILL_ARMED: (
        "what starts the VM on {hosts} again could not be taken away (its autostart, a managed save image, the list of"
        " libvirt-guests: see the attempt); when that host boots, both copies would write to the same disks"
    ),
    RiskKind.STATE_MADE_ANEW: (
        "a part of the VM's state (its NVRAM, its TPM's) is not on {hosts} and is made anew by a start there: boot"
        " entries and keys are lost to it"
    ),
    RiskKind.NOT_SHUT_OUT: (
        "the VM is dead on {hosts} and has no write on its way there, but the storage was not seen to shut out its"
        " client: what the network still holds of it would be written beside the new process"
    ),
    RiskKind.EDITED_SINCE: (
        "the definition in the inventory was edited after what ran on {hosts} was captured, and names other disks than"
        " that; nobody could compare either with what the VM wrote to last: if the edit was about something else, this"
        " start is from an older disk"
    ),
    RiskKind.LEFT_UNPROVEN: (
        "the VM was taken from {hosts} earlier without a proof, and nobody has looked there since; a qemu there that"
        " still reaches the storage would write to the same disks"
    ),
}

_OF_REASON = {
    Reason.UNREACHABLE_CONFIRMED: RiskKind.SILENT_SUSPECT,
    Reason.OPERATOR_CONFIRMED: RiskKind.SILENT_SUSPECT,
    Reason.STORAGE_FENCED: RiskKind.LEFTOVER_LIVES,
    Reason.POWERED_OFF: RiskKind.COMES_BACK,
    Reason.NOT_KVM: RiskKind.CANNOT_LOOK,
    Reason.PRE_FENCE_OFF: RiskKind.NOT_FENCED,
}


def risks_of(reason: Reason, suspect: HostName) -> tuple[Risk, ...]:
    """What a start on these grounds leaves unproved."""
    kind = _OF_REASON.get(reason)
    return () if kind is None else (Risk(kind, (suspect,)),)


def with_unproven(risks: Sequence[Risk], unproven: Sequence[HostName], suspect: HostName) -> tuple[Risk, ...]:
    """The risks, with what earlier starts have left unproved on other hosts than the suspect."""
    kept = tuple(risk for risk in risks if risk.kind is not RiskKind.LEFT_UNPROVEN)
    hosts = tuple(sorted(host for host in unproven if host != suspect))
    return (*kept, Risk(RiskKind.LEFT_UNPROVEN, hosts)) if hosts else kept


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


MOST_NAMES = 5
"""Beyond so many the others are counted."""


def some_of(names: Sequence[str]) -> str:
    """The first names of many, for a line that has to stay readable."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
