"""Planned work in every store: what holds, until when, and what takes its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hafence.core.stored import Planned, PlannedWork, WorkKind
from hafence.effects import StoreError
from hafence.stores import open_store
from hafence.stores.port import Store
from hafence.stores.sqlite.rows import begin_meta
from hafence.stores.sqlite.schema import STEPS, upgrade

from .engines import NOW, A, B

PROD, FAR = (
    PlannedWork(WorkKind.DISARMED, name, "alice@adm", "rewiring", NOW, NOW + 7200) for name in ("prod-a", "far")
)
DIMMS = PlannedWork(WorkKind.MAINTENANCE, A, "bob@adm", "new DIMMs", NOW, NOW + 60)


def test_what_is_planned_holds_until_its_time_is_over_and_for_every_admin_node(store: Store, other: Store) -> None:
    store.plan([PROD, DIMMS])
    both = Planned({"prod-a": PROD}, {A: DIMMS})
    assert other.recall(NOW).planned == both
    assert other.recall(NOW + 59.9).planned == both
    assert other.recall(NOW + 60).planned == Planned({"prod-a": PROD})
    assert other.recall(NOW + 7200).planned == Planned()
    assert other.planned() == (PROD, DIMMS), "it stays until other work takes its place"


def test_it_holds_by_a_clock_that_was_set_back_too(store: Store) -> None:
    # A statement of the future counts for nothing, since it permits. This forbids.
    store.plan([PROD])
    assert store.recall(NOW - 3600).planned.disarmed == {"prod-a": PROD}


def test_a_second_one_takes_the_place_of_the_first(store: Store) -> None:
    longer = PlannedWork(WorkKind.DISARMED, "prod-a", "bob@adm", "still at it", NOW + 10, NOW + 9000)
    store.plan([PROD, FAR])
    store.plan([longer])
    assert store.planned() == (FAR, longer)


def test_work_on_a_host_and_on_a_cluster_of_its_name_are_two(store: Store) -> None:
    named_so = PlannedWork(WorkKind.DISARMED, A, "alice@adm", "rewiring", NOW, NOW + 60)
    store.plan([named_so, DIMMS])
    assert store.planned() == (named_so, DIMMS)
    store.end_planned(WorkKind.DISARMED, [A])
    assert store.planned() == (DIMMS,)


def test_it_is_ended_before_its_time(store: Store, other: Store) -> None:
    store.plan([PROD, FAR, DIMMS])
    store.end_planned(WorkKind.DISARMED, ["prod-a", "far", "never-disarmed"])
    store.end_planned(WorkKind.MAINTENANCE, [B])
    assert other.recall(NOW).planned == Planned({}, {A: DIMMS})


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 129, "a/b"])
def test_what_is_no_name_is_neither_stored_nor_looked_for(store: Store, name: str) -> None:
    bad = PlannedWork(WorkKind.DISARMED, name, "alice", "why", NOW, NOW + 60)
    writes: tuple[Callable[[], None], ...] = (
        lambda: store.plan([PROD, bad]),
        lambda: store.end_planned(WorkKind.DISARMED, [name]),
    )
    for write in writes:
        with pytest.raises(ValueError, match="is not a name"):
            write()
    assert store.planned() == (), "all of it or none"


@pytest.mark.parametrize("change", [{"until": 1e12}, {"since": -1.0}, {"until": float("nan")}])
def test_what_is_no_moment_is_not_stored(store: Store, change: dict[str, float]) -> None:
    work = PlannedWork(WorkKind.MAINTENANCE, A, "alice", "why", **{"since": NOW, "until": NOW + 60, **change})
    with pytest.raises(ValueError, match="not a moment"):
        store.plan([work])
    assert store.planned() == ()


def test_words_that_were_never_text_are_kept_readable(store: Store) -> None:
    store.plan([PlannedWork(WorkKind.MAINTENANCE, A, "al\udc80ice", "emoji 🔌 '; --", NOW, NOW + 60)])
    (stored,) = store.planned()
    assert (stored.who, stored.reason) == ("al\\udc80ice", "emoji 🔌 '; --")
    assert store.check() == ()


# ---------------------------------------------------------------- a store of before


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A SQLite store as it was before there was planned work."""
    path = tmp_path / "older.db"
    db = sqlite3.connect(path, isolation_level=None)
    upgrade(db, STEPS[:1])
    begin_meta(db)
    db.close()
    path.chmod(0o600)
    return path


def test_a_store_of_before_is_brought_up_to_date(older: Path) -> None:
    store = open_store(f"sqlite://{older}")
    assert store.planned() == ()
    store.plan([PROD])
    assert store.recall(NOW).planned.disarmed == {"prod-a": PROD}
    assert store.check() == ()
    store.close()


def test_a_store_of_before_that_may_only_be_read_says_what_brings_it_up_to_date(older: Path) -> None:
    with pytest.raises(StoreError, match="'hafence store check' is one"):
        open_store(f"sqlite://{older}", read_only=True)


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE planned SET until = 1.0",
        "UPDATE planned SET subject = 'disarmed/prod-b' WHERE subject = 'disarmed/prod-a'",
        "UPDATE planned SET reason = 'none'",
    ],
)
def test_a_row_that_was_changed_by_hand_is_no_row(tmp_path: Path, edit: str) -> None:
    url = f"sqlite://{tmp_path}/state.db"
    store = open_store(url)
    store.plan([PROD])
    store.close()
    db = sqlite3.connect(tmp_path / "state.db")
    db.execute(edit)
    db.commit()
    db.close()
    store = open_store(url)
    reads: tuple[Callable[[], object], ...] = (store.planned, lambda: store.recall(NOW))
    for read in reads:
        with pytest.raises(StoreError, match="table planned"):
            read()
    assert [problem.code for problem in store.check()] == ["row"]
    store.close()
