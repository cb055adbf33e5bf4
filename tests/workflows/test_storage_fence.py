"""The storage fence, question by question: whom it shuts out, what it counts on, what it lets in and makes last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hafence.core.evidence import Proof
from hafence.core.model import CephSettings, Cluster, Host, HostName, HostState, Inventory, Vm
from hafence.core.second_level import SecondLevelReply
from hafence.core.storage.ceph import CephFence, Client, parse_client
from hafence.core.storage.port import ClientsSeen, EntriesSeen, Entry, Unanswered, Volume, WhyEnds, WritableDisk
from hafence.core.storage.results import Ends, Lasts, Lifted, NoneThere, NotKnown, Renewed, StillThere
from hafence.effects import AddEntries, AskClients, ListEntries, OwnAddresses, RemoveEntries, WritableDisks
from hafence.workflows.storage_fence import (
    Remembered,
    StorageOrder,
    fence_storage,
    lift_storage_fence,
    look_at_storage_fence,
    renew_storage_fence,
    shut_out_left_open,
)
from tests.core.make import host, inventory, vm

from .drive import Desk

K1, K2, K3, K4 = (HostName(f"kvm-0{n}") for n in (1, 2, 3, 4))
WEB, DB = vm(1, name="web-01"), vm(2, name="db-01")
MINE, OTHER, WHOLE = "10.0.0.1:0/5", "10.0.0.1:0/6", "10.0.0.1:0/0"
HOUR = 3600.0
NOW = 100.0


@dataclass
class Storage:
    """What Ceph says through each host, by what is set here. Like Ceph, it does not move the end of an entry."""

    watching: str = MINE
    locking: str = ""
    source: str | None = "10.0.0.2"
    adds: bool = True
    lifts: bool = True
    silent: tuple[str, ...] = ()
    """The askers that get no answer."""
    disks: dict[str, tuple[WritableDisk, ...] | Unanswered] = field(default_factory=dict)
    monitors: tuple[str, ...] = ("mon1",)
    listed: dict[str, float] = field(default_factory=dict)
    ceph: CephSettings = field(default_factory=lambda: CephSettings(expire_s=HOUR, mirrors=("10.0.0.50",)))
    takes: dict[type[Any], float] = field(default_factory=dict)
    suspect: dict[str, Any] = field(default_factory=dict)

    @property
    def book(self) -> Inventory:
        hosts = [host(name) for name in (K1, K2, K3, K4)]
        there = inventory([replace(hosts[0], **self.suspect), *hosts[1:]], [WEB, DB])
        return replace(there, clusters={"prod": Cluster("prod", ceph=self.ceph)})

    def desk(self) -> Desk:
        answers = {
            WritableDisks: lambda e: self.disks.get(self.book.vms[e.vm].name),
            OwnAddresses: ("10.0.0.99",),
            AskClients: self.spoken(self.clients),
            ListEntries: self.spoken(self.entries),
            AddEntries: self.spoken(self.add),
            RemoveEntries: self.spoken(self.remove),
        }
        return Desk(self.book, [], answers=answers, takes=self.takes)

    def spoken(self, answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda e: Unanswered("no answer") if e.asker.says in self.silent else answer(e)

    def clients(self, effect: AskClients) -> ClientsSeen[Client]:
        watchers, lockers = (tuple(map(parse_client, text.split())) for text in (self.watching, self.locking))
        foreign = frozenset(effect.servers) - set(self.monitors)
        volumes = {name: Volume(name, watchers, lockers) for name in effect.volumes}
        return ClientsSeen(volumes, self.source, NOW, foreign)

    def entries(self, _: object) -> EntriesSeen[Client]:
        return EntriesSeen(tuple(Entry(parse_client(text), until) for text, until in self.listed.items()), NOW)

    def add(self, effect: AddEntries) -> EntriesSeen[Client]:
        for client in effect.clients if self.adds else ():
            if effect.anew:
                self.listed.pop(client.text)
            self.listed.setdefault(client.text, NOW + self.ceph.expire_s)
        return self.entries(effect)

    def remove(self, effect: RemoveEntries) -> EntriesSeen[Client]:
        for client in effect.clients if self.lifts else ():
            self.listed.pop(client.text)
        return self.entries(effect)


def rbd(*images: str) -> tuple[WritableDisk, ...]:
    return tuple(WritableDisk(f"rbd:{image}", "vda (network)") for image in images)


def fence(
    storage: Storage,
    *vms: Vm,
    remembered: Remembered | None = None,
    desk: Desk | None = None,
    **more: Any,
) -> list[SecondLevelReply]:
    """What comes of fencing the VMs' storage from kvm-01. kvm-02 and kvm-03 were looked into, kvm-04 was not."""
    given: dict[str, Any] = {
        "siblings": (K2, K3), "not_after": 9e9, "within_s": 60.0, "rehearse": False, "alone": False, **more
    }  # fmt: skip
    fenced = vms or (WEB,)
    order = StorageOrder(storage.book.hosts[K1], tuple(each.uuid for each in fenced), **given)
    known: Remembered = {} if remembered is None else remembered
    it = desk or storage.desk()
    replies = it.run(fence_storage(storage.book, CephFence(storage.ceph), order, known))
    return [replies[each.uuid] for each in fenced]


def proofs(reply: SecondLevelReply) -> set[Proof]:
    return {each.proves for each in reply.evidence}


# ---------------------------------------------------------------- shutting out


def test_a_known_client_is_shut_out_and_read_back() -> None:
    storage = Storage()
    desk = storage.desk()
    [reply] = fence(storage, desk=desk)
    assert (reply.done, proofs(reply)) == (True, {Proof.HOST_ALIVE, Proof.DISKS_FENCED})
    assert list(storage.listed) == [MINE]
    assert reply.says == f"{MINE} is on Ceph's blocklist, read back, for 1.0 h: it can't write to rbd/web-01"
    assert reply.shut_out_until is None
    assert (len(desk.of(AskClients)), len(desk.of(AddEntries))) == (1, 1)


def test_an_evicted_client_is_known_by_its_lock_and_the_missing_watcher_is_recorded_as_what_it_is() -> None:
    storage = Storage(watching="", locking=MINE)
    [reply] = fence(storage)
    assert reply.done
    assert list(storage.listed) == [MINE]
    [note] = [each for each in reply.evidence if each.proves is Proof.NOTHING]
    assert note.says.startswith("Watchers: none")


def test_a_suspect_that_is_alone_is_shut_out_as_a_whole_for_long() -> None:
    storage = Storage()
    [reply] = fence(storage, alone=True)
    assert set(storage.listed) == {WHOLE, MINE}
    assert reply.shut_out_until == NOW + HOUR / 2


@pytest.mark.parametrize(
    ("storage", "why"),
    [
        (Storage(adds=False), "no lasting entry"),
        (Storage(watching=f"{MINE} 10.0.0.4:0/7"), "kvm-04"),
        (Storage(watching=f"{MINE} 192.0.2.1:0/7"), "no known host"),
        (Storage(watching="", locking="10.0.0.4:0/7"), "kvm-04"),
        (Storage(watching="", source="10.9.0.2"), "storage_address"),
        (Storage(watching="", source=None), "storage_address"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_storage_fence(storage: Storage, why: str) -> None:
    [reply] = fence(storage)
    assert not reply.done
    assert Proof.DISKS_FENCED not in proofs(reply)
    assert why in reply.says
    assert storage.listed == {}


@pytest.mark.parametrize("beside", ["10.0.0.2:0/7", "10.0.0.50:0/7", "10.0.0.99:0/7"])
def test_a_sibling_that_was_looked_into_a_mirror_and_hafence_itself_are_no_strangers(beside: str) -> None:
    storage = Storage(watching=f"{MINE} {beside}")
    assert fence(storage)[0].done
    assert list(storage.listed) == [MINE]


def test_an_entry_for_another_nonce_is_no_fence() -> None:
    assert not fence(Storage(adds=False, listed={OTHER: NOW + 9999}))[0].done


def test_an_entry_that_ends_too_soon_is_put_there_anew_or_it_is_no_fence() -> None:
    storage = Storage(listed={MINE: NOW + 1700, OTHER: NOW + 10})
    desk = storage.desk()
    assert fence(storage, desk=desk)[0].done
    assert storage.listed[MINE] == NOW + HOUR
    assert [(each.clients, each.anew) for each in desk.of(AddEntries)] == [
        ((parse_client(MINE),), False),
        ((parse_client(MINE),), True),
    ]
    for until in (NOW + 1700, NOW - 1):
        assert not fence(Storage(adds=False, listed={MINE: until}))[0].done


def test_where_the_new_one_gets_no_answer_it_is_no_fence_and_may_be_there() -> None:
    storage = Storage(listed={MINE: NOW + 1700})
    desk = storage.desk()
    desk.answers[AddEntries] = [storage.add, Unanswered("hung up"), Unanswered("hung up"), Unanswered("gone")]
    [reply] = fence(storage, desk=desk)
    # that the client watches the image had been told before, and stays told
    assert (reply.done, proofs(reply)) == (False, {Proof.HOST_ALIVE, Proof.NOTHING})
    assert reply.says == (
        f"kvm-02: hung up; kvm-03: hung up; the admin node: gone."
        f" Entries for {MINE} may have been added: 'hafence rejoin' lifts them"
    )


def test_an_entry_must_last_when_it_is_judged_and_not_when_it_was_asked_for() -> None:
    assert fence(Storage(takes={AddEntries: 1800.0}), within_s=9e9)[0].done
    # what ends too soon by then is made anew, and that, too, has come too late
    assert not fence(Storage(takes={AddEntries: 1801.0}), within_s=9e9)[0].done


def test_without_a_known_client_the_whole_address_is_shut_out_where_it_is_sure_to_be_the_right_one() -> None:
    storage = Storage(watching="")
    assert fence(storage)[0].done
    assert list(storage.listed) == [WHOLE]
    elsewhere = Storage(watching="", source="10.9.0.2", suspect={"storage_address": "10.9.0.1"})
    assert fence(elsewhere)[0].done
    assert set(elsewhere.listed) == {"10.9.0.1:0/0", WHOLE}


def test_the_admin_nodes_own_address_says_nothing_of_the_hosts() -> None:
    storage = Storage(watching="", silent=(K2, K3))
    [reply] = fence(storage)
    assert not reply.done
    assert "the admin node reaches Ceph from 10.0.0.2, not from its 'address'" in reply.says
    assert fence(Storage(silent=(K2, K3)))[0].done


def test_a_suspect_whose_address_is_a_name_needs_a_storage_address() -> None:
    [reply] = fence(Storage(watching="", suspect={"address": "kvm-01.example.net"}))
    assert (reply.done, reply.says) == (False, "no IP address of kvm-01 is known: give its storage_address")


def test_the_second_fence_of_a_run_does_not_cost_the_whole_host() -> None:
    storage, remembered = Storage(), Remembered()
    assert fence(storage, remembered=remembered)[0].done
    assert remembered == {"rbd/web-01": (parse_client(MINE),)}
    storage.watching = ""
    assert fence(storage, remembered=remembered)[0].done
    assert list(storage.listed) == [MINE]


def test_a_hundred_clients_cost_the_whole_address() -> None:
    storage = Storage(watching=" ".join(f"10.0.0.1:0/{n}" for n in range(1, 101)))
    assert fence(storage)[0].done
    assert list(storage.listed) == [WHOLE]


def test_several_vms_are_fenced_in_one_conversation_each_by_its_own_images() -> None:
    storage = Storage(disks={"db-01": rbd("rbd/db-01", "rbd/more", "rbd/web-01")})
    desk = storage.desk()
    web, db = fence(storage, WEB, DB, desk=desk)
    assert web.done
    assert db.says.endswith("it can't write to rbd/db-01, rbd/more, rbd/web-01")
    assert [each.volumes for each in desk.of(AskClients)] == [("rbd/web-01", "rbd/db-01", "rbd/more")]
    assert len(desk.of(AddEntries)) == 1


def test_a_vm_that_is_not_covered_does_not_keep_another_from_being_fenced() -> None:
    files = (WritableDisk("file:/a.raw", "vda (file)"), WritableDisk("", "a passed-through host device"))
    elsewhere = (WritableDisk("rbd:rbd/web-01", "vda (network)", configured_by="/etc/ceph/other.conf"),)
    another = "it does not cover the VM: vda (network), which has its Ceph by /etc/ceph/other.conf, lies elsewhere"
    cases: list[tuple[tuple[WritableDisk, ...] | Unanswered, str]] = [
        (elsewhere, another),
        (files, "it does not cover the VM: vda (file), a passed-through host device lies elsewhere"),
        ((), "it does not cover the VM: no RBD image of it is known (domain_xml or disks)"),
        (Unanswered("/web.xml is no XML"), "its disks are not known: /web.xml is no XML"),
    ]
    for disks, why in cases:
        web, db = fence(Storage(disks={"web-01": disks}), WEB, DB)
        assert (web.done, web.says, proofs(web)) == (False, why, {Proof.NOTHING})
        assert db.done


@pytest.mark.parametrize("conf", ["", "/etc/ceph/ceph.conf"])
def test_the_usual_configuration_of_ceph_is_the_hosts_own(conf: str) -> None:
    disks = (WritableDisk("rbd:rbd/web-01", "vda (network)", configured_by=conf),)
    (web,) = fence(Storage(disks={"web-01": disks}), WEB)
    assert web.done, web


def test_nobody_is_asked_where_no_vm_is_covered() -> None:
    storage = Storage(disks={"web-01": ()})
    desk = storage.desk()
    assert not fence(storage, desk=desk)[0].done
    assert desk.of(AskClients) == []


def test_a_rehearsal_changes_nothing_and_foretells_whom_it_would_shut_out() -> None:
    storage = Storage()
    desk = storage.desk()
    [reply] = fence(storage, rehearse=True, desk=desk)
    assert (reply.done, proofs(reply)) == (True, {Proof.HOST_ALIVE})
    assert reply.says == f"would put {MINE} on Ceph's blocklist (foretold, nothing was changed)"
    assert desk.of(AddEntries) == []


# ---------------------------------------------------------------- who is asked


def test_an_asker_that_fails_is_passed_over_and_who_has_answered_comes_first_from_then_on() -> None:
    storage = Storage(silent=(K2,), source="10.0.0.3")
    desk = storage.desk()
    [reply] = fence(storage, desk=desk)
    assert reply.done
    assert [each.asker.says for each in desk.of(AskClients)] == [K2, K3]
    assert [each.asker.says for each in desk.of(AddEntries)] == [K3]
    assert [each.source for each in reply.evidence][-1] == "blocklist, asked on kvm-03"


def test_each_is_named_when_all_fail() -> None:
    [reply] = fence(Storage(silent=(K2, K3, "the admin node")))
    assert (reply.done, proofs(reply)) == (False, {Proof.NOTHING})
    assert reply.says == "kvm-02: no answer; kvm-03: no answer; the admin node: no answer"


def test_who_answered_once_and_no_more_is_passed_over_too() -> None:
    storage = Storage()
    desk = storage.desk()
    desk.answers[AddEntries] = [Unanswered("hung up"), storage.add]
    [reply] = fence(storage, desk=desk)
    assert reply.done
    assert [each.asker.says for each in desk.of(AddEntries)] == [K2, K3]


@pytest.mark.parametrize(("within_s", "asked"), [(0.0, 0), (5.0, 1), (5.1, 2)])
def test_nobody_is_asked_any_more_when_no_time_is_left(within_s: float, asked: int) -> None:
    storage = Storage(silent=(K2, K3), takes={AskClients: 5.0})
    desk = storage.desk()
    [reply] = fence(storage, within_s=within_s, desk=desk)
    assert not reply.done
    assert reply.says.endswith("no time was left")
    assert len(desk.of(AskClients)) == asked


def test_the_end_of_the_lease_goes_with_every_question() -> None:
    storage = Storage()
    for not_after, until in ((130.0, 130.0), (9e9, 160.0)):
        desk = storage.desk()
        fence(storage, desk=desk, not_after=not_after)
        assert {each.not_after for each in desk.of(AskClients)} == {until}
        assert {each.not_after for each in desk.of(AddEntries)} == {until}


def test_the_proof_is_as_old_as_the_answer() -> None:
    storage = Storage()
    desk = storage.desk()
    desk.answers[AddEntries] = lambda effect: replace(storage.add(effect), at=42.0)
    [reply] = fence(storage, alone=True, desk=desk)
    assert [each.at for each in reply.evidence if each.proves is Proof.DISKS_FENCED] == [42.0]
    assert reply.shut_out_until == 42.0 + HOUR / 2


def named(*monitors: str) -> tuple[WritableDisk, ...]:
    """A disk whose definition names these."""
    return (WritableDisk("rbd:rbd/web-01", "vda (network)", servers=monitors),)


def test_a_volume_of_a_storage_that_the_definition_calls_another_one_is_not_the_vms() -> None:
    for monitors in (("mon1", "mon9"), ("mon9",)):
        storage = Storage(disks={"web-01": named(*monitors)})
        [reply, other] = fence(storage, WEB, DB)
        assert "its definition names mon9, which Ceph as it is configured here does not call its own" in reply.says
        assert (reply.done, proofs(reply), other.done) == (False, {Proof.NOTHING}, True)
        assert [each.at for each in reply.evidence] == [NOW]
        assert set(after_death(storage, WEB, DB)) == {"db-01"}
    assert fence(Storage(disks={"web-01": named("mon1")}))[0].done


# ---------------------------------------------------------------- after a death


def after_death(storage: Storage, *vms: Vm, desk: Desk | None = None) -> dict[str, SecondLevelReply]:
    """What is told after the death of the VMs on kvm-01, by their names."""
    known = storage.book.hosts[K1], tuple(each.uuid for each in vms or (WEB,))
    order = StorageOrder(*known, siblings=(K2, K3), not_after=9e9, within_s=12.0, rehearse=False, alone=True)
    it = desk or storage.desk()
    replies = it.run(shut_out_left_open(storage.book, CephFence(storage.ceph), order))
    return {storage.book.vms[each].name: reply for each, reply in replies.items()}


def test_a_dead_client_without_a_lock_is_shut_out_and_its_host_is_not() -> None:
    storage = Storage(watching=f"{MINE} 10.0.0.2:0/7")
    [reply] = after_death(storage).values()
    assert (reply.done, reply.shut_out_until, list(storage.listed)) == (True, None, [MINE])
    assert proofs(reply) == {Proof.NOTHING}


@pytest.mark.parametrize("storage", [Storage(locking=MINE), Storage(watching=""), Storage(watching="10.0.0.2:0/7")])
def test_one_that_held_the_lock_and_those_of_others_are_left_to_the_storage(storage: Storage) -> None:
    desk = storage.desk()
    assert after_death(storage, desk=desk) == {}
    assert desk.of(AddEntries) == []


def test_each_vm_is_told_of_its_own_clients() -> None:
    storage = Storage()
    told = after_death(storage, WEB, DB)
    assert set(told) == {"web-01", "db-01"}
    storage = Storage(disks={"db-01": (WritableDisk("file:/db.raw", "vda (file)"),)})
    assert set(after_death(storage, WEB, DB)) == {"web-01"}


@pytest.mark.parametrize(
    "disks",
    [Unanswered("can't be read"), (WritableDisk("rbd:rbd/web-01", "vda (network)", shareable=True),)],
    ids=["not known", "others may use it"],
)
def test_without_an_image_of_its_own_the_storage_is_not_asked(disks: tuple[WritableDisk, ...] | Unanswered) -> None:
    storage = Storage(disks={"web-01": disks})
    desk = storage.desk()
    assert after_death(storage, desk=desk) == {}
    assert desk.of(AskClients) == []


def test_a_storage_that_does_not_answer_or_does_not_shut_out_is_told_as_that() -> None:
    everyone = Storage(silent=("kvm-02", "kvm-03", "the admin node"))
    for storage in (everyone, Storage(adds=False)):
        [reply] = after_death(storage).values()
        assert (reply.done, proofs(reply)) == (False, {Proof.NOTHING})
        assert all(each.at >= NOW for each in reply.evidence)
    for told in (after_death(everyone), dict(enumerate(fence(everyone)))):
        [reply] = told.values()
        assert "kvm-02: no answer; kvm-03: no answer; the admin node: no answer" in reply.says
        assert [each.at for each in reply.evidence] == [NOW]


# ---------------------------------------------------------------- letting in


def lift(storage: Storage, not_after: float = 9e9) -> Any:
    return storage.desk().run(lift_storage_fence(storage.book, storage.book.hosts[K1], not_after))


def test_lifting_removes_the_hosts_client_entries_and_no_others() -> None:
    others = {"10.0.0.2:0/1": NOW + 3000, "10.0.0.1:6800/9": NOW + 3000}
    storage = Storage(listed={MINE: NOW + 3000, WHOLE: NOW + 3000, **others})
    result = lift(storage)
    assert result == Lifted(2, "Ceph's blocklist")
    assert result.says == "2 entries removed from Ceph's blocklist"
    assert storage.listed == others
    again = lift(storage)
    assert again == NoneThere("Ceph's blocklist")
    assert again.says == "no entry on Ceph's blocklist"


def test_one_entry_is_lifted_in_its_own_words() -> None:
    assert lift(Storage(listed={MINE: NOW + 3000})).says == "1 entry removed from Ceph's blocklist"


def test_what_is_still_listed_was_not_lifted() -> None:
    result = lift(Storage(lifts=False, listed={MINE: NOW + 3000, WHOLE: NOW + 3000}))
    assert result == StillThere(f"{WHOLE}, {MINE}", "Ceph's blocklist")
    assert result.says == f"{WHOLE}, {MINE} is still on Ceph's blocklist"


def test_where_nobody_answers_nothing_is_known() -> None:
    storage = Storage(silent=(K2, K3, K4, "the admin node"), listed={MINE: NOW + 3000})
    result = lift(storage)
    assert isinstance(result, NotKnown)
    assert result.says.startswith("kvm-02: no answer; kvm-03: no answer; kvm-04: no answer; the admin node: no")


def test_nothing_is_lifted_after_the_leases_have_ended() -> None:
    storage = Storage(takes={ListEntries: 20.0}, listed={MINE: NOW + 3000})
    assert lift(storage, not_after=NOW + 20.0) == NotKnown("no time was left")
    assert list(storage.listed) == [MINE]
    assert lift(storage, not_after=NOW + 20.1) == Lifted(1, "Ceph's blocklist")


def test_it_takes_a_minute_at_most_and_disabled_hosts_are_not_asked() -> None:
    book = Storage().book
    hosts = {**book.hosts, K3: replace(book.hosts[K3], state=HostState.DISABLED)}
    desk = Storage().desk()
    desk.answers[ListEntries] = Unanswered("no")
    desk.run(lift_storage_fence(replace(book, hosts=hosts), hosts[K1], 9e9))
    assert [each.asker.says for each in desk.of(ListEntries)] == [K2, K4, "the admin node"]
    assert {each.not_after for each in desk.of(ListEntries)} == {NOW + 60.0}


def test_a_cluster_without_a_storage_fence_has_nothing_to_lift_look_at_or_renew() -> None:
    book = replace(Storage().book, clusters={"prod": Cluster("prod")})
    suspect: Host = book.hosts[K1]
    for workflow in (
        lift_storage_fence(book, suspect, 9e9),
        look_at_storage_fence(book, suspect, alone=True),
        renew_storage_fence(book, suspect, alone=True),
    ):
        desk = Storage().desk()
        assert desk.run(workflow) is None
        assert desk.asked == []


# ---------------------------------------------------------------- keeping out


def look(storage: Storage, alone: bool = True) -> Any:
    desk = storage.desk()
    result = desk.run(look_at_storage_fence(storage.book, storage.book.hosts[K1], alone))
    assert desk.of(AddEntries) == []
    return result


def renew(storage: Storage, alone: bool = True) -> Any:
    return storage.desk().run(renew_storage_fence(storage.book, storage.book.hosts[K1], alone))


def test_a_host_that_is_alone_is_shut_out_as_a_whole_before_its_entries_end() -> None:
    storage = Storage(listed={MINE: NOW + 100, OTHER: NOW + 3000, "10.0.0.2:0/1": NOW + 100})
    before = dict(storage.listed)
    for ends in (look(storage, alone=False), renew(storage, alone=False)):
        assert ends == Ends(MINE, NOW + 100, NOW, WhyEnds.OTHERS)
    assert look(storage) == Ends(MINE, NOW + 100, NOW, WhyEnds.NOT_ASKED)
    assert storage.listed == before
    done = renew(storage)
    assert done == Renewed(WHOLE, NOW + 3000, NOW, "Ceph's blocklist")
    assert done.says == f"{WHOLE} is on Ceph's blocklist for another 0 days"
    assert set(storage.listed) - set(before) == {WHOLE}
    assert look(storage) == renew(storage) == Lasts(NOW + 3000)
    storage.listed[WHOLE] = NOW + 50
    assert look(storage) == renew(storage) == Ends(f"{MINE}, {WHOLE}", NOW + 50, NOW, WhyEnds.FIXED)


def test_nothing_is_renewed_that_lasts_and_nothing_is_said_to_be_that_was_not_seen() -> None:
    storage = Storage(adds=False, listed={MINE: NOW + 3000, "10.0.0.2:0/1": NOW + 100})
    assert look(storage) == renew(storage) == Lasts(NOW + 3000)
    storage.listed[MINE] = NOW + 100
    assert renew(storage) == Ends(MINE, NOW + 100, NOW, WhyEnds.NOT_SEEN)


@pytest.mark.parametrize(("ends_in_s", "lasts"), [(1800.0, True), (1799.9, False)])
def test_an_entry_lasts_as_long_as_half_of_its_time_is_left(ends_in_s: float, lasts: bool) -> None:
    assert isinstance(look(Storage(listed={MINE: NOW + ends_in_s})), Lasts if lasts else Ends)


def test_a_host_without_an_entry_has_none() -> None:
    storage = Storage(listed={"10.0.0.2:0/1": NOW + 100, "10.0.0.1:6800/1": NOW + 100})
    assert look(storage) == renew(storage) == NoneThere("Ceph's blocklist")


def test_where_nobody_answers_it_is_not_known_how_long_it_lasts() -> None:
    storage = Storage(silent=(K2, K3, K4, "the admin node"), listed={MINE: NOW + 100})
    assert isinstance(look(storage), NotKnown)
    assert isinstance(renew(storage), NotKnown)
    desk = storage.desk()
    desk.answers |= {ListEntries: storage.entries, AddEntries: Unanswered("hung up")}
    result = desk.run(renew_storage_fence(storage.book, storage.book.hosts[K1], alone=True))
    assert isinstance(result, Ends)
    assert (result.why, result.until) == (WhyEnds.NOT_ADDED, NOW + 100)
    assert result.says.startswith(f"entries end in 0.0 days ({MINE}), and nothing is known to have been added to make")
    assert result.says.endswith("(kvm-02: hung up; kvm-03: hung up; kvm-04: hung up; the admin node: hung up)")
