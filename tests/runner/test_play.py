"""Driving a story: the journal before and after, several effects at once, Ctrl-C, a store that fails."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import pytest

from hafence.core.model import HostName, Settings
from hafence.core.power import DeviceId
from hafence.effects import (
    Answer,
    Effect,
    Interrupted,
    LookAt,
    Now,
    SendOff,
    Sleep,
    StoreError,
    Tell,
    Together,
    Workflow,
    do,
)
from hafence.runner.parallel import first_may_do, in_parallel
from hafence.runner.player import Player


class Log:
    """A journal and a voice that remember; the journal can be told to fail."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.budgets: list[tuple[str, float | None]] = []
        self.fails_before: type[Effect[Any]] | None = None
        self.fails_after: type[Effect[Any]] | None = None

    def intends(self, effect: Effect[Any]) -> None:
        if type(effect) is self.fails_before:
            raise StoreError("disk full")
        self.lines.append(f"intends {type(effect).__name__}")

    def records(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        if type(effect) is self.fails_after:
            raise StoreError("disk full")
        self.lines.append(f"records {type(effect).__name__} {answer}")

    def begins(self, effect: Effect[Any], budget_s: float | None) -> None:
        self.lines.append(f"begins {type(effect).__name__}")
        self.budgets.append((type(effect).__name__, budget_s))

    def ends(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        self.lines.append(f"ends {type(effect).__name__}")

    def tells(self, text: str) -> None:
        self.lines.append(text)

    def asks(self, question: str) -> Answer:
        return Answer.NOBODY


def player(log: Log, answers: dict[type[Effect[Any]], Any]) -> Player:
    def perform(effect: Effect[Any]) -> Any:
        log.lines.append(f"performs {type(effect).__name__}")
        answer = answers[type(effect)]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return Player(perform, Settings(), log, log)


def two_steps() -> Workflow[tuple[object, ...]]:
    said: list[object] = []
    for effect in (Now(), Sleep(1.0)):
        try:
            said.append((yield effect))
        except (StoreError, Interrupted) as error:
            said.append(type(error).__name__)
    return tuple(said)


def test_an_effect_is_in_the_journal_before_it_is_performed() -> None:
    log = Log()
    assert player(log, {Now: 5.0, Sleep: None}).play(two_steps()) == (5.0, None)
    assert log.lines[:5] == ["intends Now", "begins Now", "performs Now", "ends Now", "records Now 5.0"]


def test_what_cannot_be_journalled_is_not_performed() -> None:
    log = Log()
    log.fails_before = Now
    assert player(log, {Now: 5.0, Sleep: None}).play(two_steps()) == ("StoreError", None)
    assert "performs Now" not in log.lines


def test_an_answer_that_cannot_be_journalled_still_reaches_the_story_and_the_failure_comes_next() -> None:
    log = Log()
    log.fails_after = Now
    assert player(log, {Now: 5.0, Sleep: None}).play(two_steps()) == (5.0, "StoreError")
    assert "performs Sleep" not in log.lines


def test_people_are_shown_how_long_an_effect_may_take_by_its_class_and_the_settings() -> None:
    host = HostName("kvm-01")

    def looks() -> Workflow[None]:
        yield from do(LookAt((host,)))
        yield from do(Together((SendOff(DeviceId(host, 1, 1, "ipmi"), 100.0), Now())))

    log = Log()
    settings = Settings(connect_timeout_s=7.0, power_timeout_s=31.0)
    Player(lambda _: None, settings, log, log).play(looks())
    assert log.budgets == [("LookAt", 12.0), ("SendOff", 31.0), ("Now", None)]


def test_ctrl_c_reaches_the_story_as_interrupted_where_it_waits() -> None:
    log = Log()
    assert player(log, {Now: KeyboardInterrupt(), Sleep: None}).play(two_steps()) == ("Interrupted", None)


def test_several_effects_are_performed_at_once_and_answered_in_their_order() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def perform(effect: Effect[Any]) -> Any:
        meeting.wait()  # passes only if both are under way at the same time
        return type(effect).__name__

    def story() -> Workflow[tuple[Any, ...]]:
        return (yield from do(Together((Now(), Tell("x")))))

    log = Log()
    assert Player(perform, Settings(), log, log).play(story()) == ("Now", "Tell")
    assert [line for line in log.lines if line.startswith("intends")] == ["intends Now", "intends Tell"]


def test_parallel_calls_keep_their_order_and_raise_after_all_have_ended() -> None:
    assert in_parallel([lambda n=n: n * n for n in range(100)], most=7) == [n * n for n in range(100)]  # type: ignore[misc]
    ended: list[int] = []

    def fails() -> int:
        raise StoreError("no")

    def ends() -> int:
        ended.append(1)
        return 1

    with pytest.raises(StoreError):
        in_parallel([fails, ends])
    assert ended == [1]


class Settled(NamedTuple):
    """An answer that says whether the others are wanted."""

    settles: bool


@pytest.mark.parametrize("settles", [True, False])
def test_who_is_asked_for_the_case_that_the_first_does_not_settle_it_is_waited_for_only_then(settles: bool) -> None:
    first, second = threading.Event(), threading.Event()

    def perform(effect: Effect[Any]) -> Any:
        if isinstance(effect, Now):
            first.set()
            return Settled(settles)
        assert first.wait(10)
        if settles:
            second.wait(10)  # it goes on by itself while the run has its answer
        return "seen"

    def story() -> Workflow[tuple[Any, ...]]:
        return (yield from do(Together((Now(), Tell("x")), first_may_do=True)))

    log = Log()
    answer = Player(perform, Settings(), log, log).play(story())
    assert answer == (Settled(settles), () if settles else "seen")
    second.set()


def test_where_the_first_fails_the_others_are_waited_for() -> None:
    ended: list[int] = []

    def fails() -> int:
        raise StoreError("no")

    with pytest.raises(StoreError):
        first_may_do([fails, lambda: ended.append(1) or 1], lambda first: True)  # type: ignore[func-returns-value]
    assert ended == [1]
