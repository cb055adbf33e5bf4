"""`hafence fence`: the same as the HA start up to the verdict; nothing is started."""

from __future__ import annotations

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode
from tests.lab.proc import is_living
from tests.lab.vm import arguments_by_hand, qemu_arguments

SUSPECT = "kvm-01"
OTHER = "6d6f6a5a-0000-4000-8000-00000000beef"


def test_a_fenced_vm_is_dead_and_recorded_stopped_and_can_be_started_later(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    ended = admin.run_json("fence", vm.name, "--yes")
    assert ended.code == 0, ended
    told = ended.vms[vm.name]
    assert (told["decision"], told["verdict"], told["reason"]) == ("fenced", "confirmed_dead", "confirmed_dead"), ended
    assert told["host"] is None
    assert lab.qemus(vm.uuid) == []
    assert admin.recorded(vm.name) == f"stopped (last on {SUSPECT})"
    assert admin.quarantined() == {SUSPECT}
    later = admin.run_json("start-vm", vm.name)
    assert (later.code, later["suspect"], later["host"]) == (0, SUSPECT, "kvm-02"), later
    assert lab.copies(vm.uuid) == 1


def test_a_qemu_that_somebody_started_by_hand_without_a_uuid_is_killed(lab: Lab) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    by_hand = lab.hosts[SUSPECT].spawn(arguments_by_hand("web-01"))
    another = lab.hosts[SUSPECT].spawn(qemu_arguments("web-01", OTHER))
    ended = AdminNode(lab).run_json("fence", vm.name, "--yes")
    assert ended.code == 0, ended
    assert ended.vms[vm.name]["verdict"] == "confirmed_dead", ended
    assert (is_living(by_hand), is_living(another)) == (False, True)


def test_fencing_a_healthy_vm_wants_a_yes(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    before = lab.qemus(vm.uuid)
    ended = admin.run_json("fence", vm.name)
    assert ended.code == 3, ended
    assert ended.vms[vm.name]["reason"] == "suspect_healthy", ended
    assert lab.qemus(vm.uuid) == before


def test_all_vms_of_a_host_are_fenced_in_one_session_and_others_live(lab: Lab) -> None:
    vms = [lab.start_vm(SUSPECT, f"web-{number:02}") for number in range(1, 4)]
    other = lab.start_vm("kvm-02", "web-09")
    lives = lab.qemu(other)
    logins = lab.hosts[SUSPECT].folder / "log/sshd.log"
    before = logins.read_text().count("Accepted publickey")
    admin = AdminNode(lab)
    ended = admin.run_json("fence", "--host", SUSPECT, "--yes")
    assert ended.code == 0, ended
    assert {name: told["decision"] for name, told in ended.vms.items()} == dict.fromkeys(
        ("web-01", "web-02", "web-03"), "fenced"
    )
    assert [lab.copies(vm.uuid) for vm in vms] == [0, 0, 0]
    assert lab.qemu(other) == lives
    # Two looks (the host's VMs, the cluster) on one login, and the fence.
    assert logins.read_text().count("Accepted publickey") - before <= 2


def test_of_several_vms_the_one_that_lives_decides_the_exit_code_and_the_others_are_fenced(lab: Lab) -> None:
    stuck, killable = lab.start_vm(SUSPECT, "web-01"), lab.start_vm(SUSPECT, "web-02")
    admin = AdminNode(lab, fencing={"ssh_timeout": 5})
    faults.unkillable(lab, lab.qemu(stuck).pid)
    ended = admin.run_json("fence", "--host", SUSPECT, "--yes")
    assert ended.code == 3, ended
    assert ended.vms["web-01"]["verdict"] == "still_alive", ended
    assert ended.vms["web-02"]["verdict"] == "confirmed_dead", ended
    assert (lab.copies(stuck.uuid), lab.copies(killable.uuid)) == (1, 0)
    assert admin.recorded("web-01") == f"running on {SUSPECT}"
    assert admin.recorded("web-02") == f"stopped (last on {SUSPECT})"


def test_the_wrong_copy_of_two_is_fenced_with_host_and_the_right_one_and_the_record_stay(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    lab.start_stray("kvm-03", vm)
    lab.wait_copies(vm.uuid, 2)
    admin = AdminNode(lab)
    ended = admin.run_json("fence", vm.name, "--host", "kvm-03", "--yes")
    assert ended.code == 0, ended
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [SUSPECT]
    assert admin.recorded(vm.name) == f"running on {SUSPECT}"


def test_a_copy_that_runs_where_nobody_recorded_it_is_named_and_the_record_stays(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    lab.start_stray("kvm-03", vm)
    lab.wait_copies(vm.uuid, 2)
    admin = AdminNode(lab)
    ended = admin.run_json("fence", vm.name, "--yes")
    assert ended.code == 0, ended
    assert ended.vms[vm.name]["message"].endswith("A copy of it runs on kvm-03."), ended
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == ["kvm-03"]
    assert admin.recorded(vm.name) == f"running on {SUSPECT}"


@pytest.mark.parametrize("policy", ["confirm", "prove"])
def test_a_silent_host_is_fenced_as_the_policy_says_and_the_record_stays(lab: Lab, policy: str) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"unreachable": policy})
    faults.power_off(lab, SUSPECT)
    ended = admin.run_json("fence", vm.name)
    told = ended.vms[vm.name]
    wanted = {
        "confirm": (0, "fenced", "unreachable_confirmed"),
        "prove": (3, "refused", "unreachable_unconfirmed"),
    }
    assert (ended.code, told["decision"], told["reason"]) == wanted[policy], ended
    assert told["verdict"] == "unreachable"
    assert admin.recorded(vm.name) == f"running on {SUSPECT}"
