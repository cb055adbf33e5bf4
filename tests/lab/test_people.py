"""What people say of a host: that it is powered off, and that it may be taken back."""

from __future__ import annotations

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_refused, assert_started, never_twice
from tests.lab.proc import wait_until

SUSPECT, TARGET = "kvm-01", "kvm-02"


def test_a_statement_holds_for_all_vms_of_the_host_and_ends_with_its_recovery(lab: Lab) -> None:
    first, second = lab.start_vm(SUSPECT, "web-01"), lab.start_vm(SUSPECT, "web-02")
    third = lab.start_vm("kvm-02", "web-03")
    admin = AdminNode(lab, fencing={"unreachable": "prove"})
    off = faults.power_off(lab, SUSPECT)
    said = admin.run("confirm-dead", SUSPECT, "--reason", "burnt down", "--confirm", SUSPECT)
    assert said.code == 0, said
    for vm in (first, second):
        assert_started(admin, vm, admin.run_json("start-vm", vm.name), "operator_confirmed")
    assert stated(admin) == {SUSPECT}
    off.heal()
    assert admin.run_json("start-vm", third.name, "--to", "kvm-03").code == 3  # healthy, and all hosts are looked into
    assert stated(admin) == set()


def stated(admin: AdminNode) -> set[str]:
    return {each["name"] for each in admin.status()["hosts"] if each.get("statement")}


def test_a_statement_expires(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"unreachable": "prove", "statement_age": 60})
    faults.power_off(lab, SUSPECT)
    assert admin.run("confirm-dead", SUSPECT, "--reason", "burnt down", "--confirm", SUSPECT).code == 0
    assert stated(admin) == {SUSPECT}
    wait_until(lambda: not stated(admin), "the statement has expired", 90)
    assert_refused(admin, vm, admin.run_json("start-vm", vm.name), "unreachable_unconfirmed", "unreachable")


def test_a_sign_of_life_that_only_siblings_see_ends_a_statement(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    faults.link_down(lab, SUSPECT)
    assert admin.run("confirm-dead", SUSPECT, "--reason", "burnt down", "--confirm", SUSPECT).code == 0
    for fault in list(lab.faults):
        fault.heal()
    faults.firewall(lab, SUSPECT)
    ended = admin.run_json("start-vm", vm.name)
    assert_refused(admin, vm, ended, "unreachable_unconfirmed", "ambiguous", lab.qemus(vm.uuid))
    assert stated(admin) == set()


def test_a_host_is_not_taken_back_while_a_run_is_about_to_start_its_vm_elsewhere(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    slow = faults.slow_start(lab, TARGET)
    with never_twice(lab):
        assert admin.run_json("fence", vm.name, "--yes").code == 0
        going = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_start", going)
        ended = admin.run("rejoin", SUSPECT, "--yes")
        assert ended.code == 5, ended
        assert f"{vm.name} is being handled" in ended.stdout
        assert admin.quarantined() == {SUSPECT}
        slow.heal()
        assert_started(admin, vm, going.wait(), on=TARGET)
    ended = admin.run("rejoin", SUSPECT, "--yes")
    assert (ended.code, "stays set aside" in ended.stdout) == (0, True), ended
    assert admin.quarantined() == set()
