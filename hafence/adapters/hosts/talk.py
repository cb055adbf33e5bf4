"""The conversation with a script on a host: its hello, and hafence's "go". Its lines are read in core/wire.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from ...core.model import Uuid, is_name
from ...core.wire import Hello, read_hello
from .program import Program


class Go:
    """Releases a script, once, when it has said hello: tells it until when it may act, in its own clock.

    `not_after` is the end of the run's lease by `clock` (the admin node's), `within_s` bounds the script from its
    hello on. The host's clock is the one that it has just told, so no offset between the two matters, and a
    host that freezes and wakes up an hour later finds the deadline behind it. `latest` is the latest deadline by the
    host's own clock, for what an admin node must not send when it is its own clock that is not to be trusted. One that
    is not `is_meant`, by its hello, is told to end.
    """

    def __init__(
        self,
        nonce: str,
        not_after: float,
        within_s: float,
        clock: Callable[[], float],
        is_meant: Callable[[Hello], bool] = lambda hello: True,
        latest: float = math.inf,
    ) -> None:
        self._nonce = nonce
        self._not_after = not_after
        self._within_s = within_s
        self._clock = clock
        self._is_meant = is_meant
        self._latest = latest
        self.sent = False
        """Whether the script may have been released. As long as it is False, the script has changed nothing."""

    def __call__(self, line: str) -> str | None:
        """What to answer to a line of the script."""
        hello = read_hello(self._nonce, line)
        if hello is None or self.sent:
            return None
        if not self._is_meant(hello):
            return f"no {self._nonce}\n"
        deadline = min(self._latest, hello.clock + min(self._within_s, self._not_after - self._clock()))
        self.sent = True
        return f"go {self._nonce} {max(0.0, deadline):.3f}\n"


def name_list(vms: Iterable[Uuid], names: Mapping[Uuid, tuple[str, ...]]) -> str:
    """`UUID=NAME …` for a script's NAMES: by its name, too, a qemu is known that somebody started without a UUID.

    `names` are those of each VM, in the inventory and in libvirt, which takes names of any characters. One that could
    be read as anything else is left out: without another one the VM is known by its UUID alone.
    """
    return " ".join(f"{vm}={name}" for vm in vms for name in dict.fromkeys(names.get(vm, ())) if is_name(name))


def was_released(program: Program) -> bool:
    """Whether the script may have begun to change anything. False is certain, whatever came of the run."""
    return not isinstance(program.on_line, Go) or program.on_line.sent
