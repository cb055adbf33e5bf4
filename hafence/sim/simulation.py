"""Playing workflows over a world: any number of runs at once, held, crashed or interrupted at every effect."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core.outcome import Outcome
from ..effects import Interrupted, LeaseLost, StoreError, Workflow
from ..stores.holder import Holder
from ..workflows.vm_run import Request
from .kernel import Act
from .perform import AT_ONCE, at_once, perform, write_down
from .run import Policy, SimRun
from .words import end_words, outcome_words, words
from .world import Admin, World

MAX_STEPS = 20_000
"""A case that takes more steps never ends."""


class Simulation:
    """A world and the runs in it."""

    __slots__ = ("policy", "runs", "world")

    def __init__(self, world: World, policy: Policy | None = None) -> None:
        self.world = world
        self.policy = policy or Policy()
        self.runs: list[SimRun] = []

    def begin(self, admin: str, make: Callable[[Request], Workflow[Any]], typed: str = "", **wishes: Any) -> SimRun:
        """Begin a run now. `make` gets the Run (its id, the inventory and the wishes) and gives the workflow."""
        node = self.world.admins[admin]
        run_id = f"run-{len(self.runs) + 1}"
        workflow = make(Request(run_id, self.world.inventory, **wishes))
        run = SimRun(_process(run_id, node, 1 + len(self.runs)), node, self.world.inventory, workflow, typed)
        run.policy = self.policy
        run.journals = not wishes.get("dry_run")
        run.began_at = self.world.now
        self.runs.append(run)
        self.world.say(node.name, f"{run_id}: hafence {typed}")
        run.task = self.world.agenda.spawn(self._drive(run), node, run_id)
        return run

    def _drive(self, run: SimRun) -> Act[None]:
        answer: Any = None
        error: Exception | None = None
        workflow = run.workflow
        assert workflow is not None
        tracing = self.world.agenda.trace is not None
        while True:
            try:
                effect = workflow.throw(error) if error is not None else workflow.send(answer)
            except StopIteration as end:
                self._end(run, end.value)
                return
            except (StoreError, Interrupted) as ended:
                self._end(run, ended)
                return
            except Exception as bug:
                run.bug = bug
                self._end(run, None)
                return
            run.effect = effect
            if tracing and run.task is not None:
                self.world.agenda.begins(run.task, run.id, at_once(effect))
            answer, error = None, None
            if run.owed:
                run.owed = False
                error = StoreError("the store could not be written")
                continue
            plain = AT_ONCE.get(type(effect))
            if plain is not None:
                answer = plain(self.world, run, effect)
                write_down(self.world, run, (effect,))
                continue
            try:
                answer = yield from perform(self.world, run, effect)
            except (LeaseLost, StoreError, Interrupted) as thrown:
                error = thrown
            if self.world.log is not None:
                played = error if error is not None else answer
                for line in words(self.world.inventory, effect, played, self.world.store.machine_ids):
                    self.world.say(run.id, line)

    def _end(self, run: SimRun, result: Any) -> None:
        run.workflow = None
        run.effect = None
        run.result = result
        run.ended_at = self.world.now
        self.world.runs_gone.add(run.id)
        if isinstance(result, Outcome):
            run.outcomes = (result,)
        elif isinstance(result, tuple):
            run.outcomes = tuple(each for each in result if isinstance(each, Outcome))
        for outcome in run.outcomes:
            self.world.risks += [(self.world.now, risk) for risk in outcome.residual_risk]
        if self.world.log is not None:
            self._say_end(run)

    def _say_end(self, run: SimRun) -> None:
        for outcome in run.outcomes:
            for line in outcome_words(outcome):
                self.world.say(run.id, line)
        for line in end_words(run.result):
            self.world.say(run.id, line)
        if run.bug is not None:
            self.world.say(run.id, f"BUG: {type(run.bug).__name__}: {run.bug}")

    # ---------------------------------------------------------------- what may happen to a run

    def crash(self, admin: Admin) -> None:
        """Every run on the node dies where it stands; scripts on hosts go on."""
        admin.life += 1
        admin.held = False
        admin.waiting.clear()
        for run in self.runs:
            if run.admin is admin and run.workflow is not None:
                run.crashed = True
                run.workflow = None
                run.ended_at = self.world.now
                self.world.runs_gone.add(run.id)
        self.world.say(admin.name, "crashes; every run on it is gone")

    def hold(self, admin: Admin) -> None:
        """Every run on the node is suspended where it stands."""
        admin.held = True
        admin.held_since = self.world.now
        self.world.say(admin.name, "is suspended")

    def release(self, admin: Admin) -> None:
        """Suspended runs go on."""
        if admin.held:
            self.world.say(admin.name, "goes on")
            for run in self.runs:
                if run.admin is admin and run.workflow is not None:
                    run.held_s += self.world.now - admin.held_since
            self.world.agenda.release(admin)

    def interrupt(self, run: SimRun) -> None:
        """Somebody presses Ctrl-C."""
        if run.task is not None and run.effect is not None:
            self.world.say(run.id, "is interrupted (Ctrl-C)")
            self.world.agenda.throw(run.task, Interrupted())

    def play(self, until: float = math.inf) -> bool:
        """Let everything happen that is due (until a moment). False if it never ends."""
        return self.world.agenda.run(until, MAX_STEPS)


def _process(run_id: str, node: Admin, number: int) -> Holder:
    """The process of a run, as the store knows the holder of a lease. Whether it is gone is the world's to say."""
    return Holder(run_id, f"root@{node.name}", 4000 + number, "1", f"boot of {node.name}", "", node.name)
