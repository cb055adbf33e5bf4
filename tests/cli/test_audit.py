"""`audit` as it is typed: what it keeps between runs, two at once, and how far it has come."""

from __future__ import annotations

import fcntl
import json
import time

import pytest

from hafence.cli.show.progress import QUIET_S, Progress
from tests.cli.conftest import Desk

from .test_screen import bare, terminal, usual_terminal

__all__ = ["usual_terminal"]


def test_what_was_seen_of_paths_is_kept_in_the_cache_and_nowhere_else(desk: Desk) -> None:
    before = {path for path in desk.folder.rglob("*") if "home" not in path.parts}
    assert desk.type("audit").code == 2
    assert {path for path in desk.folder.rglob("*") if "home" not in path.parts} == before
    [kept] = (desk.folder / "home/.cache/hafence").glob("audit-*.json")
    rows = json.loads(kept.read_text())["paths"]
    assert {(row["suspect"], row["proxy"], row["good"]) for row in rows} == {
        ("kvm-01", "kvm-02", False),
        ("kvm-02", "kvm-01", False),
    }


def test_where_nothing_can_be_kept_the_audit_says_so_and_goes_on(desk: Desk) -> None:
    (desk.folder / "home/.cache").write_text("a file is in the way")
    said = desk.type("audit")
    assert said.code == 2
    assert said.out.startswith("HAFENCE CRITICAL - ")
    assert "could not be kept" in said.err
    assert desk.type("audit", "-q").err == ""


def test_the_second_of_two_audits_leaves_with_a_word(desk: Desk) -> None:
    desk.type("audit")
    [lock] = (desk.folder / "home/.cache/hafence").glob("audit-*.lock")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = desk.type("audit")
        document = desk.type("audit", "--json").document
    assert (said.code, said.err) == (3, "")
    assert said.out == "HAFENCE UNKNOWN - another audit of this store is under way on this machine: wait for it\n"
    assert (document["status"], document["findings"], document["error"]["exit"]) == ("UNKNOWN", [], 5)
    assert desk.type("audit").code == 2


def drawn(monkeypatch: pytest.MonkeyPatch, shown: bool, seconds: float) -> str:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with terminal() as (screen, told):
        monkeypatch.setattr("sys.stderr", screen.stream)
        with Progress(40, shown) as progress:
            for _ in range(10):
                clock[0] += seconds
                progress.one_more()
        monkeypatch.undo()
    return told[0]


def test_how_far_it_has_come_is_drawn_on_a_terminal_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, True, 1.0)
    assert "10 of 40 looks and paths, 1 a second, about 30 s left" in bare(text)
    assert text.endswith("\r\x1b[K")
    assert drawn(monkeypatch, True, QUIET_S / 20) == ""
    assert drawn(monkeypatch, False, 1.0) == ""


def test_more_than_was_expected_is_no_negative_rest() -> None:
    progress = Progress(1, False)
    for _ in range(3):
        progress.one_more()
    assert progress.line(1.0) == "3 of 3 looks and paths, 3 a second, about 0 s left"
