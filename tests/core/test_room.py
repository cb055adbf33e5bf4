"""What a host has left for another VM: the programs that it lacks, and the sizes that people wrote down."""

from __future__ import annotations

import pytest

from hafence.core.audit import find_all
from hafence.core.looks import Look
from hafence.core.model import HostName, Vm
from hafence.core.placement import Room, choose_targets
from hafence.core.survey import Survey

from .make import host, inventory, look, uuid, vm

K1, K2 = HostName("kvm-01"), HostName("kvm-02")


@pytest.mark.parametrize(
    ("program", "takes"),
    [("ping", True), ("ip", True), ("bash", True), ("virsh", False), ("flock", False), ("timeout", False)],
)
def test_what_only_a_witness_needs_a_target_may_lack(program: str, takes: bool) -> None:
    seen: dict[HostName, Look] = {K2: look("kvm-02", missing=(program,))}
    got = choose_targets(K1, [host("kvm-02")], Room(1024, {}, {}), {}, seen)
    assert (got.targets == (K2,)) == takes


def test_a_vm_of_which_nobody_wrote_the_size_takes_nothing_of_what_the_inventory_grants() -> None:
    seen: dict[HostName, Look] = {K2: look("kvm-02", uuid(5), memory_free_mib=None)}
    granted = [host("kvm-02", memory_mib=1024)]
    assert choose_targets(K1, granted, Room(1024, {}, {}), {}, seen).targets == (K2,)
    assert choose_targets(K1, granted, Room(1025, {}, {}), {}, seen).targets == ()


@pytest.mark.parametrize(("needs_mib", "codes"), [(1024, []), (1025, ["no_room"])])
def test_an_audit_counts_what_the_inventory_says_that_the_vms_of_a_host_take(needs_mib: int, codes: list[str]) -> None:
    vms: list[Vm] = [
        vm(1, domain_xml="/x.xml", memory_mib=needs_mib),
        vm(2, host="kvm-02", ha=False, memory_mib=3072),
    ]
    scene = Survey(
        inventory([host("kvm-01"), host("kvm-02", memory_mib=4096)], vms),
        records={},
        quarantine={},
        looks={K1: look("kvm-01", uuid(1)), K2: look("kvm-02", uuid(2), memory_free_mib=None)},
        paths={},
        at=100.0,
    )
    found = [finding for finding in find_all(scene) if finding.code != "no_fence_path"]
    assert [finding.code for finding in found] == codes
    assert all("has 1024 MiB free, the VM needs 1025" in finding.saw for finding in found)
