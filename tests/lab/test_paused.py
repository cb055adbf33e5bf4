"""A VM that is paused right after its start is not called started."""

from __future__ import annotations

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, never_twice

SUSPECT = "kvm-01"


def test_a_vm_that_is_paused_after_its_start_is_told_with_the_reason_and_what_to_do(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    paused = [faults.pausing_start(lab, name) for name in lab.hosts if name != SUSPECT]
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
    assert (ended.code, ended["decision"], ended["reason"]) == (8, "failed", "start_paused"), ended
    assert "paused (somebody has paused it)" in ended["message"], ended
    assert f"'virsh resume {vm.uuid}' there" in " ".join(ended["ways_out"]), ended
    target = ended["host"]
    assert admin.recorded(vm.name) == f"running on {target}"
    for fault in paused:
        fault.heal()
    lab.hosts[target].virsh(f"resume {vm.uuid}")
    again = admin.run_json("start-vm", vm.name)
    assert (again.code, again["reason"]) == (0, "already_running"), again
