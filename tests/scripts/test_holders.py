"""Who else can write to a VM's disks: whoever has them open for writing, under whatever path, and the kernel itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hafence.adapters.hosts import kvm
from hafence.core.attempts import Reading, Reply, Verdict
from hafence.core.model import Uuid
from hafence.core.replies import interpret

from ..lab.require import lack, require
from .conftest import NONCE, Shell
from .processes import Zoo, is_living, wait_until
from .test_fence_finds import libvirt_runs
from .test_identity import defined

WRITES, KERNEL = "another-program-writes-to-its-disk", "the-kernel-holds-its-disk"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk of the vm.raw"
    path.write_bytes(bytes(1 << 20))
    return path


def in_the_way(finding: Reading) -> tuple[Verdict, str, str]:
    return finding.verdict, finding.facts.word("why"), finding.facts.word("program")


def fence(shell: Shell, vm: str, *disks: Path | str, older_kernel: bool = False, rehearse: bool = False) -> Reading:
    """Fence a VM of which the inventory names these disks. An older kernel does not tell inodes in fdinfo."""
    order = shell.order(vm, rehearse=rehearse)
    named = {Uuid(vm): [str(disk) for disk in disks]}
    program = kvm.fence_program(order, {}, NONCE, shell.host, lambda: 0.0, settings=shell.settings, disks=named)
    program = replace(program, on_line=shell.fence_program(order).on_line)
    if older_kernel:
        program = replace(program, text=program.text.replace("tells_inodes() {", "tells_inodes() {\n    return 1"))
    run = shell.run(program)
    reply = Reply(NONCE, run.trouble, run.exit_status, run.stdout, run.seconds, 0.0)
    return interpret(order, reply).readings[Uuid(vm)]


# ---------------------------------------------------------------- how the disks are known


def test_who_has_open_what_the_leftover_wrote_to_is_named_and_left_alone(
    shell: Shell, zoo: Zoo, vm: str, disk: Path
) -> None:
    leftover = zoo.opens(disk, "-uuid", vm, name="qemu-system-x86_64")
    holder = zoo.opens(disk, name="qemu-nbd")
    finding = shell.fence(vm)
    assert in_the_way(finding) == (Verdict.AMBIGUOUS, WRITES, "qemu-nbd")
    assert finding.facts.word("pid") == str(holder.pid)
    assert "qemu-nbd" in finding.detail
    assert (is_living(leftover.pid), is_living(holder.pid)) == (False, True)


def test_the_disks_of_a_leftover_whose_leader_has_ended_are_known(shell: Shell, zoo: Zoo, vm: str, disk: Path) -> None:
    code = f"""
import ctypes, threading, time
f = open({str(disk)!r}, "r+b")
threading.Thread(target=time.sleep, args=(3600,)).start()
time.sleep(0.1)
ctypes.CDLL(None).syscall(60, 0)
"""
    leftover = zoo.qemu("-uuid", vm, code=code)
    wait_until(lambda: "Z" in Path(f"/proc/{leftover.pid}/stat").read_text().rpartition(")")[2], "its leader ended")
    zoo.opens(disk)
    assert in_the_way(shell.fence(vm)) == (Verdict.AMBIGUOUS, WRITES, "holder")


@pytest.mark.parametrize("name", ["web-01", "a name: with .xml: & blanks", ".hidden", "J\u00e4ger (SQL)+a@b"])
def test_the_disks_of_a_vm_that_is_not_found_are_known_by_libvirts_definition(
    shell: Shell, zoo: Zoo, vm: str, root: Path, disk: Path, name: str
) -> None:
    defined(root, name, vm.upper(), disk)
    assert shell.at(root).fence(vm).verdict is Verdict.CONFIRMED_DEAD
    zoo.opens(disk, name="qemu-storage-daemon")
    assert in_the_way(shell.at(root).fence(vm)) == (Verdict.AMBIGUOUS, WRITES, "qemu-storage-daemon")


def test_the_disks_of_a_running_vm_are_known_by_its_status(
    shell: Shell, zoo: Zoo, vm: str, root: Path, disk: Path
) -> None:
    source = f"<devices>\n<disk type='block' device='lun'>\n<source dev='{disk}' index='1'/>\n</disk>\n</devices>"
    libvirt_runs(root, "web-01", vm, 4194304, more=source)
    zoo.opens(disk)
    assert in_the_way(shell.at(root).fence(vm)) == (Verdict.AMBIGUOUS, WRITES, "holder")


def test_a_path_with_letters_that_xml_escapes_is_read(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    disk = root / "a'b\"c<d>e&f&amp;"
    disk.write_bytes(b"x")
    escaped = str(disk).replace("&", "&amp;").replace("'", "&apos;").replace("<", "&lt;").replace(">", "&gt;")
    defined(root, "web-01", vm, Path(escaped.replace('"', "&quot;")))
    zoo.opens(disk)
    assert in_the_way(shell.at(root).fence(vm)) == (Verdict.AMBIGUOUS, WRITES, "holder")


def test_the_disks_that_the_inventory_names_are_known(shell: Shell, zoo: Zoo, vm: str, disk: Path) -> None:
    zoo.opens(disk)
    assert in_the_way(fence(shell, vm, disk)) == (Verdict.AMBIGUOUS, WRITES, "holder")
    assert fence(shell, vm, "relative/path", "rbd:rbd/image", "/a\nb").verdict is Verdict.CONFIRMED_DEAD


def test_a_rehearsal_foretells_who_is_in_the_way(shell: Shell, zoo: Zoo, vm: str, disk: Path) -> None:
    leftover = zoo.opens(disk, "-uuid", vm, name="qemu-kvm")
    assert shell.rehearse(vm).verdict is Verdict.STILL_ALIVE
    zoo.opens(disk)
    assert in_the_way(shell.rehearse(vm)) == (Verdict.AMBIGUOUS, WRITES, "holder")
    assert is_living(leftover.pid)


# ---------------------------------------------------------------- who counts


@pytest.mark.parametrize("older_kernel", [False, True], ids=["", "before Linux 5.14"])
@pytest.mark.parametrize("mode", ["r+b", "ab"])
def test_a_writer_is_found_under_another_path(
    shell: Shell, zoo: Zoo, vm: str, disk: Path, mode: str, older_kernel: bool
) -> None:
    link = disk.with_name("another name -> of it")
    os.link(disk, link)
    zoo.opens(link, mode=mode)
    finding = fence(shell, vm, disk, older_kernel=older_kernel)
    assert in_the_way(finding) == (Verdict.AMBIGUOUS, WRITES, "holder")


@pytest.mark.parametrize("older_kernel", [False, True], ids=["", "before Linux 5.14"])
def test_who_only_reads_or_has_another_file_open_is_no_hindrance(
    shell: Shell, zoo: Zoo, vm: str, disk: Path, older_kernel: bool
) -> None:
    other = disk.with_name("another.raw")
    other.write_bytes(b"x")
    holders = [zoo.opens(disk, name="backup", mode="rb"), zoo.opens(other), zoo.opens(disk, name="virtlockd")]
    leftover = zoo.opens(disk, "-uuid", vm, name="qemu-kvm")
    assert fence(shell, vm, disk, older_kernel=older_kernel).verdict is Verdict.CONFIRMED_DEAD
    assert not is_living(leftover.pid)
    assert all(is_living(holder.pid) for holder in holders)


def test_a_log_that_others_write_to_is_no_disk(shell: Shell, zoo: Zoo, vm: str, tmp_path: Path) -> None:
    log = tmp_path / "qemu.log"
    log.touch()
    zoo.opens(log, "-uuid", vm, name="qemu-kvm", mode="ab")
    zoo.opens(log, name="logger", mode="r+b")
    assert shell.fence(vm).verdict is Verdict.CONFIRMED_DEAD


def test_where_it_says_its_words_is_no_disk(shell: Shell, zoo: Zoo, vm: str, tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as said:
        zoo.start(zoo.program(of="/bin/dash"), "-c", "while :; do sleep 60; done", "-uuid", vm, stdout=said.fileno())
        zoo.opens(said.name)
        wait_until(lambda: shell.rehearse(vm).facts.word("found") == "1", "it is up")
        assert shell.fence(vm).verdict is Verdict.CONFIRMED_DEAD


@pytest.mark.parametrize("mark", ["<shareable/>", "<readonly/>"])
def test_a_disk_that_may_be_shared_is_nobodys_alone(
    shell: Shell, zoo: Zoo, vm: str, root: Path, disk: Path, mark: str
) -> None:
    defined(root, "web-01", vm, disk, f"      {mark}\n")
    zoo.opens(disk, "-uuid", vm, name="qemu-kvm")
    zoo.opens(disk)
    assert shell.at(root).fence(vm).verdict is Verdict.CONFIRMED_DEAD


def test_a_cd_rom_and_a_backing_file_are_no_disks_of_its_own(
    shell: Shell, zoo: Zoo, vm: str, root: Path, disk: Path
) -> None:
    xml = (
        f"<domain>\n<uuid>{vm}</uuid>\n<disk type='file' device='cdrom'>\n<source file='{disk}'/>\n</disk>\n"
        f"<disk type='file' device='disk'>\n<source file='{disk}.top'/>\n<backingStore type='file'>\n"
        f"<source file='{disk}'/>\n<backingStore/>\n</backingStore>\n</disk>\n</domain>\n"
    )
    (root / "etc/libvirt/qemu/web-01.xml").write_text(xml)
    top = Path(f"{disk}.top")
    top.write_bytes(b"x")
    zoo.opens(disk)
    assert shell.at(root).fence(vm).verdict is Verdict.CONFIRMED_DEAD
    zoo.opens(top)
    assert in_the_way(shell.at(root).fence(vm)) == (Verdict.AMBIGUOUS, WRITES, "holder")


def test_a_disk_of_two_vms_stands_in_the_way_of_both(shell: Shell, zoo: Zoo, vm: str, root: Path, disk: Path) -> None:
    other = vm[:-4] + "0000"
    defined(root, "web-01", vm, disk)
    defined(root, "web-02", other, disk)
    zoo.opens(disk)
    findings = shell.at(root).fence_all(shell.at(root).order(vm, other))
    assert {in_the_way(finding) for finding in findings.values()} == {(Verdict.AMBIGUOUS, WRITES, "holder")}


def test_who_lets_go_before_it_is_judged_is_no_hindrance(shell: Shell, zoo: Zoo, vm: str, disk: Path) -> None:
    leftover = zoo.opens(disk, "-uuid", vm, name="qemu-kvm")
    watch = f"import os, time\nf = open({str(disk)!r}, 'r+b')\nwhile os.path.exists('/proc/{leftover.pid}/exe'): pass\n"
    zoo.qemu("x", name="helper", code=watch + "time.sleep(0.4)")
    assert shell.fence(vm, settle_s=2.0).verdict is Verdict.CONFIRMED_DEAD


def test_a_grep_that_does_not_come_to_its_end_is_no_proof(
    shell: Shell, zoo: Zoo, vm: str, root: Path, disk: Path
) -> None:
    defined(root, "web-01", vm, disk)
    (root / "bin/grep").write_text('#!/bin/sh\ncase "$*" in *ino:*) exit 1 ;; esac\nexec /bin/grep "$@"\n')
    (root / "bin/grep").chmod(0o755)
    assert in_the_way(shell.at(root).fence(vm))[:2] == (Verdict.AMBIGUOUS, "lacks-grep-r")


def test_a_disk_that_cannot_be_looked_at_is_no_proof(shell: Shell, vm: str, root: Path, disk: Path) -> None:
    defined(root, "web-01", vm, disk)
    (root / "bin/stat").write_text("#!/bin/sh\nexit 1\n")
    (root / "bin/stat").chmod(0o755)
    assert in_the_way(shell.at(root).fence(vm))[:2] == (Verdict.AMBIGUOUS, "its-disks-cannot-be-looked-at")
    disk.unlink()
    assert shell.at(root).fence(vm).verdict is Verdict.CONFIRMED_DEAD


# ---------------------------------------------------------------- block devices and the kernel


def losetup(*words: str | Path) -> str:
    if os.geteuid() != 0:
        lack("needs root for a loop device")
    require("losetup")
    made = subprocess.run(["losetup", *words], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        lack(f"needs a loop device: {made.stderr.strip()}")
    return made.stdout.strip()


@pytest.fixture
def loop(disk: Path) -> Iterator[str]:
    device = losetup("--find", "--show", disk)
    yield device
    subprocess.run(["umount", "-q", device], check=False)
    losetup("--detach", device)


def test_a_loop_device_over_the_disk_is_in_the_way(shell: Shell, vm: str, disk: Path, loop: str) -> None:
    assert in_the_way(fence(shell, vm, disk)) == (Verdict.AMBIGUOUS, KERNEL, loop.rsplit("/", 1)[1])


def test_a_loop_device_that_only_reads_is_no_hindrance(shell: Shell, vm: str, disk: Path) -> None:
    device = losetup("--find", "--show", "--read-only", disk)
    try:
        assert fence(shell, vm, disk).verdict is Verdict.CONFIRMED_DEAD
    finally:
        losetup("--detach", device)


def test_a_block_device_is_known_by_its_number_and_not_by_its_node(
    shell: Shell, zoo: Zoo, vm: str, tmp_path: Path, loop: str
) -> None:
    node = tmp_path / "a node of its own"
    os.mknod(node, 0o600 | 0o060000, os.stat(loop).st_rdev)
    assert fence(shell, vm, loop).verdict is Verdict.CONFIRMED_DEAD
    reads = zoo.opens(loop, mode="rb")
    assert fence(shell, vm, loop).verdict is Verdict.CONFIRMED_DEAD
    assert fence(shell, vm, node).verdict is Verdict.CONFIRMED_DEAD
    zoo.opens(loop, name="writer")
    assert in_the_way(fence(shell, vm, loop)) == (Verdict.AMBIGUOUS, WRITES, "writer")
    assert in_the_way(fence(shell, vm, node)) == (Verdict.AMBIGUOUS, WRITES, "writer")
    assert is_living(reads.pid)


def test_a_mount_of_the_disk_is_in_the_way_unless_it_only_reads(
    shell: Shell, vm: str, tmp_path: Path, loop: str
) -> None:
    require("mkfs.ext4")
    subprocess.run(["mkfs.ext4", "-q", loop], check=True)
    place = tmp_path / "mnt"
    place.mkdir()
    subprocess.run(["mount", loop, place], check=True)
    assert in_the_way(fence(shell, vm, loop)) == (Verdict.AMBIGUOUS, KERNEL, "mount:mnt")
    subprocess.run(["umount", place], check=True)
    subprocess.run(["mount", "-o", "ro", loop, place], check=True)
    assert fence(shell, vm, loop).verdict is Verdict.CONFIRMED_DEAD


def stacked(root: Path, loop: str, name: str, on_top: str | Path, *, partition: bool = False) -> Path:
    """A /sys in which another device stands on the loop device: the sandbox of a test has no device mapper."""
    below, above = (os.stat(path).st_rdev for path in (loop, on_top))
    place = root / f"sys/dev/block/{os.major(below)}:{os.minor(below)}" / ("" if partition else "holders") / name
    place.mkdir(parents=True)
    (place / "dev").write_text(f"{os.major(above)}:{os.minor(above)}\n")
    if partition:
        (place / "partition").write_text("1\n")
    return root / "sys"


def with_sys(shell: Shell, vm: str, sys: Path, disk: str) -> Reading:
    order = shell.order(vm)
    program = shell.fence_program(order)
    text = program.text.replace("SYS=/sys", f"SYS={sys}").replace("DISKS=''", f"DISKS='{vm} {disk}'")
    run = shell.run(replace(program, text=text))
    reply = Reply(NONCE, run.trouble, run.exit_status, run.stdout, run.seconds, 0.0)
    return interpret(order, reply).readings[Uuid(vm)]


@pytest.fixture
def second(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "second.raw").write_bytes(bytes(1 << 20))
    device = losetup("--find", "--show", tmp_path / "second.raw")
    yield device
    losetup("--detach", device)


@pytest.mark.parametrize(("opened", "verdict"), [("1", Verdict.AMBIGUOUS), ("0", Verdict.CONFIRMED_DEAD)])
def test_a_mapping_that_stands_on_the_disk_is_in_the_way_if_it_is_open(
    shell: Shell, vm: str, root: Path, loop: str, second: str, opened: str, verdict: Verdict
) -> None:
    sys = stacked(root, loop, "dm-3", second)
    (root / "bin/dmsetup").write_text(f"#!/bin/sh\necho {opened}\n")
    (root / "bin/dmsetup").chmod(0o755)
    finding = with_sys(shell.at(root), vm, sys, loop)
    assert finding.verdict is verdict
    assert finding.facts.word("program") == ("dm-3" if opened == "1" else "")


def test_a_mapping_of_which_nobody_tells_whether_it_is_open_is_in_the_way(
    shell: Shell, vm: str, root: Path, loop: str, second: str
) -> None:
    (root / "bin/dmsetup").write_text("#!/bin/sh\nexit 127\n")
    (root / "bin/dmsetup").chmod(0o755)
    sys = stacked(root, loop, "dm-3", second)
    assert in_the_way(with_sys(shell.at(root), vm, sys, loop)) == (Verdict.AMBIGUOUS, KERNEL, "dm-3")


def test_a_raid_that_stands_on_the_disk_is_in_the_way(
    shell: Shell, vm: str, root: Path, loop: str, second: str
) -> None:
    sys = stacked(root, loop, "md0", second)
    assert in_the_way(with_sys(shell.at(root), vm, sys, loop)) == (Verdict.AMBIGUOUS, KERNEL, "md0")


def test_who_has_a_partition_of_the_disk_open_is_in_the_way(
    shell: Shell, zoo: Zoo, vm: str, root: Path, loop: str, second: str
) -> None:
    sys = stacked(root, loop, "p1", second, partition=True)
    assert with_sys(shell.at(root), vm, sys, loop).verdict is Verdict.CONFIRMED_DEAD
    zoo.opens(second)
    assert in_the_way(with_sys(shell.at(root), vm, sys, loop)) == (Verdict.AMBIGUOUS, WRITES, "holder")
