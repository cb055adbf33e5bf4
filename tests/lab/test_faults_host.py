"""Every fault of a host shows what it should."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.host import Completed
from tests.lab.image import SUDO_USER
from tests.lab.look import ping, tcp
from tests.lab.proc import LabError, is_living, task_states, wait_until


def ssh(lab: Lab, host: str, command: str = "hostname", through: str | None = None, user: str = "root") -> Completed:
    argv = [*lab.ssh(host, through=through, user=user), command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


def test_a_host_without_power_has_no_process_and_answers_nothing(lab: Lab) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    vm = lab.start_vm("kvm-01", "web-01")
    inhabitants = suspect.processes()
    with faults.power_off(lab, "kvm-01"):
        assert not any(is_living(pid) for pid in inhabitants)
        assert lab.copies(vm.uuid) == 0
        assert not ping(sibling, suspect.address)
    assert tcp(sibling, suspect.address) == "banner"
    assert suspect.virsh("list --all --name").split() == ["web-01"]


def test_power_off_ends_even_what_sigkill_does_not(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    faults.unkillable(lab, lab.qemu(vm).pid)
    with faults.power_off(lab, "kvm-01"):
        assert lab.copies(vm.uuid) == 0


def test_a_reboot_changes_the_boot_id_and_not_the_machine_id(lab: Lab) -> None:
    host = lab.hosts["kvm-01"]
    files = ["cat", "/etc/machine-id", "/proc/sys/kernel/random/boot_id"]
    machine, boot = host.exec(files).stdout.split()
    faults.reboot(lab, "kvm-01")
    machine_after, boot_after = host.exec(files).stdout.split()
    assert machine == machine_after
    assert boot != boot_after


def test_without_sshd_the_connection_is_refused_and_the_host_lives(lab: Lab) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    vm = lab.start_vm("kvm-01", "web-01")
    with faults.sshd_gone(lab, "kvm-01"):
        assert tcp(sibling, suspect.address) == "refused"
        assert ping(sibling, suspect.address)
        assert lab.copies(vm.uuid) == 1
    assert tcp(sibling, suspect.address) == "banner"


def test_a_hung_sshd_connects_and_says_nothing(lab: Lab) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    with faults.sshd_hung(lab, "kvm-01"):
        assert tcp(sibling, suspect.address) == "silent"
    assert tcp(sibling, suspect.address) == "banner"


def test_a_hung_libvirtd_blocks_every_virsh(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    with faults.libvirtd_hung(lab, "kvm-01"):
        with pytest.raises(LabError, match="took longer"):
            lab.hosts["kvm-01"].virsh("list", timeout_s=3)
        assert lab.copies(vm.uuid) == 1
    assert "web-01" in lab.hosts["kvm-01"].virsh("list")


def test_without_libvirtd_the_vm_lives_and_is_known_again_later(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    with faults.libvirtd_gone(lab, "kvm-01"):
        assert "Failed to connect" in lab.hosts["kvm-01"].exec(["virsh", "list"], check=False).stderr
        assert lab.copies(vm.uuid) == 1
    assert lab.hosts["kvm-01"].virsh("domstate web-01").strip() == "running"


def test_a_frozen_host_pings_and_its_open_session_is_silent(lab: Lab) -> None:
    suspect, sibling, *_ = lab.hosts.values()
    session = subprocess.Popen([*lab.ssh("kvm-01"), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write("before\n")
    session.stdin.flush()
    assert session.stdout.readline() == "before\n"
    with faults.frozen_host(lab, "kvm-01"):
        session.stdin.write("after\n")
        session.stdin.flush()
        assert ping(sibling, suspect.address)
        assert tcp(sibling, suspect.address) == "silent"
        assert all(set(task_states(pid)) == {"D"} for pid in suspect.processes())
    assert session.stdout.readline() == "after\n"
    session.stdin.close()
    session.wait(timeout=10)
    session.stdout.close()


def test_sessions_refused_yet_forwarding_works(lab: Lab) -> None:
    with faults.no_sessions(lab, "kvm-02"):
        refused = ssh(lab, "kvm-02")
        assert refused.returncode == 255
        assert "administratively prohibited: open failed" in refused.stderr or "open failed" in refused.stderr
        assert ssh(lab, "kvm-01", through="kvm-02").stdout == "kvm-01\n"
    assert ssh(lab, "kvm-02").stdout == "kvm-02\n"


def test_a_sibling_that_forbids_forwarding(lab: Lab) -> None:
    with faults.no_forwarding(lab, "kvm-02"):
        refused = ssh(lab, "kvm-01", through="kvm-02")
        assert refused.returncode == 255
        assert "administratively prohibited" in refused.stderr
        assert ssh(lab, "kvm-02").stdout == "kvm-02\n"


def test_a_hardened_sibling_tunnels_and_does_nothing_else(lab: Lab) -> None:
    with faults.hardened(lab, "kvm-02", suspects=["kvm-01"]):
        assert ssh(lab, "kvm-01", through="kvm-02").stdout == "kvm-01\n"
        assert ssh(lab, "kvm-02").stdout == ""
        assert "administratively prohibited" in ssh(lab, "kvm-03", through="kvm-02").stderr
    assert ssh(lab, "kvm-03", through="kvm-02").stdout == "kvm-03\n"


def test_a_forced_command_runs_instead(lab: Lab) -> None:
    with faults.forced_command(lab, "kvm-01", "echo forced"):
        assert ssh(lab, "kvm-01").stdout == "forced\n"


def test_a_killed_remote_shell_is_exit_255(lab: Lab) -> None:
    with faults.forced_command(lab, "kvm-01", "kill -9 $$"):
        assert ssh(lab, "kvm-01").returncode == 255


def test_a_refused_login(lab: Lab) -> None:
    with faults.login_refused(lab, "kvm-01"):
        assert "Permission denied" in ssh(lab, "kvm-01").stderr


def test_a_login_that_stalls_after_the_banner(lab: Lab) -> None:
    with faults.login_stalls(lab, "kvm-01"):
        assert tcp(None, lab.hosts["kvm-01"].address) == "banner"
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run([*lab.ssh("kvm-01"), "true"], capture_output=True, timeout=4, check=False)
    assert ssh(lab, "kvm-01").stdout == "kvm-01\n"


def test_another_key_behind_the_same_host(lab: Lab) -> None:
    with faults.host_key_changed(lab, "kvm-01"):
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in ssh(lab, "kvm-01").stderr
    assert ssh(lab, "kvm-01").stdout == "kvm-01\n"


def test_a_bashrc_that_greets_reaches_the_reply(lab: Lab) -> None:
    with faults.noisy_login(lab, "kvm-01", "Welcome!"):
        assert ssh(lab, "kvm-01").stdout == "Welcome!\nkvm-01\n"
    assert ssh(lab, "kvm-01").stdout == "kvm-01\n"


def test_sudo_that_wants_a_password(lab: Lab) -> None:
    with faults.sudo_wants_password(lab, "kvm-01"):
        assert "a password is required" in ssh(lab, "kvm-01", "sudo -n id -u", user=SUDO_USER).stderr
    assert ssh(lab, "kvm-01", "sudo -n id -u", user=SUDO_USER).stdout == "0\n"


def test_sudo_that_does_not_know_the_user(lab: Lab) -> None:
    with faults.sudo_forbidden(lab, "kvm-01"):
        assert ssh(lab, "kvm-01", "sudo -n id -u", user=SUDO_USER).returncode == 1


def test_a_missing_program_is_missing_on_that_host_alone(lab: Lab) -> None:
    with faults.missing_program(lab, "kvm-01", "virsh", "timeout"):
        gone = ssh(lab, "kvm-01", "virsh list; command -v timeout || echo none")
        assert "not found" in gone.stderr
        assert gone.stdout == "none\n"
        assert ssh(lab, "kvm-02", "virsh uri").returncode == 0
    assert ssh(lab, "kvm-01", "virsh uri").returncode == 0


def test_a_host_short_of_memory_says_so_through_libvirt(lab: Lab) -> None:
    host = lab.hosts["kvm-01"]
    with faults.short_of_memory(lab, "kvm-01", 16):
        assert "free   :                16384 KiB" in host.virsh("nodememstats")
        assert int(host.exec(["awk", "/^MemAvailable/ {print $2}", "/proc/meminfo"]).stdout) == 16384
    assert "free   :                16384 KiB" not in host.virsh("nodememstats")


def test_a_slow_start_waits_and_survives_the_death_of_its_client(lab: Lab) -> None:
    vm = lab.define_vm("kvm-01", "web-01")
    host = lab.hosts["kvm-01"]
    slow = faults.slow_start(lab, "kvm-01")
    client = subprocess.Popen(host.inside(["virsh", f"define {vm.xml}; start web-01"]), stdout=subprocess.DEVNULL)
    in_hook = ["pgrep", "-f", "^/bin/sh /etc/libvirt/hooks/qemu web-01 prepare"]
    wait_until(lambda: host.exec(in_hook, check=False).returncode == 0, "the start is in the hook")
    client.kill()
    client.wait()
    assert lab.copies(vm.uuid) == 0
    slow.heal()
    lab.wait_copies(vm.uuid, 1)


def test_a_failing_start_says_why_and_starts_nothing(lab: Lab) -> None:
    with (
        faults.failing_start(lab, "kvm-01", "no licence"),
        pytest.raises(LabError, match="no licence"),
    ):
        lab.start_vm("kvm-01", "web-01")
    assert lab.qemus() == []


def test_a_vm_larger_than_the_machine_fails_to_start(lab: Lab) -> None:
    with pytest.raises(LabError, match="Cannot allocate memory"):
        lab.start_vm("kvm-01", "web-01", memory_mib=sys.maxsize >> 21)
    assert lab.qemus() == []
