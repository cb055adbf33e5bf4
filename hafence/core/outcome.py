"""What came of a run: the values that every writer (live view, plain lines, JSON, exit code) shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum

from .attempts import Attempt, Verdict
from .captures import Source
from .evidence import Evidence
from .model import HostName, Uuid
from .reasons import Reason
from .risks import Risk


class Decision(Enum):
    """What hafence did about one VM (or would do, in a dry run)."""

    STARTED = "started"
    FENCED = "fenced"
    REFUSED = "refused"
    FAILED = "failed"
    UNCHANGED = "unchanged"


class Exit(IntEnum):
    """Exit codes of every command but `audit`."""

    DONE = 0
    BUG = 1
    USAGE = 2
    REFUSED = 3
    START_FAILED = 4
    BUSY = 5
    INVENTORY = 6
    STORE = 7
    NEEDS_PERSON = 8
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one run for one VM. `says` is the sentence for a person, `ways_out` what would turn a refusal into a
    start."""

    run: str
    uuid: Uuid
    name: str
    suspect: HostName | None
    decision: Decision
    verdict: Verdict | None
    reason: Reason
    says: str
    host: HostName | None = None
    dry_run: bool = False
    attempts: tuple[Attempt, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    residual_risk: tuple[Risk, ...] = ()
    ways_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What else was weighed: excluded siblings and targets with their reasons, an earlier run that was settled."""
    exit: Exit = Exit.DONE
    source: Source | None = None
    """From which definition it was started, or would be; None where nobody has come so far as to ask."""

    @property
    def message(self) -> str:
        """The sentence with its ways out, where all has to be said in one."""
        return f"{self.says} Way out: {'; or '.join(self.ways_out)}." if self.ways_out else self.says


_WEIGHT = (Exit.NEEDS_PERSON, Exit.REFUSED, Exit.START_FAILED, Exit.DONE)


def exit_of(outcomes: Iterable[Outcome]) -> Exit:
    """The exit code of a run over several VMs: the weightiest of 8, 3, 4, 0; others outrank them all."""
    exits = [outcome.exit for outcome in outcomes]
    for code in exits:
        if code not in _WEIGHT:
            return code
    return min(exits, key=_WEIGHT.index, default=Exit.DONE)
