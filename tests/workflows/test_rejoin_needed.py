"""Whether a rejoin has anything to do."""

from __future__ import annotations

import pytest

from hafence.core.looks import Look
from hafence.core.stored import Recollection
from hafence.workflows.rejoin_needed import rejoin_needed
from tests.core.make import look, silence

from .drive import EMPTY, Desk
from .stage import K1, book, memory, seen

REMEMBERED = memory(machine_ids={K1: "f" * 32})


@pytest.mark.parametrize(
    ("remembered", "seen_there", "needed", "looks"),
    [
        (memory(quarantine={K1: "fenced"}), look("kvm-01"), True, 0),
        (EMPTY, look("kvm-01"), False, 0),
        (REMEMBERED, look("kvm-01", machine_id="f" * 32), False, 1),
        (REMEMBERED, look("kvm-01", machine_id="e" * 32), True, 1),
        (REMEMBERED, silence("kvm-01"), False, 1),
    ],
    ids=["in quarantine", "never met", "the same", "reinstalled", "silent"],
)
def test_only_quarantine_and_another_machine_need_one(
    remembered: Recollection, seen_there: Look, needed: bool, looks: int
) -> None:
    it = book()
    desk = Desk(it, [seen(k1=seen_there)], remembered)
    assert desk.run(rejoin_needed(it.hosts[K1])) is needed
    assert sum("LookAt" in line for line in desk.log) == looks
