"""Attempts to fence: the order, the reply, what is read of it for each VM, and what several attempts come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from . import comeback, last_writes
from .evidence import Proof
from .marks import Claim
from .model import HostName, Uuid
from .owners import Owner, owner_words
from .troubles import SIBLING_SIDE, Trouble
from .whys import ANOTHER_STORE, BARRING, DISKS_DIFFER, another_store, sentence
from .wire import Faulty, ReplyFault


class Verdict(Enum):
    """Of one attempt. Only positive proof is CONFIRMED_DEAD; whatever is not one of three is AMBIGUOUS."""

    CONFIRMED_DEAD = "confirmed_dead"
    STILL_ALIVE = "still_alive"
    UNREACHABLE = "unreachable"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class FenceOrder:
    """Fence `vms` on `suspect` through `proxy`, in one SSH session and one command.

    `within_s` bounds the script on the suspect from the moment it says hello (its own clock; the order
    carries the absolute end in that clock), `settle_s` is the time between the two scans. With `rehearse`
    the same path is gone and nothing is killed. `not_after` (admin node's clock, seconds since the
    epoch) is the end of the lease: no destructive step may begin later.
    `proxy` is None only where the admin node itself removes a copy that this very run has started.
    `machine_id` is what the suspect said at an earlier, trusted look: another machine behind its address is not it.
    `others` are the hosts beside it that answered in this round, each with the id of its boot: one of them may have
    taken over the suspect's address, and shows the same host key and machine-id where all are clones of one image.
    `watch`: where every VM is dead, the session stays until EndWatch and ends what is started there anew.
    `starts`: a start elsewhere follows, so that a VM whose process writes to other disks than those from which it would
    be started is left alone.
    `aside`: the definitions of VMs that are dead are set aside there, by this order or, with `watch`, by its end.
    `claim`: the mark that it leaves on the suspect, and that keeps it from VMs at which another store's run is.
    """

    suspect: HostName
    proxy: HostName | None
    vms: tuple[Uuid, ...]
    within_s: float
    settle_s: float
    not_after: float
    rehearse: bool = False
    machine_id: str | None = None
    others: tuple[tuple[HostName, str], ...] = ()
    watch: bool = False
    starts: bool = False
    aside: bool = False
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an order. `exit_status` is None when none was received."""

    nonce: str
    trouble: Trouble | None
    exit_status: int | None
    stdout: str
    seconds: float
    at: float
    """When the reply was complete, by the admin node's clock."""
    note: str = ""
    """More about `trouble` in hafence's own words; never raw remote output."""
    not_run: ReplyFault | None = None
    """Why no script ran on the host, where that could be told."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the script on the suspect counted and met for one VM. None and '' where it did not say.

    `found`: living processes at first. `killed`: those of them that live no more. `state`: of one that would not end
    (D is uninterruptible sleep). `why`: a stable word for what stood in the way of a clear answer.
    """

    found: int | None = None
    killed: int | None = None
    state: str = ""
    why: str = ""
    more: tuple[tuple[str, str], ...] = ()
    """What else it said, for the history; of these comeback.py reads what is left that would bring the VM back, and
    last_writes.py what was ended that it had under way."""
    owner: Owner | None = None
    """Who ran the processes that were found; None where there were none."""

    def word(self, key: str) -> str:
        """What the script said of a key, as text; '' where it said nothing."""
        typed = {"found": self.found, "killed": self.killed, "state": self.state, "why": self.why}
        others = {**dict(self.more), **owner_words(self.owner)}
        value = typed[key] if key in typed else others.get(key, "")
        return "" if value is None else str(value)

    @property
    def about(self) -> Mapping[str, str]:
        """What a sentence about `why` may name."""
        return dict(self.more)


NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a reply for one VM: the verdict, and what it stands on.

    One of three: a `trouble` (the attempt did not run to its end; `note` says more in hafence's own words), a `fault`
    (a reply that proves nothing), or `facts` of the script. `foretold`: a rehearsal found a
    leftover that a real fence would kill, which is no proof of anything.
    """

    verdict: Verdict
    facts: Facts = NO_FACTS
    trouble: Trouble | None = None
    note: str = ""
    fault: Faulty | None = None
    machine_id: str | None = None
    foretold: bool = False

    @property
    def sibling_side(self) -> bool:
        """Whether the attempt failed before it said anything about the suspect."""
        return self.trouble in SIBLING_SIDE

    @property
    def may_return(self) -> bool:
        """Whether something that is not libvirt ran it, which may start it again."""
        return self.facts.owner is not None and self.facts.owner.may_return

    @property
    def is_armed(self) -> bool:
        """Whether the fence has left something there that would bring the VM back."""
        return comeback.is_left(self.facts.about)

    @property
    def found_something(self) -> bool:
        """Whether a process of the VM was there: then nobody has moved the VM away."""
        return bool(self.facts.found)

    @property
    def barred(self) -> bool:
        """Whether another store's run may be at it, so that nothing was done."""
        return self.facts.why in BARRING

    @property
    def differs(self) -> bool:
        """Whether the process writes to other disks than its definition names, and was left alone for it."""
        return self.facts.why == DISKS_DIFFER

    @property
    def detail(self) -> str:
        """The reading in words."""
        if self.trouble is not None:
            return f"{self.trouble.says} ({self.note})" if self.note else self.trouble.says
        if self.fault is not None:
            return self.fault.says
        words = _foretold(self.facts) if self.foretold else _told(self.verdict, self.facts)
        owner = self.facts.owner.says if self.facts.owner is not None else ""
        ended = last_writes.told(self.facts.about) + comeback.told(self.facts.about)
        return (f"{words}; {owner}" if owner else words) + ended


def _foretold(facts: Facts) -> str:
    if facts.state == "D":
        return "a leftover is in state D: SIGKILL would not end it now"
    found = "?" if facts.found is None else str(facts.found)
    return f"would kill {found} leftover{'s' if found != '1' else ''} (foretold, nothing was killed)"


def _told(verdict: Verdict, facts: Facts) -> str:
    words = _SCRIPT_SAYS[verdict]
    if verdict is Verdict.CONFIRMED_DEAD and facts.killed:
        words = f"{facts.killed} leftover{'s' if facts.killed != 1 else ''} killed; {words}"
    if facts.why:
        words += f": {sentence(facts.why, facts.about)}"
    return words if facts.why == ANOTHER_STORE else words + another_store(facts.about)


_SCRIPT_SAYS = {
    Verdict.CONFIRMED_DEAD: "no living task of the VM in two scans",
    Verdict.STILL_ALIVE: "a task of the VM lives",
    Verdict.AMBIGUOUS: "the script on the suspect could not tell",
    Verdict.UNREACHABLE: "nobody there answered",
}


@dataclass(frozen=True, slots=True)
class FenceReport:
    """What an order came to: a reading for each of its VMs. `at` by the admin node's clock."""

    readings: Mapping[Uuid, Reading]
    seconds: float
    at: float

    @property
    def settles(self) -> bool:
        """Whether it was learnt on the suspect itself how every VM is: then nobody else's sight of it is wanted."""
        told = self.readings.values()
        return not any(each.sibling_side or each.verdict is Verdict.UNREACHABLE for each in told)


_PROVES = {Verdict.CONFIRMED_DEAD: Proof.VM_DEAD, Verdict.STILL_ALIVE: Proof.VM_ALIVE}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to fence one VM through one proxy: evidence, whatever it came to."""

    proxy: HostName
    reading: Reading
    seconds: float
    at: float
    kind: str = field(default="fence", init=False)

    @property
    def source(self) -> str:
        """Where it was seen."""
        return f"through {self.proxy}"

    @property
    def says(self) -> str:
        """What was read, in words."""
        return self.reading.detail

    @property
    def proves(self) -> Proof:
        """Death or life of the VM, where the script saw it. What a rehearsal foretells was seen alive."""
        if self.reading.foretold:
            return Proof.VM_ALIVE
        return _PROVES.get(self.reading.verdict, Proof.NOTHING)


def foretell(reading: Reading) -> Reading:
    """What a rehearsal that found a leftover foretells: that it would be killed, which is not proved; one that would be
    left alone is alive then, too."""
    if reading.verdict is not Verdict.STILL_ALIVE or reading.differs:
        return reading
    would_live = reading.facts.state == "D"
    return replace(reading, verdict=Verdict.STILL_ALIVE if would_live else Verdict.CONFIRMED_DEAD, foretold=True)


def weigh(readings: Iterable[Reading]) -> Verdict | None:
    """The one verdict of several attempts at one VM, in the order they were made; None without any.

    Alive beats everything: whoever saw a living task saw it. Then positive proof of death, made on the
    suspect itself. Then doubt. Unreachable is left only when nothing else was learnt, and attempts that
    failed on the sibling's side count for nothing.
    """
    told = [reading.verdict for reading in readings if not reading.sibling_side]
    for verdict in (Verdict.STILL_ALIVE, Verdict.CONFIRMED_DEAD, Verdict.AMBIGUOUS, Verdict.UNREACHABLE):
        if verdict in told:
            return verdict
    return None
