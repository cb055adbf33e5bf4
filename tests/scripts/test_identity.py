"""Whose process a process is: one rule, by which the fence kills, the look counts, and both leave others alone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from hafence.adapters.hosts import kvm
from hafence.core.attempts import Verdict
from hafence.core.looks import HostLook
from hafence.core.model import HostName, Uuid

from ..lab.require import lack, require
from .conftest import NONCE, Shell
from .processes import Zoo, is_living, task_states, wait_until
from .test_fence_finds import libvirt_runs


def looked(shell: Shell, names: Mapping[str, str] | None = None, vms: Sequence[str] = ()) -> HostLook:
    """A look into this machine, at these VMs above all, by somebody who knows VMs by these names."""
    program = kvm.look_program(NONCE, shell.host, [Uuid(vm) for vm in vms], settings=shell.settings)
    known = {name: Uuid(vm) for name, vm in (names or {}).items()}
    look = kvm.parse_look(NONCE, shell.run(program), HostName("here"), time.time(), time.time(), known.get)
    assert isinstance(look, HostLook), look
    return look


# ---------------------------------------------------------------- a UUID that only the firmware shows

Arguments = Callable[[str], tuple[str, ...]]
SMBIOS: dict[str, Arguments] = {
    "alone": lambda vm: ("-smbios", f"type=1,uuid={vm}"),
    "two dashes": lambda vm: ("--smbios", f"type=1,uuid={vm}"),
    "upper case": lambda vm: ("-smbios", f"type=1,uuid={vm.upper()}"),
    "undashed": lambda vm: ("-smbios", f"type=1,uuid={vm.replace('-', '')}"),
    "first in the list": lambda vm: ("-smbios", f"uuid={vm},type=1,manufacturer=x"),
    "last in the list": lambda vm: ("-smbios", f"type=1,manufacturer=A B,,C,product=p,uuid={vm}"),
    "a hexadecimal type": lambda vm: ("-smbios", f"type=0x1,uuid={vm}"),
    "the last of two": lambda vm: ("-smbios", f"type=1,uuid={vm[:-4]}0000,uuid={vm}"),
    "the second option": lambda vm: ("-smbios", "type=0,vendor=x", "-smbios", f"type=1,uuid={vm}"),
    "as Proxmox VE writes it": lambda vm: (
        *("-id", "109", "-name", "web-01.example.com,debug-threads=on"),
        *("-smbios", f"type=1,uuid={vm}", "-m", "2048"),
    ),
}


@pytest.mark.parametrize("how", SMBIOS)
def test_a_leftover_whose_uuid_only_the_firmware_shows_is_found_and_killed(
    shell: Shell, zoo: Zoo, vm: str, how: str
) -> None:
    qemu = zoo.qemu(*SMBIOS[how](vm), name="kvm")
    assert looked(shell).copies[Uuid(vm)] == 1
    finding = shell.fence(vm)
    assert (finding.verdict, finding.facts.word("killed")) == (Verdict.CONFIRMED_DEAD, "1")
    assert not is_living(qemu.pid)


def test_a_real_qemu_whose_uuid_only_the_firmware_shows_is_killed(shell: Shell, zoo: Zoo, vm: str) -> None:
    require("qemu-system-x86_64")
    qemu = zoo.start("qemu-system-x86_64", "-smbios", f"type=1,uuid={vm}", "-machine", "none", "-display", "none")
    wait_until(lambda: len(task_states(qemu.pid)) > 1, "qemu has threads")
    assert shell.fence(vm).facts.word("killed") == "1"
    assert not is_living(qemu.pid)


NOT_ITS: dict[str, Arguments] = {
    "within another value": lambda vm: ("-smbios", f"type=1,manufacturer=x,,uuid={vm}"),
    "of a chassis": lambda vm: ("-smbios", f"type=3,uuid={vm}"),
    "of eleven": lambda vm: ("-smbios", f"type=11,value=uuid={vm}"),
    "without a type": lambda vm: ("-smbios", f"uuid={vm}"),
    "too long": lambda vm: ("-smbios", f"type=1,uuid={vm}0"),
    "one of two that do not count": lambda vm: ("-smbios", f"type=1,uuid={vm},uuid={vm[:-4]}0000"),
    "one word": lambda vm: (f"-smbios type=1,uuid={vm}",),
    "of a name": lambda vm: ("-name", f"guest=x,uuid={vm}"),
}


@pytest.mark.parametrize("how", NOT_ITS)
def test_who_only_seems_to_show_the_uuid_is_a_stranger(shell: Shell, zoo: Zoo, vm: str, how: str) -> None:
    stranger = zoo.qemu(*NOT_ITS[how](vm))
    assert Uuid(vm) not in looked(shell).copies
    finding = shell.fence(vm)
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "0")
    assert is_living(stranger.pid)


def test_a_vm_of_the_same_name_that_shows_another_uuid_is_a_stranger(shell: Shell, zoo: Zoo, vm: str) -> None:
    other, name = vm[:-4] + "0000", f"web-{vm[:8]}"
    strangers = [
        zoo.qemu("-smbios", f"type=1,uuid={other}", "-name", name),
        zoo.qemu("-name", f"guest={name}", "-smbios", f"manufacturer=x,uuid={other.upper()},type=1"),
        zoo.qemu("-name", f"guest={name}", "-uuid", other),
    ]
    finding = shell.fence_named(vm, name)
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "0")
    assert all(is_living(stranger.pid) for stranger in strangers)
    assert looked(shell, {name: vm}).copies.get(Uuid(vm)) is None


def test_a_qemu_that_bears_one_uuid_and_shows_another_is_the_first_ones_and_a_doubt_for_the_other(
    shell: Shell, zoo: Zoo, vm: str
) -> None:
    other = vm[:-4] + "0000"
    qemu = zoo.qemu("-uuid", other, "-smbios", f"type=1,uuid={vm}")
    look = looked(shell)
    assert (look.copies.get(Uuid(vm)), look.copies[Uuid(other)]) == (None, 1)
    assert look.doubtful[Uuid(vm)] == "qemu-system-x86_64"
    finding = shell.fence(vm)
    assert (finding.verdict, finding.facts.word("why")) == (Verdict.AMBIGUOUS, "a-program-bears-its-uuid")
    assert is_living(qemu.pid)
    assert shell.fence(other).facts.word("killed") == "1"


# ---------------------------------------------------------------- names, in a look


def test_a_look_tells_a_qemu_without_a_uuid_by_its_name(shell: Shell, zoo: Zoo, vm: str) -> None:
    name = f"web-{vm[:8]}"
    zoo.qemu("-name", f"guest={name},debug-threads=on")
    zoo.qemu("-name", name)
    zoo.qemu("-name", name, name="find")
    zoo.qemu("-uuid", vm)
    assert looked(shell, {name: vm}).copies[Uuid(vm)] == 3
    assert looked(shell).copies[Uuid(vm)] == 1


def test_a_zombie_leader_is_told_by_its_name(shell: Shell, zoo: Zoo, vm: str) -> None:
    name = f"web-{vm[:8]}"
    zoo.zombie_leader("-name", name)
    assert looked(shell, {name: vm}).copies[Uuid(vm)] == 1


# ---------------------------------------------------------------- programs of another name


def test_libvirts_pid_file_names_the_vm_whatever_its_program_is_called(
    shell: Shell, zoo: Zoo, vm: str, root: Path
) -> None:
    emulator, wrapper = zoo.qemu("-uuid", vm, name="kvm.real"), zoo.qemu("-uuid", vm, name="dash")
    bystander = zoo.qemu("-uuid", vm, name="bash")
    libvirt_runs(root, "web-01", vm, emulator.pid)
    libvirt_runs(root, "web-01-again", vm, wrapper.pid)
    here = shell.at(root)
    assert looked(here).copies[Uuid(vm)] == 2
    finding = here.fence(vm)
    assert (finding.verdict, finding.facts.word("killed")) == (Verdict.CONFIRMED_DEAD, "2")
    assert not is_living(emulator.pid)
    assert not is_living(wrapper.pid)
    assert is_living(bystander.pid)


def test_a_pid_file_of_another_vm_proves_nothing(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    stranger = zoo.qemu("-uuid", vm, name="kvm.real")
    libvirt_runs(root, "db-01", vm[:-4] + "0000", stranger.pid)
    finding = shell.at(root).fence(vm)
    assert (finding.verdict, finding.facts.word("why")) == (Verdict.AMBIGUOUS, "a-program-bears-its-uuid")
    assert is_living(stranger.pid)


def test_whoever_bears_the_uuid_and_has_kvm_open_is_the_vm(shell: Shell, zoo: Zoo, vm: str) -> None:
    if not os.access("/dev/kvm", os.R_OK):
        lack("needs /dev/kvm")
    runs = zoo.opens("/dev/kvm", "-uuid", vm, name="kvm.real")
    shows = zoo.opens("/dev/kvm", "-smbios", f"type=1,uuid={vm}", name="vmm")
    assert looked(shell).copies[Uuid(vm)] == 2
    assert shell.fence(vm).facts.word("killed") == "2"
    assert not is_living(runs.pid)
    assert not is_living(shows.pid)


def test_by_its_name_alone_a_program_is_the_vm_only_if_it_runs_a_machine(shell: Shell, zoo: Zoo, vm: str) -> None:
    if not os.access("/dev/kvm", os.R_OK):
        lack("needs /dev/kvm")
    name = f"web-{vm[:8]}"
    runs = zoo.opens("/dev/kvm", "-name", name, name="kvm.real")
    finds = zoo.qemu("-name", name, name="search")
    finding = shell.fence_named(vm, name)
    assert (finding.verdict, finding.facts.word("killed")) == (Verdict.CONFIRMED_DEAD, "1")
    assert (is_living(runs.pid), is_living(finds.pid)) == (False, True)


def defined(root: Path, name: str, vm: str, disk: Path, more: str = "") -> None:
    """What libvirt keeps of a VM with one disk."""
    (root / "etc/libvirt/qemu" / f"{name}.xml").write_text(
        f"<domain type='kvm'>\n  <name>{name}</name>\n  <uuid>{vm}</uuid>\n  <devices>\n"
        f"    <disk type='file' device='disk'>\n      <source file='{disk}'/>\n{more}    </disk>\n"
        "  </devices>\n</domain>\n"
    )


@pytest.mark.parametrize(("mode", "killed"), [("r+b", True), ("rb", False)])
def test_whoever_bears_the_uuid_and_writes_to_the_vms_disk_is_the_vm(
    shell: Shell, zoo: Zoo, vm: str, root: Path, mode: str, killed: bool
) -> None:
    disk = root / "disk.raw"
    disk.write_bytes(b"x")
    defined(root, "web-01", vm, disk)
    process = zoo.opens(disk, "-uuid", vm, name="kvm.real", mode=mode)
    finding = shell.at(root).fence(vm)
    assert is_living(process.pid) == (not killed)
    assert (finding.verdict is Verdict.CONFIRMED_DEAD) == killed


@pytest.mark.parametrize("name", ["kvm.real", "python3.99", "a name, with (odd) letters"])
def test_of_a_program_that_bears_the_uuid_and_does_nothing_with_it_nobody_can_say_what_it_is(
    shell: Shell, zoo: Zoo, vm: str, name: str
) -> None:
    doubt, leftover = zoo.qemu("-uuid", vm, name=name), zoo.qemu("-uuid", vm)
    look = looked(shell)
    assert (look.copies[Uuid(vm)], look.doubtful[Uuid(vm)][:3]) == (1, name[:3].replace(" ", "-"))
    finding = shell.fence(vm)
    assert (finding.verdict, finding.facts.word("why")) == (Verdict.AMBIGUOUS, "a-program-bears-its-uuid")
    assert (finding.facts.word("killed"), finding.facts.word("pid")) == ("1", str(doubt.pid))
    assert finding.facts.word("program")[:3] == name[:3].replace(" ", "-")
    assert (is_living(doubt.pid), is_living(leftover.pid)) == (True, False)


def test_a_rehearsal_foretells_the_doubt(shell: Shell, zoo: Zoo, vm: str) -> None:
    zoo.qemu("-uuid", vm, name="kvm.real")
    assert shell.rehearse(vm).facts.word("why") == "a-program-bears-its-uuid"


def test_a_doubt_that_has_ended_when_it_is_judged_is_none(shell: Shell, zoo: Zoo, vm: str) -> None:
    leftover = zoo.qemu("-uuid", vm)
    watch = f"import os, time\nwhile os.path.exists('/proc/{leftover.pid}/exe'): time.sleep(0.02)"
    zoo.qemu("-uuid", vm, name="supervisor", code=watch)
    assert shell.fence(vm, settle_s=1.0).verdict is Verdict.CONFIRMED_DEAD


BYSTANDERS = (
    *("qemu-img", "qemu-nbd", "qemu-io", "qemu-storage-daemon", "vim", "vim.basic", "nano", "emacs", "less", "tail"),
    *("grep", "virsh", "sh", "dash", "bash", "busybox", "sudo", "ssh", "timeout", "virt-viewer"),
)


def test_a_leftover_beside_those_that_are_known_to_run_no_vm_is_killed_and_dead(
    shell: Shell, zoo: Zoo, vm: str
) -> None:
    bystanders = [zoo.qemu("-uuid", vm, name=name) for name in BYSTANDERS]
    bystanders.append(zoo.qemu("-smbios", f"type=1,uuid={vm}", name="vim"))
    leftover = zoo.qemu("-uuid", vm)
    assert (looked(shell).copies[Uuid(vm)], looked(shell).doubtful.get(Uuid(vm))) == (1, None)
    finding = shell.fence(vm)
    assert (finding.verdict, finding.facts.word("found")) == (Verdict.CONFIRMED_DEAD, "1")
    assert not is_living(leftover.pid)
    assert all(is_living(bystander.pid) for bystander in bystanders)


def test_python_is_the_stand_in(zoo: Zoo) -> None:
    assert os.readlink(f"/proc/{zoo.qemu('-x', name='kvm.real').pid}/exe").endswith("/kvm.real"), sys.executable
