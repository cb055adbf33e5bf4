"""`hafence start-vm` on a cluster that is well: who is asked, where the VM goes and how, what is left alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_refused, assert_started, files, never_twice, traces
from tests.lab.vm import LabVm

SUSPECT = "kvm-01"


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


# ---------------------------------------------------------------- asking first


def test_a_healthy_vm_is_not_touched_where_nobody_can_be_asked(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    before = lab.qemus(vm.uuid)
    ended = admin.run_json("start-vm", vm.name)
    assert_refused(admin, vm, ended, "suspect_healthy", None, before)
    assert "--yes" in ended["message"]
    assert ended["attempts"] == []


def test_a_vm_may_be_given_as_a_uuid_in_any_form_or_by_the_beginning_of_one(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    digits = vm.uuid.replace("-", "")
    for text in (vm.uuid.upper(), digits, digits[:10]):
        ended = admin.run_json("start-vm", text, "--dry-run")
        assert (ended.code, ended["vm"]) == (3, {"uuid": vm.uuid, "name": vm.name}), ended


def test_a_vm_that_a_run_started_a_moment_ago_is_left_alone_until_the_quiet_time_is_over(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    with never_twice(lab):
        host = assert_started(admin, vm, admin.start_vm(vm.name))
        new = lab.qemu(vm)
        again = admin.start_vm(vm.name)
        assert again.code == 0, again
        assert (again["decision"], again["reason"], again["host"]) == ("unchanged", "already_running", host), again
        assert lab.qemu(vm) == new
        (admin.folder / "inventory.yaml").write_text(
            (admin.folder / "inventory.yaml").read_text().replace("fencing:", "fencing:\n  quiet_time: 0")
        )
        moved = admin.start_vm(vm.name)
    assert moved["suspect"] == host
    assert assert_started(admin, vm, moved) != host


# ---------------------------------------------------------------- the record and the copies


def test_a_copy_that_runs_elsewhere_refuses_with_the_record_as_it_was(lab: Lab) -> None:
    vm = lab.start_vm("kvm-03", "web-01")
    admin = AdminNode(lab, vms={"web-01": {"host": SUSPECT}})
    before = lab.qemus(vm.uuid)
    ended = admin.start_vm(vm.name)
    assert ended.code == 3, ended
    assert (ended["decision"], ended["reason"], ended["host"]) == ("refused", "running_elsewhere", "kvm-03"), ended
    assert lab.qemus(vm.uuid) == before
    assert admin.recorded(vm.name) == f"running on {SUSPECT}"


def test_a_vm_that_does_not_run_on_its_suspect_is_proved_dead_there_and_started(lab: Lab) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    with never_twice(lab):
        ended = admin.run_json("start-vm", vm.name)  # it runs nowhere: there is nothing to ask
    assert_started(admin, vm, ended, on="kvm-02")
    assert admin.quarantined() == {SUSPECT}, "nobody moved it on purpose"
    assert ended["verdict"] == "confirmed_dead"


def test_after_a_planned_move_nobody_is_in_quarantine_and_autostart_is_off_there_and_the_vm_is_defined_on_its_target(
    lab: Lab,
) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", autostart=True)
    admin = AdminNode(lab)
    host = assert_started(admin, vm, admin.start_vm(vm.name))
    assert admin.quarantined() == set()
    assert lab.hosts[SUSPECT].virsh("list --all --autostart --name").split() == []
    assert lab.hosts[host].virsh("list --persistent --name").split() == [vm.name]


# ---------------------------------------------------------------- the target


def test_the_target_is_the_host_with_the_fewest_vms_then_the_first_by_name_and_to_overrules_it(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    lab.start_vm("kvm-02", "web-02")
    admin = AdminNode(lab)
    foretold = admin.start_vm(vm.name, "--dry-run")
    assert (foretold.code, foretold["host"]) == (0, "kvm-03"), foretold
    assert_started(admin, vm, admin.start_vm(vm.name, "--to", "kvm-04"), on="kvm-04")


def test_no_host_takes_the_vm_and_nothing_is_killed(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    lab.start_vm("kvm-02", "web-02")
    admin = AdminNode(
        lab,
        hosts={"kvm-03": {"state": "disabled"}, "kvm-04": {"state": "maintenance"}},
        vms={"web-01": {"anti_affinity": ["web"]}, "web-02": {"anti_affinity": ["web"]}},
    )
    before = lab.qemus(vm.uuid)
    ended = admin.start_vm(vm.name)
    assert_refused(admin, vm, ended, "no_target", None, before)
    for words in ("kvm-02 holds web-02", "kvm-03 is disabled", "kvm-04 is maintenance"):
        assert words in ended["message"], ended
    asked_for = admin.start_vm(vm.name, "--to", SUSPECT)
    assert_refused(admin, vm, asked_for, "no_target", None, before)
    assert f"{SUSPECT}, which was asked for: {SUSPECT} is the suspect" in asked_for["message"], asked_for


def test_a_host_without_the_memory_is_no_target(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, hosts={"kvm-03": {"memory_mib": 1}})
    faults.short_of_memory(lab, "kvm-02", 16)
    ended = admin.start_vm(vm.name, "--dry-run")
    notes = "\n".join(ended["notes"])
    assert "target kvm-02 not chosen: has 16 MiB free, the VM needs 32" in notes, ended
    assert "target kvm-03 not chosen: has 1 MiB free, the VM needs 32" in notes, ended
    assert (ended.code, ended["host"]) == (0, "kvm-04"), ended


def test_a_host_in_quarantine_is_no_target_and_no_sibling_until_it_rejoins(lab: Lab) -> None:
    first, second = lab.start_vm("kvm-02", "web-01"), lab.start_vm(SUSPECT, "web-02")
    admin = AdminNode(lab)
    assert admin.run_json("fence", first.name, "--yes").code == 0
    assert_started(admin, first, admin.start_vm(first.name, "--to", "kvm-04"))
    ended = admin.run_json("start-vm", second.name, "--dry-run", "--yes")
    assert ended["host"] == "kvm-03", ended
    assert ended.proxies[0][0] == "kvm-03"
    notes = "\n".join(ended["notes"])
    assert "sibling kvm-02 not asked: is in quarantine" in notes
    assert "target kvm-02 not chosen: is in quarantine" in notes
    back = admin.run("rejoin", "kvm-02", "--yes")
    assert back.code == 0, back
    again = admin.run_json("start-vm", second.name, "--dry-run", "--yes")
    assert (again["host"], again.proxies[0][0]) == ("kvm-02", "kvm-02"), again


def test_people_at_work_on_the_suspect_are_left_alone(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, hosts={SUSPECT: {"state": "maintenance"}})
    assert_refused(admin, vm, admin.start_vm(vm.name), "maintenance", None, lab.qemus(vm.uuid))


def test_a_vm_without_ha_is_left_alone(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, vms={"web-01": {"ha": False}})
    assert_refused(admin, vm, admin.start_vm(vm.name), "not_ha", None, lab.qemus(vm.uuid))


# ---------------------------------------------------------------- the start


def test_a_target_on_which_the_start_fails_is_proved_clean_and_the_next_one_takes_the_vm(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    faults.failing_start(lab, "kvm-02")
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended, on="kvm-03")
    assert lab.hosts["kvm-02"].virsh("list --all --name").split() == []


def test_a_transient_start_leaves_no_definition(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", persistent=False)
    admin = AdminNode(lab, clusters={"lab": {"start": "transient"}})
    host = assert_started(admin, vm, admin.start_vm(vm.name))
    assert lab.hosts[host].virsh("list --persistent --name").split() == []
    assert lab.hosts[SUSPECT].virsh("list --all --name").split() == []


def start_command(lab: Lab, vm: LabVm, folder: Path) -> Path:
    """A stack's own way to start a VM on a host: here through the back door into the lab's hosts."""
    cases = "".join(f"{name}) pid={host.pid} ;;\n" for name, host in lab.hosts.items())
    return script(
        folder / "stack-start",
        f"""set -eu
printf '%s\\n' "$*" >>{folder}/called
case $3 in
{cases}esac
[ "$HAFENCE_VM_UUID $HAFENCE_VM_NAME $HAFENCE_TARGET" = "$*" ]
exec nsenter -t "$pid" -a -- virsh -q -c qemu:///system create {vm.xml} >/dev/null
""",
    )


def test_a_cluster_s_own_start_command_gets_uuid_name_and_target_and_is_checked_by_a_look(
    lab: Lab, tmp_path: Path
) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", persistent=False)
    command = start_command(lab, vm, tmp_path)
    admin = AdminNode(lab, clusters={"lab": {"start": {"command": [str(command)]}}})
    with never_twice(lab):
        assert_started(admin, vm, admin.start_vm(vm.name), on="kvm-02")
    assert (tmp_path / "called").read_text() == f"{vm.uuid} {vm.name} kvm-02\n"


def test_a_start_command_that_lies_is_found_out(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", persistent=False)
    admin = AdminNode(lab, clusters={"lab": {"start": {"command": ["true"]}}})
    ended = admin.start_vm(vm.name)
    assert ended.code == 4, ended
    assert (ended["decision"], ended["reason"]) == ("failed", "start_failed"), ended
    assert admin.recorded(vm.name) == f"stopped (last on {SUSPECT})"


def test_a_hypervisor_that_hafence_cannot_look_into_is_not_fenced_and_the_risk_is_named(
    lab: Lab, tmp_path: Path
) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    command = start_command(lab, vm, tmp_path)
    cluster = {"hypervisor": "bhyve", "start": {"command": [str(command)]}}
    admin = AdminNode(lab, clusters={"lab": cluster})
    foretold = admin.run_json("start-vm", vm.name, "--dry-run")
    assert (foretold["decision"], foretold["reason"], foretold["host"]) == ("started", "not_kvm", "kvm-02"), foretold
    ended = admin.run_json("start-vm", vm.name)
    assert_started(admin, vm, ended, "not_kvm", on="kvm-02")
    assert ended["attempts"] == []
    assert "can't look into this hypervisor" in ended["residual_risk"][0]


def test_without_pre_fence_nothing_is_fenced_and_the_risk_is_named(lab: Lab) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"pre_fence": False})
    ended = admin.run_json("start-vm", vm.name)
    assert_started(admin, vm, ended, "pre_fence_off", on="kvm-02")
    assert ended["attempts"] == []
    assert "pre_fence is off" in ended["residual_risk"][0]


def test_a_start_that_fails_without_a_fence_does_not_claim_one(lab: Lab) -> None:
    lab.define_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, clusters={"lab": {"hypervisor": "bhyve", "start": {"command": ["/bin/false"]}}})
    ended = admin.run_json("start-vm", "web-01")
    assert (ended.code, ended["reason"], ended["verdict"]) == (4, "start_failed", None), ended
    assert ended["message"].startswith("web-01 was not fenced, and no start succeeded (kvm-02: "), ended
    assert admin.recorded("web-01") == f"running on {SUSPECT}"


# ---------------------------------------------------------------- hooks


def test_every_hook_runs_and_any_no_refuses_the_start(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, hooks="hooks")
    folder = admin.folder / "hooks"
    tell = f'echo "$(basename "$0") $HAFENCE_VM_NAME $HAFENCE_SUSPECT $HAFENCE_TARGET" >>{admin.folder}/told\n'
    script(folder / "10-no", tell + "echo 'the network is not ready' >&2\nexit 1\n")
    script(folder / "20-also-no", tell + "exit 7\n")
    script(folder / "30-yes", tell)
    ended = admin.start_vm(vm.name)
    assert_refused(admin, vm, ended, "hook_failed", "confirmed_dead")
    assert "10-no: exit 1: the network is not ready" in ended["message"], ended
    assert "20-also-no: exit 7" in ended["message"], ended
    told = (admin.folder / "told").read_text().splitlines()
    assert told == [f"{name} web-01 {SUSPECT} kvm-02" for name in ("10-no", "20-also-no", "30-yes")]
    for name in ("10-no", "20-also-no"):
        (folder / name).unlink()
    assert_started(admin, vm, admin.start_vm(vm.name), on="kvm-02")


# ---------------------------------------------------------------- dry runs


@pytest.mark.parametrize("command", ["start-vm", "fence"])
def test_a_dry_run_foretells_the_decision_and_changes_nothing_anywhere(lab: Lab, command: str) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", autostart=True)
    admin = AdminNode(lab)
    hosts, here = traces(lab), files(admin.folder)
    ended = admin.run_json(command, vm.name, "--dry-run", "--yes")
    assert ended.code == 0, ended
    told = ended.document if command == "start-vm" else ended["vms"][0]
    assert (told["decision"], told["dry_run"]) == ("started" if command == "start-vm" else "fenced", True), ended
    assert told["host"] == ("kvm-02" if command == "start-vm" else None)
    assert "would kill 1 leftover" in told["attempts"][0]["detail"]
    assert traces(lab) == hosts
    assert files(admin.folder) == here
    assert not admin.store.exists()


def test_a_dry_run_foretells_a_refusal(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    here = files(admin.folder)
    healthy = admin.run_json("start-vm", vm.name, "--dry-run")
    assert (healthy.code, healthy["decision"], healthy["reason"]) == (3, "refused", "suspect_healthy"), healthy
    assert healthy["notes"] == [
        "with --yes: would kill 1 leftover(s)",
        "siblings in order: kvm-02, kvm-03, kvm-04",
        "targets in order: kvm-02, kvm-03, kvm-04",
        f"target {SUSPECT} not chosen: is the suspect",
    ]
    faults.sshd_gone(lab, SUSPECT)
    ended = admin.run_json("start-vm", vm.name, "--dry-run")
    assert (ended.code, ended["decision"], ended["reason"]) == (3, "refused", "ambiguous"), ended
    assert files(admin.folder) == here
    assert lab.copies(vm.uuid) == 1


def test_a_dry_run_of_a_dead_host_changes_nothing(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    faults.power_off(lab, SUSPECT)
    hosts = traces(lab)
    ended = admin.run_json("start-vm", vm.name, "--dry-run")
    assert (ended.code, ended["decision"], ended["reason"]) == (0, "started", "unreachable_confirmed"), ended
    assert ended["residual_risk"], ended
    assert traces(lab) == hosts
    assert not admin.store.exists()


# ---------------------------------------------------------------- what is left behind


def test_no_key_lands_on_a_host_and_what_was_decided_can_be_read_in_the_owner_s_store(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    secret = (admin.folder / "id_ed25519").read_text().splitlines()[2]
    ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)
    assert secret not in ended.stdout + ended.stderr
    assert secret.encode() not in admin.store.read_bytes()
    for host in lab.hosts.values():
        found = host.shell(f"grep -rlF -e '{secret}' /root /run /tmp/.hafence* 2>/dev/null", check=False).stdout
        assert found == "", host.name
    assert stat.S_IMODE(admin.store.stat().st_mode) & 0o077 == 0
    history = admin.run_json("history", vm.name)["runs"]
    assert [(run["run"], run["exit"], run["decision"]) for run in history] == [(ended["run"], 0, "started")]
    told = admin.run("explain", ended["run"])
    assert told.code == 0, told
    for words in ("confirmed_dead", "kvm-02", "leftover", SUSPECT):
        assert words in told.stdout, told
    assert "\x1b" not in told.stdout + told.stderr + ended.stderr


@pytest.mark.parametrize("had", [False, True], ids=["made anew", "there before"])
def test_a_start_that_failed_takes_back_the_nvram_that_it_has_made_and_no_other(lab: Lab, had: bool) -> None:
    firmware, path = "/usr/share/seabios/bios-256k.bin", "/var/lib/libvirt/qemu/nvram/web-01_VARS.fd"
    vm = lab.define_vm("kvm-01", "web-01")
    flash = f"<loader readonly='yes' type='pflash'>{firmware}</loader><nvram template='{firmware}'>{path}</nvram>"
    vm.xml.write_text(vm.xml.read_text().replace("</os>", f"{flash}</os><features><acpi/></features>"))
    lab.hosts["kvm-01"].virsh(f"define {vm.xml}; start {vm.name}")
    nvram = lab.hosts["kvm-02"].path(path)
    nvram.parent.mkdir(parents=True, exist_ok=True)
    if had:
        nvram.write_bytes(Path(firmware).read_bytes())
    admin = AdminNode(lab)
    try:
        with faults.failing_start(lab, "kvm-02", operation="started"):
            assert_started(admin, vm, admin.start_vm(vm.name, "--yes"), on="kvm-03")
        assert vm.uuid not in lab.hosts["kvm-02"].virsh("list", "--all", "--uuid")
        assert nvram.exists() is had
    finally:
        for host in lab.hosts.values():
            host.path(path).unlink(missing_ok=True)
