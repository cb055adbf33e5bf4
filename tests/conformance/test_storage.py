"""The storage fence on a real Ceph and on the simulated storage: clients, watchers, entries of the blocklist."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.steps import (
    Placed,
    Step,
    Strike,
    ask_clients,
    does,
    fence,
    fence_storage,
    lift,
    list_entries,
    rehearse_storage,
    renew,
    shut_out_the_dead,
    strike,
)
from tests.conformance.worlds import Real, compare
from tests.lab.ceph import Ceph, write_from_vm
from tests.lab.cluster import Lab
from tests.lab.fault import Fault
from tests.lab.vm import Disk, FileDisk, RbdDisk

SUSPECT, SIBLING, OTHER, FOURTH = "kvm-01", "kvm-02", "kvm-03", "kvm-04"
WEB = [Placed("web", SUSPECT)]


def settings(ceph: Ceph) -> dict[str, Any]:
    """An inventory whose cluster has this Ceph."""
    return {"clusters": {"lab": {"ceph": ceph.settings()}}, "fencing": {"power_timeout": 20}}


def image(ceph: Ceph) -> RbdDisk:
    return ceph.create_image()


def writes(name: str = "web") -> Strike:
    """The VM writes, and so takes its image's lock. In the simulation every process has done so."""

    def write(real: Real) -> None:
        assert write_from_vm(real.lab, real.lab.vms[name], 0x01) == "ok"

    return does(write)


@pytest.mark.parametrize("alone", [False, True], ids=["among others", "alone"])
def test_a_client_that_watches(lab: Lab, ceph: Ceph, alone: bool) -> None:
    steps: list[Step] = [
        writes(),
        ask_clients(SIBLING, "web"),
        list_entries(SIBLING),
        fence_storage(SUSPECT, SIBLING, alone=alone, rehearse=True),
        fence_storage(SUSPECT, SIBLING, alone=alone),
        list_entries(None),
        ask_clients(None, "web"),
        fence_storage(SUSPECT, SIBLING, alone=alone),
        renew(SUSPECT, alone),
        lift(SUSPECT),
        lift(SUSPECT),
        renew(SUSPECT, alone),
        fence_storage(SUSPECT, rehearse=True),
    ]
    compare(lab, WEB, steps, {"web": image(ceph)}, **settings(ceph))


def test_an_image_that_nobody_has_opened_costs_the_whole_host(lab: Lab, ceph: Ceph) -> None:
    steps: list[Step] = [fence_storage(SUSPECT, SIBLING, rehearse=True), fence_storage(SUSPECT, SIBLING), lift(SUSPECT)]
    compare(lab, [Placed("web", SUSPECT, "absent")], steps, {"web": image(ceph)}, **settings(ceph))


def test_a_client_that_was_evicted_is_known_by_its_lock(lab: Lab, ceph: Ceph) -> None:
    disk = image(ceph)

    def cut(real: Real) -> None:
        ceph.cut_storage(SUSPECT)
        ceph.wait_evicted(disk.image)

    evicted = does(cut, f"cut {SUSPECT} - storage", sim_waits_s=31)
    steps: list[Step] = [
        writes(),
        evicted,
        ask_clients(SIBLING, "web"),
        fence_storage(SUSPECT, SIBLING, rehearse=True),
        fence_storage(SUSPECT, SIBLING),
    ]
    compare(lab, WEB, steps, {"web": disk}, **settings(ceph))


def test_a_client_whose_host_lost_its_power_watches_for_a_while(lab: Lab, ceph: Ceph) -> None:
    off = strike("power_off", SUSPECT, sim=[f"power_off {SUSPECT}"])
    asked = [ask_clients(OTHER, "web"), ask_clients(SUSPECT, "web")]
    steps: list[Step] = [
        writes(),
        off,
        *asked,
        fence_storage(SUSPECT, SIBLING, rehearse=True),
        fence_storage(SUSPECT, SIBLING),
    ]
    compare(lab, WEB, steps, {"web": image(ceph)}, **settings(ceph))


def test_a_client_that_was_killed_is_the_one_that_is_shut_out(lab: Lab, ceph: Ceph) -> None:
    steps: list[Step] = [writes(), fence(SUSPECT, SIBLING), fence_storage(SUSPECT, SIBLING)]
    compare(lab, WEB, steps, {"web": image(ceph)}, **settings(ceph))


@pytest.mark.parametrize("feature", ["exclusive-lock", "layering"])
def test_what_is_shut_out_after_a_death(lab: Lab, ceph: Ceph, feature: str) -> None:
    locks = writes() if feature == "exclusive-lock" else does(lambda real: None, f"qemu web {SUSPECT} leaves queue")
    steps: list[Step] = [
        locks,
        ask_clients(SIBLING, "web"),
        strike("libvirtd_hung", SUSPECT, sim=[f"libvirtd {SUSPECT}=hung"]),  # SIGKILL comes first: nothing is closed
        fence(SUSPECT, SIBLING),
        shut_out_the_dead(SUSPECT, SIBLING),
        list_entries(SIBLING),
    ]
    compare(lab, WEB, steps, {"web": ceph.create_image(feature=feature)}, **settings(ceph))


def test_a_sibling_without_a_way_to_the_storage_is_passed_over(lab: Lab, ceph: Ceph) -> None:
    cut = strike("drop_ports", SIBLING, lambda real: ceph.address, sim=[f"cut {SIBLING} - storage"])
    steps: list[Step] = [writes(), cut, fence_storage(SUSPECT, SIBLING)]
    compare(lab, WEB, steps, {"web": image(ceph)}, **settings(ceph))


def test_a_key_that_may_change_nothing(lab: Lab, ceph: Ceph) -> None:
    def forbid(real: Real) -> None:
        ceph.ceph("auth", "caps", "client.weak", "mon", "allow r", "osd", "allow rwx pool=rbd")

    def allow(real: Real) -> None:
        ceph.ceph("auth", "caps", "client.weak", "mon", "allow *", "osd", "allow *")

    ceph.ceph("auth", "get-or-create", "client.weak")
    allow_it = does(allow, "storage up")
    keyring = ceph.folder / "weak.keyring"
    key = ceph.ceph("auth", "get-key", "client.weak")["key"]
    keyring.write_text(f"[client.weak]\n\tkey = {key}\n")
    weak = settings(ceph)
    weak["clusters"]["lab"]["ceph"] |= {"user": "weak", "keyring": str(keyring)}
    steps: list[Step] = [
        allow_it,
        writes(),
        rehearse_storage(SIBLING),
        does(forbid, "storage forbids"),
        rehearse_storage(SIBLING),
        fence_storage(SUSPECT, SIBLING),
        list_entries(SIBLING),
        allow_it,
        fence_storage(SUSPECT, SIBLING),
        does(forbid, "storage forbids"),
        lift(SUSPECT),
    ]
    compare(lab, WEB, steps, {"web": image(ceph)}, **weak)


def test_a_storage_that_does_not_answer(lab: Lab, ceph: Ceph) -> None:
    def hang(real: Real) -> None:
        group = lab.freezer.freeze(ceph.node.processes())
        Fault(lab, "Ceph hangs", lambda: lab.freezer.thaw(group))

    def go_on(real: Real) -> None:
        for fault in list(lab.faults):
            fault.heal()

    steps: list[Step] = [
        does(hang, "storage down"),
        list_entries(OTHER),
        fence_storage(SUSPECT, SIBLING, lease_s=4),
        does(go_on, "storage up"),
        fence_storage(SUSPECT, SIBLING),
    ]
    compare(lab, WEB, steps, {"web": image(ceph)}, **settings(ceph))


def test_a_disk_that_is_not_in_the_storage(lab: Lab, ceph: Ceph) -> None:
    path = lab.folder / "elsewhere.raw"
    path.write_bytes(bytes(4096))
    disks: dict[str, Disk | tuple[Disk, ...]] = {"web": (image(ceph), FileDisk(path)), "db": image(ceph)}
    steps: list[Step] = [
        does(lambda real: None, "disks web=uncovered"),
        fence_storage(SUSPECT, SIBLING, rehearse=True),
        fence_storage(SUSPECT, SIBLING),
    ]
    compare(lab, [*WEB, Placed("db", SUSPECT)], steps, disks, **settings(ceph))


def test_a_client_on_a_host_that_nobody_has_looked_into(lab: Lab, ceph: Ceph) -> None:
    steps: list[Step] = [
        does(lambda real: None),
        fence_storage(FOURTH, SIBLING, rehearse=True),
        fence_storage(FOURTH, SIBLING),
        fence_storage(FOURTH, SIBLING, OTHER),
    ]
    disk = image(ceph)
    there = does(
        lambda real: real.lab.hosts[OTHER].virsh(f"create {real.lab.vms['web'].xml}"), f"qemu web {OTHER} begins"
    )
    compare(lab, [Placed("web", FOURTH, "absent")], [there, *steps], {"web": disk}, **settings(ceph))
