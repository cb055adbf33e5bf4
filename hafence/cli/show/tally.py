"""How far a run over many VMs has come, in one line."""

from __future__ import annotations

from collections.abc import Callable

from ...core.model import Uuid
from ...core.outcome import Decision, Exit, Outcome

FEWEST_COLUMNS = 8
_FULL, _EMPTY = "█", "░"


class Tally:
    """Counts what has come of `expected` VMs. One of which more has come since is counted by that."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._ended: dict[Uuid, Outcome] = {}

    def ended(self, outcome: Outcome) -> None:
        """This has come of a VM."""
        self._ended[outcome.uuid] = outcome

    def words(self, starting: int) -> str:
        """`28 run, 6 starting, 11 waiting, 1 failed, 2 left out`: `starting` are those under way now."""
        up = self._count(lambda outcome: outcome.exit is Exit.DONE)
        refused = self._count(lambda outcome: outcome.exit is not Exit.DONE and outcome.decision is Decision.REFUSED)
        failed = len(self._ended) - up - refused
        waiting = max(0, self._expected - len(self._ended) - starting)
        words = [f"{up} run", f"{starting} starting", f"{waiting} waiting"]
        words += [f"{failed} failed"] * bool(failed) + [f"{refused} left out"] * bool(refused)
        return ", ".join(words)

    def bar(self, columns: int, unicode: bool) -> str:
        """`[██████░░░░] 60 %`; '' where there is too little room."""
        share = len(self._ended) / max(1, self._expected, len(self._ended))
        room = columns - len("[] 100 %")
        if room < FEWEST_COLUMNS:
            return ""
        full, empty = (_FULL, _EMPTY) if unicode else ("#", ".")
        filled = int(room * share)
        return f"[{full * filled}{empty * (room - filled)}] {int(100 * share)} %"

    def is_over(self) -> bool:
        """Whether something has come of each."""
        return len(self._ended) >= self._expected

    def _count(self, which: Callable[[Outcome], bool]) -> int:
        return sum(1 for outcome in self._ended.values() if which(outcome))
