"""What the fence takes for a qemu of the VM, and what it leaves alone."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from hafence.adapters.hosts.program import Program
from hafence.adapters.hosts.talk import name_list
from hafence.core.attempts import Verdict
from hafence.core.model import Uuid

from ..lab.require import require
from .conftest import Shell
from .processes import MANY_THREADS, SLEEP, Zoo, is_living, task_states, wait_until

RENAME = """
import ctypes, time
ctypes.CDLL(None).prctl(15, {name!r}, 0, 0, 0)
time.sleep(3600)
"""


@pytest.mark.parametrize(
    "spell",
    [
        lambda vm: ("-uuid", vm),
        lambda vm: ("--uuid", vm),
        lambda vm: ("-uuid", vm.upper()),
        lambda vm: ("-uuid", vm.replace("-", "")),
        lambda vm: ("-uuid", vm.replace("-", "").upper(), "-display", "none"),
        lambda vm: ("\udcff\udcfe", "-name", "a\nb -uuid x", "-uuid", vm, "\udcff"),
    ],
    ids=["dashed", "two-dashes", "upper", "undashed", "upper-undashed", "among-bytes-that-are-no-text"],
)
def test_a_leftover_is_found_however_its_uuid_is_spelt(shell: Shell, zoo: Zoo, vm: str, spell) -> None:  # type: ignore[no-untyped-def]
    qemu = zoo.qemu(*spell(vm))
    finding = shell.fence(vm)
    assert finding.verdict is Verdict.CONFIRMED_DEAD
    assert (finding.facts.word("found"), finding.facts.word("killed")) == ("1", "1")
    assert not is_living(qemu.pid)


def test_a_real_qemu_is_killed(shell: Shell, zoo: Zoo, vm: str) -> None:
    require("qemu-system-x86_64")
    qemu = zoo.start("qemu-system-x86_64", "-uuid", vm, "-machine", "none", "-display", "none")
    wait_until(lambda: len(task_states(qemu.pid)) > 1, "qemu has threads")
    assert shell.fence(vm).verdict is Verdict.CONFIRMED_DEAD
    assert not is_living(qemu.pid)


@pytest.mark.parametrize("name", ["qemu-kvm", "qemu-system-x86_64-spice", "kvm", "qemu", "folder with blanks/qemu-kvm"])
def test_a_leftover_is_found_under_each_name_of_qemu(shell: Shell, zoo: Zoo, vm: str, name: str) -> None:
    qemu = zoo.qemu("-uuid", vm, name=name)
    assert shell.fence(vm).facts.word("killed") == "1"
    assert not is_living(qemu.pid)


def test_a_leftover_whose_program_was_upgraded_since_is_found(shell: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    zoo.program().unlink()
    assert os.readlink(f"/proc/{qemu.pid}/exe").endswith(" (deleted)")
    assert shell.fence(vm).facts.word("killed") == "1"
    assert not is_living(qemu.pid)


@pytest.mark.parametrize("name", [b"x) Z 1 1 1", b"a b) c", b") Z 1\n) Z 1 ", b"\n\n)"])
def test_a_process_that_names_itself_like_a_zombie_is_still_living(
    shell: Shell, zoo: Zoo, vm: str, name: bytes
) -> None:
    qemu = zoo.qemu("-uuid", vm, code=RENAME.format(name=name))
    wait_until(lambda: Path(f"/proc/{qemu.pid}/comm").read_bytes().startswith(name[:3]), "it has its name")
    assert shell.rehearse(vm).facts.word("found") == "1"
    assert shell.fence(vm).facts.word("killed") == "1"
    assert not is_living(qemu.pid)


def test_a_zombie_leader_with_a_living_thread_is_a_leftover(shell: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.zombie_leader("-uuid", vm)
    assert shell.rehearse(vm).facts.word("found") == "1"
    finding = shell.fence(vm)
    assert finding.verdict is Verdict.CONFIRMED_DEAD
    assert (finding.facts.word("found"), finding.facts.word("killed")) == ("1", "1")
    assert not is_living(qemu.pid)


def test_a_killed_process_that_nobody_reaps_is_dead_and_told_as_a_zombie(shell: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    finding = shell.fence(vm)
    assert task_states(qemu.pid) == ["Z"]
    assert (finding.verdict, finding.facts.word("zombie")) == (Verdict.CONFIRMED_DEAD, "1")


def test_two_copies_are_both_killed(shell: Shell, zoo: Zoo, vm: str) -> None:
    copies = [zoo.qemu("-uuid", vm), zoo.qemu("-uuid", vm.upper())]
    finding = shell.fence(vm)
    assert (finding.verdict, finding.facts.word("killed")) == (Verdict.CONFIRMED_DEAD, "2")
    assert not any(is_living(copy.pid) for copy in copies)


def test_bystanders_survive(shell: Shell, zoo: Zoo, vm: str) -> None:
    other = str(vm[:-4] + "0000")
    bystanders = [
        zoo.qemu("-uuid", other, "-drive", f"file=/disks/{vm}.qcow2"),
        zoo.qemu("-uuid", other, "-name", f"guest={vm}"),
        zoo.qemu("-uuid", vm, name="qemu-img"),
        zoo.qemu("-uuid", vm, name="qemu-nbd"),
        zoo.qemu("-uuid", vm, name="vim"),
        zoo.qemu(vm, name="tail"),
        zoo.qemu(f"qemu-system-x86_64 -uuid {vm}", name="bash"),
        zoo.qemu(f"-uuid {vm}"),
        zoo.qemu(f"-uuid={vm}"),
        zoo.qemu("-uuid", vm + "0"),
        zoo.qemu("-uuid", f"{vm}\n-uuid\n{vm}"),
    ]
    leftover = zoo.qemu("-uuid", vm)
    finding = shell.fence(vm)
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "1")
    assert not is_living(leftover.pid)
    assert all(is_living(bystander.pid) for bystander in bystanders)


def test_a_vm_of_which_nothing_is_here_is_dead(shell: Shell, vm: str) -> None:
    finding = shell.fence(vm)
    assert (finding.verdict, finding.facts.word("found"), finding.facts.word("killed")) == (
        Verdict.CONFIRMED_DEAD,
        "0",
        "0",
    )


def test_more_tasks_than_an_argument_list_may_hold_are_searched_in_parts(shell: Shell, zoo: Zoo, vm: str) -> None:
    crowd = zoo.start(zoo.program("crowd", sys.executable), "-I", "-c", MANY_THREADS.format(count=5000), stdout=-1)
    assert crowd.stdout is not None
    assert crowd.stdout.readline() == b"up\n"
    qemu, nameless = zoo.qemu("-uuid", vm), zoo.qemu("-name", "web-01")
    # The kernel allows a quarter of the stack limit for arguments, and never less than 128 KiB.
    short = Shell(("/bin/sh", "-c", f"ulimit -s 256; exec {' '.join(shell.command)}"))
    refused = short.run(Program("cd /proc && /bin/true [0-9]*/task/[0-9]*/cmdline\n"))
    assert refused.exit_status == 126, "the list must be too long for this test to show anything"
    assert short.fence_named(vm, "web-01").facts.word("killed") == "2"
    assert not is_living(qemu.pid)
    assert not is_living(nameless.pid)


# ---------------------------------------------------------------- started by hand: a name and no UUID


@pytest.mark.parametrize(
    "arguments",
    [
        ("-name", "guest=web-01"),
        ("--name", "guest=web-01"),
        ("-name", "guest=web-01,debug-threads=on"),
        ("-name", "guest=web-01,"),
        ("-name", "debug-threads=on,guest=web-01"),
        ("-name", "debug-threads=on,guest=web-01,process=vm"),
        ("-name", "web-01"),
        ("-name", "web-01,debug-threads=on", "-display", "none"),
        ("\udcff\udcfe", "-hda", "a\nb -name x", "-name", "web-01", "\udcff"),
        ("-uuid", "no UUID", "-name", "web-01"),
    ],
    ids=lambda arguments: " ".join(arguments).encode("unicode_escape").decode(),
)
def test_a_qemu_started_by_hand_without_a_uuid_is_found_by_its_name(
    shell: Shell, zoo: Zoo, vm: str, arguments: tuple[str, ...]
) -> None:
    qemu = zoo.qemu(*arguments)
    assert shell.rehearse(vm, "web-01").facts.word("found") == "1"
    finding = shell.fence_named(vm, "web-01")
    assert finding.verdict is Verdict.CONFIRMED_DEAD
    assert (finding.facts.word("found"), finding.facts.word("killed")) == ("1", "1")
    assert not is_living(qemu.pid)


def test_a_real_qemu_without_a_uuid_is_found_by_its_name(shell: Shell, zoo: Zoo, vm: str) -> None:
    require("qemu-system-x86_64")
    qemu = zoo.start("qemu-system-x86_64", "-name", "guest=web-01", "-machine", "none", "-display", "none")
    wait_until(lambda: len(task_states(qemu.pid)) > 1, "qemu has threads")
    assert shell.fence_named(vm, "web-01").facts.word("killed") == "1"
    assert not is_living(qemu.pid)


def test_a_zombie_leader_without_a_uuid_is_found_by_its_name(shell: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.zombie_leader("-name", "guest=web-01")
    finding = shell.fence_named(vm, "web-01")
    assert (finding.verdict, finding.facts.word("killed")) == (Verdict.CONFIRMED_DEAD, "1")
    assert not is_living(qemu.pid)


def test_of_several_vms_each_is_found_by_its_own_name_or_uuid(shell: Shell, zoo: Zoo, vm: str) -> None:
    vms = [f"{vm[:-4]}{number:04}" for number in range(4)]
    copies = [
        zoo.qemu("-name", "guest=web-00"),
        zoo.qemu("-name", "web-01", "-uuid", vms[1]),
        zoo.qemu("-uuid", vms[1].upper()),
        zoo.qemu("-name", "web-03"),
    ]
    names = {one: f"web-0{number}" for number, one in enumerate(vms)}
    findings = shell.fence_all(shell.order(*vms), names)
    assert {finding.verdict for finding in findings.values()} == {Verdict.CONFIRMED_DEAD}
    assert [findings[one].facts.word("killed") for one in shell.order(*vms).vms] == ["1", "2", "0", "1"]
    assert not any(is_living(copy.pid) for copy in copies)


def test_whoever_only_resembles_a_name_survives(shell: Shell, zoo: Zoo, vm: str) -> None:
    other = str(vm[:-4] + "0000")
    bystanders = [
        zoo.qemu("-name", "guest=db-01"),
        zoo.qemu("-name", "web-010"),
        zoo.qemu("-name", "guest=web-010,debug-threads=on"),
        zoo.qemu("-name", "guest=web-01.old"),
        zoo.qemu("-name", "guest=WEB-01"),
        zoo.qemu("-name", "my-web-01"),
        zoo.qemu("-name", "guest=web-01,,b"),
        zoo.qemu("-name", "guest=a,,guest=web-01"),
        zoo.qemu("-name", "guest=web-01 b"),
        zoo.qemu("-name", "web-01\nb"),
        zoo.qemu("-name", "guest=db-01,process=web-01"),
        zoo.qemu("-name=web-01"),
        zoo.qemu("-name guest=web-01"),
        zoo.qemu("-name", "", "web-01"),
        zoo.qemu("-hda", "web-01"),
        zoo.qemu("guest=web-01"),
        zoo.qemu("-name", "guest=web-01,debug-threads=on", "-uuid", other),
        zoo.qemu("-uuid", other.upper().replace("-", ""), "-name", "web-01"),
        zoo.qemu("-name", "guest=web-01", name="qemu-img"),
        zoo.qemu("-name", "web-01", name="find"),
        zoo.qemu("-name", "guest=web-01", name="bash"),
    ]
    leftover = zoo.qemu("-name", "web-01")
    finding = shell.fence_named(vm, "web-01")
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "1")
    assert not is_living(leftover.pid)
    assert all(is_living(bystander.pid) for bystander in bystanders)


def test_another_programs_zombie_leader_with_the_name_survives(shell: Shell, zoo: Zoo, vm: str) -> None:
    stranger = zoo.zombie_leader("-name", "web-01", name="search")
    finding = shell.fence_named(vm, "web-01")
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "0")
    assert is_living(stranger.pid)


def test_a_dot_in_a_name_stands_for_itself(shell: Shell, zoo: Zoo, vm: str) -> None:
    bystander = zoo.qemu("-name", "guest=web-01")
    leftover = zoo.qemu("-name", "guest=web.01")
    assert shell.fence_named(vm, "web.01").facts.word("killed") == "1"
    assert (is_living(leftover.pid), is_living(bystander.pid)) == (False, True)


@pytest.mark.parametrize("name", ["", "*", "web-*", "a b", "web-01'; kill 1; '", "web-01\n", "-web-01", "w=x"])
def test_a_name_that_could_be_read_as_anything_else_is_left_out(vm: str, name: str) -> None:
    other = Uuid(vm[:-4] + "0000")
    assert name_list((Uuid(vm), other), {Uuid(vm): (name,), other: ("Web_1.a-B",)}) == f"{other}=Web_1.a-B"


# ---------------------------------------------------------------- libvirt's own files


def libvirt_runs(root: Path, name: str, vm: str, pid: int, more: str = "") -> None:
    """What libvirtd leaves in /run of a VM."""
    folder = root / "run/libvirt/qemu"
    (folder / f"{name}.pid").write_text(str(pid))
    (folder / f"{name}.xml").write_text(
        f"<domstatus state='running' reason='booted' pid='{pid}'>\n  <domain type='kvm' id='1'>\n"
        f"    <name>{name}</name>\n    <uuid>{vm}</uuid>\n    {more}\n  </domain>\n</domstatus>\n"
    )


@pytest.mark.parametrize("name", ["web-01", "a name: with .xml: and blanks", ".hidden", "J\u00e4ger (SQL)+a@b"])
def test_a_qemu_whose_arguments_are_silent_is_found_by_libvirts_pid_file(
    shell: Shell, zoo: Zoo, vm: str, root: Path, name: str
) -> None:
    qemu = zoo.qemu("-nodefaults")
    libvirt_runs(root, name, vm.upper(), qemu.pid)
    finding = shell.at(root).fence(vm)
    assert (finding.verdict, finding.facts.word("killed")) == (Verdict.CONFIRMED_DEAD, "1")
    assert not is_living(qemu.pid)


def test_a_pid_file_does_not_kill_the_program_that_has_the_pid_now(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    reused = zoo.qemu("-c", name="database")
    libvirt_runs(root, "web-01", vm, reused.pid)
    finding = shell.at(root).fence(vm)
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "0")
    assert is_living(reused.pid)


def test_a_pid_file_does_not_kill_the_vm_that_has_the_pid_now(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    other = str(vm[:-4] + "0000")
    reused = zoo.qemu("-uuid", other)
    libvirt_runs(root, "web-01", vm, reused.pid)
    finding = shell.at(root).fence(vm)
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "0")
    assert is_living(reused.pid)


def test_a_pid_file_does_not_kill_the_kernel_thread_that_has_the_pid_now(shell: Shell, vm: str, root: Path) -> None:
    libvirt_runs(root, "web-01", vm, 2)
    assert shell.at(root).fence(vm).facts.word("found") == "0"


def test_a_uuid_in_anothers_metadata_kills_nobody(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    other = str(vm[:-4] + "0000")
    qemu = zoo.qemu("-nodefaults")
    libvirt_runs(root, "db-01", other, qemu.pid, more=f"<metadata><backup><uuid>{vm}</uuid></backup></metadata>")
    assert shell.at(root).fence(vm).facts.word("found") == "0"
    assert is_living(qemu.pid)


@pytest.mark.parametrize("junk", ["", "0", "-1", "1 2", "12x", "99999999", "../1"])
def test_an_odd_pid_file_leads_nowhere(shell: Shell, vm: str, root: Path, junk: str) -> None:
    libvirt_runs(root, "web-01", vm, 0)
    (root / "run/libvirt/qemu/web-01.pid").write_text(junk)
    finding = shell.at(root).fence(vm)
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "0")


# ---------------------------------------------------------------- states that cannot be made at will


def kernel_says(root: Path, pid: int, comm: str, state: str, flags: int) -> None:
    """A process in /proc as the kernel shows it: one that has given up its memory has no arguments and no exe."""
    proc = root / "proc"
    if proc.is_symlink():
        proc.unlink()
        proc.mkdir()
        (proc / "1").symlink_to("/proc/1")
    folder = proc / str(pid)
    (folder / "task" / str(pid)).mkdir(parents=True)
    numbers = " ".join(["0"] * 12)
    for place in (folder, folder / "task" / str(pid)):
        (place / "stat").write_text(f"{pid} ({comm}) {state} 1 1 1 0 -1 {flags} {numbers} 4711 0 0\n")
        (place / "cmdline").write_text("")


def test_a_qemu_that_hangs_in_its_exit_is_found_by_libvirts_pid_file(shell: Shell, vm: str, root: Path) -> None:
    kernel_says(root, 4194303, "qemu-system-x86", "D", 0x4)
    libvirt_runs(root, "web-01", vm, 4194303)
    finding = shell.at(root).fence(vm, within_s=2)
    assert finding.verdict is Verdict.STILL_ALIVE
    assert (finding.facts.word("found"), finding.facts.word("state")) == ("1", "D")


def test_a_qemu_that_hangs_in_its_exit_and_is_nobodys_leaves_the_verdict_open(
    shell: Shell, vm: str, root: Path
) -> None:
    kernel_says(root, 4194303, "qemu-system-x86", "D", 0x4)
    finding = shell.at(root).fence(vm)
    assert finding.verdict is Verdict.AMBIGUOUS
    assert finding.facts.word("why") == "a-qemu-that-exits-shows-no-name"


@pytest.mark.parametrize(("comm", "state", "flags"), [("kvm-pit/1", "S", 0x200040), ("qemu-system-x86", "Z", 0x4)])
def test_kernel_threads_and_zombies_are_no_such_qemu(
    shell: Shell, vm: str, root: Path, comm: str, state: str, flags: int
) -> None:
    kernel_says(root, 4194303, comm, state, flags)
    assert shell.at(root).fence(vm).verdict is Verdict.CONFIRMED_DEAD


def test_a_zombie_that_libvirts_pid_file_names_is_told(shell: Shell, vm: str, root: Path) -> None:
    kernel_says(root, 4194303, "qemu-system-x86", "Z", 0x4)
    libvirt_runs(root, "web-01", vm, 4194303)
    finding = shell.at(root).fence(vm)
    assert (finding.verdict, finding.facts.word("zombie")) == (Verdict.CONFIRMED_DEAD, "1")


def test_a_process_whose_state_cannot_be_read_lives(shell: Shell, vm: str, root: Path) -> None:
    kernel_says(root, 4194303, "qemu-system-x86", "S", 0x4)
    (root / "proc/4194303/stat").write_text("4194303 (qemu-system-x86) S")
    libvirt_runs(root, "web-01", vm, 4194303)
    finding = shell.at(root).fence(vm, within_s=2)
    assert (finding.verdict, finding.facts.word("state")) == (Verdict.STILL_ALIVE, "unreadable")


def test_a_zombie_leader_without_any_task_to_read_lives(shell: Shell, vm: str, root: Path) -> None:
    kernel_says(root, 4194303, "qemu-system-x86", "Z", 0x4)
    shutil.rmtree(root / "proc/4194303/task")
    libvirt_runs(root, "web-01", vm, 4194303)
    assert shell.at(root).fence(vm, within_s=2).verdict is Verdict.STILL_ALIVE


def test_sleep_is_the_stand_in(zoo: Zoo) -> None:
    assert is_living(zoo.qemu("-x", code=SLEEP).pid)
