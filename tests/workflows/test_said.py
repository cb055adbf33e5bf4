"""What every command says to people, each sentence once: `tests/core/told/said.txt`.

The dialogues (told/start_vm.txt and its like) hold what is done and in which order, and no sentence: a reworded one
changes this file, and no other dialogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hafence.workflows.host_status import rejoin
from tests.core.telling import assert_told

from . import stage, test_evacuate, test_fence, test_people, test_planned_work, test_start_vm


def dialogues() -> Iterator[tuple[str, list[str]]]:
    for name, starting in test_start_vm.CASES.items():
        yield f"start-vm: {name}", starting.play(stage.said)
    for name, fencing in test_fence.CASES.items():
        yield f"fence: {name}", fencing.play(stage.said)
    for name, leaving in test_evacuate.CASES.items():
        yield f"evacuate: {name}", leaving.play(stage.said)
    for name, stating in test_people.STATEMENTS.items():
        yield f"confirm-dead: {name}", stating.play(test_people.state, stage.said)
    for name, returning in test_people.BACK.items():
        yield f"rejoin: {name}", returning.play(rejoin, stage.said)
    for name, planning in test_planned_work.cases().items():
        yield f"planned work: {name}", planning.said()


def test_what_is_said_to_people() -> None:
    """Under the first dialogue that says it."""
    heard: set[str] = set()
    told: Mapping[str, list[str]] = {}
    for name, said in dialogues():
        new = [sentence for sentence in said if sentence not in heard]
        heard |= set(new)
        if new:
            told = {**told, name: new}
    assert_told("said", told)
