"""The fence's session after its reply: it stays on the suspect, and ends what another manager brings back there.

Who holds the session open holds the handle of a dead man's brake: the script may kill for a few seconds at a time, and
only for as long as hafence says "on", within its lease. A run that is gone, suspended or cut off ends or stops it.

    hafence/1 NONCE end vms=N status=S     the reply is complete, and the script stays
    hafence/1 NONCE watch CLOCK            asks for leave, by the host's clock: "on NONCE DEADLINE" or "done NONCE"; or
                                           "aside NONCE DEADLINE", the end as well, with the definitions set aside
    hafence/1 NONCE came UUID              a process of the VM was there, and was sent SIGKILL
    hafence/1 NONCE lives UUID             … and is there still at the end
    hafence/1 NONCE definition UUID WORD   … its definition was set aside (aside), or could not be (kept)
    hafence/1 NONCE watched                the end, after "done"
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable

from ...core.attempts import FenceOrder
from ...core.model import Uuid
from ...core.watch import WatchReport
from ...core.wire import PROTOCOL
from .program import ProgramResult
from .talk import Go

ROUND_S = 0.5
"""How long a watch pauses between two looks."""

LEAVE_S = 5.0
"""For how long one "on" lets a watch kill."""

WATCH_S = 900.0
"""The longest that a watch lasts: hooks and starts take as long as they like, a forgotten session does not."""

_END = re.compile(r"end vms=[0-9]{1,6} status=([0-9]{1,3})\Z")
_WATCH = re.compile(r"watch ([0-9]{9,11}(?:\.[0-9]{1,9})?)\Z")
ASIDE_S = 10.0
"""For how long an "aside" lets it change what libvirt keeps."""

_OF_VM = re.compile(r"(came|lives) ([0-9a-f-]{36})\Z")
_DEFINITION = re.compile(r"definition ([0-9a-f-]{36}) (aside|kept)\Z")


class Stay:
    """Speaks with a fence that stays: lets it go as `go` does, takes its reply at the end line, and gives it leave.

    Called by the thread that reads the script's lines; the other methods are for the run's.
    """

    def __init__(self, order: FenceOrder, nonce: str, go: Go, clock: Callable[[], float]) -> None:
        self.order = order
        self.not_after = order.not_after
        """The end of the run's lease, by `clock`. Grows when the lease is renewed."""
        self._nonce = nonce
        self._go = go
        self._clock = clock
        self._lines: list[str] = []
        self._ending = threading.Event()
        self._aside = False
        self._settled = threading.Event()
        self._ended = threading.Event()
        self.after: list[str] = []
        """What the script has said since its reply."""
        self.run: ProgramResult | None = None
        """What came of the whole session, once it has ended."""
        self.failed: list[BaseException] = []
        """What went wrong in it that is no answer: a bug."""
        self.status: int | None = None
        """What the exit status of the fence would be, once its reply is complete."""

    @property
    def sent(self) -> bool:
        """Whether the script may have been released."""
        return self._go.sent

    def __call__(self, line: str) -> str | None:
        """What to answer to a line of the script."""
        if self.stays():
            return self._leave(line)
        self._lines.append(line)
        end = _END.match(line.removeprefix(f"{PROTOCOL} {self._nonce} "))
        if end is not None and self.sent:
            self.status = int(end[1])
            self._settled.set()
            return None
        return self._go(line)

    def _leave(self, line: str) -> str | None:
        self.after.append(line)
        match = _WATCH.match(line.removeprefix(f"{PROTOCOL} {self._nonce} "))
        if match is None:
            return None
        if self._ending.wait(ROUND_S):
            return self._until("aside", match[1], ASIDE_S) if self._aside else f"done {self._nonce}\n"
        return self._until("on", match[1], LEAVE_S)

    def _until(self, word: str, clock: str, leave_s: float) -> str:
        # Its clock was told before the pause, so the leave is never longer than it should be.
        deadline = float(clock) + min(leave_s, self.not_after - self._clock())
        return f"{word} {self._nonce} {max(0.0, deadline):.3f}\n"

    def stays(self) -> bool:
        """Whether the reply is complete and the script stays."""
        return self.status is not None

    def reply(self) -> str:
        """The text of the reply."""
        return "\n".join([*self._lines, ""])

    def begin(self, run: Callable[[], ProgramResult]) -> None:
        """Run the session on a thread of its own, and wait until the reply is complete or the session has ended."""

        def work() -> None:
            try:
                self.run = run()
            except BaseException as error:  # raised in the caller's thread
                self.failed.append(error)
            self._ended.set()
            self._settled.set()

        threading.Thread(target=work, daemon=True).start()
        self._settled.wait()
        if self.failed:
            raise self.failed[0]

    def end(self, within_s: float, aside: bool) -> WatchReport:
        """Tell the script, as soon as it asks, that it is over, and wait so long for what it has met. `aside`: it sets
        the VMs' definitions aside before it goes."""
        self._aside = aside
        self._ending.set()
        self._ended.wait(within_s)
        run = self.run
        stdout, status = (run.stdout, run.exit_status) if run else ("\n".join(self.after), None)
        return parse_watch(self._nonce, self.order, stdout, status)


def parse_watch(nonce: str, order: FenceOrder, stdout: str, exit_status: int | None) -> WatchReport:
    """Read what came after the reply. A process that was told of counts whatever came after it."""
    came: Counter[Uuid] = Counter()
    living: set[Uuid] = set()
    definitions: dict[Uuid, bool] = {}
    prefix = f"{PROTOCOL} {nonce} "
    lines = [line.removeprefix(prefix) for line in stdout.split("\n") if line.startswith(prefix)]
    for line in lines:
        if (said := _DEFINITION.match(line)) is not None and Uuid(said[1]) in order.vms:
            definitions[Uuid(said[1])] = said[2] == "aside"
        match = _OF_VM.match(line)
        if match is None or Uuid(match[2]) not in order.vms:
            continue
        if match[1] == "came":
            came[Uuid(match[2])] += 1
        else:
            living.add(Uuid(match[2]))
    whole = exit_status == 0 and bool(lines) and lines[-1] == "watched"
    return WatchReport(order.suspect, dict(came), frozenset(living), whole, definitions)
