"""Marks: whose run was last at a VM on a host, and what another store's young mark keeps a fence and a start from."""

from __future__ import annotations

import fcntl
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from hafence.adapters.hosts import kvm
from hafence.core.attempts import Reading, Verdict
from hafence.core.looks import HostLook
from hafence.core.marks import Claim, Mark
from hafence.core.model import HostName, StartMode, Uuid, Vm
from hafence.core.starts import StartOrder, StartReply, StartResult
from hafence.inventory.domain_xml import read_domain

from .conftest import NONCE, Shell
from .processes import Zoo, is_living

OURS = Claim("a" * 16, "20261122T153000-00000a", 60.0)
THEIRS = Claim("b" * 16, "20261122T153000-00000b", 60.0)
LEFT_AGES = [0, 30]


@pytest.fixture
def host(shell: Shell, root: Path) -> Shell:
    (root / "run" / "hafence").mkdir()
    return shell.at(root)


def uptime_s() -> int:
    return int(float(Path("/proc/uptime").read_text().split()[0]))


def folder(host: Shell) -> Path:
    return Path(host.root) / "run" / "hafence"


def leave(host: Shell, vm: str, claim: Claim, age_s: int = 0) -> None:
    (folder(host) / f"{vm}.mark").write_text(f"{claim.store} {claim.run} {uptime_s() - age_s}\n")


def left(host: Shell, vm: str) -> list[str]:
    """Store and run of the mark."""
    path = folder(host) / f"{vm}.mark"
    return path.read_text().split()[:2] if path.exists() else []


def fence(host: Shell, vm: str, claim: Claim | None = OURS, rehearse: bool = False) -> Reading:
    return host.fence_all(host.order(vm, claim=claim, rehearse=rehearse))[Uuid(vm)]


def start(host: Shell, vm: str, claim: Claim | None = OURS, boot: str = "0-0") -> StartReply:
    """A start for another boot: where no mark bars, it ends right after it has the VM's lock."""
    order = StartOrder(Uuid(vm), HostName("here"), 1, time.time() + 60, 10.0, boot, claim=claim)
    whole = Vm(Uuid(vm), "web-01", HostName("here"))
    domain = read_domain(f"<domain><name>web-01</name><uuid>{vm}</uuid></domain>")
    mode = StartMode.PERSISTENT
    program = kvm.start_program(order, whole, domain, mode, NONCE, host.host, time.time, settings=host.settings)
    return kvm.parse_start(NONCE, host.run(program), time.time(), kvm.was_released(program))


def settle(host: Shell, vm: str, claim: Claim | None = OURS) -> StartReply:
    order = StartOrder(Uuid(vm), HostName("here"), 1, time.time() + 60, 10.0, claim=claim)
    program = kvm.settle_program(order, {}, NONCE, host.host, time.time, settings=host.settings)
    return kvm.parse_start(NONCE, host.run(program), time.time())


# ---------------------------------------------------------------- the control: one store


def test_a_leftover_is_killed_and_the_mark_says_by_whose_run(host: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    reading = fence(host, vm)
    assert (reading.verdict, reading.facts.killed, reading.facts.word("store")) == (Verdict.CONFIRMED_DEAD, 1, "")
    assert not is_living(qemu.pid)
    assert left(host, vm) == [OURS.store, OURS.run]
    again = replace(OURS, run="20261122T153001-00000c")
    assert fence(host, vm, again).verdict is Verdict.CONFIRMED_DEAD
    assert left(host, vm) == [OURS.store, again.run]


def test_a_start_and_a_settle_leave_their_mark_too(host: Shell, vm: str) -> None:
    assert start(host, vm).result is StartResult.CLEAN
    assert left(host, vm) == [OURS.store, OURS.run]
    later = replace(OURS, run="20261122T153001-00000c")
    assert settle(host, vm, later).result is StartResult.CLEAN
    assert left(host, vm) == [OURS.store, later.run]


def test_an_order_without_a_claim_neither_minds_a_mark_nor_leaves_one(host: Shell, vm: str) -> None:
    assert fence(host, vm, None).verdict is Verdict.CONFIRMED_DEAD
    assert left(host, vm) == []
    leave(host, vm, THEIRS)
    assert fence(host, vm, None).verdict is Verdict.CONFIRMED_DEAD
    assert left(host, vm) == [THEIRS.store, THEIRS.run]


# ---------------------------------------------------------------- another store's


@pytest.mark.parametrize("age_s", LEFT_AGES)
def test_a_fence_changes_nothing_where_another_stores_mark_is_young(host: Shell, zoo: Zoo, vm: str, age_s: int) -> None:
    qemu = zoo.qemu("-uuid", vm)
    leave(host, vm, THEIRS, age_s)
    reading = fence(host, vm)
    assert (reading.verdict, reading.facts.why, reading.facts.found) == (
        Verdict.AMBIGUOUS,
        "another-store-is-at-it",
        None,
    )
    assert f"run {THEIRS.run} of another store ({THEIRS.store}) was at it there" in reading.detail
    assert is_living(qemu.pid)
    assert left(host, vm) == [THEIRS.store, THEIRS.run]


def test_of_several_vms_only_the_barred_one_is_spared(host: Shell, zoo: Zoo, vm: str) -> None:
    other = str(uuid.uuid4())
    qemus = [zoo.qemu("-uuid", each) for each in (vm, other)]
    leave(host, vm, THEIRS)
    readings = host.fence_all(host.order(vm, other, claim=OURS))
    assert [readings[Uuid(each)].verdict for each in (vm, other)] == [Verdict.AMBIGUOUS, Verdict.CONFIRMED_DEAD]
    assert [is_living(qemu.pid) for qemu in qemus] == [True, False]


def test_an_old_mark_of_another_store_is_told_and_bars_nobody(host: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    leave(host, vm, THEIRS, 61)
    reading = fence(host, vm)
    assert reading.verdict is Verdict.CONFIRMED_DEAD
    assert f"(run {THEIRS.run} of another store, {THEIRS.store}, was at it there 6" in reading.detail
    assert not is_living(qemu.pid)
    assert left(host, vm) == [OURS.store, OURS.run]


def test_a_rehearsal_says_the_same_and_leaves_nothing(host: Shell, vm: str) -> None:
    assert fence(host, vm, rehearse=True).verdict is Verdict.CONFIRMED_DEAD
    assert list(folder(host).iterdir()) == []
    leave(host, vm, THEIRS)
    assert fence(host, vm, rehearse=True).facts.why == "another-store-is-at-it"
    assert fence(host, vm, replace(OURS, store=""), rehearse=True).facts.why == "another-store-is-at-it"
    assert left(host, vm) == [THEIRS.store, THEIRS.run]
    assert [path.name for path in folder(host).iterdir()] == [f"{vm}.mark"]


@pytest.mark.parametrize("age_s", LEFT_AGES)
def test_a_start_does_nothing_where_another_stores_mark_is_young(host: Shell, vm: str, age_s: int) -> None:
    leave(host, vm, THEIRS, age_s)
    reply = start(host, vm)
    assert reply.result is StartResult.BARRED
    assert f"run {THEIRS.run} of another store ({THEIRS.store}) was at it there" in reply.says
    assert [path.name for path in folder(host).iterdir() if path.name != "marks.lock"] == [f"{vm}.mark"]
    assert left(host, vm) == [THEIRS.store, THEIRS.run]


def test_a_settle_does_not_know_where_another_stores_mark_is_young(host: Shell, vm: str) -> None:
    leave(host, vm, THEIRS)
    assert settle(host, vm).result is StartResult.UNKNOWN
    assert left(host, vm) == [THEIRS.store, THEIRS.run]


def test_a_start_after_the_stores_were_changed_goes_on_and_tells_it(host: Shell, vm: str) -> None:
    leave(host, vm, THEIRS, 61)
    reply = start(host, vm)
    assert reply.result is StartResult.CLEAN
    assert f"(run {THEIRS.run} of another store, {THEIRS.store}, was at it there 6" in reply.says
    assert left(host, vm) == [OURS.store, OURS.run]


def test_a_mark_of_an_earlier_boot_is_none(host: Shell, vm: str) -> None:
    leave(host, vm, THEIRS, -1000)
    reading = fence(host, vm)
    assert (reading.verdict, reading.facts.word("store")) == (Verdict.CONFIRMED_DEAD, "")


# ---------------------------------------------------------------- what can't be known bars


@pytest.mark.parametrize(
    "text",
    [
        *("", "\n", "x y z\n", f"{'b' * 16} run-1\n", f"{'b' * 16} run-1 -3\n", f"{'b' * 16} run-1 09\n"),
        *(f"{'b' * 17} run-1 3\n", f"{'b' * 16} r;x 3\n", f"{'b' * 16} run-1 3 4\n", f"{'b' * 16} run-1 {'9' * 10}\n"),
    ],
)
def test_a_mark_that_cannot_be_read_bars(host: Shell, zoo: Zoo, vm: str, text: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    (folder(host) / f"{vm}.mark").write_text(text)
    for rehearse in (False, True):
        reading = fence(host, vm, rehearse=rehearse)
        assert (reading.verdict, reading.facts.why) == (Verdict.AMBIGUOUS, "mark-unreadable")
    assert start(host, vm).result is StartResult.BARRED
    assert settle(host, vm).result is StartResult.UNKNOWN
    assert is_living(qemu.pid)
    assert (folder(host) / f"{vm}.mark").read_text() == text


def test_a_lock_on_the_marks_that_somebody_keeps_bars(host: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    with (folder(host) / "marks.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert fence(host, vm).facts.why == "marks-are-locked"
        assert start(host, vm).result is StartResult.BARRED
    assert is_living(qemu.pid)
    assert fence(host, vm).verdict is Verdict.CONFIRMED_DEAD


def test_a_mark_that_cannot_be_left_bars(host: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    (folder(host) / f"{vm}.mark.new").mkdir()
    assert fence(host, vm).facts.why == "mark-not-left"
    assert start(host, vm).result is StartResult.BARRED
    folder(host).rename(folder(host).parent / "moved")
    folder(host).write_text("no folder")
    assert fence(host, vm).facts.why == "no-lock-folder"
    assert start(host, vm).result is StartResult.BARRED
    assert is_living(qemu.pid)


# ---------------------------------------------------------------- at once


def test_of_two_stores_at_once_exactly_one_goes_on(host: Shell, vm: str) -> None:
    for _ in range(5):
        (folder(host) / f"{vm}.mark").unlink(missing_ok=True)
        verdicts: list[Verdict] = []
        barrier = threading.Barrier(2)

        def work(claim: Claim, barrier: threading.Barrier = barrier, verdicts: list[Verdict] = verdicts) -> None:
            barrier.wait()
            verdicts.append(fence(host, vm, claim).verdict)

        threads = [threading.Thread(target=work, args=(claim,)) for claim in (OURS, THEIRS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert sorted(verdict.value for verdict in verdicts) == ["ambiguous", "confirmed_dead"]


def test_a_start_that_holds_the_vms_lock_keeps_no_fence_from_its_mark(host: Shell, vm: str) -> None:
    with (folder(host) / f"{vm}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert fence(host, vm).facts.why == "a-start-is-under-way"
    assert left(host, vm) == [OURS.store, OURS.run]


# ---------------------------------------------------------------- the look


def marks_seen(host: Shell) -> tuple[Mark, ...]:
    run = host.run(kvm.look_program(NONCE, host.host, settings=host.settings))
    look = kvm.parse_look(NONCE, run, HostName("here"), time.time(), time.time())
    assert isinstance(look, HostLook), look
    return look.marks


def test_the_look_tells_of_each_store_its_youngest_mark(host: Shell) -> None:
    assert marks_seen(host) == ()
    for claim, ages in ((OURS, (20, 10, 30)), (THEIRS, (60,))):
        for age_s in ages:
            leave(host, str(uuid.uuid4()), replace(claim, run=f"run-{age_s}"), age_s)
    (folder(host) / f"{uuid.uuid4()}.mark").write_text("nonsense\n")
    seen = {mark.store: mark for mark in marks_seen(host)}
    assert {(mark.run, mark.count) for mark in seen.values()} == {("run-10", 3), ("run-60", 1)}
    assert 10 <= seen[OURS.store].age_s < 20
    assert seen[THEIRS.store].age_s >= 60


def test_the_look_tells_whose_run_was_at_the_vms_that_it_is_about(host: Shell, vm: str) -> None:
    other = str(uuid.uuid4())
    leave(host, vm, THEIRS)
    leave(host, other, OURS)
    program = kvm.look_program(NONCE, host.host, [Uuid(vm), Uuid(str(uuid.uuid4()))], settings=host.settings)
    look = kvm.parse_look(NONCE, host.run(program), HostName("here"), time.time(), time.time())
    assert isinstance(look, HostLook), look
    assert {name: (mark.store, mark.run) for name, mark in look.held.items()} == {vm: (THEIRS.store, THEIRS.run)}


def test_the_look_tells_of_eight_stores_at_most(host: Shell) -> None:
    for number in range(12):
        leave(host, str(uuid.uuid4()), replace(OURS, store=f"{number:016x}"))
    assert len(marks_seen(host)) == 8
