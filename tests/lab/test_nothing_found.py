"""Nothing found is no proof: every way in which a copy is on its way, or there under another guise, against `hafence`.

Each was seen to end in two copies where the fence took an empty search for a death.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Ended, assert_refused, assert_started, never_twice, wait_starting
from tests.lab.host import LabHost
from tests.lab.proc import is_living, kill_all, wait_until
from tests.lab.vm import EMULATOR, FileDisk, LabVm, arguments_by_hand, qemu_arguments, shown_by_firmware

SUSPECT, OTHER, THIRD = "kvm-01", "kvm-02", "kvm-03"
VIRSH = ("virsh", "-q", "-c", "qemu:///system")
STRANGER = "6d6f6a5a-0000-4000-8000-00000000beef"


def by_somebody(host: LabHost, *words: str) -> int:
    """Somebody types a virsh command on a host, and it goes on by itself."""
    return host.spawn([*VIRSH, *words])


def refused_as(lab: Lab, admin: AdminNode, vm: LabVm, words: str) -> Ended:
    """`start-vm` refuses, in these words, and starts nothing; so does it foretell."""
    with never_twice(lab):
        foretold = admin.run_json("start-vm", vm.name, "--dry-run", "--yes")
        ended = admin.start_vm(vm.name)
    assert (foretold.code, foretold["reason"]) == (3, "ambiguous"), foretold
    assert_refused(admin, vm, ended, "ambiguous", "ambiguous")
    assert words in ended["message"], ended
    return ended


# ---------------------------------------------------------------- a start that is under way


@pytest.mark.parametrize("how", ["start", "create"])
def test_a_start_by_somebody_that_is_under_way_on_the_suspect(lab: Lab, how: str) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    host = lab.hosts[SUSPECT]
    if how == "start":
        host.virsh(f"define {vm.xml}")
    admin = AdminNode(lab, fencing={"libvirt_timeout": 2})
    with faults.slow_start(lab, SUSPECT):
        by_somebody(host, how, vm.name if how == "start" else str(vm.xml))
        wait_starting(lab, SUSPECT, vm)
        ended = admin.start_vm(vm.name)
        assert_refused(admin, vm, ended, "ambiguous", "ambiguous", [])
        assert "a start perhaps" in ended["message"], ended
    lab.wait_copies(vm.uuid, 1)
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [SUSPECT]


@pytest.mark.two_writers("by somebody: what hafence refuses to join")
@pytest.mark.parametrize("seen_by", ["nobody", "a sibling"])
@pytest.mark.parametrize("how", ["start", "create"])
def test_a_start_by_somebody_that_is_under_way_on_another_host(lab: Lab, how: str, seen_by: str) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    before = lab.qemus(vm.uuid)
    host = lab.hosts[THIRD]
    if how == "start":
        host.virsh(f"define {vm.xml}")
    admin = AdminNode(lab, fencing={"libvirt_timeout": 2})
    if seen_by == "nobody":
        faults.isolate(lab, SUSPECT)
    else:
        faults.cut(lab, faults.ADMIN, SUSPECT)
    expected = (3, "running_elsewhere", THIRD) if seen_by == "nobody" else (8, "two_copies", None)
    with faults.slow_start(lab, THIRD):
        by_somebody(host, how, vm.name if how == "start" else str(vm.xml))
        wait_starting(lab, THIRD, vm)
        ended = admin.start_vm(vm.name)
        assert (ended.code, ended["reason"], ended["host"]) == expected, ended
        assert lab.qemus(vm.uuid) == before


@pytest.mark.parametrize("where", [SUSPECT, THIRD])
def test_the_slow_start_of_another_vm_is_no_hindrance(lab: Lab, where: str) -> None:
    vm, other = lab.start_vm(SUSPECT, "web-01"), lab.define_vm(where, "web-02")
    lab.hosts[where].virsh(f"define {other.xml}")
    admin = AdminNode(lab, fencing={"libvirt_timeout": 2, "ssh_timeout": 12})
    with faults.slow_start(lab, where):
        by_somebody(lab.hosts[where], "start", other.name)
        wait_starting(lab, where, other)
        with never_twice(lab):
            assert_started(admin, vm, admin.start_vm(vm.name), on=OTHER)
        assert lab.copies(vm.uuid) == 1
    lab.wait_copies(other.uuid, 1)


def test_a_target_that_is_busy_with_the_slow_start_of_another_vm_takes_it(lab: Lab) -> None:
    vm, other = lab.start_vm(SUSPECT, "web-01"), lab.define_vm(THIRD, "web-02")
    lab.hosts[THIRD].virsh(f"define {other.xml}")
    admin = AdminNode(lab, fencing={"libvirt_timeout": 2})
    with faults.slow_start(lab, THIRD) as slow:
        by_somebody(lab.hosts[THIRD], "start", other.name)
        wait_starting(lab, THIRD, other)
        going = admin.begin("start-vm", vm.name, "--to", THIRD, "--yes", "--json")
        admin.wait_step("intent_start", going)
        slow.heal()
        ended = going.wait()
    assert_started(admin, vm, ended, on=THIRD)


def test_a_vm_that_is_not_there_is_started_beside_the_slow_start_of_another(lab: Lab) -> None:
    vm, other = lab.define_vm(SUSPECT, "web-01"), lab.define_vm(SUSPECT, "web-02")
    lab.hosts[SUSPECT].virsh(f"define {vm.xml}; define {other.xml}")
    admin = AdminNode(lab, fencing={"libvirt_timeout": 2})
    with faults.slow_start(lab, SUSPECT):
        by_somebody(lab.hosts[SUSPECT], "start", other.name)
        wait_starting(lab, SUSPECT, other)
        with never_twice(lab):
            assert_started(admin, vm, admin.start_vm(vm.name), on=OTHER)


# ---------------------------------------------------------------- a libvirt that hangs


def queued(lab: Lab, vm: LabVm) -> None:
    """Somebody's start waits at the socket of a libvirtd that hangs."""
    pid = by_somebody(lab.hosts[vm.host], "start", vm.name)
    wait_until(lambda: "socket" in " ".join(links(pid)), "virsh has called")


def links(pid: int) -> list[str]:
    """What a process has open; it goes on opening and closing meanwhile."""
    found = []
    for fd in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            found.append(str(fd.readlink()))
    return found


def test_beside_a_libvirt_that_hangs_nothing_found_is_no_death(lab: Lab) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    lab.hosts[SUSPECT].virsh(f"define {vm.xml}")
    admin = AdminNode(lab, fencing={"libvirt_timeout": 2})
    with faults.libvirtd_hung(lab, SUSPECT):
        queued(lab, vm)
        refused_as(lab, admin, vm, "libvirt does not answer")
    lab.wait_copies(vm.uuid, 1)
    assert [qemu.host for qemu in lab.qemus(vm.uuid)] == [SUSPECT]


def test_a_leftover_is_killed_and_a_start_that_waits_for_libvirt_leaves_the_verdict_open(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    old = lab.qemu(vm)
    admin = AdminNode(lab, fencing={"libvirt_timeout": 2})
    with faults.libvirtd_hung(lab, SUSPECT):
        queued(lab, vm)
        ended = refused_as(lab, admin, vm, "somebody is connected to it who may have asked for a start")
        assert lab.copies(vm.uuid) == 0, ended
    lab.wait_copies(vm.uuid, 1)
    assert lab.qemu(vm).host == SUSPECT
    assert lab.qemu(vm) != old


def test_whoever_only_hung_up_on_a_libvirt_that_hangs_is_no_hindrance(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"libvirt_timeout": 2})
    with faults.libvirtd_hung(lab, SUSPECT):
        lab.hosts[SUSPECT].shell("timeout 1 virsh -c qemu:///system start web-01", check=False)
        with never_twice(lab):
            assert_started(admin, vm, admin.start_vm(vm.name))
    assert lab.copies(vm.uuid) == 1


def test_where_libvirt_is_down_or_absent_nothing_found_is_a_death(lab: Lab) -> None:
    first, second = lab.define_vm(SUSPECT, "web-01"), lab.define_vm(OTHER, "web-02")
    admin = AdminNode(lab)
    faults.libvirtd_gone(lab, SUSPECT)
    faults.libvirtd_gone(lab, OTHER)
    faults.missing_program(lab, OTHER, "virsh")
    with never_twice(lab):
        for vm in (first, second):
            assert_started(admin, vm, admin.start_vm(vm.name, "--to", THIRD), on=THIRD)


# ---------------------------------------------------------------- whose processes these are


def test_a_login_into_a_container_proves_nothing(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"pid_namespace": "initial"})
    before = lab.qemus(vm.uuid)
    ended = admin.start_vm(vm.name)
    assert (ended.code, ended["decision"]) == (3, "refused"), ended
    assert "a container's processes and not the machine's" in ended.stderr, ended
    assert lab.qemus(vm.uuid) == before
    fenced = admin.run_json("fence", vm.name, "--yes")
    assert (fenced.code, fenced.vms[vm.name]["reason"]) == (3, "ambiguous"), fenced
    assert "pid_namespace: any" in fenced.vms[vm.name]["message"], fenced
    assert lab.qemus(vm.uuid) == before
    blind = {each["subject"] for each in admin.run_json("audit")["findings"] if each["code"] == "host_blind"}
    assert blind == set(lab.hosts)


# ---------------------------------------------------------------- another guise


def test_an_emulator_of_another_name_is_killed_by_libvirts_own_word(lab: Lab) -> None:
    emulator = lab.another_emulator(SUSPECT)
    there = lab.define_vm(SUSPECT, "web-01", emulator=emulator)
    lab.hosts[SUSPECT].virsh(f"define {there.xml}; start web-01")
    old = lab.qemu(there)
    vm = lab.define_vm(SUSPECT, "web-01", there.uuid)  # elsewhere it is the usual one
    admin = AdminNode(lab)
    faults.cut(lab, faults.ADMIN, SUSPECT)
    with faults.libvirtd_hung(lab, SUSPECT), never_twice(lab):
        ended = admin.start_vm(vm.name)
        assert_started(admin, vm, ended)
    assert not is_living(old.pid)
    assert "1 leftover killed" in ended["attempts"][0]["detail"], ended


def test_a_program_that_bears_the_uuid_is_named_and_left_alone(lab: Lab) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    lab.another_emulator(SUSPECT)
    doubt = lab.hosts[SUSPECT].spawn([EMULATOR, *qemu_arguments(vm.name, vm.uuid)[1:]])
    admin = AdminNode(lab)
    ended = admin.start_vm(vm.name)
    assert ended.code == 3, ended
    assert is_living(doubt)
    faults.cut(lab, faults.ADMIN, SUSPECT)
    refused_as(lab, admin, vm, "kvm.real (process ")
    assert is_living(doubt)
    assert [qemu.pid for qemu in lab.qemus(vm.uuid)] == [doubt]


def test_a_program_that_bears_the_uuid_on_another_host_is_no_absence(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    lab.another_emulator(THIRD)
    doubt = lab.hosts[THIRD].spawn([EMULATOR, *qemu_arguments(vm.name, vm.uuid)[1:]])
    ended = AdminNode(lab).start_vm(vm.name)
    assert ended.code in (3, 8), ended
    assert (ended["decision"], is_living(doubt)) == ("refused", True), ended
    assert {qemu.host for qemu in lab.qemus(vm.uuid)} == {SUSPECT, THIRD}


GUISES: dict[str, Callable[[LabVm], list[str]]] = {
    "a UUID that only its firmware shows": lambda vm: shown_by_firmware(vm.uuid),
    "a name and no UUID": lambda vm: arguments_by_hand(vm.name),
}


@pytest.mark.parametrize("guise", GUISES)
def test_a_leftover_in_another_guise_is_killed(lab: Lab, guise: str) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    leftover = lab.hosts[SUSPECT].spawn(GUISES[guise](vm))
    stranger = lab.hosts[SUSPECT].spawn([*arguments_by_hand(vm.name), "-smbios", f"type=1,uuid={STRANGER}"])
    admin = AdminNode(lab)
    healthy = admin.run_json("start-vm", vm.name)
    assert (healthy.code, healthy["reason"]) == (3, "suspect_healthy"), healthy
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
        assert_started(admin, vm, ended)
    assert "1 leftover killed" in ended["attempts"][0]["detail"], ended
    assert (is_living(leftover), is_living(stranger)) == (False, True)
    assert len([qemu for qemu in lab.qemus(vm.uuid) if qemu.host != SUSPECT]) == 1


@pytest.mark.parametrize("guise", GUISES)
def test_a_copy_in_another_guise_on_another_host_is_seen(lab: Lab, guise: str) -> None:
    vm = lab.define_vm(SUSPECT, "web-01")
    copy = lab.hosts[THIRD].spawn(GUISES[guise](vm))
    admin = AdminNode(lab)
    ended = admin.start_vm(vm.name)
    assert (ended.code, ended["reason"], ended["host"]) == (3, "running_elsewhere", THIRD), ended
    assert is_living(copy)
    found = {(each["code"], each["subject"]) for each in admin.run_json("audit")["findings"]}
    assert ("vm_elsewhere", vm.name) in found, found


# ---------------------------------------------------------------- who else writes to its disk


def qemu_nbd(lab: Lab, disk: Path) -> list[str]:
    return ["qemu-nbd", "--persistent", "--format=raw", "--socket=/run/lab/nbd.sock", str(disk)]


def storage_daemon(lab: Lab, disk: Path) -> list[str]:
    node = f"driver=file,filename={disk},node-name=disk"
    return [
        *("qemu-storage-daemon", "--nbd-server", "addr.type=unix,addr.path=/run/lab/qsd.sock"),
        *("--blockdev", node, "--export", "type=nbd,id=e,node-name=disk,writable=on"),
    ]


def read_config(lab: Lab, disk: Path) -> list[str]:
    """A rescue system whose arguments lie in a file."""
    config = lab.hosts[SUSPECT].path("/run/lab/rescue.cfg")
    config.write_text(f'[drive]\n  file = "{disk}"\n  format = "raw"\n  if = "ide"\n')
    argv = arguments_by_hand("rescue")
    return [*argv, "-readconfig", "/run/lab/rescue.cfg"]


HOLDERS: dict[str, Callable[[Lab, Path], list[str]]] = {
    "qemu-nbd": qemu_nbd,
    "qemu-storage-daemon": storage_daemon,
    "qemu-system-x86_64": read_config,
}


def hold(lab: Lab, argv: list[str], disk: Path) -> int:
    pid = lab.hosts[SUSPECT].spawn(argv)
    wait_until(lambda: str(disk) in links(pid), f"{argv[0]} has the disk open")
    return pid


@pytest.fixture
def disk(lab: Lab) -> Path:
    return lab.write_guest(lab.folder / "web-01.raw", 1 << 20)


@pytest.mark.parametrize("program", HOLDERS)
def test_another_program_that_writes_to_the_disk_is_named(lab: Lab, disk: Path, program: str) -> None:
    vm = lab.define_vm(SUSPECT, "web-01", disk=FileDisk(disk))
    lab.hosts[SUSPECT].virsh(f"define {vm.xml}")
    holder = hold(lab, HOLDERS[program](lab, disk), disk)
    admin = AdminNode(lab)
    ended = refused_as(lab, admin, vm, f"{program} (process ")
    assert "has a disk of it open for writing" in ended["message"], ended
    assert is_living(holder)
    kill_all([holder], program)
    with never_twice(lab):
        assert_started(admin, vm, admin.start_vm(vm.name))


def test_beside_a_living_leftover_the_other_writer_is_found_after_the_kill(lab: Lab, disk: Path) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", disk=FileDisk(disk))
    old = lab.qemu(vm)
    holder = lab.hosts[SUSPECT].spawn(["sh", "-c", f"exec 7<>{disk}; exec sleep 3600"])
    wait_until(lambda: str(disk) in links(holder), "it is open")
    ended = refused_as(lab, AdminNode(lab), vm, "sleep (process ")
    assert not is_living(old.pid), ended
    assert lab.copies(vm.uuid) == 0


def test_who_only_reads_the_disk_is_no_hindrance(lab: Lab, disk: Path) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", disk=FileDisk(disk))
    backup = lab.hosts[SUSPECT].spawn(["tail", "-f", str(disk)])
    wait_until(lambda: str(disk) in links(backup), "the backup reads")
    admin = AdminNode(lab)
    with never_twice(lab):
        assert_started(admin, vm, admin.start_vm(vm.name))
    assert is_living(backup)


# ---------------------------------------------------------------- another machine at the suspect's address


def test_a_clone_that_has_the_suspect_s_address_is_not_fenced_in_its_place(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    faults.cloned(lab, "kvm-03", SUSPECT)
    admin = AdminNode(lab)
    before = lab.qemus(vm.uuid)
    with faults.address_taken_over(lab, SUSPECT, "kvm-03"), never_twice(lab):
        ended = admin.start_vm(vm.name)
        found = admin.run_json("audit")
        assert_refused(admin, vm, ended, "ambiguous", None, before)
    assert "kvm-03 are one machine" in ended["message"], ended
    clones = {each["severity"]: each["saw"] for each in found["findings"] if each["code"] == "clone"}
    assert "is the same machine as kvm-03" in clones["CRITICAL"], found
    assert_started(admin, vm, admin.start_vm(vm.name))


def test_clones_that_keep_their_addresses_are_named_and_fenced(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    faults.cloned(lab, "kvm-03", SUSPECT)
    admin = AdminNode(lab)
    found = admin.run_json("audit")
    clones = [(each["severity"], each["saw"]) for each in found["findings"] if each["code"] == "clone"]
    assert {severity for severity, _ in clones} == {"WARNING"}, found
    assert "cloned from one image" in str(clones), found
    assert "shows the same SSH host key" in str(clones), found
    assert admin.run("inventory", "check").code == 0
    with never_twice(lab):
        assert_started(admin, vm, admin.start_vm(vm.name))


# ---------------------------------------------------------------- controls


def test_a_plain_leftover_with_a_disk_beside_bystanders_is_fenced_and_started(lab: Lab, disk: Path) -> None:
    vm = lab.start_vm(SUSPECT, "web-01", disk=FileDisk(disk))
    host = lab.hosts[SUSPECT]
    image = lab.folder / f"{vm.uuid}.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    notes = "/run/lab/notes"
    host.path(notes).write_text(vm.uuid)
    bystanders = [
        host.spawn(["tail", "-f", notes, "--", vm.uuid]),
        host.spawn(["sh", "-c", "while :; do sleep 3600; done", "vim", "-uuid", vm.uuid]),
        host.spawn(["qemu-storage-daemon", "--blockdev", f"driver=file,filename={image},node-name=x"]),
        host.spawn(["bash", "-c", "while :; do sleep 3600; done", "qemu-img", "-uuid", vm.uuid]),
    ]
    living = [pid for pid in bystanders if is_living(pid)]
    admin = AdminNode(lab)
    with never_twice(lab):
        ended = admin.start_vm(vm.name)
        assert_started(admin, vm, ended, on=OTHER)
    assert ended["residual_risk"] == []
    assert len(living) >= 4
    assert all(is_living(pid) for pid in living)
