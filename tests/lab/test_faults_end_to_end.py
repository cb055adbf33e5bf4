"""Every fault of the lab against the real `hafence start-vm`: exit code, verdict, reason, and what lives afterwards.

Which fault is what it says is asserted in test_faults_….py. Faults that do not touch each other strike several suspects
at once, each with a VM of its own, and one command for each runs at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Ended, assert_refused, assert_started, never_twice
from tests.lab.image import SUDO_USER
from tests.lab.inventory import known_hosts
from tests.lab.proc import arguments, wait_until
from tests.lab.vm import FileDisk, LabVm, Qemu

SUSPECT, SIBLING = "kvm-01", "kvm-02"
Strike = Callable[[Lab, LabVm], object]
"""A fault that strikes a VM or its host."""


def started_once(lab: Lab, vm: LabVm, admin: AdminNode, reason: str = "confirmed_dead") -> Ended:
    """Run it: it starts, no two copies live at any moment, and one does in the end."""
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended, reason)
    assert lab.copies(vm.uuid) == 1, ended
    return ended


def refused(
    lab: Lab, vm: LabVm, admin: AdminNode, reason: str, verdict: str | None, before: list[Qemu] | None = None
) -> Ended:
    """Run it: it refuses, and nothing lives that did not live before."""
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
    assert_refused(admin, vm, ended, reason, verdict, before)
    return ended


def strike_all(lab: Lab, strikes: Mapping[str, Strike], **overrides: object) -> tuple[AdminNode, dict[str, LabVm]]:
    """A VM on each of the first hosts, and a fault for each. The VMs by the name of their fault."""
    hosts = list(lab.hosts)
    vms = {name: lab.start_vm(hosts[index], f"web-{index + 1:02}") for index, name in enumerate(strikes)}
    admin = AdminNode(lab, **overrides)
    for name, strike in strikes.items():
        strike(lab, vms[name])
    return admin, vms


def start_all(lab: Lab, admin: AdminNode, vms: Mapping[str, LabVm]) -> dict[str, Ended]:
    """`start-vm` for each at the same time; no VM lives twice meanwhile."""
    with never_twice(lab):
        going = {name: admin.begin("start-vm", vm.name, "--yes", "--json") for name, vm in vms.items()}
        return {name: each.wait() for name, each in going.items()}


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
    disk = lab.folder / f"qemu-system-{vm.uuid}.raw"
    disk.write_bytes(bytes(1 << 20))
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
    admin, vms = strike_all(lab, strikes)
    before = {name: lab.qemus(vm.uuid) for name, vm in vms.items()}
    for words, ended in start_all(lab, admin, vms).items():
        assert_refused(admin, vms[words], ended, "ambiguous", "ambiguous", before[words])
        assert words in ended["message"], ended


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


# ---------------------------------------------------------------- the suspect is silent and lives

SIGNS: dict[str, dict[str, Strike]] = {
    "drop": {
        "answers ARP": lambda lab, vm: faults.firewall(lab, vm.host),
        "answers ping": lambda lab, vm: faults.drop_ports(lab, vm.host, "10.0.0.0/8", "1:65535"),
    },
    "drop-and-reject": {
        "and yet lives": lambda lab, vm: faults.isolate(lab, vm.host),
        "ICMP error": lambda lab, vm: faults.reject(lab, vm.host, "host-unreachable"),
    },
    "reject": {
        "lives": lambda lab, vm: faults.reject(lab, vm.host, "net-unreachable"),
        "yet lives": lambda lab, vm: faults.reject(lab, vm.host, "admin-prohibited"),
    },
}


@pytest.mark.parametrize("strikes", SIGNS.values(), ids=SIGNS)
def test_silence_with_a_sign_of_life_is_refused(lab: Lab, strikes: dict[str, Strike]) -> None:
    admin, vms = strike_all(lab, strikes)
    before = {name: lab.qemus(vm.uuid) for name, vm in vms.items()}
    for words, ended in start_all(lab, admin, vms).items():
        assert_refused(admin, vms[words], ended, "unreachable_unconfirmed", "ambiguous", before[words])
        assert words in ended["message"], ended


# ---------------------------------------------------------------- the suspect is silent and dead


def without_qemu(lab: Lab, vm: LabVm, cause: Callable[[Lab, str], object]) -> None:
    """Nobody could tell whether the VM lives there. Here it does not, so that it never lives twice."""
    cause(lab, vm.host)
    lab.kill_qemu(vm)


DEAD: dict[str, dict[str, Strike]] = {
    "power": {"off": lambda lab, vm: faults.power_off(lab, vm.host)},
    "cable": {
        "link down": lambda lab, vm: without_qemu(lab, vm, faults.link_down),
        "unplugged": lambda lab, vm: without_qemu(lab, vm, faults.unplug),
    },
}


@pytest.mark.parametrize("strikes", DEAD.values(), ids=DEAD)
def test_a_host_silent_to_everyone_is_believed_dead_and_the_risk_named(lab: Lab, strikes: dict[str, Strike]) -> None:
    admin, vms = strike_all(lab, strikes)
    alive = set(lab.hosts) - {vm.host for vm in vms.values()}
    for name, ended in start_all(lab, admin, vms).items():
        assert_started(admin, vms[name], ended, "unreachable_confirmed")
        assert lab.copies(vms[name].uuid) == 1
        assert ended["verdict"] == "unreachable"
        assert "would write to the same disks" in ended["residual_risk"][0], ended
        assert ended["residual_risk"][0] in ended.stderr
        silent = {each["source"] for each in ended["evidence"] if each["proves"] == "silence"}
        assert silent == {"the admin node", *alive}, ended


def test_one_sibling_s_word_is_enough_where_the_policy_says_proceed(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"unreachable": "proceed"})
    faults.power_off(lab, SUSPECT)
    ended = started_once(lab, vm, admin, "unreachable_confirmed")
    assert ended["residual_risk"], ended


def test_a_person_s_word_is_enough_where_the_policy_says_prove(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"unreachable": "prove"})  # which refuses without: see test_fence.py
    faults.power_off(lab, SUSPECT)
    said = admin.run("confirm-dead", SUSPECT, "--reason", "its plug is in my hand", "--confirm", SUSPECT)
    assert said.code == 0, said
    ended = started_once(lab, vm, admin, "operator_confirmed")
    assert "its plug is in my hand" in ended.stdout
    assert ended["residual_risk"], ended


def test_a_person_s_word_is_refuted_by_a_host_that_answers(lab: Lab) -> None:
    lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    said = admin.run("confirm-dead", SUSPECT, "--reason", "surely", "--confirm", SUSPECT)
    assert said.code == 3, said
    assert next(host for host in admin.status()["hosts"] if host["name"] == SUSPECT)["statement"] is None


def test_a_witness_without_ping_is_no_witness(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    faults.power_off(lab, SUSPECT)
    for name in ("kvm-03", "kvm-04"):
        faults.missing_program(lab, name, "ping")
    ended = refused(lab, vm, admin, "unreachable_unconfirmed", "unreachable")
    assert "only 1 of 2 siblings" in ended["message"], ended
    assert "ping" in ended["message"], ended


def test_an_observer_who_is_cut_off_starts_nothing(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    before = lab.qemus(vm.uuid)
    admin = AdminNode(lab)
    faults.link_down(lab, SUSPECT)
    faults.partition(lab, [faults.ADMIN], ["kvm-03", "kvm-04"])
    ended = refused(lab, vm, admin, "storm_guard", "unreachable", before)
    assert "3 of the cluster's 4 hosts" in ended["message"], ended


# ---------------------------------------------------------------- one sibling is no help: the next is asked

NEXT: dict[str, Callable[[Lab], object]] = {
    "is-cut-off-from-the-suspect": lambda lab: faults.cut(lab, SUSPECT, SIBLING),
    "rejects-its-own-packets": lambda lab: faults.reject_outgoing(lab, SIBLING, SUSPECT),
}


@pytest.mark.parametrize("cause", NEXT.values(), ids=NEXT)
def test_the_suspect_is_fenced_by_another_when_the_first_sibling(lab: Lab, cause: Callable[[Lab], object]) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    cause(lab)
    ended = started_once(lab, vm, admin)
    assert ended.proxies == [(SIBLING, "unreachable"), ("kvm-03", "confirmed_dead")], ended


def test_siblings_that_cannot_forward_are_no_verdict_and_the_next_is_asked(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    faults.no_forwarding(lab, "kvm-02")
    faults.unreachable_route(lab, "kvm-03", SUSPECT)
    ended = started_once(lab, vm, admin)
    assert ended.proxies == [("kvm-02", "ambiguous"), ("kvm-03", "ambiguous"), ("kvm-04", "confirmed_dead")], ended
    first, second, _ = (each["detail"] for each in ended["attempts"])
    assert "forbids forwarding" in first
    assert "no route of its own" in second


LEFT_OUT: dict[str, tuple[Callable[[Lab, str], object], Callable[[Lab, str], object]]] = {
    "sshd-gone-or-hung": (faults.sshd_gone, faults.sshd_hung),
    "frozen-or-login-refused": (faults.frozen_host, faults.login_refused),
    "host-key-changed-or-power-off": (faults.host_key_changed, faults.power_off),
}


@pytest.mark.parametrize("causes", LEFT_OUT.values(), ids=LEFT_OUT)
def test_siblings_that_do_not_answer_are_not_asked_even_if_named(
    lab: Lab, causes: tuple[Callable[[Lab, str], object], ...]
) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    for cause, name in zip(causes, ("kvm-02", "kvm-03"), strict=True):
        cause(lab, name)
    with never_twice(lab):
        ended = admin.start_vm(vm.name, "--sibling", "kvm-02", "--sibling", "kvm-03")
    assert_started(admin, vm, ended, on="kvm-04")
    assert ended.proxies == [("kvm-04", "confirmed_dead")]
    for name in ("kvm-02", "kvm-03"):
        assert any(note.startswith(f"sibling {name} not asked: does not answer") for note in ended["notes"]), ended


def test_siblings_that_can_only_forward_fence_when_they_are_named(lab: Lab) -> None:
    first, second = lab.start_vm("kvm-01", "web-01"), lab.start_vm("kvm-04", "web-04")
    admin = AdminNode(lab)
    faults.hardened(lab, "kvm-02", ["kvm-01"])
    faults.no_sessions(lab, "kvm-03")
    for vm, sibling in ((first, "kvm-02"), (second, "kvm-03")):
        ended = admin.run_json("fence", vm.name, "--sibling", sibling, "--yes")
        told = ended.vms[vm.name]
        assert (ended.code, told["verdict"]) == (0, "confirmed_dead"), ended
        assert [each["proxy"] for each in told["attempts"]] == [sibling], ended
        assert lab.copies(vm.uuid) == 0


def test_a_suspect_cut_off_from_the_admin_node_is_fenced_by_a_sibling(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    faults.cut(lab, faults.ADMIN, SUSPECT)
    with never_twice(lab):
        ended = admin.run_json("start-vm", vm.name)  # nobody answers the admin node there, so nobody is asked
    assert_started(admin, vm, ended)


def test_a_suspect_cut_off_from_all_but_the_last_sibling_is_fenced_by_that_one(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    for name in (faults.ADMIN, "kvm-02", "kvm-03"):
        faults.cut(lab, name, SUSPECT)
    ended = started_once(lab, vm, admin)
    assert ended.proxies[-1] == ("kvm-04", "confirmed_dead")


def test_a_sibling_that_freezes_under_the_fence_is_no_verdict_and_the_next_is_asked(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"ssh_timeout": 3})
    faults.libvirtd_hung(lab, SUSPECT)  # so that the fence takes a while
    with never_twice(lab):
        going = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_fence", going)
        faults.frozen_host(lab, SIBLING)
        ended = going.wait()
    assert_started(admin, vm, ended)
    assert ended.proxies == [(SIBLING, "ambiguous"), ("kvm-03", "confirmed_dead")], ended
    assert "sibling" in ended["attempts"][0]["detail"], ended


def test_where_every_sibling_forbids_forwarding_there_is_no_sibling(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    for name in ("kvm-02", "kvm-03", "kvm-04"):
        faults.no_forwarding(lab, name)
    ended = refused(lab, vm, admin, "no_sibling", None, lab.qemus(vm.uuid))
    assert [proxy for proxy, _ in ended.proxies] == ["kvm-02", "kvm-03", "kvm-04"]
    assert "permitopen" in ended["message"], ended


def test_siblings_are_asked_in_the_order_they_are_named_and_then_by_name(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    for name in ("kvm-03", "kvm-04"):
        faults.no_forwarding(lab, name)
    ended = admin.start_vm(vm.name, "--sibling", "kvm-04", "--sibling", "kvm-03")
    assert_started(admin, vm, ended)
    assert [proxy for proxy, _ in ended.proxies] == ["kvm-04", "kvm-03", "kvm-02"]
