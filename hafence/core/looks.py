"""What one look into a host tells: that it lives, its clock, its room, and every qemu on it.

One look per host answers all questions of a run at once, so that a start costs one round over the
cluster before it acts and one after.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from .backing import Backing, is_other
from .halted import Halted
from .marks import Claim, Mark
from .model import HostName, Uuid
from .needs import Lack, Lacking, Need, NeedKind
from .troubles import Trouble, met_straight, own_way_out


class Libvirt(Enum):
    """How libvirt answered on a host that was looked into."""

    OK = "ok"
    BUSY = "busy"
    """It answers, and its lists don't come: they wait for a VM that it is starting, or at which it is otherwise."""
    HUNG = "hung"
    FAILED = "failed"
    DOWN = "down"
    """No daemon of it runs, and nobody listens for one."""
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class HostLook:
    """A host that answered and could be looked into.

    `clock_offset_s` is the host's clock minus the admin node's, give or take `clock_within_s`: the host said its time
    some time between the question and its answer, and a slow login says nothing of a clock.

    `copies` are the VMs of which a qemu with a living task was seen, each with the number of such processes; `active`
    are those that libvirt calls active (a VM being started is active before its process exists). Memory is what
    libvirt reports, in MiB.

    Of the VMs that the look was about libvirt was asked one by one: `starting` are those that it runs, or is at, and of
    which there is no process; `cleared` those that it does not run.
    """

    host: HostName
    at: float
    clock_offset_s: float
    machine_id: str | None
    boot_id: str | None
    libvirt: Libvirt
    copies: Mapping[Uuid, int]
    active: frozenset[Uuid] = frozenset()
    defined: frozenset[Uuid] = frozenset()
    autostart: frozenset[Uuid] = frozenset()
    memory_total_mib: int | None = None
    memory_free_mib: int | None = None
    missing: tuple[str, ...] = ()
    """Programs that hafence needs there and that are not."""
    starting: frozenset[Uuid] = frozenset()
    doubtful: Mapping[Uuid, str] = field(default_factory=dict)
    """VMs whose exact UUID a process bears of which nobody can say what it is, each with the name of its program."""
    cleared: frozenset[Uuid] = frozenset()
    held: Mapping[Uuid, Mark] = field(default_factory=dict)
    """Whose run was last at the VMs that the look was about."""
    marks: tuple[Mark, ...] = ()
    """Which stores' runs have been at VMs here since it booted."""
    saved: frozenset[Uuid] = frozenset()
    """VMs of which a managed save image lies here: a start goes on from that memory, whatever became of the disks."""
    listed: frozenset[Uuid] = frozenset()
    """VMs that libvirt-guests starts when the host boots."""
    aside: frozenset[Uuid] = frozenset()
    """VMs whose definition a fence has set aside here."""
    halted: Mapping[Uuid, Halted] = field(default_factory=dict)
    """Of the VMs that the look was about those that libvirt has and does not run: paused, say."""
    clock_within_s: float = 0.0
    lacking: tuple[Lack, ...] = ()
    """What the one VM that the look was about needs, by its definition, and does not find here."""
    backings: Mapping[Need, Backing] = field(default_factory=dict)
    """What lies here under that to which the VM writes, as far as it has a path."""
    through: HostName | None = None
    """The sibling through which it was asked; None where the admin node itself was answered."""

    @property
    def clock_off_s(self) -> float:
        """By how much its clock is off at least."""
        return max(0.0, abs(self.clock_offset_s) - self.clock_within_s)

    @property
    def tells_of_needs(self) -> bool:
        """Whether it says anything of what was asked for."""
        return bool(self.lacking or self.backings)

    @property
    def barring(self) -> tuple[Lack, ...]:
        """Of what is lacking that without which the VM can't start here."""
        return tuple(lack for lack in self.lacking if lack.need.kind is not NeedKind.STATE)

    @property
    def lacks_state(self) -> bool:
        """Whether a start here makes a part of the VM's state anew."""
        return any(lack.need.kind is NeedKind.STATE and lack.how is Lacking.MISSING for lack in self.lacking)

    def others_than(self, look: HostLook) -> tuple[Need, ...]:
        """Of that to which the VM writes what is certainly another thing here than there."""
        both = [need for need in self.backings if need in look.backings]
        return tuple(need for need in both if is_other(self.backings[need], look.backings[need]))

    def of_needs(self, needs: Collection[Need]) -> HostLook:
        """The look as one would be that had asked for these alone."""
        lacking = tuple(lack for lack in self.lacking if lack.need in needs)
        return replace(self, lacking=lacking, backings={n: what for n, what in self.backings.items() if n in needs})

    def runs(self, vm: Uuid) -> bool:
        """Whether a copy of the VM is here or on its way, in either eye. A doubt is none in the VM's favour."""
        return vm in self.copies or vm in self.active or vm in self.starting or vm in self.doubtful

    def lacks(self, vm: Uuid) -> bool:
        """Whether it is known that no copy of the VM is here and none on its way: nothing was found, and libvirt says
        so too or is known not to be there."""
        alone = self.libvirt in (Libvirt.OK, Libvirt.DOWN, Libvirt.ABSENT)
        return not self.runs(vm) and (alone or vm in self.cleared)

    @property
    def load(self) -> int:
        """How many VMs are here."""
        return len(self.active | set(self.copies) | self.starting)


@dataclass(frozen=True, slots=True)
class Blind:
    """A host whose SSH login works and that lets nobody look (a forced command). It can still be a proxy."""

    host: HostName
    at: float
    says: str
    way_out: str = ""
    """What would let somebody look, as far as that is known."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A host that did not let the admin node look into it, and why."""

    host: HostName
    at: float
    trouble: Trouble
    note: str = ""
    seen: HostLook | None = None
    """What a sibling was let see meanwhile. The host is silent all the same: it is the admin node that would be
    answered by one that is well."""

    @property
    def says(self) -> str:
        """The reason in words."""
        if self.seen is not None:
            return answers_only(self.seen.through)
        return met_straight(self.trouble, self.note)


Look = HostLook | Blind | Silence

_NOTHING_SPOKE = frozenset({Trouble.TIMED_OUT, Trouble.NO_ROUTE, Trouble.FAST_NO_ROUTE, Trouble.NAME_UNKNOWN})
SIBLING_MAY_PASS = _NOTHING_SPOKE | {Trouble.REFUSED}
"""What the admin node may meet on its way to a host that lets a sibling in: links and firewalls differ. Who is turned
away by sshd itself is turned away behind a sibling, too."""


def way_to_look(look: Look | None) -> str:
    """What would let hafence look into a host that it could not look into; '' where that is not known."""
    match look:
        case Silence():
            return own_way_out(look.trouble)
        case Blind():
            return look.way_out or "let hafence's key run a shell there"
    return ""


def shows_life(look: Look) -> bool:
    """Whether the host spoke in any way: a refused connection, a hung banner or a failed login is a living kernel."""
    return not (isinstance(look, Silence) and look.trouble in _NOTHING_SPOKE and look.seen is None)


def answers_only(sibling: HostName | None) -> str:
    """How a host is that a sibling was let look into, and not the admin node."""
    return f"it answers {sibling}, and did not answer the admin node"


def inside(look: Look | None) -> HostLook | None:
    """What was seen inside a host, by the admin node or through a sibling."""
    if isinstance(look, Silence):
        return look.seen
    return look if isinstance(look, HostLook) else None


def whoever_saw(looks: Mapping[HostName, Look]) -> dict[HostName, Look]:
    """The looks, a host's through a sibling as if the admin node itself had been answered: a copy is one, whoever sees
    it."""
    return {name: inside(look) or look for name, look in looks.items()}


def sibling_behind(look: Look) -> HostName | None:
    """The sibling that a host answered; None where it answered the admin node, or nobody."""
    seen = inside(look)
    return seen.through if seen is not None else None


def life_words(look: Look) -> str:
    """In what way a host has shown life, for a sentence that begins with its name."""
    if isinstance(look, Silence) and look.seen is None:
        return f"spoke to the admin node: {look.says}"
    return f"answered {sibling_behind(look) or 'the admin node'}"


def twin_of(host: HostName, looks: Mapping[HostName, Look]) -> HostName | None:
    """Another host of the round that is the very same machine, by the id of its boot: one of the two addresses is not
    what the inventory takes it for."""
    its = inside(looks.get(host))
    if its is None or its.boot_id is None:
        return None
    for name, look in sorted(looks.items()):
        other = inside(look)
        if name != host and other is not None and other.boot_id == its.boot_id:
            return name
    return None


def may_hide(vm: Uuid, look: Look) -> bool:
    """Whether a look shows neither a copy of the VM on its host, or on its way there, nor that there is none."""
    return not isinstance(look, HostLook) or not (look.runs(vm) or look.lacks(vm))


def hiding(vm: Uuid, looks: Mapping[HostName, Look], known: Collection[HostName]) -> tuple[HostName, ...]:
    """The hosts that may hide a copy of the VM, by name, those aside of which enough is known otherwise."""
    return tuple(name for name, look in sorted(looks.items()) if name not in known and may_hide(vm, look))


def held_by_another(vm: Uuid, looks: Mapping[HostName, Look], claim: Claim) -> tuple[HostName, Mark] | None:
    """Where the young mark of another store's run is on the VM, and that mark."""
    for name, look in sorted(looks.items()):
        mark = look.held.get(vm) if isinstance(look, HostLook) else None
        if mark is not None and claim.is_barred_by(mark):
            return name, mark
    return None


def copies_of(vm: Uuid, looks: Mapping[HostName, Look]) -> dict[HostName, int]:
    """Where a copy of the VM is seen, and how many qemu there (libvirt's word alone counts as one)."""
    return {
        name: look.copies.get(vm) or 1
        for name, look in sorted(looks.items())
        if isinstance(look, HostLook) and look.runs(vm)
    }
