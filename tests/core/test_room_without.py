"""If one host failed now: which of its VMs would find no room beside the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hafence.core.audit import find_all
from hafence.core.model import Cluster, HostName, StartMode
from hafence.core.needs import Lack, Lacking, Need, NeedKind
from hafence.core.room_without import Loss, loss_of, placed_now, room_without
from hafence.core.survey import Survey

from .make import host, inventory, look, silence, uuid, vm
from .test_findings_told import K1, K2, scene, two_hosts


def crowd(*sizes: int | None, free: int = 4096, **more: Any) -> Survey:
    """As many VMs on kvm-01, and kvm-02 with so much memory free."""
    vms = [vm(n, domain_xml="/x", memory_mib=size, priority=10 - n) for n, size in enumerate(sizes, 1)]
    looks = {K1: look("kvm-01", *(each.uuid for each in vms)), K2: look("kvm-02", memory_free_mib=free)}
    return scene({**dict.fromkeys(map(HostName, ("kvm-03", "kvm-04"))), **looks}, book=two_hosts(*vms), **more)


def loss(survey: Survey) -> Loss:
    return loss_of(survey, survey.inventory.hosts[K1], placed_now(survey))


def names(survey: Survey) -> list[str]:
    return [each.name for each in loss(survey).crowded_out]


def test_those_of_the_lowest_priority_stay_down() -> None:
    survey = crowd(2048, 2048, 1024)
    assert names(survey) == ["vm-03"]
    [finding] = room_without(survey)
    assert (finding.code, finding.severity.name, finding.subject) == ("no_room", "WARNING", "kvm-01")
    assert finding.saw == ("if it failed now, vm-03 of its 3 HA VMs would find no room beside the others (1024 MiB)")
    assert "'hafence evacuate kvm-01 --dry-run'" in finding.do
    assert finding in find_all(survey)


def test_where_all_fit_nothing_is_said() -> None:
    assert names(crowd(2048, 1024, 1024)) == []
    assert list(room_without(crowd(2048, 1024, 1024))) == []
    assert list(room_without(crowd(9999))) == [], "alone it has no room: that is a finding of the VM's own"
    assert list(room_without(crowd(2048, 2048, 1024, remembered=False))) == []


def test_what_the_definition_says_counts_where_the_inventory_says_nothing() -> None:
    assert names(crowd(2048, None, None)) == []
    assert names(crowd(2048, None, None, memory_mib={uuid(2): 2048, uuid(3): 1})) == ["vm-03"]


def test_others_take_no_room_from_it() -> None:
    survey = crowd(2048, 2048, 1024)
    no_ha = replace(survey.inventory.vms[uuid(1)], ha=False)
    book = replace(survey.inventory, vms={**survey.inventory.vms, no_ha.uuid: no_ha})
    assert names(replace(survey, inventory=book)) == []


def test_a_vm_that_could_be_started_nowhere_is_down_and_not_crowded_out() -> None:
    survey = crowd(2048, 2048, not_startable={uuid(1): "no definition"})
    lost = loss(survey)
    assert ([each.name for each in lost.down], lost.crowded_out) == (["vm-01"], ())
    silent = crowd(1024)
    silent = replace(silent, looks={**silent.looks, K2: silence("kvm-02")})
    lost = loss(silent)
    assert ([each.name for each in lost.down], lost.crowded_out) == (["vm-01"], ())


def test_a_vm_that_could_not_begin_there_is_down_and_leaves_its_room_to_others() -> None:
    disk = Need(NeedKind.WRITE, "/srv/a.img", is_written=True)
    told = {K2: look("kvm-02", lacking=(Lack(disk, Lacking.MISSING),))}
    survey = crowd(2048, 2048, 2048, told=told, needs={uuid(1): frozenset({disk})})
    assert ([each.name for each in loss(survey).down], names(survey)) == (["vm-01"], [])
    assert names(crowd(2048, 2048, 2048, told=told)) == ["vm-03"]


def test_a_command_that_starts_needs_no_definition() -> None:
    book = inventory([host("kvm-01"), host("kvm-02")], [vm(1), vm(2)])
    survey = scene({K2: look("kvm-02")}, book=book)
    assert len(loss(survey).down) == 2
    command = replace(book, clusters={"prod": Cluster("prod", start=StartMode.COMMAND, start_command=("x",))})
    assert loss(replace(survey, inventory=command)).down == ()


def test_a_vm_of_which_there_is_a_capture_alone_wants_room_like_any_other() -> None:
    survey = crowd(2048, 2048, 1024)
    bare = {each.uuid: replace(each, domain_xml=None) for each in survey.inventory.vms.values()}
    survey = replace(survey, inventory=replace(survey.inventory, vms=bare))
    assert (names(survey), len(loss(survey).down)) == ([], 3)
    survey = replace(survey, captured=frozenset(bare))
    assert (names(survey), len(loss(survey).down)) == (["vm-03"], 1)
