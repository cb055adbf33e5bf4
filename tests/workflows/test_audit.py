"""`audit`, effect by effect: where it looks, what it rehearses, and what it hands to the findings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hafence.core.backing import FileBacking
from hafence.core.captures import Origin, Source
from hafence.core.looks import HostLook, Look
from hafence.core.model import Cluster, HostName, HostState, Inventory, StartMode
from hafence.core.needs import Lack, Lacking, Need, NeedKind
from hafence.core.planned import inventory_as_planned
from hafence.core.record import mark_running
from hafence.core.storage.ceph import Client, whole_host
from hafence.core.storage.port import Unanswered, WhyEnds
from hafence.core.storage.rehearsal import Hindrance, Rehearsal
from hafence.core.storage.results import Ends
from hafence.core.troubles import Trouble
from hafence.effects import (
    AddEntries,
    Fence,
    ListEntries,
    LookAt,
    MemoryNeed,
    NeedsOf,
    Parallel,
    Recall,
    RehearseStorage,
    Startable,
    StoreError,
    StoreHealth,
    Together,
)
from hafence.workflows.audit import audit, renew_storage_fences
from tests.core.make import host, look, silence, uuid, vm
from tests.core.telling import assert_told, assert_told_of

from . import stage
from .drive import ALIVE, DEAD, EMPTY, Desk, fails, shown
from .stage import CLIENT, DB, K1, K2, K3, STARTING, STOPPED, WEB, book, memory, seen

THIRD = vm(3, host="kvm-03")
MOVED = mark_running(STARTING, K2, "run-0", 5.0)
TWO_CLUSTERS = replace(
    book(WEB, vm(9, name="far", host="kvm-09"), hosts=(host("kvm-08", cluster="far"), host("kvm-09", cluster="far"))),
    clusters={"prod": Cluster("prod"), "far": Cluster("far")},
)
ONE_FOREIGN = replace(TWO_CLUSTERS, clusters={"prod": Cluster("prod"), "far": Cluster("far", "esxi")})
COMMAND = replace(book(), clusters={"prod": Cluster("prod", start=StartMode.COMMAND, start_command=("x",))})


@dataclass
class It:
    """A case."""

    looks: dict[str, Look] = field(default_factory=lambda: seen(k1=(WEB,)))
    inventory: Inventory = field(default_factory=book)
    memory: Any = EMPTY
    answers: dict[type[Any], Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        desk = Desk(self.inventory, [self.looks], self.memory, dict(self.answers))
        scene = desk.run(audit(stage.run(self.inventory)))
        assert scene.inventory == inventory_as_planned(self.inventory, self.memory.planned)
        assert scene.planned == self.memory.planned
        assert scene.looks == {name: each for name, each in self.looks.items() if name in scene.looks}
        said = {
            suspect: {proxy: found.verdict for proxy, found in paths.items()} for suspect, paths in scene.paths.items()
        }
        return [
            *desk.log,
            f"=> at {scene.at}, remembered: {scene.remembered}",
            f"   looks: {shown(list(scene.looks))}",
            f"   paths: {shown(said)}",
            f"   records: {shown(dict(scene.records))}",
            f"   quarantine: {shown(dict(scene.quarantine))}",
            f"   store: {shown(scene.store_problems)}",
            f"   memory: {shown(dict(scene.memory_mib))}",
            f"   storage fences: {shown(dict(scene.storage_fences))}",
            f"   could be made: {shown({name: dict(told) for name, told in scene.rehearsed_storages.items()})}",
        ]


CEPH_WEB = stage.with_ceph(book())
CEPH = stage.with_ceph(book(WEB, DB))
FENCED = {K1: "fenced", HostName("kvm-99"): "gone from the inventory"}

LASTING = stage.listed(CLIENT)
ENDING = stage.listed(CLIENT, until=100.0 + 86400.0)
ENDS: dict[type[Any], Any] = {ListEntries: ENDING}

CASES = {
    "three hosts": It(),
    "what it costs to reach them": It(inventory=book(ssh_timeout_s=9.0, settle_s=2.0)),
    "one path fails, one finds what must not be": It(
        answers={Fence: [fails(Trouble.LOGIN_FAILED), ALIVE, DEAD]}, memory=memory(machine_ids={K3: "f" * 32})
    ),
    "two VMs, of which one says what it needs": It(inventory=book(DB, WEB), answers={MemoryNeed: [512, None]}),
    "hosts that people have taken out": It(
        inventory=book(hosts=(host("kvm-02", state=HostState.MAINTENANCE), host("kvm-03", state=HostState.DISABLED)))
    ),
    "hosts on which people are at work": It(memory=memory(planned=stage.at_work(K2))),
    "two clusters": It(inventory=TWO_CLUSTERS),
    "two clusters, of which one can't be looked into": It(inventory=ONE_FOREIGN),
    "a cluster that starts with a command": It(inventory=COMMAND),
    "the store complains": It(answers={StoreHealth: (("history_broken", "step 4 was changed"),)}),
    "the store can't be opened": It(answers={StoreHealth: StoreError("no right to read")}),
    "the store can't be read": It(answers={Recall: StoreError("no right to read")}),
    "the store can't be read for definitions": It(
        answers={Recall: StoreError("no right to read"), Startable: StoreError("no right to read")}
    ),
    "four hosts, of which three are asked whether the storage would shut out": It(
        {**seen(), HostName("kvm-04"): look("kvm-04")},
        stage.with_ceph(book(hosts=(host("kvm-04"),))),
        answers={RehearseStorage: [Rehearsal((Hindrance.RIGHT,), 100.0), Unanswered("no"), Rehearsal((), 100.0)]},
    ),
    "no host answers, and this machine is asked whether the storage would shut out": It(
        seen(k1=silence("kvm-01"), k2=silence("kvm-02"), k3=silence("kvm-03")), stage.with_ceph(book())
    ),
    "a host in maintenance is not asked whether the storage would shut out": It(
        inventory=stage.with_ceph(book(hosts=(host("kvm-02", state=HostState.MAINTENANCE),)))
    ),
    "quarantine without Ceph": It(memory=memory(MOVED, quarantine=FENCED)),
    "quarantine, nothing is left there": It(
        seen(k2=(WEB,)), stage.with_ceph(book()), memory(MOVED, quarantine=FENCED), {ListEntries: LASTING}
    ),
    "quarantine, and no entry is there": It(
        seen(k2=(WEB,)),
        stage.with_ceph(book()),
        memory(MOVED, quarantine=FENCED),
        {ListEntries: stage.listed(Client("10.0.0.2", 0, 5))},
    ),
    "quarantine, and nobody can tell": It(
        seen(k2=(WEB,)), stage.with_ceph(book()), memory(MOVED, quarantine=FENCED), {ListEntries: Unanswered("no")}
    ),
    "quarantine, and the whole address ends": It(
        seen(k2=(WEB,)),
        stage.with_ceph(book()),
        memory(MOVED, quarantine=FENCED),
        {ListEntries: stage.listed(whole_host("10.0.0.1"), until=200.0)},
    ),
    "quarantine of two": It(
        seen(k2=(WEB,)),
        stage.with_ceph(book()),
        memory(MOVED, quarantine={K3: "fenced", K1: "fenced"}),
        {ListEntries: [LASTING, ENDING]},
    ),
    "quarantine, and a VM is recorded there": It(seen(k2=(WEB,)), CEPH, memory(MOVED, quarantine=FENCED), ENDS),
    "quarantine, and a leftover of a VM that runs elsewhere": It(
        seen(k1=(WEB,), k2=(WEB,)), stage.with_ceph(book()), memory(MOVED, quarantine=FENCED), ENDS
    ),
    "quarantine, and a leftover of a VM that no run has touched": It(
        seen(k1=(THIRD,), k3=(THIRD,)), stage.with_ceph(book(THIRD)), memory(quarantine=FENCED), ENDS
    ),
    "quarantine, and a stranger is there": It(
        seen(k1=(vm(7),), k2=(WEB,)), stage.with_ceph(book()), memory(MOVED, quarantine=FENCED), ENDS
    ),
    "quarantine, and a leftover that libvirt alone sees of a VM that is stopped": It(
        seen(k1=stage.only_libvirt(K1, WEB)), stage.with_ceph(book()), memory(STOPPED, quarantine=FENCED), ENDS
    ),
    "quarantine, and it is silent": It(
        seen(k1=silence("kvm-01"), k2=(WEB,)), stage.with_ceph(book()), memory(MOVED, quarantine=FENCED), ENDS
    ),
    "quarantine, and a VM is being started there": It(
        seen(), stage.with_ceph(book()), memory(replace(STARTING, host=K1, uuid=uuid(1)), quarantine=FENCED), ENDS
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_asked_for_and_said(case: str) -> None:
    assert_told_of("audit", case, CASES[case].lines())


def test_every_case_is_told() -> None:
    assert_told("audit", {name: it.lines() for name, it in CASES.items()})


ENDS_SOON = Ends(CLIENT.text, 100.0 + 86400.0, 90.0, WhyEnds.NOT_ASKED)
RENEWED = {
    "it ends, and is made to last": It(seen(k2=(WEB,)), CEPH_WEB, memory(MOVED, quarantine=FENCED), ENDS),
    "it ends, and what was added is not seen": It(
        seen(k2=(WEB,)), CEPH_WEB, memory(MOVED, quarantine=FENCED), {**ENDS, AddEntries: ENDING}
    ),
    "it ends, and what was added ends soon, too": It(
        seen(k2=(WEB,)),
        CEPH_WEB,
        memory(MOVED, quarantine=FENCED),
        {**ENDS, AddEntries: stage.listed(CLIENT, whole_host("10.0.0.1"), until=200.0)},
    ),
    "it ends, and nobody answers to the adding": It(
        seen(k2=(WEB,)), CEPH_WEB, memory(MOVED, quarantine=FENCED), {**ENDS, AddEntries: Unanswered("no")}
    ),
    "it ends, and the intent can't be written": It(
        seen(k2=(WEB,)), CEPH_WEB, memory(MOVED, quarantine=FENCED), {**ENDS, AddEntries: StoreError("disk full")}
    ),
    "it lasts": It(seen(k2=(WEB,)), CEPH_WEB, memory(MOVED, quarantine=FENCED), {ListEntries: LASTING}),
    "nobody can tell": It(seen(k2=(WEB,)), CEPH_WEB, memory(MOVED, quarantine=FENCED), {ListEntries: Unanswered("no")}),
    "a VM is recorded there": It(seen(k2=(WEB,)), CEPH, memory(MOVED, quarantine=FENCED), ENDS),
    "it is in quarantine no longer": It(seen(k2=(WEB,)), CEPH_WEB, memory(MOVED), ENDS),
    "another one is in quarantine, too": It(
        seen(k2=(WEB,)), CEPH_WEB, memory(MOVED, quarantine={K1: "fenced", K3: "fenced"}), ENDS
    ),
    "the store can't be read": It(seen(k2=(WEB,)), CEPH_WEB, answers={Recall: StoreError("no right to read")}),
}
"""Of kvm-01, whose storage fence an audit has seen to end."""


def renewed(it: It) -> list[str]:
    desk = Desk(it.inventory, [it.looks], it.memory, {AddEntries: added, **it.answers})
    result = desk.run(renew_storage_fences(stage.run(it.inventory), {K1: ENDS_SOON}, {K1: it.looks[K1]}))
    return [*desk.log, *(f"=> {host}: {shown(each)}" for host, each in result.items())]


def added(effect: AddEntries) -> Any:
    """The storage adds what it is told to, beside what is there."""
    return replace(ENDING, entries=(*ENDING.entries, *stage.listed(*effect.clients).entries))


@pytest.mark.parametrize("case", RENEWED)
def test_what_is_asked_for_and_comes_of_making_a_storage_fence_last(case: str) -> None:
    assert_told_of("renew", case, renewed(RENEWED[case]))


def test_every_case_of_making_one_last_is_told() -> None:
    assert_told("renew", {name: renewed(it) for name, it in RENEWED.items()})


def answers_short(at: int) -> Any:
    """Of what is asked for together at the so-maniest time, the last answer is missing."""
    count = iter(range(9))

    def answer(effect: Together) -> tuple[Any, ...]:
        usual = Desk(book(), [seen()], EMPTY)
        all_of_them = tuple(usual.answer(each) for each in effect.effects)
        return all_of_them[:-1] if next(count) == at else all_of_them

    return answer


@pytest.mark.parametrize("at", [0, 1])
def test_an_answer_less_than_was_asked_for_is_a_bug_and_not_a_shorter_audit(at: int) -> None:
    it = It(seen(), answers={Together: answers_short(at)})
    with pytest.raises(ValueError, match=r"shorter|longer"):
        it.lines()


def test_one_storage_fence_less_than_was_looked_at_is_a_bug_and_no_shorter_list() -> None:
    it = It(seen(), stage.with_ceph(book()), memory(MOVED, quarantine=FENCED), {Parallel: ()})
    with pytest.raises(ValueError, match="shorter"):
        it.lines()


def test_what_hosts_lack_of_what_vms_need_is_kept_apart_from_what_was_seen_of_them() -> None:
    disk, prod = Need(NeedKind.WRITE, "/srv/a.img", is_written=True), Need(NeedKind.NETWORK, "prod")
    there = FileBacking("nfs", "0", 7)
    lacking = (Lack(disk, Lacking.MISSING), Lack(prod, Lacking.MISSING))
    looks = {**seen(), K2: look("kvm-02", lacking=lacking, backings={disk: there}), K3: silence("kvm-03")}
    sources = [Source("no definition"), Source(origin=Origin.CAPTURE)]
    desk = Desk(book(DB, WEB), [looks], EMPTY, {NeedsOf: [(disk,), (prod,)], Startable: sources})
    scene = desk.run(audit(stage.run(desk.inventory)))
    assert {effect.every_need for effect in desk.of(LookAt)} == {True}
    assert scene.looks[K2] == look("kvm-02")
    assert scene.told == {K2: looks[K2]}
    first, second = sorted((DB, WEB), key=lambda vm: vm.uuid)
    assert scene.needs == {first.uuid: {disk}, second.uuid: {prod}}
    assert scene.not_startable == {first.uuid: "no definition", second.uuid: ""}
    assert scene.captured == {second.uuid}
    of_first = scene.looks_for(first)[K2]
    assert isinstance(of_first, HostLook)
    assert (of_first.lacking, of_first.backings) == (lacking[:1], {disk: there})
    assert scene.looks_for(second) == {**looks, K2: look("kvm-02", lacking=lacking[1:])}
