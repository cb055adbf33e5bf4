"""The history: every run, in order, for ever."""

from __future__ import annotations

import pytest

from hafence.effects import StoreError
from hafence.stores.port import RunEnd, RunHistory, RunRow, RunSummary, StepRow, Store

from .engines import NOW, OTHER_VM, VM, Engine


def row(run: str, at: float = NOW, *vms: object) -> RunRow:
    return RunRow(run, at, "alice@adm", "start-vm", tuple(vms), {"options": ["--yes"], "policy": "confirm"})  # type: ignore[arg-type]


def test_a_run_is_told_as_it_was_recorded(engine: Engine, store: Store) -> None:
    steps = (
        StepRow(NOW + 1, "probe", None, {"hosts": ["kvm-01"], "z": 1, "a": {"b": None}}),
        StepRow(NOW + 2, "verdict", VM, {"verdict": "confirmed_dead", "says": "ütf-8 \udc80 🔌"}),
        StepRow(NOW + 2, "start", VM, {"seconds": 0.1}),
    )
    store.begin_run(row("run-1", NOW, VM))
    assert [store.add_step("run-1", step) for step in steps] == [1, 2, 3]
    assert store.run("run-1") == RunHistory(row("run-1", NOW, VM), steps, None)
    store.end_run("run-1", NOW + 3, 0, {"decision": "started", "vms": [1, 2.5, True]})
    store.close()
    again = engine.open()
    end = RunEnd(NOW + 3, 0, {"decision": "started", "vms": [1, 2.5, True]})
    assert again.run("run-1") == RunHistory(row("run-1", NOW, VM), steps, end)
    assert again.check() == ()
    again.close()


def test_the_steps_of_two_runs_at_once_stay_apart(store: Store, other: Store) -> None:
    store.begin_run(row("run-1"))
    other.begin_run(row("run-2"))
    for number in range(5):
        store.add_step("run-1", StepRow(NOW, "one", None, {"n": number}))
        other.add_step("run-2", StepRow(NOW, "two", None, {"n": number}))
    assert [step.data["n"] for step in other.run("run-1").steps] == [0, 1, 2, 3, 4]
    assert {step.kind for step in store.run("run-2").steps} == {"two"}
    assert store.check() == ()


def test_runs_are_listed_newest_first_by_vm_and_up_to_a_limit(store: Store) -> None:
    for number in range(6):
        store.begin_run(row(f"run-{number}", NOW + number, *((VM,) if number % 2 else (VM, OTHER_VM))))
    store.end_run("run-4", NOW + 9, 3, {"reason": "ambiguous"})
    assert [summary.row.run for summary in store.runs()] == [f"run-{number}" for number in range(5, -1, -1)]
    assert [summary.row.run for summary in store.runs(OTHER_VM)] == ["run-4", "run-2", "run-0"]
    assert store.runs(VM, limit=2)[0] == RunSummary(row("run-5", NOW + 5, VM), None)
    assert store.runs(limit=2)[1].end == RunEnd(NOW + 9, 3, {"reason": "ambiguous"})
    assert store.runs(limit=0) == ()


def test_a_run_is_found_by_the_unique_beginning_of_its_id(store: Store) -> None:
    for run in ("20251122-aa", "20251122-ab", "20251122"):
        store.begin_run(row(run))
    assert store.run("20251122-ab").row.run == "20251122-ab"
    assert store.run("20251122-a" + "a").row.run == "20251122-aa"
    assert store.run("20251122").row.run == "20251122"  # exact, though two others begin so
    with pytest.raises(LookupError, match="beginning of several runs: 20251122-ab, 20251122-aa"):
        store.run("20251122-")
    for unknown in ("", "nope", "%", "_", "'"):
        with pytest.raises(LookupError, match="no run"):
            store.run(unknown)


def test_a_run_begins_once_and_ends_once(store: Store) -> None:
    store.begin_run(row("run-1"))
    with pytest.raises(StoreError, match="knows a run run-1 already"):
        store.begin_run(row("run-1"))
    store.end_run("run-1", NOW, 0, {})
    with pytest.raises(StoreError, match="has ended"):
        store.add_step("run-1", StepRow(NOW, "late"))
    with pytest.raises(StoreError, match="has ended"):
        store.end_run("run-1", NOW, 1, {})
    with pytest.raises(StoreError, match="knows no run"):
        store.add_step("run-2", StepRow(NOW, "step"))
    assert store.run("run-1").end == RunEnd(NOW, 0, {})


def test_what_cannot_be_written_down_leaves_no_trace(store: Store) -> None:
    store.begin_run(row("run-1"))
    for data in ({"x": float("nan")}, {"x": object()}, {"x": b"bytes"}):
        with pytest.raises((ValueError, TypeError)):
            store.add_step("run-1", StepRow(NOW, "odd", None, data))
    with pytest.raises(ValueError, match="not a run's id"):
        store.begin_run(row("run 1; DROP TABLE history"))
    assert store.run("run-1").steps == ()
    assert store.check() == ()
