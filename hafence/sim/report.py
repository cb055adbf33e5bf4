"""What a search came to: the counts, and every case that broke a promise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..core.outcome import Decision
from .case import Played
from .events import Event
from .grounds import Excuse
from .oracle import Violation

KEPT = 1000
"""Failures that are kept; the rest is only counted."""


@dataclass(slots=True)
class Failure:
    """A case that broke a promise."""

    situation: str
    events: tuple[Event, ...]
    violations: list[Violation]


@dataclass(slots=True)
class Report:
    """The result of a search. `policy` is the policy's name, `means` the second-level fences in words."""

    policy: str
    means: str = ""
    cases: int = 0
    searches: Counter[str] = field(default_factory=Counter)
    """How many of the cases are of which search."""
    split_brains: int = 0
    """Cases with a split-brain that nothing excuses: each is a failure."""
    named_split_brains: int = 0
    """Cases with a split-brain of a kind that a run names as its residual risk, and that nobody could have known."""
    unbidden_split_brains: int = 0
    """Cases in which another manager brought the VM back long after its death: beyond the bound of the promise."""
    excused: Counter[str] = field(default_factory=Counter)
    """Cases with an excused split-brain, by the excuse (grounds.Excuse)."""
    decisions: Counter[str] = field(default_factory=Counter)
    """What the run that is searched came to in each case."""
    start_seconds: Counter[float] = field(default_factory=Counter)
    """Of the starts that nobody suspended: how many took so many virtual seconds, from the command to the end."""
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether every promise was kept in every case."""
        return self.failed == 0

    @property
    def starts(self) -> int:
        """Cases whose first run started the VM."""
        return self.decisions[Decision.STARTED.value]

    @property
    def refusals(self) -> int:
        """Cases whose first run refused."""
        return self.decisions[Decision.REFUSED.value]

    @property
    def median_start_s(self) -> float | None:
        """The middle of the virtual seconds that a start took."""
        passed = 0
        for seconds, count in sorted(self.start_seconds.items()):
            passed += count
            if 2 * passed >= self.start_seconds.total():
                return seconds
        return None

    def per_million(self, count: int) -> int:
        """A count as it would be in a million cases."""
        return round(1_000_000 * count / self.cases) if self.cases else 0

    def take(self, situation: str, events: tuple[Event, ...], played: Played) -> None:
        """Count one case."""
        self.cases += 1
        self.named_split_brains += bool(played.excuses - {Excuse.UNBIDDEN})
        self.unbidden_split_brains += Excuse.UNBIDDEN in played.excuses
        self.excused.update(excuse.value for excuse in played.excuses)
        self.split_brains += any(violation.rule == "split_brain" for violation in played.violations)
        run = played.run
        decision = played.decision
        self.decisions[decision.value if decision else "crashed" if run.crashed else "no outcome"] += 1
        if decision is Decision.STARTED and run.ended_at is not None and run.held_s == 0:
            self.start_seconds[round(run.ended_at - run.began_at, 2)] += 1
        if played.violations:
            self.failed += 1
            if len(self.failures) < KEPT:
                self.failures.append(Failure(situation, events, played.violations))

    def add(self, other: Report) -> None:
        """Count another report's cases too."""
        self.cases += other.cases
        self.searches.update(other.searches)
        self.split_brains += other.split_brains
        self.named_split_brains += other.named_split_brains
        self.unbidden_split_brains += other.unbidden_split_brains
        self.excused.update(other.excused)
        self.decisions.update(other.decisions)
        self.start_seconds.update(other.start_seconds)
        self.failed += other.failed
        self.failures += other.failures[: KEPT - len(self.failures)]

    def as_json(self) -> dict[str, Any]:
        """What `simulate --explore --json` prints."""
        return {
            "cases": self.cases,
            "split_brains": self.split_brains,
            "policy": self.policy,
            "fences": self.means,
            "searches": dict(sorted(self.searches.items())),
            "named_split_brains": self.named_split_brains,
            "unbidden_split_brains": self.unbidden_split_brains,
            "excused": dict(sorted(self.excused.items())),
            "decisions": dict(sorted(self.decisions.items())),
            "median_start_seconds": self.median_start_s,
            "held": self.held,
            "failed": self.failed,
        }
