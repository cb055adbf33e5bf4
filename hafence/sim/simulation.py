"""Playing workflows over a world: any number of runs at once, held, crashed or interrupted at every effect."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..core.outcome import Outcome
from ..effects import Effect, Interrupted, LeaseLost, Parallel, StoreError, Workflow
from ..stores.holder import Holder
from ..stores.port import RunRow
from ..workflows.vm_run import Request
from .kernel import Act, Join, Task
from .perform import AT_ONCE, at_once, perform, write_down
from .run import Policy, SimRun
from .sessions import clock
from .words import end_words, outcome_words, words
from .world import Admin, World

MAX_STEPS = 20_000
"""A case that takes more steps never ends."""
LONG_S = 600.0
"""Until when whoever waits for others looks again whether they have ended."""


class _Bug(Exception):
    """A workflow let an exception through that no workflow may: its cause."""


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
        workflow = make(Request(run_id, self.world.inventory, store_id=node.store.store_id(), **wishes))
        run = SimRun(_process(run_id, node, 1 + len(self.runs)), node, self.world.inventory, workflow, typed)
        run.policy = self.policy
        run.journals = not wishes.get("dry_run")
        run.began_at = self.world.now
        self.runs.append(run)
        if _is_remembered(run):
            row = RunRow(run_id, clock(self.world, run), run.asker.holder.who, typed.split()[0], (), _asked(typed))
            node.store.begin_run(row)
        self.world.say(node.name, f"{run_id}: hafence {typed}")
        run.task = self.world.agenda.spawn(self._drive(run), node, run_id)
        return run

    def _drive(self, run: SimRun) -> Act[None]:
        workflow = run.workflow
        assert workflow is not None
        try:
            result, _ = yield from self._play(run, workflow, lambda: run.task)
        except (StoreError, Interrupted) as ended:
            result = ended
        except (LeaseLost, _Bug) as bug:
            run.bug = bug.__cause__ or bug
            result = None
        self._end(run, result)

    def _play(self, run: SimRun, workflow: Workflow[Any], mine: Callable[[], Task | None]) -> Act[tuple[Any, bool]]:
        """Play a workflow of a run to its end: what it ended in, and whether what came of its last effect could not be
        written down. `mine` is the task that does so."""
        answer: Any = None
        error: Exception | None = None
        owed = False
        tracing = self.world.agenda.trace is not None
        while True:
            try:
                effect = workflow.throw(error) if error is not None else workflow.send(answer)
            except StopIteration as end:
                return end.value, owed
            except (LeaseLost, StoreError, Interrupted):
                raise
            except Exception as bug:
                raise _Bug from bug
            run.effect = effect
            task = mine()
            if tracing and task is not None:
                self.world.agenda.begins(task, run.id, at_once(effect))
            answer, error = None, None
            if owed:
                owed = False
                error = StoreError("the store could not be written")
                continue
            plain = AT_ONCE.get(type(effect))
            if plain is not None:
                answer = plain(self.world, run, effect)
                write_down(self.world, run, (effect,))
                owed, run.owed = run.owed, False
                self._say(run, effect, answer)
                continue
            try:
                if isinstance(effect, Parallel):
                    answer = yield from self._side_by_side(run, effect)
                else:
                    if task is not None:
                        run.waiting.append(task)
                    answer = yield from perform(self.world, run, effect)
            except (LeaseLost, StoreError, Interrupted) as thrown:
                error = thrown
            if task in run.waiting:
                run.waiting.remove(task)
            owed, run.owed = run.owed, False
            self._say(run, effect, error if error is not None else answer)

    def _say(self, run: SimRun, effect: Effect[Any], played: Any) -> None:
        if self.world.log is not None:
            for line in words(self.world.inventory, effect, played):
                self.world.say(run.id, line)

    def _side_by_side(self, run: SimRun, effect: Parallel) -> Act[tuple[Any, ...]]:
        """Each workflow in a task of its own. The first error that one ended in is raised when all have ended."""
        errors: list[Exception] = []
        tasks: list[Task] = []
        for number, workflow in enumerate(effect.workflows):
            act = self._caught(run, workflow, partial(tasks.__getitem__, number), errors)
            tasks.append(self.world.agenda.spawn(act, run.admin, f"{run.id} Parallel"))
        for task in tasks:
            while not task.done:
                yield Join(task, LONG_S)
        ended = [task.value for task in tasks]
        run.owed = any(owed for _, owed in ended)
        if errors:
            raise errors[0]
        return tuple(value for value, _ in ended)

    def _caught(
        self, run: SimRun, workflow: Workflow[Any], mine: Callable[[], Task], errors: list[Exception]
    ) -> Act[tuple[Any, bool]]:
        try:
            return (yield from self._play(run, workflow, mine))
        except (LeaseLost, StoreError, Interrupted, _Bug) as error:  # raised where all of them were asked for
            errors.append(error)
            return None, False

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
        if _is_remembered(run) and run.bug is None:
            run.admin.store.end_run(run.id, clock(self.world, run), 0, _written(run.outcomes))
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
        """Somebody presses Ctrl-C: every workflow of the run that waits for an effect is told."""
        if run.waiting:
            self.world.say(run.id, "is interrupted (Ctrl-C)")
            for task in run.waiting:
                self.world.agenda.throw(task, Interrupted())

    def play(self, until: float = math.inf) -> bool:
        """Let everything happen that is due (until a moment). False if it never ends."""
        return self.world.agenda.run(until, MAX_STEPS)


def _is_remembered(run: SimRun) -> bool:
    """Whether the run's beginning and end stand in the store's history. Of other commands nobody asks there."""
    return run.journals and run.typed.startswith("evacuate ")


def _asked(typed: str) -> dict[str, str]:
    return {"host": next(word for word in typed.split()[1:] if not word.startswith("-"))}


def _written(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Of the document of a run what the history is asked for."""
    vms = [{"decision": o.decision.value, "verdict": o.verdict.value if o.verdict else None} for o in outcomes]
    return {"vms": vms}


def _process(run_id: str, node: Admin, number: int) -> Holder:
    """The process of a run, as the store knows the holder of a lease. Whether it is gone is the world's to say."""
    return Holder(run_id, f"root@{node.name}", 4000 + number, "1", f"boot of {node.name}", "", node.name)
