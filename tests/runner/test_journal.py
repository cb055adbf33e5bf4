"""What the history is told of each effect, before it and after it, and of which VM: as the effect's class says."""

from __future__ import annotations

from typing import Any

import pytest

from hafence.core.attempts import FenceOrder, FenceReport
from hafence.core.model import HostName, Uuid
from hafence.core.power import DeviceId
from hafence.core.record import unseen
from hafence.core.starts import StartOrder, StartReply, StartResult
from hafence.core.storage.port import Asker, Unanswered
from hafence.core.stored import Lease
from hafence.effects import (
    AddEntries,
    Effect,
    Fence,
    Journalled,
    LearnMachine,
    LookAt,
    Now,
    Recall,
    RemoveEntries,
    RunHooks,
    SendOff,
    Settle,
    Start,
    Tell,
    WriteRecord,
)
from hafence.runner.journal import StoreJournal
from hafence.runner.step_format import asked, came, kind_of
from hafence.stores.memory.store import MemoryStore
from hafence.stores.port import RunRow

VM, OTHER_VM = Uuid("6d6f6a5a-0000-4000-8000-000000000001"), Uuid("6d6f6a5a-0000-4000-8000-000000000002")
A, B = HostName("kvm-01"), HostName("kvm-02")
START = StartOrder(VM, B, 7, 100.0, 30.0)
STARTED = StartReply(StartResult.RUNNING, "it runs there", 100.0)
ASKER, UNANSWERED = Asker("ceph", "prod", B), Unanswered("cut")


def fence(*vms: Uuid) -> Fence:
    return Fence(FenceOrder(A, B, vms, 20.0, 1.0, 100.0))


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.begin_run(RunRow("run-1", 1.0, "ann", "start-vm"))
    return store


def journalled(store: MemoryStore, effect: Effect[Any], answer: Any = None) -> list[tuple[str, Uuid | None]]:
    journal = StoreJournal(store, "run-1")
    journal.intends(effect)
    before = [(step.kind, step.vm) for step in store.run("run-1").steps]
    journal.records(effect, answer, 0.5)
    after = [(step.kind, step.vm) for step in store.run("run-1").steps]
    assert after[: len(before)] == before
    return after


@pytest.mark.parametrize(
    ("effect", "answer", "vm"),
    [
        (fence(VM), FenceReport({}, 1.0, 100.0), VM),
        (fence(VM, OTHER_VM), FenceReport({}, 1.0, 100.0), None),
        (Start(START), STARTED, VM),
        (Settle(START), STARTED, VM),
        (RunHooks(VM, A, B), (), VM),
        (SendOff(DeviceId(A, 1, 1, "ipmi"), 100.0), None, None),
        (AddEntries(ASKER, (), 100.0, anew=True), UNANSWERED, None),
        (RemoveEntries(ASKER, (), 100.0), UNANSWERED, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_reaches_out_is_written_down_before_and_after(
    store: MemoryStore, effect: Effect[Any], answer: Any, vm: Uuid | None
) -> None:
    name = kind_of(effect)
    assert journalled(store, effect, answer) == [(f"intent_{name}", vm), (name, vm)]
    intent, result = store.run("run-1").steps
    assert dict(intent.data) == asked(effect)
    assert dict(result.data) == {**came(effect, answer), "seconds": 0.5}


@pytest.mark.parametrize(
    ("effect", "answer", "vm"),
    [
        (LookAt((A, B)), {}, None),
        (LookAt((A, B), (VM,)), {}, None),
        (Tell("a risk"), None, None),
        (WriteRecord(unseen(VM, A), Lease(VM, 7, 100.0)), unseen(VM, A), VM),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_only_looks_or_writes_to_the_store_is_written_down_after_it(
    store: MemoryStore, effect: Effect[Any], answer: Any, vm: Uuid | None
) -> None:
    assert journalled(store, effect, answer) == [(kind_of(effect), vm)]


@pytest.mark.parametrize("effect", [Now(), Recall(), LearnMachine(A, "a" * 32)], ids=lambda value: type(value).__name__)
def test_what_explains_nothing_is_not_written_down(store: MemoryStore, effect: Effect[Any]) -> None:
    assert effect.journalled is Journalled.NOTHING
    assert journalled(store, effect) == []
