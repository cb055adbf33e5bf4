"""One story from its beginning to the oracle's word: a world, what happens in it, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.model import Inventory
from ..core.outcome import Decision
from .commands import schedule
from .events import Event
from .kernel import Step
from .oracle import QUIET_S, Violation, check_liveness, check_records, check_runs, check_splits
from .play import Theatre
from .run import Policy
from .situations import ADMINS, VM_UUID
from .world import World


@dataclass(slots=True)
class Told:
    """What came of a tale."""

    theatre: Theatre
    violations: list[Violation]
    steps: list[Step]
    """When each step was made and what it touched, until the faults were mended; empty unless asked for."""

    @property
    def named_splits(self) -> int:
        """Split-brains that a run had named as a risk."""
        return sum(1 for split in self.theatre.world.splits if split.named)

    @property
    def decision(self) -> Decision | None:
        """What the first run decided, if it came to a decision."""
        outcomes = self.theatre.runs[0].outcomes if self.theatre.runs else ()
        return outcomes[0].decision if outcomes else None


def tell(
    inventory: Inventory,
    events: tuple[Event, ...],
    policy: Policy | None = None,
    trace: bool = False,
    liveness: bool = True,
) -> Told:
    """Play a tale about the first VM and hold the oracle against it. The first `run` is run again in the end."""
    world = World(inventory, ADMINS)
    theatre = Theatre(world, policy)
    steps = world.agenda.record() if trace else []
    for uuid, vm in inventory.vms.items():
        world.begin_qemu(uuid, world.hosts[vm.host])
    for event in events:
        schedule(theatre, event)
    last = max((event.at for event in events), default=0.0)
    ended = theatre.play(last + QUIET_S)
    violations = [] if ended else [Violation("budget", "the story never comes to rest")]
    splits = len(world.splits)
    if trace:
        steps = list(steps)
        world.agenda.trace = None
        world.agenda.touched = None
    violations += check_records(theatre)
    words = next((event.what for event in events if event.verb == "run"), "")
    if liveness and words and ended:
        admin, _, command = words.partition(": ")
        violations += check_liveness(theatre, admin, command, VM_UUID)
    violations += check_runs(theatre)
    violations += check_splits(theatre)
    assert splits <= len(world.splits), "splits are only ever added"
    return Told(theatre, violations, steps)
