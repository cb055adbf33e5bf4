"""Virtual time: acts that wait, and the one agenda that wakes them in order. No threads and no real clock.

An act is a generator. It yields seconds to wait, or a `Join` to wait for another act, and is woken when that
has come. Every wake is one step; a fault can be put before any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Join:
    """Wait until a task has ended, at most so many seconds."""

    __slots__ = ("seconds", "task")

    def __init__(self, task: Task, seconds: float) -> None:
        self.task = task
        self.seconds = seconds


ANSWER_S = 0.004
"""From the end of an act to the one that waits for it: the answer is under way, and can still be lost."""

Act = Generator["float | Join", None, T]
"""Something that takes virtual time and ends in a T."""


class Owner:
    """What an act runs on: an admin node or a host. Its acts stop when it is held and end with its `life`."""

    __slots__ = ("held", "life", "name", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.life = 0
        """Grows when the owner crashes: acts of an earlier life are never woken again."""
        self.held = False
        self.waiting: list[Task] = []


class Task:
    """An act under way. `value` is its end's, once `done`."""

    __slots__ = ("act", "does", "done", "label", "life", "owner", "throws", "value", "waiter", "wake")

    def __init__(self, act: Act[Any], owner: Owner, label: str) -> None:
        self.act = act
        self.owner = owner
        self.life = owner.life
        self.label = label
        self.does: tuple[type, ...] = ()
        """The kinds of what it is at: of a run, the effects that it waits for."""
        self.wake = 0
        self.done = False
        self.value: Any = None
        self.waiter: Task | None = None
        self.throws: Exception | None = None


class Step(NamedTuple):
    """When a step was made, whose it was, the parts of the world it looked at or changed, and what it was at."""

    at: float
    label: str
    touched: set[str]
    does: set[type]


class Agenda:
    """The clock and what is due. `now` is in seconds since the world began."""

    __slots__ = ("_heap", "_seq", "now", "steps", "touched", "trace")

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self._seq = 0
        self._heap: list[tuple[float, int, Task | None, Any]] = []
        self.trace: list[Step] | None = None
        self.touched: set[str] | None = None

    def record(self) -> list[Step]:
        """From now on write down every step, with the parts of the world that it touches."""
        self.trace = []
        self.touched = set()
        return self.trace

    def begins(self, task: Task, who: str, does: tuple[type, ...]) -> None:
        """From now on, this step included, a task is at something else."""
        task.label = f"{who} {' and '.join(kind.__name__ for kind in does)}"
        task.does = does
        if self.trace:
            self.trace[-1].does.update(does)

    def call_at(self, when: float, call: Callable[[], None]) -> None:
        """Have something done at a moment. What was asked for earlier comes first."""
        self._seq += 1
        heappush(self._heap, (max(when, self.now), self._seq, None, call))

    def spawn(self, act: Act[Any], owner: Owner, label: str, after_s: float = 0.0) -> Task:
        """Begin an act."""
        task = Task(act, owner, label)
        self._wake_at(task, self.now + after_s)
        return task

    def throw(self, task: Task, error: Exception) -> None:
        """Wake an act with an exception, now."""
        if not task.done:
            task.throws = error
            self._wake_at(task, self.now)

    def release(self, owner: Owner) -> None:
        """Let a held owner's acts go on."""
        owner.held = False
        waiting, owner.waiting = owner.waiting, []
        for task in waiting:
            self._wake_at(task, self.now)

    def next_at(self) -> float | None:
        """When the next thing is due, or None."""
        return self._heap[0][0] if self._heap else None

    def run(self, until: float, most_steps: int) -> bool:
        """Do everything that is due by `until`. False if that takes more than so many steps."""
        heap = self._heap
        limit = self.steps + most_steps
        while heap and heap[0][0] <= until:
            when, _, task, what = heappop(heap)
            if task is None:
                self.now = when
                what()
                continue
            if task.wake != what or task.life != task.owner.life:
                continue
            if task.owner.held:
                task.owner.waiting.append(task)
                continue
            self._resume(task, when, until, limit)
            if self.steps > limit:
                return False
        return True

    def _wake_at(self, task: Task, when: float) -> None:
        task.wake += 1
        self._seq += 1
        heappush(self._heap, (when, self._seq, task, task.wake))

    def _resume(self, task: Task, when: float, until: float, limit: int) -> None:
        """Wake a task, again and again while nothing else is due before it wants to be woken next."""
        heap, act, trace = self._heap, task.act, self.trace
        owner = task.owner
        while True:
            self.now = when
            self.steps += 1
            if trace is not None:
                self.touched = {owner.name}
                trace.append(Step(when, task.label, self.touched, set(task.does)))
            try:
                if task.throws is None:
                    wait = next(act)
                else:
                    error, task.throws = task.throws, None
                    wait = act.throw(error)
            except StopIteration as end:
                self._end(task, end.value)
                return
            if isinstance(wait, Join):
                if not wait.task.done:
                    wait.task.waiter = task
                    self._wake_at(task, when + wait.seconds)
                    return
                wait = 0.0
            when += wait
            due = (heap and heap[0][0] <= when) or when > until or self.steps > limit
            if due or owner.held or task.life != owner.life:
                self._wake_at(task, when)
                return

    def _end(self, task: Task, value: Any) -> None:
        task.done = True
        task.value = value
        if task.waiter is not None:
            waiter, task.waiter = task.waiter, None
            self._wake_at(waiter, self.now + ANSWER_S)
