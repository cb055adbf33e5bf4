"""One case from its beginning to the oracle's word: a world, what happens in it, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.model import Inventory
from ..core.outcome import Decision
from .commands import schedule
from .events import Event
from .grounds import Excuse
from .kernel import Step
from .liveness import Known, check_liveness, mend_everything
from .oracle import QUIET_S, Violation, check_planned, check_records, check_runs, check_splits, check_starts
from .run import Policy, SimRun
from .simulation import Simulation
from .situations import ADMINS, RUN_AT_S, VM_UUID
from .world import Split, World


@dataclass(slots=True)
class Played:
    """What came of a case."""

    simulation: Simulation
    violations: list[Violation]
    steps: list[Step]
    """When each step was made and what it touched, until the faults were mended; empty unless asked for."""
    splits: list[Split]
    """The split-brains until the mended world was at rest. Those of the runs after it are violations, or excused."""

    @property
    def excuses(self) -> frozenset[Excuse]:
        """What excuses split-brains of this case."""
        return frozenset(split.excuse for split in self.splits if split.excuse is not None)

    @property
    def run(self) -> SimRun:
        """The run that is searched: the first one that is no part of the situation."""
        runs = self.simulation.runs
        return next((run for run in runs if run.began_at >= RUN_AT_S), runs[0])

    @property
    def decision(self) -> Decision | None:
        """What that run decided, if it came to a decision."""
        outcomes = self.run.outcomes
        return outcomes[0].decision if outcomes else None


@dataclass(frozen=True, slots=True)
class CasePlayer:
    """What all cases of a search share: the inventory, the policy, and what came of worlds that were left behind."""

    inventory: Inventory
    policy: Policy = field(default_factory=Policy)
    known: Known = field(default_factory=dict)
    guarded: bool = False
    """Whether every host has the guard of contrib/."""

    def play(self, events: tuple[Event, ...], trace: bool = False, liveness: bool = True) -> Played:
        """Play a case."""
        return play_case(self.inventory, events, self.policy, trace, liveness, self.known, self.guarded)


def play_case(
    inventory: Inventory,
    events: tuple[Event, ...],
    policy: Policy | None = None,
    trace: bool = False,
    liveness: bool = True,
    known: Known | None = None,
    guarded: bool = False,
) -> Played:
    """Play a case about the first VM and hold the oracle against it. The first `run` is run again in the end."""
    world = World(inventory, ADMINS)
    simulation = Simulation(world, policy)
    steps = world.agenda.record() if trace else []
    for uuid, vm in inventory.vms.items():
        world.begin_qemu(uuid, world.hosts[vm.host])
        world.hosts[vm.host].defined.add(uuid)
    for host in world.hosts.values() if guarded else ():
        host.guard = "on"
    for event in events:
        schedule(simulation, event)
    last = max((event.at for event in events), default=0.0)
    ended = simulation.play(last + QUIET_S)
    if trace:
        steps = list(steps)
        world.agenda.trace = None
        world.agenda.touched = None
    violations = check_records(simulation)
    # A capture starts nothing, whenever it is run.
    words = next((event.what for event in events if event.verb == "run" and ": capture" not in event.what), "")
    again = liveness and bool(words) and ended
    if again:
        ended = mend_everything(simulation, last + QUIET_S)
    if not ended:
        violations.append(Violation("budget", "the world never comes to rest"))
    violations += check_runs(simulation) + check_splits(simulation) + check_starts(simulation)
    violations += check_planned(simulation)
    played = Played(simulation, violations, steps, list(world.splits))
    if again and ended:
        admin, _, command = words.partition(": ")
        violations += check_liveness(simulation, admin, command, VM_UUID, known)
    return played
