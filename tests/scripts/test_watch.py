"""A fence that stays: what it ends, how long it may, and what it tells in the end."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from hafence.adapters.hosts.watch import Stay, parse_watch
from hafence.core.attempts import FenceOrder, Reply, Verdict
from hafence.core.model import Uuid
from hafence.core.replies import interpret

from .conftest import NONCE, Shell
from .processes import Zoo, is_living, wait_until

LONG_S = 60.0


def begin(shell: Shell, order: FenceOrder) -> Stay:
    """The fence, until its reply is there."""
    program = shell.fence_program(replace(order, watch=True))
    assert isinstance(program.on_line, Stay)
    stay = program.on_line
    stay.begin(lambda: shell.run(program, within_s=LONG_S))
    return stay


def test_the_reply_of_a_fence_that_stays_is_a_whole_one(shell: Shell, zoo: Zoo, vm: str) -> None:
    zoo.qemu("-uuid", vm)
    order = shell.order(vm)
    stay = begin(shell, order)
    assert stay.stays()
    report = interpret(order, Reply(NONCE, None, stay.status, stay.reply(), 1.0, time.time()))
    reading = report.readings[Uuid(vm)]
    assert (reading.verdict, reading.facts.killed) == (Verdict.CONFIRMED_DEAD, 1)
    ended = stay.end(10.0, aside=False)
    assert (ended.came, ended.living, ended.whole) == ({}, frozenset(), True)


def test_what_is_started_anew_is_ended_and_told_of(shell: Shell, zoo: Zoo, vm: str) -> None:
    zoo.qemu("-uuid", vm)
    stay = begin(shell, shell.order(vm))
    other = zoo.qemu("-uuid", "00000000-0000-4000-8000-00000000beef")
    for _ in range(2):
        anew = zoo.qemu("-uuid", vm)
        wait_until(lambda pid=anew.pid: not is_living(pid), "the watch has ended it")  # type: ignore[misc]
    ended = stay.end(10.0, aside=False)
    assert (ended.came, ended.living, ended.whole) == ({Uuid(vm): 2}, frozenset(), True)
    assert is_living(other.pid)


def test_what_came_right_before_the_end_is_ended_too(shell: Shell, zoo: Zoo, vm: str) -> None:
    zoo.qemu("-uuid", vm)
    stay = begin(shell, shell.order(vm))
    anew = zoo.qemu("-uuid", vm)
    ended = stay.end(10.0, aside=False)
    assert (ended.came, ended.whole) == ({Uuid(vm): 1}, True)
    assert not is_living(anew.pid)


def test_without_leave_nothing_is_ended(shell: Shell, zoo: Zoo, vm: str) -> None:
    zoo.qemu("-uuid", vm)
    stay = begin(shell, shell.order(vm))
    stay.not_after = time.time() - 1
    asked = len(stay.after)
    wait_until(lambda: len(stay.after) >= asked + 2, "the leave of the fence itself is over")
    anew = zoo.qemu("-uuid", vm)
    ended = stay.end(10.0, aside=False)
    assert is_living(anew.pid)
    assert (ended.came, ended.living, ended.whole) == ({}, frozenset({Uuid(vm)}), True)


def test_a_hafence_that_is_gone_ends_the_watch(
    shell: Shell, zoo: Zoo, vm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.qemu("-uuid", vm)
    stay = begin(shell, shell.order(vm))

    def gone(line: str) -> str | None:
        raise ConnectionError("gone")

    monkeypatch.setattr(stay, "_leave", gone)
    wait_until(lambda: bool(stay.failed), "nobody answers the watch any more")
    assert isinstance(stay.failed[0], ConnectionError)
    anew = zoo.qemu("-uuid", vm)
    time.sleep(1.0)
    assert is_living(anew.pid)


def test_a_fence_that_proves_nothing_does_not_stay(shell: Shell, zoo: Zoo, vm: str, tmp_path: Path) -> None:
    order = shell.order(vm)
    program = shell.fence_program(replace(order, watch=True, not_after=time.time() - 5))
    zoo.qemu("-uuid", vm)
    assert isinstance(program.on_line, Stay)
    program.on_line.begin(lambda: shell.run(program, within_s=LONG_S))
    assert not program.on_line.stays()
    assert program.on_line.run is not None
    assert program.on_line.run.exit_status != 0


LINES = f"hafence/1 {NONCE} "
VM = Uuid("6d6f6a5a-0000-4000-8000-000000000001")


@pytest.mark.parametrize(
    ("stdout", "status", "whole"),
    [
        ("", None, False),
        (f"{LINES}came {VM}\n{LINES}watched\n", 0, True),
        (f"{LINES}came {VM}\n{LINES}watched\n", None, False),
        (f"{LINES}came {VM}\n{LINES}watch 1700000000.5\n", 11, False),
        (f"{LINES}watched\n{LINES}came {VM}\n", 0, False),
        (f"hafence/1 {'0' * 32} came {VM}\nhafence/1 {'0' * 32} watched\n", 0, False),
        (f"{LINES}came 00000000-0000-4000-8000-00000000beef\n{LINES}watched\n", 0, True),
    ],
)
def test_what_a_watch_tells_is_read_and_nothing_is_made_of_the_rest(
    stdout: str, status: int | None, whole: bool
) -> None:
    order = FenceOrder(Shell(()).host.name, None, (VM,), 10.0, 0.1, 100.0, watch=True)
    report = parse_watch(NONCE, order, stdout, status)
    assert report.whole == whole
    assert report.came == ({VM: 1} if f"{LINES}came {VM}" in stdout else {})
