"""Many calls at once: as many as this machine does well by, and one that hangs holds up nobody."""

from __future__ import annotations

import threading

import pytest

from hafence.runner.parallel import MOST_AT_ONCE
from hafence.runner.waves import FEWEST, LATE_S, WIDEST, Width, in_waves

MANY = 4 * WIDEST


def test_results_come_in_the_order_of_the_calls() -> None:
    for count in (0, 1, MOST_AT_ONCE, MANY):
        assert in_waves([lambda n=n: n * n for n in range(count)]) == [n * n for n in range(count)]  # type: ignore[misc]


def test_the_first_error_is_raised_when_all_have_ended() -> None:
    ended = []

    def call(number: int) -> int:
        if number in (3, 200):
            raise ValueError(str(number))
        ended.append(number)
        return number

    with pytest.raises(ValueError, match=r"^(3|200)$"):
        in_waves([lambda n=n: call(n) for n in range(MANY)])  # type: ignore[misc]
    assert len(ended) == MANY - 2


def test_where_all_only_wait_more_go_on_at_once_and_never_too_many() -> None:
    lock, arrived, most = threading.Lock(), threading.Event(), [0, 0]

    def call() -> None:
        with lock:
            most[0] += 1
            most[1] = max(most)
            if most[0] > MOST_AT_ONCE + FEWEST:
                arrived.set()
        assert arrived.wait(30)
        with lock:
            most[0] -= 1

    in_waves([call] * MANY)
    assert MOST_AT_ONCE < most[1] <= WIDEST


def test_the_width_follows_how_late_somebody_wakes() -> None:
    width = Width()
    for _ in range(20):
        width.learns(LATE_S * 2)
    assert width.now == FEWEST
    width.learns(LATE_S / 2)
    assert width.now == FEWEST
    for _ in range(40):
        width.learns(0.0)
    assert width.now == WIDEST
