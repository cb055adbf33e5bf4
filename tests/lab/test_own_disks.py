"""A target whose disk is not the suspect's is none: a start there would go on from an old copy, and succeed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_refused, assert_started
from tests.lab.storage import loop
from tests.lab.vm import LabVm

SUSPECT = "kvm-01"
SHARED, OWN = "kvm-03", ("kvm-02", "kvm-04")
FOLDER = "/var/lib/libvirt/own"
"""On each host a folder of its own."""
POOL = "pool-create-as own dir --target /var/lib/libvirt/own"


@pytest.fixture
def folders(lab: Lab) -> Iterator[dict[str, Path]]:
    """A host's folder, from outside; they are empty."""
    made = {name: host.path(FOLDER) for name, host in lab.hosts.items()}
    for folder in made.values():
        folder.mkdir()
    yield made
    for folder in made.values():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def lay(lab: Lab, folders: dict[str, Path], *shared: str) -> None:
    """A file on the suspect and on hosts that share it, and a copy on each of the others."""
    file = lab.folder / "shared.img"
    file.write_bytes(b"\0" * 4096)
    for host, folder in folders.items():
        if host in (SUSPECT, *shared):
            (folder / "a.img").symlink_to(file)
        else:
            (folder / "a.img").write_bytes(b"\0" * 4096)


def defined_with(lab: Lab, disk: str) -> LabVm:
    """A VM that runs, and whose definition in the inventory names a further disk."""
    vm = lab.start_vm(SUSPECT, "web-01")
    text = Path(vm.xml).read_text()
    Path(vm.xml).write_text(text.replace("</devices>", f"{disk}</devices>"))
    return vm


A_FILE = f"<disk type='file'><source file='{FOLDER}/a.img'/><target dev='vdz'/></disk>"
A_VOLUME = "<disk type='volume'><source pool='own' volume='a.img'/><target dev='vdz'/></disk>"
A_CD = f"<disk type='file' device='cdrom'><source file='{FOLDER}/a.img'/><target dev='hdc' bus='ide'/></disk>"


def test_the_host_that_shares_the_file_takes_the_vm(lab: Lab, folders: dict[str, Path]) -> None:
    lay(lab, folders, SHARED)
    vm = defined_with(lab, A_FILE)
    admin = AdminNode(lab)
    foretold = admin.start_vm(vm.name, "--dry-run", "--yes")
    assert (foretold.code, foretold["host"]) == (0, SHARED), foretold
    for host in OWN:
        assert f"target {host} not chosen: has another disk {FOLDER}/a.img than {SUSPECT}" in foretold["notes"], (
            foretold
        )
    assert_started(admin, vm, admin.start_vm(vm.name, "--yes"), on=SHARED)


@pytest.mark.parametrize("disk", [A_FILE, A_VOLUME], ids=["file", "volume"])
def test_nothing_is_killed_where_every_target_has_a_copy_of_its_own(
    lab: Lab, folders: dict[str, Path], disk: str
) -> None:
    lay(lab, folders)
    vm = defined_with(lab, disk)
    lab.on_all(lambda host: host.virsh(POOL))
    try:
        admin = AdminNode(lab)
        before = lab.qemus(vm.uuid)
        ended = admin.start_vm(vm.name, "--yes")
        assert_refused(admin, vm, ended, "would_not_start", None, before)
        assert ended["message"].count("has another ") == 3, ended
        batch = admin.run_json("evacuate", SUSPECT, "--yes")
        assert {told["reason"] for told in batch.vms.values()} == {"would_not_start"}, batch
        assert lab.qemus(vm.uuid) == before
    finally:
        lab.on_all(lambda host: host.virsh("pool-destroy own"))


def test_one_volume_for_all_hosts_is_no_other(lab: Lab, folders: dict[str, Path]) -> None:
    lay(lab, folders, SHARED, *OWN)
    vm = defined_with(lab, A_VOLUME)
    lab.on_all(lambda host: host.virsh(POOL))
    try:
        admin = AdminNode(lab)
        foretold = admin.start_vm(vm.name, "--dry-run", "--yes")
        assert (foretold.code, foretold["host"]) == (0, "kvm-02"), foretold
        assert "another" not in str(foretold["notes"]), foretold
    finally:
        lab.on_all(lambda host: host.virsh("pool-destroy own"))


def test_what_is_only_read_may_lie_on_each_host(lab: Lab, folders: dict[str, Path]) -> None:
    lay(lab, folders)
    vm = defined_with(lab, A_CD)
    admin = AdminNode(lab)
    assert_started(admin, vm, admin.start_vm(vm.name, "--yes"), on="kvm-02")


def test_a_device_of_another_size_or_of_another_file_is_another(lab: Lab, folders: dict[str, Path]) -> None:
    files = {name: lab.folder / f"{name}.raw" for name in ("one", "copy")}
    for file in files.values():
        file.write_bytes(b"\0" * 4096)
    with ExitStack() as stack:
        one, copy = (stack.enter_context(loop(file)) for file in files.values())
        again = stack.enter_context(loop(files["one"]))
        for host, device in {SUSPECT: one, "kvm-02": copy, SHARED: again, "kvm-04": copy}.items():
            (folders[host] / "disk").symlink_to(device)
        vm = defined_with(
            lab, f"<disk type='block'><source dev='{FOLDER}/disk'/><target dev='vdz'/><shareable/></disk>"
        )
        foretold = AdminNode(lab).start_vm(vm.name, "--dry-run", "--yes")
    assert (foretold.code, foretold["host"]) == (0, SHARED), foretold
    assert str(foretold["notes"]).count("has another disk") == 2, foretold
