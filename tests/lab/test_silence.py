"""A suspect that is silent: when it is believed dead, and by whose word, with the real `hafence start-vm`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_started
from tests.lab.striking import SUSPECT, Strike, assert_each_refused, refused, start_all, started_once, strike_all
from tests.lab.vm import LabVm

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
    assert_each_refused(lab, strikes, "unreachable_unconfirmed", "ambiguous")


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
