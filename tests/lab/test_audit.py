"""`hafence audit` on real hosts: each finding that can be made, the worst first, and nothing changed by looking."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Ended, assert_started, files, traces


def found(ended: Ended) -> set[tuple[str, str, str]]:
    """(severity, code, subject) of every finding."""
    return {(each["severity"], each["code"], each["subject"]) for each in ended["findings"]}


def test_a_clean_cluster_is_ok_in_one_line_and_silent_with_q(lab: Lab) -> None:
    lab.start_vm("kvm-01", "web-01")
    admin = AdminNode(lab)
    loud, quiet = admin.run("audit"), admin.run("audit", "-q")
    assert loud.code == 0, loud
    assert len(loud.stdout.splitlines()) == 1
    assert loud.stdout.startswith("HAFENCE OK - 4 hosts, 12 of 12 fence paths, 1 VMs as recorded | critical=0;;0 ")
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, "", ""), quiet


def test_what_is_wrong_with_vms_is_found_and_two_living_copies_come_first(lab: Lab) -> None:
    twice = lab.start_vm("kvm-01", "web-01")
    lab.start_stray("kvm-02", twice)
    lab.start_vm("kvm-03", "web-02")
    lab.define_vm("kvm-03", "web-03")
    lab.start_vm("kvm-04", "web-04", autostart=True)
    lab.hosts["kvm-02"].virsh(f"define {lab.vms['web-04'].xml}; autostart web-04")
    lab.start_vm("kvm-04", "web-05")
    lab.start_vm("kvm-04", "web-06")
    stranger = lab.start_vm("kvm-04", "stranger")
    lab.vms.pop("stranger")
    admin = AdminNode(
        lab,
        vms={
            "web-02": {"host": "kvm-01"},
            "web-05": {"domain_xml": None},
            "web-06": {"memory_mib": 16_000_000},
        },
    )
    hosts, here = traces(lab), files(admin.folder)
    ended = admin.run_json("audit")
    assert ended.code == 2, ended
    assert ended["status"] == "CRITICAL"
    first = ended["findings"][0]
    assert (first["code"], first["severity"], first["subject"]) == ("split_brain", "CRITICAL", "web-01"), ended
    assert "kvm-01 and kvm-02" in first["saw"]
    assert found(ended) >= {
        ("CRITICAL", "vm_elsewhere", "web-02"),
        ("CRITICAL", "vm_gone", "web-03"),
        ("CRITICAL", "stale_definition", "web-04"),
        ("WARNING", "autostart", "web-04"),
        ("WARNING", "xml_missing", "web-05"),
        ("WARNING", "no_room", "web-06"),
        ("WARNING", "vm_unknown", stranger.uuid),
    }, ended
    assert traces(lab) == hosts
    assert files(admin.folder) == here
    plain = admin.run("audit")
    assert plain.code == 2, plain
    assert plain.stdout.startswith("HAFENCE CRITICAL - split_brain web-01: TWO LIVING COPIES"), plain


def test_hosts_that_nobody_could_fence_are_found(lab: Lab) -> None:
    lab.start_vm("kvm-01", "web-01")
    lab.start_vm("kvm-04", "web-04")
    admin = AdminNode(lab)
    faults.power_off(lab, "kvm-04")
    for name in ("kvm-02", "kvm-03"):
        faults.no_forwarding(lab, name)
    ended = admin.run_json("audit")
    assert ended.code == 2, ended
    assert found(ended) >= {
        ("CRITICAL", "no_fence_path", "kvm-01"),
        ("CRITICAL", "no_fence_path", "kvm-04"),
        ("WARNING", "few_fence_paths", "kvm-02"),
        ("CRITICAL", "host_silent", "kvm-04"),
    }, ended
    faults.login_refused(lab, "kvm-01")
    assert ("CRITICAL", "no_fence_path", "kvm-01") in found(admin.run_json("audit"))


def test_hosts_that_lack_something_are_found(lab: Lab) -> None:
    lab.start_vm("kvm-01", "web-01")
    admin = AdminNode(lab)
    faults.missing_program(lab, "kvm-02", "flock", "ping")
    faults.libvirtd_gone(lab, "kvm-03")
    faults.hardened(lab, "kvm-04", ["kvm-01", "kvm-02", "kvm-03"])
    ended = admin.run_json("audit")
    assert found(ended) >= {
        ("WARNING", "program_missing", "kvm-02"),
        ("WARNING", "libvirt_down", "kvm-03"),
        ("WARNING", "host_blind", "kvm-04"),
    }, ended
    missing = next(each for each in ended["findings"] if each["code"] == "program_missing")
    assert "flock" in missing["saw"]
    assert "ping" in missing["saw"]


def test_what_a_start_would_lack_is_found_the_night_before(lab: Lab) -> None:
    """Each VM by its own definition: a network that nobody has, a disk that one host has, and nothing of the kind."""
    for name, devices in {
        "web-01": "<interface type='network'><source network='prod-vlan7'/></interface>",
        "web-02": "<disk type='file'><source file='/var/lib/libvirt/b.img'/><target dev='vdz'/></disk>",
        "web-03": "",
    }.items():
        vm = lab.start_vm("kvm-01", name)
        vm.xml.write_text(vm.xml.read_text().replace("</devices>", f"{devices}</devices>"))
    image = lab.hosts["kvm-03"].path("/var/lib/libvirt/b.img")
    image.write_bytes(b"\0" * 4096)
    try:
        ended = AdminNode(lab).run_json("audit")
    finally:
        image.unlink()
    ours = {each for each in found(ended) if each[1] in ("would_not_start", "one_host_only")}
    assert ours == {("WARNING", "would_not_start", "web-01"), ("WARNING", "one_host_only", "web-02")}, ended
    says = {each["subject"]: each["saw"] for each in ended["findings"]}
    assert "kvm-02 lacks the network prod-vlan7" in says["web-01"], ended
    assert says["web-02"].startswith("only kvm-03 could take it: kvm-02 lacks the disk /var/lib/libvirt/b.img"), ended


def test_what_a_run_leaves_is_found_until_it_is_put_right(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    admin = AdminNode(lab, fencing={"set_aside": False})
    assert admin.run_json("fence", vm.name, "--yes").code == 0
    assert_started(admin, vm, admin.start_vm(vm.name))
    store = files(admin.folder)
    ended = admin.run_json("audit")
    assert ended.code == 1, ended
    assert found(ended) == {("WARNING", "quarantined", "kvm-01"), ("WARNING", "stale_definition", "web-01")}, ended
    changed = {path for path, what in files(admin.folder).items() if store.get(path) != what}
    assert not {path for path in changed if path.endswith(".db")}, changed
    refused = admin.run("rejoin", "kvm-01", "--yes")
    assert refused.code == 3, refused
    lab.hosts["kvm-01"].virsh(f"undefine {vm.name}")
    assert admin.run("rejoin", "kvm-01", "--yes").code == 0
    clean = admin.run_json("audit")
    assert (clean.code, clean["findings"]) == (0, []), clean


def test_a_start_that_a_killed_run_left_and_a_history_that_was_tampered_with_are_found(lab: Lab) -> None:
    vm = lab.start_vm("kvm-01", "web-01")
    admin = AdminNode(lab)
    slow = faults.slow_start(lab, "kvm-02")
    going = admin.begin("start-vm", vm.name, "--yes", "--json")
    admin.wait_step("intent_start", going)
    going.kill()
    slow.heal()
    assert ("WARNING", "start_unsettled", "web-01") in found(admin.run_json("audit"))
    with contextlib.closing(sqlite3.connect(admin.store, isolation_level=None)) as db:
        guard = "SELECT sql FROM sqlite_master WHERE name = 'history_is_not_changed'"
        trigger = db.execute(guard).fetchone()[0]
        db.execute("DROP TRIGGER history_is_not_changed")
        db.execute("UPDATE history SET body = replace(body, 'kvm-01', 'kvm-03') WHERE kind = 'step'")
        db.execute(trigger)
    ended = admin.run_json("audit")
    assert ended.code == 2, ended
    assert "history_broken" in {code for _, code, _ in found(ended)}, ended


@pytest.mark.parametrize("words", [("audit", "--no-such-option"), ("audit", "too", "many")], ids=" ".join)
def test_a_usage_error_is_unknown(lab: Lab, words: tuple[str, ...]) -> None:
    admin = AdminNode(lab)
    assert admin.run(*words).code == 3
    (admin.folder / "inventory.yaml").write_text("hosts: 7\n")
    ended = admin.run("audit")
    assert ended.code == 3, ended
    assert ended.stdout.startswith("HAFENCE UNKNOWN - "), ended
