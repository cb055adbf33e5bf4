"""Every fault of a VM and of its host against the real `hafence start-vm`: exit code, verdict, reason, and what lives.

Which fault is what it says is asserted in test_faults_….py.
"""

from __future__ import annotations

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_refused, assert_started, never_twice
from tests.lab.image import SUDO_USER
from tests.lab.inventory import known_hosts
from tests.lab.proc import arguments, wait_until
from tests.lab.striking import SUSPECT, Strike, assert_each_refused, refused, start_all, started_once, strike_all
from tests.lab.vm import FileDisk, LabVm

# ---------------------------------------------------------------- the VM's process


def frozen_zombie(lab: Lab, vm: LabVm) -> None:
    pid = lab.qemu(vm).pid
    faults.zombie_leader(lab, pid)
    faults.unkillable(lab, pid)


def respawned(lab: Lab, vm: LabVm) -> None:
    lab.hosts[vm.host].virsh(f"destroy {vm.name}")
    faults.respawner(lab, vm.host, vm)


def test_what_sigkill_does_not_end_or_what_comes_back_is_still_alive(lab: Lab) -> None:
    strikes: dict[str, Strike] = {
        "in state D": lambda lab, vm: faults.unkillable(lab, lab.qemu(vm).pid),
        "zombie leader, thread in state D": frozen_zombie,
        "respawned": respawned,
    }
    admin, vms = strike_all(lab, strikes, fencing={"ssh_timeout": 6})
    before = {name: lab.qemus(vm.uuid) for name, vm in vms.items()}
    for name, ended in start_all(lab, admin, vms).items():
        lab.wait_copies(vms[name].uuid, 1)  # between a death and the next start there may be none
        same = before[name] if name != "respawned" else None
        assert_refused(admin, vms[name], ended, "still_alive", "still_alive", same)
        assert [verdict for _, verdict in ended.proxies] == ["still_alive"], ended
        assert ("respawned" in ended["attempts"][0]["detail"]) == (name == "respawned"), ended


KILLED: dict[str, dict[str, Strike]] = {
    "processes": {
        "zombie leader, living thread": lambda lab, vm: faults.zombie_leader(lab, lab.qemu(vm).pid),
        "stopped": lambda lab, vm: faults.stopped(lab, lab.qemu(vm).pid),
        "login that talks": lambda lab, vm: faults.noisy_login(lab, vm.host),
    },
    "libvirt": {
        "hung": lambda lab, vm: faults.libvirtd_hung(lab, vm.host),
        "gone": lambda lab, vm: faults.libvirtd_gone(lab, vm.host),
        "virsh missing": lambda lab, vm: faults.missing_program(lab, vm.host, "virsh"),
    },
}


@pytest.mark.parametrize("strikes", KILLED.values(), ids=KILLED)
def test_a_leftover_is_killed_and_proved_dead_whatever_ails(lab: Lab, strikes: dict[str, Strike]) -> None:
    admin, vms = strike_all(lab, strikes, fencing={"ssh_timeout": 6})
    old = {name: lab.qemus(vm.uuid) for name, vm in vms.items()}
    for name, ended in start_all(lab, admin, vms).items():
        assert_started(admin, vms[name], ended)
        assert lab.copies(vms[name].uuid) == 1, (name, ended)
        assert not set(old[name]) & set(lab.qemus(vms[name].uuid)), (name, ended)
        assert [verdict for _, verdict in ended.proxies] == ["confirmed_dead"], (name, ended)
        assert ended["residual_risk"] == []


def test_two_qemus_of_one_vm_on_the_suspect_are_both_killed_and_decoys_live(lab: Lab) -> None:
    host = lab.hosts[SUSPECT]
    vm = lab.start_vm(SUSPECT, "web-01")
    stray = lab.start_stray(SUSPECT, vm)
    disk = lab.write_guest(lab.folder / f"qemu-system-{vm.uuid}.raw", 1 << 20)
    neighbour = lab.start_vm(SUSPECT, "web-02", disk=FileDisk(disk))
    lives = lab.qemu(neighbour)
    log = f"/var/log/libvirt/qemu-uuid-{vm.uuid}.log"
    host.exec(["touch", log])
    other = ["qemu-system-x86_64", "-name", f"not-{vm.name},process={vm.uuid}", "-display", "none", "-M", "none"]
    decoys = [
        host.spawn(["tail", "-f", log]),
        host.spawn(["sh", "-c", "while :; do sleep 3600; done", "vim", "-uuid", vm.uuid]),
        host.spawn(other),
    ]
    admin = AdminNode(lab)
    ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert "2 leftovers killed" in ended["attempts"][0]["detail"]
    assert lab.copies(vm.uuid) == 1
    assert lab.qemu(neighbour) == lives
    living = set(host.processes())
    assert stray not in living
    assert set(decoys) <= living


# ---------------------------------------------------------------- the suspect lives, and cannot be fenced

TROUBLE: dict[str, dict[str, Strike]] = {
    "overloaded": {
        "refused the connection": lambda lab, vm: faults.sshd_gone(lab, vm.host),
        "no SSH banner": lambda lab, vm: faults.sshd_hung(lab, vm.host),
        "sent no SSH banner": lambda lab, vm: faults.frozen_host(lab, vm.host),
    },
    "locked": {
        "refused the login": lambda lab, vm: faults.login_refused(lab, vm.host),
        "login": lambda lab, vm: faults.login_stalls(lab, vm.host),
        "host key has changed": lambda lab, vm: faults.host_key_changed(lab, vm.host),
    },
    "mute": {
        "refused to open a session": lambda lab, vm: faults.no_sessions(lab, vm.host),
        "forced command": lambda lab, vm: faults.forced_command(lab, vm.host, "/bin/false"),
        "timeout": lambda lab, vm: faults.missing_program(lab, vm.host, "timeout"),
    },
    "rejecting": {
        "refused the connection": lambda lab, vm: faults.reject(lab, vm.host, "tcp-reset"),
        "refused the connection: its kernel lives": lambda lab, vm: faults.reject(lab, vm.host, "port-unreachable"),
    },
}


@pytest.mark.parametrize("strikes", TROUBLE.values(), ids=TROUBLE)
def test_a_suspect_that_lives_and_cannot_be_fenced_is_ambiguous(lab: Lab, strikes: dict[str, Strike]) -> None:
    assert_each_refused(lab, strikes, "ambiguous", "ambiguous")


def test_another_machine_behind_the_suspect_s_address_is_ambiguous(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    faults.address_taken_over(lab, SUSPECT, "kvm-04")
    ended = refused(lab, vm, admin, "ambiguous", "ambiguous", lab.qemus(vm.uuid))
    assert "find out which machine holds the address" in ended["message"], ended


def test_an_unknown_host_key_is_ambiguous_and_never_learnt(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    keys = admin.folder / "known_hosts"
    keys.write_text(known_hosts(host for host in lab.hosts.values() if host.name != SUSPECT))
    ended = refused(lab, vm, admin, "ambiguous", "ambiguous", lab.qemus(vm.uuid))
    assert "scan-keys" in ended["message"], ended
    assert lab.hosts[SUSPECT].address + " " not in keys.read_text()


def test_a_user_with_sudo_fences_and_starts(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    started_once(lab, vm, AdminNode(lab, ssh={"user": SUDO_USER}))


def test_sudo_that_says_no_on_the_suspect_is_ambiguous(lab: Lab) -> None:
    strikes: dict[str, Strike] = {
        "wants a password": lambda lab, vm: faults.sudo_wants_password(lab, vm.host),
        "forbidden": lambda lab, vm: faults.sudo_forbidden(lab, vm.host),
    }
    admin, vms = strike_all(lab, strikes, ssh={"user": SUDO_USER})
    before = {name: lab.qemus(vm.uuid) for name, vm in vms.items()}
    for name, ended in start_all(lab, admin, vms).items():
        assert_refused(admin, vms[name], ended, "ambiguous", "ambiguous", before[name])
        assert "sudo wants a password" in ended["message"], ended


def test_a_suspect_that_is_lost_under_the_fence_is_ambiguous(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"ssh_timeout": 4})
    faults.libvirtd_hung(lab, SUSPECT)  # so that the script is still at it
    with never_twice(lab):
        going = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_fence", going)
        wait_until(lambda: script_runs(lab), "the fence script runs on the suspect")
        faults.isolate(lab, SUSPECT)
        ended = going.wait()
    assert_refused(admin, vm, ended, "ambiguous", "ambiguous")


def script_runs(lab: Lab) -> bool:
    """Whether the script on the suspect has come to the kill: it asks libvirt."""
    return any("destroy" in arguments(pid) for pid in lab.hosts[SUSPECT].processes())
