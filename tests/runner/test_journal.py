"""What the history is told of each effect, before it and after it, and of which VM: as the effect's class says."""

from __future__ import annotations

from typing import Any

import pytest

from hafence.core.attempts import FenceOrder
from hafence.core.model import HostName, Uuid
from hafence.core.record import unseen
from hafence.core.starts import StartOrder
from hafence.core.stored import Lease
from hafence.effects import (
    Effect,
    Fence,
    Journalled,
    LearnMachine,
    LiftStorageFence,
    LookAt,
    Now,
    PowerOff,
    Recall,
    RenewStorageFence,
    RunHooks,
    Settle,
    Start,
    Tell,
    WriteRecord,
)
from hafence.runner.journal import StoreJournal, step_name
from hafence.stores.memory.store import MemoryStore
from hafence.stores.port import RunRow

VM, OTHER_VM = Uuid("6d6f6a5a-0000-4000-8000-000000000001"), Uuid("6d6f6a5a-0000-4000-8000-000000000002")
A, B = HostName("kvm-01"), HostName("kvm-02")
START = StartOrder(VM, B, 7, 100.0, 30.0)


def fence(*vms: Uuid) -> Fence:
    return Fence(FenceOrder(A, B, vms, 20.0, 1.0, 100.0))


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.begin_run(RunRow("run-1", 1.0, "ann", "start-vm"))
    return store


def journalled(store: MemoryStore, effect: Effect[Any]) -> list[tuple[str, Uuid | None]]:
    journal = StoreJournal(store, "run-1")
    journal.intends(effect)
    before = [(step.kind, step.vm) for step in store.run("run-1").steps]
    journal.records(effect, None, 0.5)
    after = [(step.kind, step.vm) for step in store.run("run-1").steps]
    assert after[: len(before)] == before
    return after


@pytest.mark.parametrize(
    ("effect", "vm"),
    [
        (fence(VM), VM),
        (fence(VM, OTHER_VM), None),
        (Start(START), VM),
        (Settle(START), VM),
        (RunHooks(VM, A, B), VM),
        (PowerOff(A, 100.0), None),
        (LiftStorageFence(A), None),
        (RenewStorageFence(A, alone=True), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_reaches_out_is_written_down_before_and_after(
    store: MemoryStore, effect: Effect[Any], vm: Uuid | None
) -> None:
    name = step_name(effect)
    assert journalled(store, effect) == [(f"intent_{name}", vm), (name, vm)]
    assert dict(store.run("run-1").steps[0].data).keys() == {"effect"}
    assert dict(store.run("run-1").steps[1].data).keys() == {"effect", "answer", "seconds"}


@pytest.mark.parametrize(
    ("effect", "vm"),
    [(LookAt((A, B)), None), (Tell("a risk"), None), (WriteRecord(unseen(VM, A), Lease(VM, 7, 100.0)), VM)],
    ids=lambda value: type(value).__name__,
)
def test_what_only_looks_or_writes_to_the_store_is_written_down_after_it(
    store: MemoryStore, effect: Effect[Any], vm: Uuid | None
) -> None:
    assert journalled(store, effect) == [(step_name(effect), vm)]


@pytest.mark.parametrize("effect", [Now(), Recall(), LearnMachine(A, "a" * 32)], ids=lambda value: type(value).__name__)
def test_what_explains_nothing_is_not_written_down(store: MemoryStore, effect: Effect[Any]) -> None:
    assert effect.journalled is Journalled.NOTHING
    assert journalled(store, effect) == []
