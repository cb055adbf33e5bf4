"""One run of a command in the simulated world: whose it is, how it goes, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ..core.attempts import FenceOrder, Reply
from ..core.captures import Capture, Source
from ..core.model import HostName, Inventory, Uuid
from ..core.outcome import Outcome
from ..core.starts import StartOrder, StartReply
from ..effects import Effect, Workflow
from ..stores.ask import Asker
from ..stores.holder import Holder
from .hosts import SimHost
from .kernel import Task
from .world import Admin


class Policy:
    """How a reply reaches a workflow. hafence's own way is to leave it alone; others are tried in simulation only."""

    name = "hafence"

    def doctor(self, order: FenceOrder, reply: Reply) -> Reply:
        """The reply that the workflow gets."""
        return reply

    def doctor_start(self, order: StartOrder, reply: StartReply, settles: bool) -> StartReply:
        """What the workflow is told of a start, or of the settling of one."""
        return reply


class Session:
    """One session of a fence that stays. `passes` tells whether the run is heard there."""

    def __init__(self, order: FenceOrder, host: SimHost, passes: Callable[[], bool]) -> None:
        self.order = order
        self.host = host
        self.boot = host.boot
        self.passes = passes
        self.not_after = order.not_after
        self.done = False
        self.came: Counter[Uuid] = Counter()


class SimRun:
    """A run under way."""

    __slots__ = (
        "admin",
        "asker",
        "began_at",
        "bug",
        "captures",
        "crashed",
        "effect",
        "ended_at",
        "held_s",
        "id",
        "inventory",
        "journals",
        "named",
        "outcomes",
        "owed",
        "policy",
        "result",
        "sent",
        "sources",
        "task",
        "typed",
        "waiting",
        "watches",
        "workflow",
    )

    def __init__(self, holder: Holder, admin: Admin, inventory: Inventory, workflow: Workflow[Any], typed: str) -> None:
        self.id = holder.run
        self.admin = admin
        self.asker = Asker(holder, inventory.settings.lease_s)
        self.inventory = inventory
        self.workflow: Workflow[Any] | None = workflow
        self.typed = typed
        self.policy = Policy()
        self.began_at = 0.0
        self.ended_at: float | None = None
        self.held_s = 0.0
        """How long it was suspended, or waited for a lease."""
        self.crashed = False
        self.effect: Effect[Any] | None = None
        self.outcomes: tuple[Outcome, ...] = ()
        self.result: Any = None
        self.bug: BaseException | None = None
        """An exception that the workflow let through: always a bug."""
        self.journals = True
        """Whether it has a journal; a dry run has none."""
        self.owed = False
        """What came of an effect could not be written down: the next effect meets the store's failure."""
        self.sent: list[tuple[float, Uuid, HostName]] = []
        """Starts that were sent: when, of which VM, where to."""
        self.named: set[HostName] = set()
        """The hosts of the risks that it has named."""
        self.watches: list[Session] = []
        """Sessions of its fences that stay on suspects."""
        self.captures: dict[Uuid, Capture] = {}
        """What it has heard from its store of captured definitions."""
        self.sources: dict[Uuid, tuple[Source, int]] = {}
        """From what it would start each VM that it has asked about, and the generation of disks which that names."""
        self.task: Task | None = None
        self.waiting: list[Task] = []
        """Of the run's tasks those that wait for an effect: its own, or those of workflows side by side."""
