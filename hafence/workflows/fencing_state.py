"""The fence of one suspect under way: what was known when it began, and what was tried and seen since, VM by VM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.attempts import Attempt, Verdict, weigh
from ..core.decision import Case, SilencePolicy, cut_off
from ..core.evidence import CutOff, Evidence, NotSeen, WitnessReport
from ..core.looks import Look, Silence, hiding
from ..core.model import Host, HostName, HostState, Uuid
from ..core.planned import all_as_planned
from ..core.risks import some_of
from ..core.siblings import Candidates, choose_before_a_look
from ..core.stored import Recollection
from ..effects import Through
from .vm_run import Request, VmRun


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known when fencing begins: the store's memory and the round of looks."""

    memory: Recollection
    looks: Mapping[HostName, Look]


def through_siblings(run: Request, suspect: Host, memory: Recollection) -> Through:
    """Who looks into the suspect where the admin node gets no answer from it."""
    members = all_as_planned(run.inventory.members(suspect.cluster), memory.planned)
    return Through(suspect.name, choose_before_a_look(suspect, members, run.siblings, memory.quarantine))


def may_be_off(run: Request, suspect: Host, memory: Recollection) -> tuple[HostName, ...]:
    """The other hosts of the cluster that are out of service, or in quarantine: nobody waits for them."""
    members = all_as_planned(run.inventory.members(suspect.cluster), memory.planned)
    out = (host.name for host in members if host.out_of_service or host.name in memory.quarantine)
    return tuple(name for name in out if name != suspect.name)


@dataclass(slots=True)
class Fencing:
    """The fence of one suspect in one run: what was tried and seen, VM by VM."""

    run: Request
    suspect: Host
    vm_runs: Mapping[Uuid, VmRun]
    view: Observed
    candidates: Candidates
    grace: str
    """Why it is too early to call anyone silent, or ''."""
    watch: bool = False
    """Whether a start follows right away, until whose end the suspect is watched."""
    starts: bool = False
    """Whether a start elsewhere follows at all."""
    attempts: dict[Uuid, list[Attempt]] = field(default_factory=dict)
    reports: tuple[WitnessReport, ...] = ()
    extra: dict[Uuid, list[Evidence]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is known of any VM yet."""
        for vm in self.vm_runs:
            self.attempts[vm], self.extra[vm] = [], []

    def open_vms(self) -> tuple[Uuid, ...]:
        """The VMs of which nothing final has been learnt yet."""
        return tuple(vm for vm in self.vm_runs if self.verdict(vm) in (None, Verdict.UNREACHABLE))

    def verdict(self, vm: Uuid) -> Verdict | None:
        """The verdict so far."""
        return weigh(attempt.reading for attempt in self.attempts[vm])

    def case(self, vm: Uuid) -> Case:
        """All that the gate may know of one VM."""
        siblings = len(_enabled(self)) - (1 if self.suspect.state is HostState.ENABLED else 0)
        return Case(
            suspect=self.suspect.name,
            policy=SilencePolicy(self.run.inventory.settings.unreachable, siblings),
            evidence=(*self.attempts[vm], *self.reports, *self.extra[vm], *self._of_the_observer(vm)),
        )

    def _of_the_observer(self, vm: Uuid) -> Iterator[Evidence]:
        """What is known of the observer's own sight of a VM."""
        at = max((look.at for look in self.view.looks.values()), default=0.0)
        if says := self.cut_off():
            yield CutOff(at, says)
        if hidden := _unseen(self, vm):
            yield NotSeen(at, hidden)

    def cut_off(self) -> str:
        """Why the observer seems to be the one who is cut off, or ''."""
        return self.grace or _storm(self)


def _enabled(fencing: Fencing) -> Sequence[Host]:
    members = all_as_planned(fencing.run.inventory.members(fencing.suspect.cluster), fencing.view.memory.planned)
    return [host for host in members if host.state is HostState.ENABLED]


def _unseen(fencing: Fencing, vm: Uuid) -> tuple[HostName, ...]:
    """The other hosts that may hold a copy for all that was seen. One in quarantine was fenced, and is watched; one
    that the VM was taken from without a proof is a risk of its own."""
    unproven = fencing.vm_runs[vm].record.unproven
    return hiding(vm, fencing.view.looks, {fencing.suspect.name, *fencing.view.memory.quarantine, *unproven})


def _storm(fencing: Fencing) -> str:
    """The storm guard's words, from the looks and the witnesses. A quarantined host is expected to be silent."""
    members = [h for h in _enabled(fencing) if h.name not in fencing.view.memory.quarantine]
    silent = [h for h in members if isinstance(fencing.view.looks.get(h.name), Silence)]
    who = f" ({some_of([h.name for h in silent])})"
    return cut_off(len(silent), len(members), fencing.reports, fencing.run.inventory.settings.storm_share, who)
