"""Two admin nodes with a store of their own each: no lease keeps their runs apart, so they meet on the hosts."""

from __future__ import annotations

from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, never_twice

SUSPECT = "kvm-01"
BY_ANOTHER = "of another store"
MAKE_OLD = "mkdir -p /run/hafence; find /run/hafence -name '*.mark' -exec sed -i 's/ [0-9]*$/ 1/' {} +"
"""As if the marks had been left a second after the host had booted."""


def test_of_two_starts_by_two_stores_one_happens_and_the_audit_names_both(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admins = AdminNode(lab), AdminNode(lab)
    with never_twice(lab):
        targets = ("kvm-02", "kvm-03")
        going = [
            a.begin("start-vm", vm.name, "--yes", "--json", "--to", to) for a, to in zip(admins, targets, strict=True)
        ]
        ended = [each.wait() for each in going]
    (won,) = [number for number, each in enumerate(ended) if each["decision"] == "started"]
    lost = ended[1 - won]
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [targets[won]]
    assert (lost.code, lost["decision"], lost["reason"]) == (3, "refused", "ambiguous"), lost
    assert f"run {ended[won]['run']} {BY_ANOTHER}" in lost["message"]
    assert lost["run"] != ended[won]["run"]

    audit = admins[1 - won].run("audit", "--json")
    (finding,) = [each for each in audit["findings"] if each["code"] == "two_stores"]
    assert ended[won]["run"] in finding["saw"]

    rehearsal = admins[1 - won].run("fence", vm.name, "--host", SUSPECT, "--yes", "--dry-run", "--json")
    assert BY_ANOTHER in rehearsal.vms[vm.name]["message"]
    assert rehearsal.code == 3


def test_a_leftover_is_fenced_and_started_as_ever_by_one_store_and_by_the_one_after_it(lab: Lab) -> None:
    """The control: the same store again at once, and, when the old store's mark is old, a new one."""
    vm = lab.start_vm(SUSPECT, "web-01")
    first = AdminNode(lab)
    with never_twice(lab):
        assert first.run("fence", vm.name, "--yes", "--json").code == 0
        started = first.run("start-vm", vm.name, "--yes", "--json")
    assert (started.code, started["decision"]) == (0, "started"), started
    home = started["host"]
    for host in lab.hosts.values():
        host.shell(MAKE_OLD)
    after = AdminNode(lab)
    with never_twice(lab):
        fenced = after.run("fence", vm.name, "--host", home, "--yes", "--json")
        assert fenced.code == 0, fenced
        again = after.run("start-vm", vm.name, "--yes", "--json")
    assert (again.code, again["decision"]) == (0, "started"), again
    assert BY_ANOTHER in fenced.vms[vm.name]["attempts"][0]["detail"]
    assert lab.copies(vm.uuid) == 1
