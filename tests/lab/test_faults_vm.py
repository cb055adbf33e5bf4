"""Every fault of a VM's process shows what it should."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.proc import LabError, is_living, task_states, wait_until


def pending(pid: int) -> int:
    """The signals that wait for a process, as a bit mask."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd:"))


def test_an_unkillable_qemu_is_in_state_d_and_its_kill_stays_pending(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    pid = lab.qemu(vm).pid
    with faults.unkillable(lab, pid):
        os.kill(pid, signal.SIGKILL)
        assert pending(pid) & 1 << signal.SIGKILL - 1
        assert set(task_states(pid)) == {"D"}
        ps = lab.hosts["kvm-01"].exec(["ps", "-C", "qemu-system-x86_64", "-o", "stat="]).stdout
        assert ps.startswith("D")
        with pytest.raises(LabError, match="took longer"):
            lab.hosts["kvm-01"].virsh("destroy web-01", timeout_s=5)
        assert lab.copies(vm.uuid) == 1
    lab.wait_copies(vm.uuid, 0)


def test_a_thawed_qemu_goes_on_if_nobody_killed_it(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    with faults.unkillable(lab, lab.qemu(vm).pid):
        pass
    assert lab.copies(vm.uuid) == 1
    assert lab.hosts["kvm-01"].virsh("domstate web-01").strip() == "running"


def test_a_zombie_leader_looks_dead_and_lives(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    pid = lab.qemu(vm).pid
    host = lab.hosts["kvm-01"]
    faults.zombie_leader(lab, pid)
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b""
    assert host.exec(["ps", "-C", "qemu-system-x86", "-o", "stat="]).stdout.startswith("Zl")
    assert host.exec(["pgrep", "-f", vm.uuid], check=False).stdout == ""
    assert is_living(pid)
    assert lab.copies(vm.uuid) == 1
    search = "grep -lzxF -e " + vm.uuid + " /proc/[0-9]*/task/[0-9]*/cmdline"
    assert host.shell(search, check=False).stdout
    os.kill(pid, signal.SIGKILL)
    lab.wait_copies(vm.uuid, 0)


def test_a_stopped_qemu_dies_of_sigkill(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    pid = lab.qemu(vm).pid
    with faults.stopped(lab, pid):
        assert lab.copies(vm.uuid) == 1
        os.kill(pid, signal.SIGKILL)
        lab.wait_copies(vm.uuid, 0)


def test_a_respawned_qemu_is_dead_for_a_moment_and_then_alive(lab: Lab) -> None:
    vm = lab.define_vm("kvm-01", "web-01")
    with faults.respawner(lab, "kvm-01", vm, pause_s=0.5):
        before = lab.qemu(vm).pid
        lab.kill_qemu(vm)
        assert not is_living(before)
        lab.wait_copies(vm.uuid, 1)
        assert lab.qemu(vm).pid != before
    assert lab.copies(vm.uuid) == 0


def test_a_killed_qemu_is_reaped_at_once(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    pid = lab.qemu(vm).pid
    lab.kill_qemu(vm)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "no zombie is left")
