"""How a VM is told of whose process lives and that does not run."""

from __future__ import annotations

from hafence.core.halted import Halted

from .make import uuid
from .telling import assert_told

SEEN = (
    *(Halted("paused", why) for why in ("i-o-error", "migrating", "starting-up", "user", "saving", "unknown")),
    *(Halted("paused", "crashed"), Halted("in-shutdown", "user"), Halted("pmsuspended", "disk")),
)


def test_what_is_said_of_a_vm_that_does_not_run() -> None:
    assert_told("halted", {f"{each.state} {each.reason}": [each.says, each.way_out(uuid(1))] for each in SEEN})
