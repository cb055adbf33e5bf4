"""An evacuation of many: starts side by side, and what goes wrong in the midst of them."""

from __future__ import annotations

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Ended, never_twice
from tests.lab.proc import LabError, wait_until
from tests.lab.vm import LabVm

SUSPECT, TARGETS = "kvm-01", ("kvm-02", "kvm-03", "kvm-04")
SLOW = {"start_timeout": 30}


def many(lab: Lab, count: int = 9) -> list[LabVm]:
    return [lab.start_vm(SUSPECT, f"web-{number:02}") for number in range(1, count + 1)]


def sent(admin: AdminNode) -> int:
    """How many starts were sent of which nothing has come yet."""
    kinds = [kind for _, kind in admin.steps()]
    return kinds.count("intent_start") - kinds.count("start")


def assert_all_run(lab: Lab, admin: AdminNode, vms: list[LabVm], ended: Ended) -> None:
    assert ended.code == 0, ended
    for vm in vms:
        [qemu] = lab.qemus(vm.uuid)
        assert qemu.host != SUSPECT
        assert admin.recorded(vm.name) == f"running on {qemu.host}"


def test_they_start_side_by_side_and_no_more_on_a_target_than_it_may(lab: Lab) -> None:
    vms = many(lab)
    admin = AdminNode(lab, fencing={**SLOW, "max_starts": 2})
    held = [faults.slow_start(lab, name) for name in TARGETS]
    with never_twice(lab):
        going = admin.begin("evacuate", SUSPECT, "--yes", "--json")
        wait_until(lambda: sent(admin) == 6, "two starts are under way on each target", 60)
        for fault in held:
            fault.heal()
        ended = going.wait()
    assert_all_run(lab, admin, vms, ended)
    assert {told["reason"] for told in ended.vms.values()} == {"confirmed_dead"}, ended


@pytest.mark.parametrize(("kind", "count"), [("fence", 1), ("intent_start", 4), ("start", 3), ("write_record", 14)])
def test_killed_at_any_step_it_is_finished_by_the_next_run(lab: Lab, kind: str, count: int) -> None:
    vms = many(lab, 6)
    admin = AdminNode(lab, fencing=SLOW)
    with never_twice(lab):
        going = admin.begin("evacuate", SUSPECT, "--yes", "--json")
        admin.wait_step(kind, going, count)
        going.kill()
        ended = admin.run_json("evacuate", SUSPECT, "--yes", "--wait", "200")
    assert_all_run(lab, admin, vms, ended)


def test_a_target_that_dies_in_the_midst_holds_up_its_own_starts_alone(lab: Lab) -> None:
    vms = many(lab, 6)
    admin = AdminNode(lab, fencing=SLOW)
    dies, *others = TARGETS
    held = faults.slow_start(lab, dies)
    with never_twice(lab):
        going = admin.begin("evacuate", SUSPECT, "--yes", "--json")
        wait_until(lambda: sent(admin) == 2, "the starts on one target wait", 60)
        wait_until(lambda: [k for _, k in admin.steps()].count("start") == 4, "the others have come to their end", 60)
        off = faults.power_off(lab, dies)
        ended = going.wait()
        by_reason = {vm.name: ended.vms[vm.name]["reason"] for vm in vms}
        lost = [name for name, reason in by_reason.items() if reason == "start_unknown"]
        assert len(lost) == 2, ended
        assert set(by_reason.values()) == {"confirmed_dead", "start_unknown"}, ended
        assert {qemu.host for vm in vms for qemu in lab.qemus(vm.uuid)} == set(others)
        held.heal()
        off.heal()
        assert_all_run(lab, admin, vms, admin.run_json("evacuate", SUSPECT, "--yes"))


def test_one_too_big_and_one_that_nothing_kills_are_told_and_all_others_start(lab: Lab) -> None:
    vms = many(lab, 6)
    big, stuck, *others = vms
    admin = AdminNode(lab, vms={big.name: {"memory_mib": 1 << 20}}, fencing={**SLOW, "ssh_timeout": 5})
    with faults.unkillable(lab, lab.qemu(stuck).pid), never_twice(lab):
        before = lab.qemus(big.uuid)
        ended = admin.run_json("evacuate", SUSPECT, "--yes")
        assert ended.code == 3, ended
        assert ended.vms[big.name]["reason"] == "no_target", ended
        assert lab.qemus(big.uuid) == before, "what has no place is not killed"
        assert ended.vms[stuck.name]["reason"] == "still_alive", ended
    assert {ended.vms[vm.name]["decision"] for vm in others} == {"started"}, ended
    for vm in others:
        assert admin.recorded(vm.name) == f"running on {lab.qemu(vm).host}"


def test_planned_work_is_honoured_by_an_evacuation(lab: Lab) -> None:
    vms = many(lab, 4)
    admin = AdminNode(lab, fencing=SLOW)
    before = {vm.name: lab.qemus(vm.uuid) for vm in vms}
    assert admin.run("disarm", "--reason", "switches are changed", "--for", "1h").code == 0
    ended = admin.run_json("evacuate", SUSPECT, "--yes")
    assert {told["reason"] for told in ended.vms.values()} == {"disarmed"}, ended
    assert {vm.name: lab.qemus(vm.uuid) for vm in vms} == before
    assert admin.run("arm").code == 0
    assert admin.run("maintenance", "kvm-02", "--reason", "a new disk", "--for", "1h").code == 0
    with never_twice(lab):
        assert_all_run(lab, admin, vms, admin.run_json("evacuate", SUSPECT, "--yes"))
    assert "kvm-02" not in {qemu.host for vm in vms for qemu in lab.qemus(vm.uuid)}


def test_the_host_that_comes_back_in_the_midst_brings_nothing_with_it(lab: Lab) -> None:
    vms = [lab.start_vm(SUSPECT, f"web-{number:02}", autostart=number % 2 == 0) for number in range(1, 5)]
    admin = AdminNode(lab, fencing=SLOW)
    held = [faults.slow_start(lab, name) for name in TARGETS]
    going = admin.begin("evacuate", SUSPECT, "--yes", "--json")
    wait_until(lambda: sent(admin) == 4, "the starts are under way", 60)
    faults.reboot(lab, SUSPECT)
    for fault in held:
        fault.heal()
    ended = going.wait()
    assert ended.code == 0, ended
    with pytest.raises(LabError):
        lab.wait_copies(vms[1].uuid, 2, 3)  # its autostart was taken out before the proof
    assert [len(lab.qemus(vm.uuid)) for vm in vms] == [1, 1, 1, 1]
