"""Workflows side by side: at the same time, one journal, one voice; errors of one, and Ctrl-C for all."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from inspect import GEN_CLOSED, GEN_CREATED, getgeneratorstate
from types import FrameType
from typing import Any

import pytest

from hafence.core.model import HostName, Settings
from hafence.effects import (
    Answer,
    Ask,
    Effect,
    Interrupted,
    LeaseLost,
    LookAt,
    Now,
    Parallel,
    Sleep,
    StoreError,
    Tell,
    Together,
    Workflow,
    do,
)
from hafence.runner import side_by_side
from hafence.runner.parallel import MOST_AT_ONCE
from hafence.runner.player import Player

from .test_play import Log


def player(log: Log, perform: Callable[[Effect[Any]], Any]) -> Player:
    return Player(perform, Settings(), log, log)


def length(effect: Effect[Any]) -> float:
    """What tells effects of these tests apart: how long a sleep is, 0 of any other."""
    return effect.seconds if isinstance(effect, Sleep) else 0.0


def sleeps(*seconds: float, end: Any = None) -> Workflow[Any]:
    """A workflow of several effects that can be told apart. Ends in the errors that it met, or in `end`."""
    met: list[str] = []
    for each in seconds:
        try:
            yield from do(Sleep(each))
        except (StoreError, Interrupted, LeaseLost) as error:
            met.append(type(error).__name__)
    return met or end


def fails_at(seconds: float) -> Workflow[Any]:
    """A workflow that lets every error through."""
    yield from do(Sleep(seconds))
    return "ended"


def all_of(*workflows: Workflow[Any], then: Effect[Any] | None = None) -> Workflow[Any]:
    """What they ended in, or the error that was raised for them; then one effect more, if any."""
    ends: Any
    try:
        ends = yield from do(Parallel(workflows))
    except (StoreError, Interrupted, LeaseLost) as error:
        ends = f"{type(error).__name__}: {error}"
    if then is None:
        return ends
    try:
        yield from do(then)
    except (StoreError, Interrupted) as error:
        return ends, type(error).__name__
    return ends, "performed"


def test_they_go_on_at_the_same_time_and_their_ends_come_in_their_order() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def perform(effect: Effect[Any]) -> None:
        meeting.wait()  # passes only if all three are under way at once

    ends = player(Log(), perform).play(all_of(*(sleeps(1, 2, end=name) for name in "abc")))
    assert ends == ("a", "b", "c")


def test_none_at_all_have_ended_at_once_and_so_have_some_that_ask_for_nothing() -> None:
    assert player(Log(), lambda _: None).play(all_of()) == ()
    assert player(Log(), lambda _: None).play(all_of(sleeps(end=1), all_of(), sleeps(end=2))) == (1, (), 2)


def test_some_of_them_may_ask_for_others_side_by_side_again_and_for_effects_together() -> None:
    def both() -> Workflow[Any]:
        return (yield from do(Together((Now(), Sleep(4)))))

    log = Log()
    ends = player(log, lambda effect: type(effect).__name__).play(
        all_of(all_of(sleeps(1, end="a"), both()), sleeps(2, 3, end="b"))
    )
    assert ends == (("a", ("Now", "Sleep")), "b")
    assert len([line for line in log.lines if line.startswith("records")]) == 5


def test_every_effect_of_theirs_is_in_the_journal_before_it_is_performed_and_shown_from_one_thread() -> None:
    lines: list[tuple[str, float]] = []
    threads: set[int] = set()

    class Noting(Log):
        def intends(self, effect: Effect[Any]) -> None:
            self.note("intends", effect)

        def begins(self, effect: Effect[Any], budget_s: float | None) -> None:
            self.note("begins", effect)

        def ends(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
            self.note("ends", effect)

        def records(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
            self.note("records", effect)

        def note(self, word: str, effect: Effect[Any]) -> None:
            threads.add(threading.get_ident())
            lines.append((word, length(effect)))

    ends = player(Noting(), lambda effect: lines.append(("performs", length(effect)))).play(
        all_of(sleeps(1, 2, 3), sleeps(4, 5))
    )
    assert ends == (None, None)
    assert threads == {threading.get_ident()}
    for number in range(1, 6):
        words = [word for word, seconds in lines if seconds == number]
        assert words == ["intends", "begins", "performs", "ends", "records"]


def test_people_are_asked_one_question_at_a_time_by_the_thread_that_plays() -> None:
    asked: list[int] = []

    def perform(effect: Effect[Any]) -> Answer | None:
        if isinstance(effect, Ask | Tell):
            asked.append(threading.get_ident())
        return Answer.YES if isinstance(effect, Ask) else None

    def asks() -> Workflow[Answer]:
        yield from do(Tell("look here"))
        return (yield from do(Ask("go on?")))

    assert player(Log(), perform).play(all_of(*(asks() for _ in range(5)))) == (Answer.YES,) * 5
    assert asked == [threading.get_ident()] * 10


@pytest.mark.parametrize("more", [1, 3])
def test_only_so_many_reach_out_at_once_and_the_rest_have_their_turn(more: int) -> None:
    lock, most, going = threading.Lock(), 0, 0
    full = threading.Event()

    def perform(effect: Effect[Any]) -> None:
        nonlocal most, going
        if not isinstance(effect, LookAt):
            return
        with lock:
            going += 1
            most = max(most, going)
            if going == MOST_AT_ONCE:
                full.set()
        assert full.wait(10)
        with lock:
            going -= 1

    def looks() -> Workflow[int]:
        yield from do(Together((LookAt((HostName("a"),)),)))
        yield from do(Sleep(1))
        return 1

    count = MOST_AT_ONCE * more + 1
    assert player(Log(), perform).play(all_of(*(looks() for _ in range(count)))) == (1,) * count
    assert most == MOST_AT_ONCE


# ---------------------------------------------------------------- errors of one


def test_the_error_of_one_stops_no_other_and_is_raised_when_all_have_ended() -> None:
    failed = threading.Event()

    def perform(effect: Effect[Any]) -> None:
        if length(effect) == 1:
            failed.set()
            raise LeaseLost("run-2 has it")
        if isinstance(effect, Sleep):
            assert failed.wait(10)

    log = Log()
    ends = player(log, perform).play(all_of(fails_at(1), sleeps(2, 3, 4), then=Now()))
    assert ends == ("LeaseLost: run-2 has it", "performed")
    assert log.lines.count("records Sleep None") == 3


def test_of_several_errors_the_first_is_raised() -> None:
    second = threading.Event()

    def perform(effect: Effect[Any]) -> None:
        if length(effect) == 1:
            assert second.wait(10)
            raise StoreError("later")
        raise LeaseLost("sooner")

    class Waits(Log):
        def ends(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
            second.set()

    assert player(Waits(), perform).play(all_of(fails_at(1), fails_at(2))) == "LeaseLost: sooner"


def test_what_cannot_be_journalled_is_not_performed_and_only_that_workflow_is_told() -> None:
    log = Log()
    log.fails_before = Now
    performed: list[str] = []

    def asks_the_time() -> Workflow[Any]:
        try:
            return (yield from do(Together((Sleep(1), Now()))))
        except StoreError as error:
            return str(error)

    ends = player(log, lambda effect: performed.append(type(effect).__name__)).play(
        all_of(asks_the_time(), sleeps(2, end="well"))
    )
    assert ends == ("disk full", "well")
    assert performed == ["Sleep"]
    assert log.lines.count("begins Sleep") == log.lines.count("ends Sleep") == 2


def test_an_answer_that_cannot_be_journalled_is_met_by_that_workflow_at_its_next_effect() -> None:
    class Fails(Log):
        def records(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
            if length(effect) == 1:
                raise StoreError("disk full")

    ends = player(Fails(), lambda _: None).play(all_of(sleeps(1, 2, end="a"), sleeps(3, 4, end="b")))
    assert ends == (["StoreError"], "b")


def test_the_last_answer_that_cannot_be_journalled_is_met_by_whoever_asked_for_all_of_them() -> None:
    log = Log()
    log.fails_after = Sleep
    assert player(log, lambda _: None).play(all_of(sleeps(1, end="a"), then=Now())) == (("a",), "StoreError")
    inner = all_of(sleeps(1, end="a"), then=Now())
    assert player(log, lambda _: None).play(all_of(inner)) == ((("a",), "StoreError"),)


def test_a_bug_is_raised_out_of_everything_when_the_others_have_ended() -> None:
    ended: list[str] = []
    broken = threading.Event()

    def perform(effect: Effect[Any]) -> None:
        if length(effect) == 1:
            broken.set()
            raise ZeroDivisionError
        assert broken.wait(10)
        ended.append("other")

    with pytest.raises(ZeroDivisionError):
        player(Log(), perform).play(all_of(all_of(fails_at(1)), sleeps(2)))
    assert ended == ["other"]


# ---------------------------------------------------------------- Ctrl-C


def press_ctrl_c() -> None:
    """To the thread that plays, as the kernel gives it a terminal's Ctrl-C."""
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signal.SIGINT)


def test_ctrl_c_reaches_every_one_where_it_waits_and_leaves_what_hangs() -> None:
    under_way = threading.Barrier(3, timeout=10)
    never = threading.Event()
    log = Log()

    def perform(effect: Effect[Any]) -> None:
        if length(effect) == 1:
            if under_way.wait() == 0:
                press_ctrl_c()
            never.wait(60)

    workflows = [sleeps(1, 2), sleeps(1, 2), fails_at(1)]
    try:
        ends = player(log, perform).play(all_of(*workflows, then=Now()))
    finally:
        never.set()
    assert ends == ("Interrupted: ", "performed")
    # the two that went on were performed to their ends, with effects of their own
    assert log.lines.count("records Sleep None") == 2
    assert log.lines.count("begins Sleep") == log.lines.count("ends Sleep") == 5


@contextmanager
def ctrl_c_at(number: int) -> Any:
    """Ctrl-C when the so-maniest line of the module is about to be run; gives a list that is filled when it was."""
    seen = 0
    pressed: list[int] = []

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if (
            frame.f_code.co_filename != side_by_side.__file__
            or threading.current_thread() is not threading.main_thread()
        ):
            return None
        if event == "line":
            seen += 1
            if seen == number and not pressed:
                pressed.append(frame.f_lineno)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield pressed
    finally:
        sys.settrace(before)


def test_ctrl_c_at_any_line_loses_no_workflow() -> None:
    number = 0
    pressed: list[int] = [0]
    while pressed:
        number += 1
        workflows = [all_of(sleeps(1, end="a"), sleeps(2, end="b")), sleeps(3, end="c"), sleeps(end="d")]
        with ctrl_c_at(number) as pressed, suppress(Interrupted):
            player(Log(), lambda _: None).play(all_of(*workflows))
        for each in workflows:
            assert getgeneratorstate(each) in (GEN_CREATED, GEN_CLOSED), f"Ctrl-C at line {pressed} lost a workflow"
    assert number > 100
