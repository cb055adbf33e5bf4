"""The lab itself: hosts that are machines of their own, SSH between them, VMs, resets, and nothing left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.lab import cleaning, faults, net
from tests.lab.cluster import Lab
from tests.lab.image import SUDO_USER
from tests.lab.look import ping, tcp
from tests.lab.proc import LabError, arguments, is_living, task_states, wait_until
from tests.lab.vm import FileDisk

KILLED = """
import os
from tests.lab.cluster import Lab
Lab(size=1, prefix="hfdead").up()
print("up", flush=True)
os.kill(os.getpid(), 9)
"""
REPOSITORY = Path(__file__).parents[2]


def ssh(lab: Lab, host: str, command: str, through: str | None = None, user: str = "root") -> str:
    argv = [*lab.ssh(host, through=through, user=user), command]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_host_is_a_machine_of_its_own(lab: Lab) -> None:
    hosts = list(lab.hosts.values())
    assert [host.name for host in hosts] == ["kvm-01", "kvm-02", "kvm-03", "kvm-04"]
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id", "/etc/ssh/ssh_host_ed25519_key.pub"):
        seen = {host.exec(["cat", path]).stdout for host in hosts} | {
            Path(path).read_text() if Path(path).exists() else ""
        }
        assert len(seen) == 5, path
    assert [host.exec(["hostname"]).stdout.strip() for host in hosts] == [host.name for host in hosts]


def test_hosts_reach_each_other_and_the_admin_node_reaches_them(lab: Lab) -> None:
    first, second, *_ = lab.hosts.values()
    assert ping(None, first.address)
    assert ping(first, second.address)
    assert tcp(None, first.address) == "banner"
    assert tcp(first, second.address) == "banner"


def test_ssh_works_directly_and_through_a_sibling(lab: Lab) -> None:
    assert ssh(lab, "kvm-01", "hostname; id -u") == "kvm-01\n0\n"
    assert ssh(lab, "kvm-01", "hostname; id -u", through="kvm-02") == "kvm-01\n0\n"


def test_a_user_who_is_not_root_has_sudo_without_a_password(lab: Lab) -> None:
    said = ssh(lab, "kvm-01", "id -un; sudo -n id -u; sudo -n virsh -c qemu:///system uri", user=SUDO_USER)
    assert said.split() == [SUDO_USER, "0", "qemu:///system"]


def test_an_unknown_host_key_is_an_error(lab: Lab) -> None:
    with faults.host_key_changed(lab, "kvm-01"):
        done = subprocess.run([*lab.ssh("kvm-01"), "true"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
    assert ssh(lab, "kvm-01", "hostname") == "kvm-01\n"


def test_a_vm_runs_under_libvirt_and_is_seen_out_of_band(lab: Lab) -> None:
    vm = lab.start_vm("kvm-02", "web-01")
    assert lab.hosts["kvm-02"].virsh("domstate web-01").strip() == "running"
    assert [found.host for found in lab.qemus(vm.uuid)] == ["kvm-02"]
    assert vm.uuid in arguments(lab.qemu(vm).pid)
    assert lab.copies(vm.uuid) == 1
    lab.kill_qemu(vm)
    assert lab.copies(vm.uuid) == 0
    wait_until(lambda: "shut off" in lab.hosts["kvm-02"].virsh("domstate web-01"), "libvirt believes it")


def test_a_transient_vm_is_gone_with_its_process(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "job", persistent=False)
    assert "no" in lab.hosts["kvm-01"].virsh("dominfo job").partition("Persistent:")[2]
    lab.kill_qemu(vm)
    wait_until(lambda: not lab.hosts["kvm-01"].virsh("list --all --name").strip(), "libvirt forgets it")


def test_two_copies_are_counted_as_two(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    stray = lab.start_stray("kvm-02", vm)
    assert lab.copies(vm.uuid) == 2
    assert {found.host for found in lab.qemus(vm.uuid)} == {"kvm-01", "kvm-02"}
    assert stray in [found.pid for found in lab.qemus(vm.uuid)]


def test_a_start_fails_where_the_disk_is_missing(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="No such file"):
        lab.start_vm("kvm-01", "web-01", disk=FileDisk(tmp_path / "none.img"))
    assert lab.qemus() == []


def test_an_autostarted_vm_comes_back_with_its_host(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01", autostart=True)
    other = lab.start_vm("kvm-01", "web-02")
    faults.reboot(lab, "kvm-01")
    lab.wait_copies(vm.uuid, 1)
    assert lab.copies(other.uuid) == 0


def test_the_inventory_names_what_is_there(lab: Lab) -> None:
    vm = lab.start_vm("kvm-03", "web-01")
    path = lab.inventory(
        fencing={"unreachable": "prove"}, hosts={"kvm-04": {"state": "maintenance"}}, ssh={"port": None}
    )
    content = yaml.safe_load(path.read_text())
    assert content["vms"] == {"web-01": {"uuid": vm.uuid, "host": "kvm-03", "domain_xml": "domains/web-01.xml"}}
    assert content["hosts"]["kvm-03"]["address"] == lab.hosts["kvm-03"].address
    assert content["hosts"]["kvm-04"]["state"] == "maintenance"
    assert content["fencing"] == {"unreachable": "prove", "pid_namespace": "any"}
    assert "port" not in content["ssh"]
    assert vm.uuid in (path.parent / "domains/web-01.xml").read_text()
    assert (path.parent / "id_ed25519").stat().st_mode & 0o777 == 0o600
    assert (path.parent / "known_hosts").read_text().count("ssh-ed25519") == 4
    assert lab.inventory() != path


def test_a_reset_leaves_no_vm_no_stray_process_no_file_and_no_fault(lab: Lab) -> None:
    host = lab.hosts["kvm-01"]
    vm = lab.start_vm("kvm-01", "web-01", autostart=True)
    lab.start_vm("kvm-01", "job", persistent=False)
    lab.start_stray("kvm-02", vm)
    stray = host.spawn(["sleep", "1000"])
    host.shell("mkdir /run/hafence; touch /run/hafence/lock; iptables -A INPUT -p tcp --dport 99 -j DROP")
    faults.unkillable(lab, lab.qemus(vm.uuid)[0].pid)
    faults.firewall(lab, "kvm-02")
    faults.libvirtd_hung(lab, "kvm-03")
    faults.power_off(lab, "kvm-04")
    lab.reset()
    assert lab.faults == []
    assert lab.qemus() == []
    assert not is_living(stray)
    assert not host.path("/run/hafence").exists()
    for each in lab.hosts.values():
        assert each.virsh("list --all --name").strip() == ""
        assert "DROP" not in each.net("iptables", "-S")
        assert tcp(None, each.address) == "banner"


def test_a_reset_revives_daemons_that_somebody_killed_or_stopped(lab: Lab) -> None:
    first, second, *_ = lab.hosts.values()
    os.kill(first.sshd_pid(), signal.SIGKILL)
    os.kill(first.libvirtd_pid(), signal.SIGKILL)
    stopped = second.sshd_pid()
    os.kill(stopped, signal.SIGSTOP)
    wait_until(lambda: task_states(stopped) == ["T"], "sshd is stopped")
    lab.reset()
    for host in (first, second):
        assert tcp(None, host.address) == "banner"
        assert host.virsh("uri").strip() == "qemu:///system"


def test_a_lab_beside_another_leaves_nothing(lab: Lab) -> None:
    processes = len(lab.hosts["kvm-01"].processes())
    with Lab(size=1, prefix="hftwo") as other:
        assert other.network.subnet != lab.network.subnet
        vm = other.start_vm("kvm-01", "web-01")
        assert other.copies(vm.uuid) == 1
        assert lab.qemus() == []
        folder, held = other.folder, other.hosts["kvm-01"].processes()
        faults.unkillable(other, other.qemu(vm).pid)
    assert not folder.exists()
    assert net.namespaces_of("hftwo") == []
    assert not any(is_living(pid) for pid in held)
    assert "hftwo" not in subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert not list(Path("/sys/fs/cgroup").glob("**/hftwo-lab*"))
    assert len(lab.hosts["kvm-01"].processes()) == processes


def test_what_a_killed_lab_leaves_the_next_one_cleans(lab: Lab) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("up\n", -9)
    assert net.namespaces_of("hfdead") == ["hfdead-kvm-01", "hfdead-switch"]
    with Lab(size=1, prefix="hfdead") as again:
        assert tcp(None, again.hosts["kvm-01"].address) == "banner"
    assert net.namespaces_of("hfdead") == []
    assert not cleaning.default_folder("hfdead").exists()


def test_a_prefix_in_use_is_refused_by_name(lab: Lab) -> None:
    with pytest.raises(LabError, match=f"another process has a lab with the prefix '{lab.prefix}'"):
        Lab(prefix=lab.prefix).up()
