"""`history` by time and by end, and what of it stays pinned in `status`."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from hafence.core.model import Uuid
from hafence.stores.port import RunRow, Store
from tests.cli.conftest import WEB, Desk

from .test_past import REFUSED, store_of
from .test_screen import Terminal

NOW = 0.0
"""Of each test its beginning: this file may be read long before its tests are run."""


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "NOW", time.time())


def write(store: Store, run: str, ago_s: float, code: int | None, took_s: float = 12.34, **result: Any) -> None:
    store.begin_run(RunRow(run, NOW - ago_s, "ann@admin", "start-vm", (Uuid(WEB),), {"vms": {WEB: "web-01"}}))
    if code is not None:
        told = {**REFUSED, "run": run, "exit": code, "evidence": [], **result}
        store.end_run(run, NOW - ago_s + took_s, code, told)


STARTED: dict[str, Any] = {"decision": "started", "reason": "confirmed_dead", "host": "kvm-02", "message": "started"}
UNKNOWN: dict[str, Any] = {"decision": "failed", "reason": "start_unknown", "message": "nobody knows what became of it"}


@pytest.fixture
def store(desk: Desk, now: None) -> Store:
    store = store_of(desk)
    write(store, "r1", 3 * 86400, 0, took_s=300, **STARTED)
    write(store, "r2", 7200, 3)
    write(store, "r3", 60, None)
    return store


def shown(desk: Desk, *words: str) -> list[str]:
    return [run["run"] for run in desk.type("history", *words, "--json").document["runs"]]


def test_each_run_says_when_who_from_where_to_where_and_how_long(desk: Desk, store: Store) -> None:
    heads, *rows = desk.type("history").out.splitlines()
    assert heads.split("  ")[0] == "RUN"
    assert [word for word in ("WHEN", "WHO", "FROM → TO", "TOOK", "CAME TO") if word in heads] == [
        "WHEN",
        "WHO",
        "FROM → TO",
        "TOOK",
        "CAME TO",
    ]
    by = {row.split()[0]: row for row in rows}
    began = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(NOW - 3 * 86400))
    assert f"r1   {began}  ann@admin  start-vm  web-01  kvm-01 → kvm-02  5 min" in by["r1"]
    assert "kvm-01 " in by["r2"]
    assert "12.3 s" in by["r2"]
    assert "goes on, or was killed" in by["r3"]
    assert "kvm-01 -> kvm-02" in desk.type("history", LC_ALL="C", PYTHONIOENCODING="ascii").out


def test_failed_are_those_that_did_not_end_well(desk: Desk, store: Store) -> None:
    assert shown(desk) == ["r3", "r2", "r1"]
    assert shown(desk, "--failed") == ["r3", "r2"]


def test_since_takes_a_span_and_a_date(desk: Desk, store: Store) -> None:
    assert shown(desk, "--since", "5m") == ["r3"]
    assert shown(desk, "--since", "3h") == ["r3", "r2"]
    assert shown(desk, "--since", "4d", "--failed") == ["r3", "r2"]
    day = time.strftime("%Y-%m-%d", time.gmtime(NOW - 5 * 86400))
    assert shown(desk, "--since", day) == ["r3", "r2", "r1"]
    assert shown(desk, "--since", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 3600))) == ["r3"]
    odd = desk.type("history", "--since", "yesterday")
    assert odd.code == 2
    assert "write 5m, 2h, 3d, or a date" in odd.err


def test_how_many_are_not_shown_is_said(desk: Desk, store: Store) -> None:
    one = desk.type("history", "-n", "1")
    assert len(one.out.splitlines()) == 2
    assert one.err == "2 more, older ones not shown: -n 3 shows all\n"
    assert desk.type("history", "-n", "2").err == "1 more, older one not shown: -n 3 shows all\n"
    assert desk.type("history", "-q", "-n", "1").err == desk.type("history").err == ""
    assert desk.type("history", "-n", "1", "--json").document["not_shown"] == 2
    assert desk.type("history", "--since", "1s").out == "none of 3 runs is meant\n"


def test_a_run_that_needs_a_person_stays_until_a_later_one_has_settled_it(desk: Desk, store: Store) -> None:
    write(store, "r4", 50, 8, **UNKNOWN)
    write(store, "r5", 40, 3)
    for words in ((), ("--live",)):
        document = desk.type("status", *words, "--json").document
        [pinned] = document["needs_person"]
        assert (pinned["run"], pinned["vm"]["name"], pinned["do"]) == ("r4", "web-01", "hafence start-vm web-01")
    lines = desk.type("status").out.splitlines()
    assert lines[0].startswith("✘ web-01  start_unknown  run r4, ")
    assert lines[1] == "  hafence start-vm web-01"
    assert "start_unknown  run r4" not in desk.type("status", "--live").out
    assert desk.type("status", "db-01", "--json").document["needs_person"] == []
    write(store, "r6", 30, 0, **STARTED)
    assert desk.type("status", "--json").document["needs_person"] == []
    write(store, "r7", 20, 8, decision="refused", reason="two_copies")
    [pinned] = desk.type("status", "web-01", "--json").document["needs_person"]
    assert pinned["do"] == "hafence status --live web-01"


def test_watch_looks_again_and_again_until_ctrl_c(desk: Desk) -> None:
    screen = Terminal(80, "utf-8")
    words = [sys.executable, "-m", "hafence", "status", "--watch", "--interval", "100ms"]
    with subprocess.Popen(
        words, cwd=desk.folder, env=desk.environment | {"TERM": "xterm"}, stdin=subprocess.DEVNULL, stdout=screen.stream
    ) as going:
        deadline = time.monotonic() + 30
        while screen._shown.count(b"\x1b[2J") < 3:
            assert time.monotonic() < deadline, screen._shown
            time.sleep(0.05)
        going.send_signal(signal.SIGINT)
        assert going.wait(30) == 0
    text = screen.end()
    assert "every 0.1 s, Ctrl-C ends it" in text
    assert "not seen" in text


def test_watch_is_for_a_terminal(desk: Desk) -> None:
    piped = desk.type("status", "--watch")
    assert piped.code == 2
    assert "--watch is for a terminal" in piped.err
    parent, child = pty.openpty()
    try:
        words = [sys.executable, "-m", "hafence", "status", "--watch", "--json"]
        done = subprocess.run(
            words, cwd=desk.folder, env=desk.environment, stdout=child, stderr=subprocess.PIPE, timeout=60, check=False
        )
        assert done.returncode == 2
    finally:
        os.close(parent)
        os.close(child)
