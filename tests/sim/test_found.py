"""What the search has found, each as the shortest story that showed it."""

from hafence.core.outcome import Decision
from hafence.core.reasons import Reason
from hafence.sim.case import Played, play_case
from hafence.sim.events import Event
from hafence.sim.explore import first_case
from hafence.sim.grounds import Excuse
from hafence.sim.situations import SUSPECT, VM, Means, inventory


def story(situation: str, *more: Event, means: Means | None = None) -> Played:
    events = sorted((*first_case(situation), *more), key=lambda event: event.at)
    return play_case(inventory(means or Means()), tuple(events))


def test_the_suspect_of_a_start_is_the_host_that_was_fenced_and_not_the_new_one() -> None:
    outcome = story("healthy").simulation.runs[0].outcomes[0]
    assert (outcome.suspect, outcome.host) == (SUSPECT, "kvm-02")


def test_a_leftover_that_the_storage_keeps_out_is_no_second_copy() -> None:
    played = story("unkillable", means=Means("confirm", storage=True))
    outcome = played.simulation.runs[0].outcomes[0]
    assert (outcome.decision, outcome.reason) == (Decision.STARTED, Reason.STORAGE_FENCED)
    assert any("can't write" in note for note in outcome.notes)


def test_a_target_that_a_run_has_settled_can_be_started_on_by_the_same_run() -> None:
    played = story(
        "healthy",
        Event(42.39, "hold", "admin-1"),
        Event(43.0, "run", f"admin-2: start-vm {VM} --yes --wait 200"),
        Event(300.0, "release", "admin-1"),
    )
    second = played.simulation.runs[1].outcomes[0]
    assert (second.decision, second.host) == (Decision.STARTED, "kvm-02")
    assert not played.violations


def test_a_start_that_its_run_does_not_live_to_see_stands_on_what_the_run_had_seen() -> None:
    alone = story("isolated")
    sent_at = alone.simulation.runs[0].sent[0][0]
    played = story("isolated", Event(sent_at + 0.5, "crash", "admin-1"))
    assert played.simulation.runs[0].crashed
    assert played.excuses == {Excuse.SILENCE}
    assert not played.violations
