"""A suspect that does not answer the admin node is looked into through a sibling, before anything is killed."""

from __future__ import annotations

from pathlib import Path

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_refused, assert_started

SUSPECT, PROXY = "kvm-01", "kvm-02"
AS_USUAL = {"connect_timeout": 5}
"""Not the second that the lab makes do with elsewhere: these are about what is waited for."""
COPIED = "/var/lib/libvirt/copied.img"


def test_what_a_sibling_sees_is_told_and_the_fence_goes_that_way(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    for node in (faults.ADMIN, PROXY):
        faults.cut(lab, node, SUSPECT)
    admin = AdminNode(lab, fencing=AS_USUAL)
    ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    [proxy] = [each["proxy"] for each in ended["attempts"]]
    assert proxy != PROXY, ended
    says = [each["says"] for each in ended["evidence"] if each["kind"] == "look"]
    assert says == [f"{SUSPECT} answered {proxy}"], ended
    assert lab.copies(vm.uuid) == 1
    told = admin.run("explain", ended["run"])
    assert f"{SUSPECT}: it answers {proxy}, and did not answer the admin node: 1 VM there" in told.stdout, told.stdout


def test_nothing_is_killed_where_the_targets_have_a_disk_of_their_own(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    for host in lab.hosts.values():
        host.path(COPIED).write_bytes(b"\0" * 4096)
    disk = f"<disk type='file'><source file='{COPIED}'/><target dev='vdz'/></disk>"
    Path(vm.xml).write_text(Path(vm.xml).read_text().replace("</devices>", f"{disk}</devices>"))
    before = lab.qemus(vm.uuid)
    admin = AdminNode(lab, fencing=AS_USUAL)
    try:
        with faults.cut(lab, faults.ADMIN, SUSPECT):
            for command in (["start-vm", vm.name], ["evacuate", SUSPECT]):
                ended = admin.run_json(*command, "--yes")
                outcome = ended if command[0] == "start-vm" else ended["vms"][0]
                assert (ended.code, outcome["reason"]) == (3, "would_not_start"), ended
                assert f"{PROXY} has another disk {COPIED} than {SUSPECT}" in outcome["message"], ended
        assert lab.qemus(vm.uuid) == before
    finally:
        for host in lab.hosts.values():
            host.path(COPIED).unlink()


def test_a_suspect_that_is_only_slow_is_asked_for_before_it_is_fenced(lab: Lab) -> None:
    """It takes the connection: the admin node waits for its login, whatever a sibling could see meanwhile."""
    vm = lab.start_vm(SUSPECT, "web-01")
    lab.hosts[SUSPECT].path("/root/.bashrc").write_text("sleep 3\n")
    admin = AdminNode(lab, fencing=AS_USUAL)
    try:
        ended = admin.run_json("start-vm", vm.name)
    finally:
        lab.hosts[SUSPECT].path("/root/.bashrc").unlink()
    assert_refused(admin, vm, ended, "suspect_healthy", None, lab.qemus(vm.uuid))


def test_a_lost_packet_makes_nobody_silent(lab: Lab) -> None:
    """The kernel sends the first packet of a connection again after a second."""
    vm = lab.start_vm(SUSPECT, "web-01")
    every_other = "-m statistic --mode nth --every 2 --packet 0"
    lost = f"INPUT -s {lab.network.admin_address} -p tcp --dport 22 --syn {every_other} -j DROP"
    host = lab.hosts[SUSPECT]
    host.shell(f"iptables -A {lost}")
    admin = AdminNode(lab, fencing=AS_USUAL)
    try:
        ended = admin.run_json("start-vm", vm.name)
    finally:
        host.shell(f"iptables -D {lost}")
    assert_refused(admin, vm, ended, "suspect_healthy", None, lab.qemus(vm.uuid))


def test_a_statement_ends_where_a_sibling_sees_the_host_alive(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing=AS_USUAL)
    with faults.firewall(lab, SUSPECT):
        assert admin.run("confirm-dead", SUSPECT, "--reason", "no light", "--confirm", SUSPECT).code == 0
    with faults.cut(lab, faults.ADMIN, SUSPECT):
        ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert (ended["verdict"], ended["reason"]) == ("confirmed_dead", "confirmed_dead"), ended
    told = admin.run("explain", ended["run"])
    [proxy] = [each["proxy"] for each in ended["attempts"]]
    assert f"{SUSPECT} was seen alive: it answered {proxy}" in told.stdout, told.stdout
