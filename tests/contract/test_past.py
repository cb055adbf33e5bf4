"""What rules ask of the history, of every engine."""

from __future__ import annotations

from typing import Any

import pytest

from hafence.core.evacuations import Evacuation
from hafence.core.model import HostName
from hafence.stores.past import FIRST_ROWS, evacuations
from hafence.stores.port import Json, RunRow, Store

from .engines import NOW, A, B

DONE = {"vms": [{"decision": "refused", "verdict": None}, {"decision": "started", "verdict": "confirmed_dead"}]}


def run(
    store: Store, name: str, at: float, result: Json | None = None, command: str = "evacuate", **asked: Any
) -> None:
    """A run of the past, ended where `result` is given."""
    store.begin_run(RunRow(name, at, "alice@adm", command, (), {"host": A, **asked}))
    if result is not None:
        store.end_run(name, at + 5, 0, result)


def test_evacuations_since_a_moment_without_the_run_that_asks(store: Store) -> None:
    run(store, "r1", NOW - 7200, DONE)
    run(store, "r2", NOW - 60, DONE)
    run(store, "r3", NOW - 50, DONE, command="fence")
    run(store, "r4", NOW - 40, None, host=B)
    run(store, "r5", NOW, None)
    assert evacuations(store, NOW - 3600, "r5") == (
        Evacuation(B, "r4", "alice@adm", NOW - 40),
        Evacuation(A, "r2", "alice@adm", NOW - 60),
    )


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        ({"vms": [{"decision": "refused", "verdict": None}]}, False),
        ({"vms": [{"decision": "refused", "verdict": "still_alive"}]}, False),
        ({"vms": []}, False),
        ({"vms": [{"decision": "refused", "verdict": "confirmed_dead"}]}, True),
        ({"vms": [{"decision": "failed", "verdict": None}]}, True),
        (DONE, True),
        ({"error": "StoreError"}, True),
        ({"vms": ["?"]}, True),
        (None, True),
    ],
)
def test_one_that_fenced_and_started_nothing_is_none(store: Store, result: Json | None, counts: bool) -> None:
    run(store, "r1", NOW, result)
    assert bool(evacuations(store, NOW - 60, "")) is counts


@pytest.mark.parametrize("host", ["../x", "", 3, None])
def test_of_what_is_no_host_nothing_is_said(store: Store, host: object) -> None:
    run(store, "r1", NOW, DONE, host=host)
    assert evacuations(store, NOW - 60, "") == ()


def test_a_busy_hour_is_read_to_its_beginning(store: Store) -> None:
    run(store, "first", NOW - 3000, DONE, host=HostName("kvm-09"))
    for number in range(FIRST_ROWS):
        run(store, f"r{number}", NOW - 100, {}, command="start-vm")
    assert [each.run for each in evacuations(store, NOW - 3600, "")] == ["first"]
