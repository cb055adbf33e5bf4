"""`confirm-dead` and `rejoin`, effect by effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hafence.core.given_back import GivenBack
from hafence.core.looks import Blind, HostLook, Libvirt, Look
from hafence.core.model import Host, Inventory
from hafence.core.record import mark_running
from hafence.core.storage.ceph import Client, whole_host
from hafence.core.storage.port import Unanswered
from hafence.core.stored import Busy
from hafence.core.troubles import Trouble
from hafence.effects import (
    Answer,
    Ask,
    DropLease,
    GiveBack,
    Interrupted,
    LeaseLost,
    ListEntries,
    RemoveEntries,
    RenewLease,
    StoreError,
    TakeLease,
    Workflow,
)
from hafence.workflows.host_status import confirm_dead, rejoin
from hafence.workflows.vm_run import Request
from tests.core.make import look, silence, uuid, vm
from tests.core.telling import assert_told, assert_told_of

from . import stage
from .drive import EMPTY, Desk
from .stage import CLIENT, DB, K1, K2, STARTING, STOPPED, WEB, Teller, book, memory, seen

MOVED = mark_running(STARTING, K2, "run-0", 5.0)
MOVED_DB = replace(MOVED, uuid=uuid(2))
CEPH = stage.with_ceph(book(DB, WEB, vm(3, name="third", host="kvm-03")))
STRANGER = Client("10.0.0.2", 0, 5)
SHUT_OUT = stage.listed(CLIENT, whole_host("10.0.0.1"), STRANGER)
THIRD = vm(3, name="third", host="kvm-03")


@dataclass
class It:
    """A case about kvm-01."""

    looks: dict[str, Look] = field(default_factory=seen)
    memory: Any = field(default_factory=lambda: memory(MOVED, MOVED_DB, quarantine={K1: "fenced"}))
    answers: dict[type[Any], Any] = field(default_factory=dict)
    wishes: dict[str, Any] = field(default_factory=lambda: {"yes": True})
    takes: dict[type[Any], float] = field(default_factory=dict)
    inventory: Inventory = field(default_factory=lambda: book(DB, WEB, THIRD))

    def play(self, make: Callable[[Request, Host], Workflow[Any]], teller: Teller) -> list[str]:
        desk = Desk(self.inventory, [self.looks], self.memory, dict(self.answers), dict(self.takes))
        return teller(desk, make(stage.run(self.inventory, **self.wishes), self.inventory.hosts[K1]))

    def lines(self, make: Callable[[Request, Host], Workflow[Any]]) -> list[str]:
        return self.play(make, stage.dialogue)


def defined(*, runs: tuple[Any, ...] = (), defines: tuple[Any, ...] = (), **more: Any) -> HostLook:
    return replace(look("kvm-01", *(it.uuid for it in runs), **more), defined=frozenset(it.uuid for it in defines))


def set_aside(*vms: Any) -> HostLook:
    return replace(look("kvm-01"), aside=frozenset(it.uuid for it in vms))


STATEMENTS = {
    "silent": It(seen(k1=silence("kvm-01")), EMPTY),
    "silent, for another time": It(seen(k1=silence("kvm-01")), EMPTY, inventory=book(statement_age_s=90.0)),
    "it answers": It(seen(), EMPTY),
    "it answers, and a statement said otherwise": It(seen(), memory(statements=stage.stated(K1))),
    "it refuses connections": It(seen(k1=silence("kvm-01", Trouble.REFUSED)), EMPTY),
    "it refuses connections, and a statement said otherwise": It(
        seen(k1=silence("kvm-01", Trouble.REFUSED)), memory(statements=stage.stated(K1))
    ),
    "it lets nobody look": It(seen(k1=Blind(K1, 1.0, "a forced command")), EMPTY),
}

BACK = {
    "clean": It(),
    "clean, and a storage fence is lifted": It(answers={ListEntries: SHUT_OUT}, inventory=CEPH),
    "clean, and one entry of a storage fence is lifted": It(
        answers={ListEntries: stage.listed(CLIENT, STRANGER)}, inventory=CEPH
    ),
    "clean, and there is no entry of its own": It(answers={ListEntries: stage.listed(STRANGER)}, inventory=CEPH),
    "clean, and the storage does not tell": It(answers={ListEntries: Unanswered("ceph is silent")}, inventory=CEPH),
    "clean, and the storage does not answer to the lifting": It(
        answers={ListEntries: SHUT_OUT, RemoveEntries: Unanswered("ceph is silent")}, inventory=CEPH
    ),
    "clean, and an entry can't be lifted": It(
        answers={ListEntries: SHUT_OUT, RemoveEntries: stage.listed(CLIENT, STRANGER)}, inventory=CEPH
    ),
    "clean, and two entries can't be lifted": It(
        answers={ListEntries: SHUT_OUT, RemoveEntries: SHUT_OUT}, inventory=CEPH
    ),
    "clean, and the leases end before the storage has told": It(
        memory=memory(STOPPED, MOVED_DB),
        answers={ListEntries: SHUT_OUT},
        inventory=CEPH,
        takes={ListEntries: 120.0},
    ),
    "clean, and the cluster is disarmed": It(memory=memory(quarantine={K1: "fenced"}, planned=stage.DISARMED)),
    "clean, and people are at work there": It(
        memory=memory(MOVED, quarantine={K1: "fenced"}, planned=stage.at_work(K1))
    ),
    "clean, the admin says yes": It(answers={Ask: Answer.YES}, wishes={}),
    "clean, the admin says no": It(answers={Ask: Answer.NO}, wishes={}),
    "clean, and holds a VM of its own": It(
        seen(k1=(WEB,)), memory(quarantine={K1: "fenced"}), inventory=book(WEB, THIRD)
    ),
    "a VM is recorded stopped, last there": It(memory=memory(STOPPED, MOVED_DB)),
    "a stopped VM is still defined there": It(seen(k1=defined(defines=(WEB,))), memory(STOPPED, MOVED_DB)),
    "a VM is being started there": It(memory=memory(replace(STARTING, host=K1, last_host=K2), MOVED_DB)),
    "the definition of a VM that is stopped, last there, is given back": It(
        seen(k1=set_aside(WEB)), memory(STOPPED, MOVED_DB), answers={GiveBack: GivenBack(frozenset({WEB.uuid}))}
    ),
    "libvirt there does not take it": It(
        seen(k1=set_aside(WEB)), memory(STOPPED, MOVED_DB), answers={GiveBack: GivenBack(frozenset(), "it hangs")}
    ),
    "the definition of a VM that runs elsewhere stays set aside": It(seen(k1=set_aside(WEB, DB))),
    "a leftover": It(seen(k1=(WEB,))),
    "two leftovers": It(seen(k1=(WEB, DB))),
    "a leftover, and libvirt is down": It(seen(k1=defined(runs=(WEB,), libvirt=Libvirt.FAILED))),
    "libvirt is down": It(seen(k1=look("kvm-01", libvirt=Libvirt.HUNG))),
    "a definition": It(seen(k1=defined(defines=(WEB,)))),
    "two definitions": It(seen(k1=defined(defines=(WEB, DB)))),
    "a leftover with its definition, and another definition": It(seen(k1=defined(runs=(WEB,), defines=(WEB, DB)))),
    "silent": It(seen(k1=silence("kvm-01"))),
    "it lets nobody look": It(seen(k1=Blind(K1, 1.0, "a forced command"))),
    "a VM is busy": It(
        memory=memory(STOPPED, replace(STOPPED, uuid=uuid(2))),
        answers={TakeLease: [None, Busy(uuid(2), "admin-2", "run-9", 200.0)]},
        wishes={"yes": True, "wait_s": 3.0},
    ),
    "interrupted": It(
        memory=memory(STOPPED, MOVED_DB),
        answers={ListEntries: SHUT_OUT, RemoveEntries: Interrupted()},
        inventory=CEPH,
    ),
    "a lease is lost": It(memory=memory(STOPPED, MOVED_DB), answers={RenewLease: LeaseLost("run-9 has it")}),
    "the leases can't be given back": It(
        memory=memory(STOPPED, replace(STOPPED, uuid=uuid(2))), answers={DropLease: [StoreError("gone"), Interrupted()]}
    ),
    "a lease that can't be given back is lost": It(
        memory=memory(STOPPED, replace(STOPPED, uuid=uuid(2))), answers={DropLease: [LeaseLost("gone"), None]}
    ),
}


def state(run: Request, host: Host) -> Workflow[Any]:
    return confirm_dead(run, host, "seen dark")


@pytest.mark.parametrize("case", STATEMENTS)
def test_what_is_asked_for_and_said_of_a_statement(case: str) -> None:
    assert_told_of("confirm_dead", case, STATEMENTS[case].lines(state))


@pytest.mark.parametrize("case", BACK)
def test_what_is_asked_for_and_said_of_a_host_that_comes_back(case: str) -> None:
    assert_told_of("rejoin", case, BACK[case].lines(rejoin))


def test_every_case_is_told() -> None:
    assert_told("confirm_dead", {name: it.lines(state) for name, it in STATEMENTS.items()})
    assert_told("rejoin", {name: it.lines(rejoin) for name, it in BACK.items()})
