"""When the fence kills, when it must not, and what it says of what it could not prove."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pytest

from hafence.adapters.hosts import kvm
from hafence.adapters.hosts.program import Program
from hafence.core.attempts import Verdict
from hafence.core.troubles import Trouble

from ..lab.require import lack
from .conftest import NONCE, Shell
from .processes import Zoo, is_living, wait_until


def test_hundred_leftovers_are_killed_in_one_go(shell: Shell, zoo: Zoo) -> None:
    vms = [str(uuid.uuid4()) for _ in range(100)]
    qemus = [zoo.start(zoo.program(of="/bin/dash"), "-c", "while :; do sleep 60; done", "-uuid", vm) for vm in vms]
    findings = shell.fence_all(shell.order(*vms, within_s=25))
    assert {finding.verdict for finding in findings.values()} == {Verdict.CONFIRMED_DEAD}
    assert {finding.facts.word("killed") for finding in findings.values()} == {"1"}
    assert not any(is_living(qemu.pid) for qemu in qemus)


def test_of_two_vms_each_has_its_own_verdict(shell: Shell, zoo: Zoo, vm: str) -> None:
    gone, here = str(uuid.uuid4()), zoo.qemu("-uuid", vm)
    findings = shell.fence_all(shell.order(gone, vm, rehearse=True))
    assert [findings[name].facts.word("found") for name in (gone, vm)] == ["0", "1"]  # type: ignore[index]
    assert is_living(here.pid)


def only_as_root() -> None:
    if os.geteuid() != 0:
        lack("needs root: a rehearsal by a user who may not kill is no success")


def test_a_rehearsal_kills_nothing_and_says_what_is_there(shell: Shell, zoo: Zoo, vm: str) -> None:
    only_as_root()
    qemu = zoo.qemu("-uuid", vm)
    finding = shell.rehearse(vm)
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.STILL_ALIVE, "1")
    assert is_living(qemu.pid)


def test_a_rehearsal_finds_nothing_where_nothing_is(shell: Shell, vm: str) -> None:
    only_as_root()
    finding = shell.rehearse(vm)
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "0")


def test_a_rehearsal_by_a_user_who_may_not_kill_is_no_success(shell: Shell, vm: str) -> None:
    if os.geteuid() != 0:
        assert shell.rehearse(vm).facts.word("why") == "not-root"
        return
    nobody = Shell(("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *shell.command))
    assert nobody.rehearse(vm).verdict is Verdict.AMBIGUOUS
    assert nobody.rehearse(vm).facts.word("why") == "not-root"


def test_a_qemu_that_comes_again_is_alive(shell: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.program(of="/bin/dash")
    manager = f"while :; do {qemu} -c 'while :; do sleep 60; done' -uuid {vm}; sleep 0.05; done"
    respawner = zoo.start("/bin/sh", "-c", manager)
    wait_until(lambda: shell.rehearse(vm).facts.word("found") == "1", "the manager has started it")
    finding = shell.fence(vm, settle_s=1.0)
    assert finding.verdict is Verdict.STILL_ALIVE
    assert finding.facts.word("why") == "respawned"
    assert is_living(respawner.pid)


# ---------------------------------------------------------------- the release


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "\n",
        "go\n",
        f"go {NONCE}\n",
        f"go {NONCE[:-1]}0 99999999999\n",
        f"stop {NONCE} 99999999999\n",
        f"go {NONCE} soon\n",
        f"go {NONCE} -1\n",
        f"go {NONCE} 9.9.9\n",
        f"go {NONCE} .5\n",
        f"go {NONCE} 99999999999 more\n",
        f"go {NONCE} 99999999999",
    ],
)
def test_without_its_release_word_for_word_nothing_is_killed(shell: Shell, zoo: Zoo, vm: str, answer: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    text = shell.fence_program(shell.order(vm)).text
    with subprocess.Popen(
        shell.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as script:
        assert script.stdin is not None
        assert script.stdout is not None
        script.stdin.write(text)
        script.stdin.flush()
        assert (script.stdout.readline(), " hello " in script.stdout.readline()) == ("\n", True)
        script.stdin.write(answer)
        script.stdin.close()
        assert script.stdout.read() == ""
        assert script.wait() == 11
    assert is_living(qemu.pid)


def test_after_the_deadline_nothing_is_killed(shell: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    order = dataclasses.replace(shell.order(vm), not_after=time.time() - 1)
    finding = shell.fence_all(order)[order.vms[0]]
    assert finding.verdict is Verdict.STILL_ALIVE
    assert finding.facts.word("why") == "not-killed"
    assert is_living(qemu.pid)


def test_after_the_deadline_nothing_is_called_dead(shell: Shell, vm: str) -> None:
    order = dataclasses.replace(shell.order(vm), not_after=time.time() - 1)
    finding = shell.fence_all(order)[order.vms[0]]
    assert finding.verdict is Verdict.AMBIGUOUS
    assert finding.facts.word("why") == "deadline-passed"


def test_a_host_that_freezes_and_wakes_up_after_the_deadline_kills_nothing(shell: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    text = shell.fence_program(shell.order(vm)).text
    with subprocess.Popen(
        shell.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as script:
        assert script.stdin is not None
        assert script.stdout is not None
        script.stdin.write(text)
        script.stdin.flush()
        assert (script.stdout.readline(), " hello " in script.stdout.readline()) == ("\n", True)
        os.killpg(script.pid, signal.SIGSTOP)
        deadline = time.time() + 0.3
        script.stdin.write(f"go {NONCE} {deadline:.3f}\n")
        script.stdin.flush()
        wait_until(lambda: time.time() > deadline, "the deadline has passed")
        os.killpg(script.pid, signal.SIGCONT)
        assert " alive " in script.stdout.read()
    assert is_living(qemu.pid)


def test_a_clock_that_is_an_hour_off_moves_no_deadline() -> None:
    order = Shell(("/bin/sh", "-s")).order("6d6f6a5a-0000-4000-8000-000000000001", within_s=10)
    host_clock = 1_763_824_000.0
    for admin_clock in (host_clock + 3600, host_clock - 3600):
        order = dataclasses.replace(order, not_after=admin_clock + 5)
        go = kvm.Go(NONCE, order.not_after, order.within_s, lambda now=admin_clock: now)  # type: ignore[misc]
        answer = go(f"hafence/1 {NONCE} hello clock={host_clock:.3f} machine=- host=h")
        assert answer == f"go {NONCE} {host_clock + 5:.3f}\n"


def test_a_deadline_is_no_later_than_the_latest_by_the_hosts_own_clock() -> None:
    """An admin node whose clock has stood still believes that it has all the time of its lease."""
    host_clock = 1_763_824_000.0
    for latest, deadline in (
        (host_clock + 3, host_clock + 3),
        (host_clock - 3600, host_clock - 3600),
        (2e9, 1_763_824_005),
    ):
        go = kvm.Go(NONCE, 1005.0, 10.0, lambda: 1000.0, latest=latest)
        answer = go(f"hafence/1 {NONCE} hello clock={host_clock:.3f} machine=- host=h")
        assert answer == f"go {NONCE} {deadline:.3f}\n"


def test_a_script_is_released_once_and_only_by_its_own_hello() -> None:
    go = kvm.Go(NONCE, 1e10, 10.0, lambda: 0.0)
    assert go("Welcome to this machine!") is None
    assert go("hafence/1 00000000000000000000000000000000 hello clock=1.0 machine=- host=h") is None
    assert go(f"hafence/1 {NONCE} hello clock=soon machine=- host=h") is None
    assert not go.sent
    assert go(f"hafence/1 {NONCE} hello clock=1.0 machine=- host=h") == f"go {NONCE} 11.000\n"
    assert go(f"hafence/1 {NONCE} hello clock=1.0 machine=- host=h") is None
    assert go.sent


def test_a_program_that_arrives_in_part_does_nothing(shell: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    text = shell.fence_program(shell.order(vm)).text
    assert text.endswith("\nmain\n")
    for length in [*range(0, len(text) - 5, 331), *range(len(text) - 12, len(text) - 1)]:
        run = shell.run(Program(text[:length]))
        assert run.trouble is None
        assert "hafence/1" not in run.stdout, f"a program of {length} of {len(text)} characters has run"
    assert is_living(qemu.pid)


def test_the_connection_may_go_once_the_fence_is_released(shell: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    program = shell.fence_program(shell.order(vm))
    script = subprocess.Popen(shell.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert script.stdin is not None
    assert script.stdout is not None
    script.stdin.write(program.text)
    script.stdin.flush()
    assert program.on_line is not None
    script.stdout.readline()
    script.stdin.write(program.on_line(script.stdout.readline().rstrip("\n")) or "")
    script.stdin.close()
    script.stdout.close()
    wait_until(lambda: not is_living(qemu.pid), "it is killed")
    script.wait()


# ---------------------------------------------------------------- where it cannot look


@pytest.mark.parametrize(
    ("stand_in", "why"),
    [
        ('case "$*" in *z*) echo "grep: unknown option -- z" >&2; exit 2 ;; esac; exec /bin/grep "$@"', "lacks-grep-z"),
        ("exit 0", "lacks-grep-z"),
        ("exit 1", "lacks-grep-z"),
        ("kill -9 $$", "lacks-grep-z"),
        ('/bin/grep "$@" | head -c 40; kill -9 $$', "lacks-grep-z"),
        ('case "$*" in *name*) kill -9 $$ ;; esac; exec /bin/grep "$@"', "lacks-grep-z"),
        ('case "$*" in *name*) exit 1 ;; esac; exec /bin/grep "$@"', "lacks-grep-z"),
    ],
    ids=[
        *("without-z", "says-nothing", "finds-nothing", "killed", "killed-midway"),
        *("killed-over-names", "finds-no-names"),
    ],
)
def test_a_grep_that_does_not_do_its_work_is_never_nothing_found(
    shell: Shell, vm: str, root: Path, stand_in: str, why: str
) -> None:
    grep = root / "bin/grep"
    grep.write_text(f"#!/bin/sh\n{stand_in}\n")
    grep.chmod(0o755)
    finding = shell.at(root).fence_named(vm, "web-01")
    assert finding.verdict is Verdict.AMBIGUOUS
    assert finding.facts.word("why") == why


def test_a_busybox_without_some_options_is_never_nothing_found(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    busybox = Path("/bin/busybox")
    if not busybox.exists():
        lack("needs busybox (Debian package busybox)")
    for name in ("grep", "tr", "readlink", "date", "sleep"):
        (root / "bin" / name).symlink_to(busybox)
    qemu = zoo.qemu("-uuid", vm)
    finding = shell.at(root).fence(vm)
    assert finding.verdict in (Verdict.AMBIGUOUS, Verdict.CONFIRMED_DEAD)
    assert is_living(qemu.pid) == (finding.verdict is Verdict.AMBIGUOUS)


@pytest.mark.parametrize("program", ["sleep", "date"])
def test_a_clock_or_a_sleep_that_fails_proves_nothing(
    shell: Shell, zoo: Zoo, vm: str, root: Path, program: str
) -> None:
    (root / "bin" / program).write_text("#!/bin/sh\nexit 1\n")
    (root / "bin" / program).chmod(0o755)
    qemu = zoo.qemu("-uuid", vm)
    run_order = shell.at(root).order(vm)
    finding = shell.at(root).fence_all(run_order)[run_order.vms[0]]
    assert finding.verdict is Verdict.AMBIGUOUS
    assert is_living(qemu.pid)


def test_a_sleep_that_does_not_sleep_proves_nothing(shell: Shell, vm: str, root: Path) -> None:
    (root / "bin/sleep").write_text("#!/bin/sh\nexit 0\n")
    (root / "bin/sleep").chmod(0o755)
    finding = shell.at(root).fence(vm, settle_s=1.0)
    assert (finding.verdict, finding.facts.word("why")) == (Verdict.AMBIGUOUS, "did-not-settle")


def test_without_proc_nothing_is_dead(shell: Shell, vm: str, root: Path) -> None:
    (root / "proc").unlink()
    assert shell.at(root).fence(vm).facts.word("why") == "no-proc"
    (root / "proc").mkdir()
    assert shell.at(root).fence(vm).facts.word("why") == "proc-hides-processes"


def test_where_proc_hides_others_processes_nothing_is_dead(shell: Shell, vm: str) -> None:
    if os.geteuid() != 0:
        lack("needs root to mount a /proc")
    hidden = "mount -t proc -o hidepid=2 proc /proc && setpriv --reuid 65534 --regid 65534 --clear-groups "
    nobody = Shell(
        (
            "unshare",
            "-m",
            "-p",
            "--fork",
            "--kill-child",
            "/bin/sh",
            "-c",
            hidden + " ".join(shell.command) + "; exit $?",
        )
    )
    finding = nobody.fence(vm)
    assert (finding.verdict, finding.facts.word("why")) == (Verdict.AMBIGUOUS, "proc-hides-processes")


def test_a_proc_of_other_numbers_kills_nobody(shell: Shell, zoo: Zoo, vm: str) -> None:
    if os.geteuid() != 0:
        lack("needs root to make a PID namespace")
    qemu = zoo.qemu("-uuid", vm)
    foreign = Shell(("unshare", "-p", "--fork", "--kill-child", *shell.command))
    finding = foreign.fence(vm)
    assert (finding.verdict, finding.facts.word("why")) == (Verdict.AMBIGUOUS, "foreign-proc")
    assert is_living(qemu.pid)


def test_a_script_that_takes_too_long_is_ended(shell: Shell) -> None:
    began = threading.active_count()
    run = shell.run(Program("sleep 60 & sleep 60\n"), within_s=0.3)
    assert (run.trouble, run.exit_status) == (Trouble.NO_REPLY_IN_TIME, None)
    assert threading.active_count() == began
