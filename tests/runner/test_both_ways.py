"""A look from two sides: who is asked when, and whose word counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hafence.core.looks import SIBLING_MAY_PASS, Blind, HostLook, Libvirt, Look, Silence
from hafence.core.model import HostName
from hafence.core.troubles import Trouble
from hafence.effects.hosts import HEAD_START_S, SYN_S
from hafence.runner.both_ways import BothWays

SUSPECT, FIRST, SECOND, THIRD = map(HostName, ("kvm-01", "kvm-02", "kvm-03", "kvm-04"))
SIBLINGS = (FIRST, SECOND, THIRD)


def seen(host: HostName = SUSPECT) -> HostLook:
    return HostLook(host, 0.0, 0.0, None, "boot", Libvirt.OK, {})


def silence(trouble: Trouble) -> Silence:
    return Silence(SUSPECT, 0.0, trouble)


class Sides:
    """The calls of a look, which wait for a word of the test's. `asked` is whom it has asked, in order."""

    def __init__(self, own: Look | None, behind: dict[HostName, Look], taken: bool = False) -> None:
        self.own, self.behind, self.taken = own, behind, taken
        self.asked: list[HostName] = []
        self.over = threading.Event()

    def straight(self) -> Look:
        if self.own is None:
            self.over.wait(30)
            return silence(Trouble.TIMED_OUT)
        return self.own

    def through(self, sibling: HostName) -> Look:
        self.asked.append(sibling)
        if sibling not in self.behind:
            self.over.wait(30)
        return self.behind.get(sibling, silence(Trouble.TIMED_OUT))


Look_ = Callable[..., Look]


@pytest.fixture
def look() -> Iterator[Look_]:
    begun: list[Sides] = []

    def from_both(sides: Sides, *heard: HostName) -> Look:
        begun.append(sides)
        both = BothWays(SUSPECT, SIBLINGS, sides.straight, sides.through, lambda: sides.taken)
        for name in heard or SIBLINGS:
            both.heard(seen(name))
        return both.look()

    yield from_both
    for sides in begun:
        sides.over.set()


def test_who_answers_the_admin_node_is_asked_by_nobody_else(look: Look_) -> None:
    sides = Sides(seen(), {})
    assert look(sides) == seen()
    assert sides.asked == []


def test_what_a_sibling_sees_ends_the_wait_for_the_admin_nodes_time_out(look: Look_) -> None:
    sides = Sides(None, {FIRST: seen()})
    found = look(sides)
    assert isinstance(found, Silence)
    assert (found.trouble, found.seen and found.seen.through) == (Trouble.TIMED_OUT, FIRST)
    assert sides.asked == [FIRST]
    assert found.says == "it answers kvm-02, and did not answer the admin node"


def test_whoever_takes_the_admin_nodes_connection_is_waited_for(look: Look_) -> None:
    """One that is slow may be well, and is then asked for before it is fenced."""
    sides = Sides(None, {FIRST: seen()})

    def slow() -> Look:
        time.sleep(2 * SYN_S)
        return seen()

    sides.straight = slow  # type: ignore[method-assign]
    sides.taken = True
    assert look(sides) == seen()
    assert sides.asked == []


def test_one_that_takes_it_late_is_waited_for_all_the_same(look: Look_) -> None:
    sides = Sides(None, {FIRST: seen()})

    def late() -> Look:
        time.sleep(HEAD_START_S + 0.3)
        sides.taken = True
        time.sleep(SYN_S)
        return seen()

    sides.straight = late  # type: ignore[method-assign]
    assert look(sides) == seen()
    assert sides.asked == [FIRST]


@pytest.mark.parametrize("trouble", sorted(SIBLING_MAY_PASS, key=str))
def test_after_what_may_be_the_admin_nodes_own_a_sibling_is_asked(look: Look_, trouble: Trouble) -> None:
    sides = Sides(silence(trouble), {FIRST: seen()})
    found = look(sides)
    assert isinstance(found, Silence)
    assert (found.trouble, found.seen and found.seen.through) == (trouble, FIRST)


@pytest.mark.parametrize("trouble", sorted(set(Trouble) - SIBLING_MAY_PASS, key=str))
def test_whom_its_sshd_turns_away_is_told_at_once(look: Look_, trouble: Trouble) -> None:
    sides = Sides(silence(trouble), {FIRST: seen()})
    assert look(sides) == silence(trouble)
    assert sides.asked == []


def test_a_blind_host_is_no_silent_one(look: Look_) -> None:
    blind = Blind(SUSPECT, 0.0, "a forced command")
    assert look(Sides(blind, {FIRST: seen()})) == blind


def test_the_next_is_asked_where_one_is_slow(look: Look_) -> None:
    sides = Sides(None, {SECOND: seen()})
    found = look(sides)
    assert isinstance(found, Silence)
    assert found.seen is not None
    assert (found.seen.through, sides.asked) == (SECOND, [FIRST, SECOND])


def test_the_next_is_asked_where_one_is_turned_away_and_no_more_than_two(look: Look_) -> None:
    refused: Look = silence(Trouble.SIBLING_FORBIDS)
    sides = Sides(silence(Trouble.REFUSED), {FIRST: refused, SECOND: refused, THIRD: seen()})
    assert look(sides) == silence(Trouble.REFUSED)
    assert sides.asked == [FIRST, SECOND]


def test_only_siblings_that_answer_are_asked(look: Look_) -> None:
    sides = Sides(None, {SECOND: seen()})
    found = look(sides, SECOND)
    assert isinstance(found, Silence)
    assert sides.asked == [SECOND]


def test_a_silent_sibling_is_not_asked_and_a_blind_one_is() -> None:
    sides = Sides(silence(Trouble.TIMED_OUT), {SECOND: seen()})
    both = BothWays(SUSPECT, SIBLINGS, sides.straight, sides.through, lambda: False)
    both.heard(Silence(FIRST, 0.0, Trouble.TIMED_OUT))
    both.heard(Blind(SECOND, 0.0, "a forced command"))
    found = both.look()
    assert isinstance(found, Silence)
    assert sides.asked == [SECOND]
    assert found.seen is not None


def test_without_siblings_the_admin_nodes_own_word_is_all(look: Look_) -> None:
    sides = Sides(silence(Trouble.NO_ROUTE), {})
    both = BothWays(SUSPECT, (), sides.straight, sides.through, lambda: False)
    assert both.look() == silence(Trouble.NO_ROUTE)


def test_where_nobody_is_let_in_the_admin_nodes_word_comes_as_it_was(look: Look_) -> None:
    sides = Sides(silence(Trouble.TIMED_OUT), {})
    assert look(sides) == silence(Trouble.TIMED_OUT)
    assert sides.asked == [FIRST, SECOND]


@pytest.mark.parametrize("taken", [False, True])
def test_a_host_that_may_be_off_is_waited_for_where_it_takes_the_connection(taken: bool) -> None:
    sides = Sides(None, {})

    def slow() -> Look:
        time.sleep(2 * SYN_S)
        return seen()

    both = BothWays(SUSPECT, (), slow, sides.through, lambda: taken, may_be_off=True)
    begun = time.time()
    found = both.look()
    if taken:
        assert found == seen()
    else:
        assert isinstance(found, Silence)
        assert (found.trouble, found.seen, found.at >= begun) == (Trouble.TIMED_OUT, None, True)


def test_an_error_of_either_side_is_raised(look: Look_) -> None:
    sides = Sides(None, {})

    def breaks(sibling: HostName | None = None) -> Look:
        raise ZeroDivisionError(sibling)

    sides.through = breaks  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError, match=FIRST):
        look(sides)
    sides = Sides(None, {})
    sides.straight = breaks  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        look(sides)
