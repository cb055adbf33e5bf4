"""A start from a capture in the simulated world, and the oracle that notices one from an older disk all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hafence.core.captures import Origin
from hafence.core.capturing import Captured, Why
from hafence.core.outcome import Decision
from hafence.sim import sessions
from hafence.sim.case import Played, play_case
from hafence.sim.events import Event
from hafence.sim.observed import note_sent
from hafence.sim.scripts import start_script
from hafence.sim.situations import SUSPECT, VM, Means, inventory

START = f"admin-1: start-vm {VM} --yes"
NEWER = Event(0, "qemu", f"{VM} {SUSPECT} differs")


def played(*events: tuple[float, str, str]) -> Played:
    return play_case(inventory(Means("confirm")), (NEWER, *(Event(*event) for event in events)), liveness=False)


def captures(case: Played) -> list[tuple[str, Why | None]]:
    results = [run.result for run in case.simulation.runs if run.typed.startswith("capture")]
    return [(each.name, each.why) for result in results for each in result if isinstance(each, Captured)]


def test_a_captured_vm_is_moved_on_to_its_newest_disk() -> None:
    case = played((5, "run", f"admin-1: capture {VM}"), (40, "run", START))
    assert captures(case) == [(VM, None)]
    (outcome,) = case.run.outcomes
    assert outcome.decision is Decision.STARTED
    assert outcome.source is not None
    assert outcome.source.origin is Origin.CAPTURE
    assert [qemu.disks for host in case.simulation.world.hosts.values() for qemu in host.all_living()] == [1]
    assert not case.violations


def test_a_start_from_the_inventorys_older_disk_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fence goes by the capture and spares nothing; the start goes by another definition."""

    def from_the_first(real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: real(*arguments[:-1], 0)

    monkeypatch.setattr(sessions, "start_script", from_the_first(start_script))
    monkeypatch.setattr(sessions, "note_sent", from_the_first(note_sent))
    case = played((5, "run", f"admin-1: capture {VM}"), (40, "run", START))
    assert [violation.rule for violation in case.violations] == ["grounds"]


def test_what_is_edited_after_the_capture_counts_and_is_compared_with() -> None:
    events = [(5, "run", f"admin-1: capture {VM}"), (6, "definition", f"{VM}=today")]
    case = played(*events, (7, "qemu", f"{VM} {SUSPECT} differs"), (40, "run", START))
    (outcome,) = case.run.outcomes
    assert outcome.reason.value == "disks_differ"
    assert not case.violations


def test_without_a_definition_in_the_inventory_the_capture_is_enough() -> None:
    case = played((5, "run", "admin-1: capture"), (6, "definition", f"{VM}=missing"), (40, "run", START))
    assert case.run.outcomes[0].decision is Decision.STARTED
    assert not case.violations


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ((1, "cut", f"admin-1 - {SUSPECT}"), Why.SILENT),
        ((1, "libvirtd", f"{SUSPECT}=hung"), Why.NOT_FETCHED),
        ((1, "qemu", f"{VM} {SUSPECT} dies"), Why.NOT_RUNNING),
        ((5.4, "qemu", f"{VM} {SUSPECT} dies"), Why.NOT_FETCHED),
        ((5.4, "cut", f"admin-1 - {SUSPECT}"), Why.NOT_FETCHED),
    ],
    ids=["silent", "libvirt hangs", "is off", "dies meanwhile", "falls silent meanwhile"],
)
def test_what_can_not_be_had_is_no_capture(event: tuple[float, str, str], why: Why) -> None:
    case = played(event, (5, "run", "admin-1: capture"))
    assert captures(case) == [(VM, why)]
    assert case.simulation.world.store.captures((inventory(Means("confirm")).find_vm(VM).uuid,)) == ()
