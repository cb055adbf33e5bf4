"""The engines are told the same at random, and answer the same: values, refusals, and what is stored afterwards."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hafence.core.record import mark_starting, unseen
from hafence.core.stored import Lease, PlannedWork, WorkKind
from hafence.effects import LeaseLost, StoreError
from hafence.stores.port import RunRow, StepRow, Store
from tests.edges.bend import examples

from .engines import ENGINES, NOW, OTHER_VM, TTL_S, VM, A, B, C, captured, content, holder, stopped, stranger

HOSTS, VMS, RUNS = (A, B, C), (VM, OTHER_VM), ("run-1", "run-2", "run-22")


class Teller:
    """One tale, told to one store. The same chance tells the same tale."""

    def __init__(self, store: Store, chance: random.Random) -> None:
        self._store = store
        self._chance = chance
        self._leases: list[Lease] = []
        self._now = NOW

    def tell(self) -> object:
        """Do one thing; the answer, or the words of the refusal."""
        self._now += self._chance.choice([0, 0, 1, TTL_S / 2, TTL_S, -5])
        act = self._chance.choice(self._acts)
        try:
            return act(self)
        except (LeaseLost, ValueError, LookupError) as error:
            return type(error), str(error)
        except StoreError as error:
            return StoreError, str(error)

    def _take(self) -> object:
        who = self._chance.choice([holder, stranger])(self._chance.choice(RUNS))
        taken = self._store.take_lease(self._chance.choice(VMS), who, TTL_S, self._now)
        if isinstance(taken, Lease):
            self._leases.append(taken)
        return taken

    def _lease(self) -> Lease:
        return self._chance.choice(self._leases) if self._leases else Lease(VM, 1, NOW)

    def _renew(self) -> object:
        return self._store.renew_lease(self._lease(), TTL_S, self._now)

    def _drop(self) -> object:
        self._store.drop_lease(self._lease())
        return "dropped"

    def _record(self) -> object:
        lease = self._lease()
        vm = self._chance.choice([lease.vm, lease.vm, lease.vm, self._chance.choice(VMS)])
        old = self._store.recall(self._now).records.get(vm, unseen(vm, A))
        wanted = self._chance.choice([stopped(vm), unseen(vm, B), mark_starting(stopped(vm), C, "run-2", 7)])
        revision = old.revision + self._chance.choice([0, 0, 0, 0, 1])
        return self._store.write_record(replace(wanted, revision=revision), lease, self._now)

    def _begin(self) -> object:
        vms = tuple(vm for vm in VMS if self._chance.random() < 0.5)
        self._store.begin_run(RunRow(self._chance.choice(RUNS), self._now, "ann", "fence", vms, {"n": 1}))
        return "begun"

    def _step(self) -> object:
        return self._store.add_step(self._chance.choice(RUNS), StepRow(self._now, "step", VM, {"x": [1, 2.5, "ü"]}))

    def _end(self) -> object:
        self._store.end_run(self._chance.choice(RUNS), self._now, 0, {})
        return "ended"

    def _hosts(self) -> object:
        host, at, store = self._chance.choice(HOSTS), self._now, self._store
        writes: list[Callable[[], Any]] = [
            lambda: store.quarantine(host, f"why {at}", "run-1", at),
            lambda: store.lift_quarantine(host, self._chance.choice([None, "a" * 32]), at),
            lambda: store.learn_machine(host, self._chance.choice(["b" * 32, "c" * 32, "no"]), at),
            lambda: store.state(host, "ann", "dark", at, at + TTL_S),
            lambda: store.spend_statement(host, "recovered", at),
            lambda: store.plan([PlannedWork(self._chance.choice([*WorkKind]), host, "ann", "why", at, at + TTL_S)]),
            lambda: store.end_planned(self._chance.choice([*WorkKind]), [host]),
            lambda: store.keep_capture(captured(at=at, xml=self._chance.choice(["<domain/>", "", "<ü/>"]))),
        ]
        self._chance.choice(writes)()
        return host

    def _ask(self) -> object:
        text = self._chance.choice(["run-1", "run-2", "run-", "run", "x", ""])
        return self._store.run(text), self._store.runs(self._chance.choice([None, *VMS]), self._chance.randrange(4))

    _acts: tuple[Callable[[Teller], object], ...] = (
        *(_take, _renew, _drop, _record, _record, _begin, _step, _step, _end, _hosts, _hosts, _ask),
    )


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 60))
def test_the_same_tale_gets_the_same_answers_from_every_engine(seed: int, length: int) -> None:
    cases: dict[str, tuple[object, ...]] = {}
    for name, make in ENGINES.items():
        with tempfile.TemporaryDirectory(prefix="hft-agree-") as folder:
            store = make(Path(folder)).open()
            teller = Teller(store, random.Random(seed))
            answers = [teller.tell() for _ in range(length)]
            cases[name] = (answers, content(store), store.check())
            store.close()
    first, *others = cases.values()
    for other in others:
        assert other == first
