"""`fence`, effect by effect: several VMs, one suspect, and what is recorded of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hafence.core.looks import Look
from hafence.core.model import HostName, HostState, Inventory, Vm
from hafence.core.record import ShutOut
from hafence.core.starts import StartResult
from hafence.core.stored import Busy, Lease
from hafence.core.troubles import Trouble
from hafence.effects import (
    Answer,
    Ask,
    Fence,
    Interrupted,
    LeaseLost,
    Recall,
    RecallPlanned,
    RenewLease,
    Settle,
    StoreError,
    TakeLease,
    WriteRecord,
)
from hafence.workflows.fence import fence
from tests.core.make import host, look, silence, uuid, vm
from tests.core.telling import assert_told, assert_told_of

from . import stage
from .drive import ALIVE, DEAD, EMPTY, UNKNOWN, Desk, fails, started
from .stage import DB, K1, K2, K3, RUNNING, STARTING, STOPPED, WEB, Teller, book, memory, power, seen, storage

BOTH = (WEB, DB)
THIRD = vm(3, name="third", host="kvm-03", domain_xml="/x")
YES: dict[str, Any] = {"yes": True}
DRY: dict[str, Any] = {"dry_run": True}
SIX = tuple(vm(number, name=f"vm-{number}", priority=number % 3) for number in range(1, 7))


@dataclass
class It:
    """A case."""

    vms: tuple[Vm, ...] = (WEB,)
    host: HostName | None = None
    looks: list[dict[str, Look]] = field(default_factory=lambda: [seen(k1=(WEB,))])
    inventory: Inventory = field(default_factory=lambda: book(WEB, DB, THIRD))
    memory: Any = EMPTY
    answers: dict[type[Any], Any] = field(default_factory=dict)
    wishes: dict[str, Any] = field(default_factory=lambda: dict(YES))

    def play(self, teller: Teller) -> list[str]:
        desk = Desk(self.inventory, list(self.looks), self.memory, dict(self.answers))
        return teller(desk, fence(stage.run(self.inventory, **self.wishes), self.vms, self.host))

    def lines(self) -> list[str]:
        return self.play(stage.dialogue)


def busy_with(*numbers: int) -> Any:
    return lambda effect: Busy(effect.vm, "admin-2", "run-9", 200.0) if effect.vm in map(uuid, numbers) else None


def usual_but(numbers: tuple[int, ...]) -> Any:
    busy = busy_with(*numbers)
    return lambda effect: busy(effect) or Lease(effect.vm, 7, 220.0)


TAKEN_OVER = seen(k1=look("kvm-01", boot_id="b-3"), k3=look("kvm-03", boot_id="b-3"))

CASES = {
    "another host answers at the suspect's address": It(BOTH, looks=[TAKEN_OVER]),
    "one VM": It(),
    "one VM, dry": It(answers={Fence: ALIVE}, wishes=DRY),
    "one VM, dry and yes": It(answers={Fence: ALIVE}, wishes={**DRY, **YES}),
    "one VM, the admin says yes": It(answers={Ask: Answer.YES}, wishes={}),
    "one VM, the admin says no": It(answers={Ask: Answer.NO}, wishes={}),
    "one VM, nobody to ask": It(wishes={}),
    "two VMs of one host, in one order": It(BOTH, looks=[seen(k1=BOTH)]),
    "two VMs of one host, of which one is not seen there, dry": It(BOTH, wishes=DRY),
    "two VMs of one host, the admin says no": It(BOTH, looks=[seen(k1=BOTH)], answers={Ask: Answer.NO}, wishes={}),
    "two VMs of two hosts": It((THIRD, WEB), looks=[seen(k1=(WEB,), k3=(THIRD,))]),
    "six VMs of a host": It((), K1, [seen(k1=SIX)], book(*SIX), answers={Ask: Answer.NO}, wishes={}),
    "five VMs of a host": It((), K1, [seen(k1=SIX[:5])], book(*SIX[:5]), answers={Ask: Answer.NO}, wishes={}),
    "a host": It((), K1, [seen(k1=BOTH)]),
    "a host with a VM that is recorded elsewhere": It((), K1, [seen(k1=(WEB, THIRD))]),
    "a host where libvirt alone sees a VM that is recorded elsewhere": It(
        (), K1, [seen(k1=stage.only_libvirt(K1, THIRD), k3=(THIRD,))]
    ),
    "a VM without a record of a host": It((), K3, [seen(k3=(THIRD,))]),
    "a busy VM is waited for": It(wishes={**YES, "wait_s": 9.0}),
    "a VM that another run has moved just before": It(
        answers={Recall: [EMPTY, memory(replace(RUNNING, host=K2, revision=9))]}, looks=[seen(k2=(WEB,))]
    ),
    "two VMs, of which one is settled by the first sibling": It(
        BOTH, looks=[seen(k1=silence("kvm-01"))], answers={Fence: [fails(Trouble.TIMED_OUT), DEAD]}
    ),
    "a silent host that is disabled": It(
        (WEB,),
        looks=[seen(k1=silence("kvm-01"))],
        inventory=book(WEB, hosts=(host("kvm-01", state=HostState.DISABLED),)),
        answers={Fence: fails(Trouble.TIMED_OUT)},
    ),
    "the last sibling is disabled, and the suspect is silent": It(
        looks=[seen(k1=silence("kvm-01"))],
        inventory=book(WEB, hosts=(host("kvm-03", state=HostState.DISABLED),)),
        answers={Fence: fails(Trouble.TIMED_OUT)},
    ),
    "no sibling": It(looks=[seen(k1=(WEB,), k2=silence("kvm-02"), k3=silence("kvm-03"))]),
    "no sibling but power, dry": It(
        looks=[seen(k1=(WEB,), k2=silence("kvm-02"), k3=silence("kvm-03"))],
        inventory=stage.with_power(book(WEB)),
        wishes=DRY,
    ),
    "no sibling, dry": It(looks=[seen(k1=(WEB,), k2=silence("kvm-02"), k3=silence("kvm-03"))], wishes=DRY),
    "two copies on the suspect, dry": It(
        looks=[seen(k1=replace(look("kvm-01", WEB.uuid), copies={WEB.uuid: 2}))], wishes=DRY
    ),
    "libvirt alone sees it, dry": It(looks=[seen(k1=stage.only_libvirt(K1, WEB))], wishes=DRY),
    "a silent host": It((), K1, [seen(k1=silence("kvm-01"))], answers={Fence: fails(Trouble.TIMED_OUT)}),
    "a host without VMs": It((), K2),
    "a host of which one VM is stopped and one moved": It(
        (), K1, memory=memory(STOPPED, replace(RUNNING, uuid=uuid(2), host=K3))
    ),
    "a VM on a host where it is not recorded": It((WEB,), K3, [seen(k1=(WEB,), k3=(WEB,))]),
    "a VM that runs elsewhere, too": It(looks=[seen(k1=(WEB,), k2=(WEB,))]),
    "a VM that runs on two other hosts": It(looks=[seen(k1=(WEB,), k2=(WEB,), k3=(WEB,))]),
    "a leftover elsewhere that can't write": It(
        memory=memory(replace(RUNNING, shut_out=(ShutOut(K2, 9e9),)), quarantine={K2: "fenced"}),
        looks=[seen(k1=(WEB,), k2=(WEB,))],
    ),
    "a leftover here that can't write": It(
        host=K1,
        memory=memory(replace(RUNNING, host=K2, last_host=K1, shut_out=(ShutOut(K1, 9e9),)), quarantine={K1: "x"}),
        looks=[seen(k1=(WEB,), k2=(WEB,))],
    ),
    "a stopped VM": It(looks=[seen()], memory=memory(STOPPED)),
    "a VM that is being started elsewhere": It(memory=memory(STARTING)),
    "a VM that is being started elsewhere, unknown": It(
        memory=memory(STARTING), answers={Settle: started(StartResult.UNKNOWN)}
    ),
    "a VM that is being started here": It(memory=memory(STARTING), host=K2, looks=[seen(k2=(WEB,))]),
    "a VM that is being started here, dry": It(memory=memory(STARTING), host=K2, wishes=DRY),
    "a VM that is being started here, and lives": It(memory=memory(STARTING), host=K2, answers={Fence: ALIVE}),
    "a VM that is being started here, and the host is silent": It(
        memory=memory(STARTING), host=K2, looks=[seen(k2=silence("kvm-02"))], answers={Fence: fails(Trouble.TIMED_OUT)}
    ),
    "a VM that is being started here, and the host is switched off": It(
        memory=memory(STARTING),
        host=K2,
        looks=[seen(k2=silence("kvm-02"))],
        inventory=stage.with_power(book(WEB, DB, THIRD)),
        answers={Fence: fails(Trouble.TIMED_OUT), **power(True)},
    ),
    "still alive": It(answers={Fence: ALIVE}),
    "ambiguous": It(answers={Fence: UNKNOWN}),
    "silent": It(looks=[seen(k1=silence("kvm-01"))], answers={Fence: fails(Trouble.TIMED_OUT)}, wishes={}),
    "still alive, power works": It(inventory=stage.with_power(book(WEB, DB)), answers={Fence: ALIVE, **power(True)}),
    "two still alive, the storage of one is fenced": It(
        BOTH,
        looks=[seen(k1=BOTH)],
        inventory=stage.with_ceph(book(*BOTH)),
        answers={Fence: ALIVE, **storage(True, WEB)},
    ),
    "busy": It(answers={TakeLease: Busy(uuid(1), "admin-2", "run-9", 200.0)}),
    "one of two is busy": It(BOTH, looks=[seen(k1=BOTH)], answers={TakeLease: usual_but((1,))}),
    "in maintenance": It(inventory=book(WEB, hosts=(host("kvm-01", state=HostState.MAINTENANCE),))),
    "disarmed": It(memory=memory(planned=stage.DISARMED)),
    "disarmed, dry": It(memory=memory(planned=stage.DISARMED), wishes=DRY),
    "disarmed since it began": It(BOTH, looks=[seen(k1=BOTH)], answers={RecallPlanned: stage.DISARMED}),
    "people are at work on it": It(memory=memory(planned=stage.at_work(K1))),
    "in maintenance, where it is recorded elsewhere": It(
        host=K1,
        memory=memory(replace(RUNNING, host=K2)),
        inventory=book(WEB, hosts=(host("kvm-01", state=HostState.MAINTENANCE),)),
    ),
    "no KVM": It(inventory=stage.foreign(book())),
    "on a host that nobody knows": It(memory=memory(replace(RUNNING, host=HostName("kvm-99")))),
    "the lease is lost": It(BOTH, looks=[seen(k1=BOTH)], answers={RenewLease: LeaseLost("run-9 has it")}),
    "the store is gone": It(answers={WriteRecord: StoreError("gone")}),
    "the store is gone at the beginning": It(answers={Recall: [EMPTY, StoreError("gone")]}),
    "interrupted": It(BOTH, looks=[seen(k1=BOTH)], answers={Fence: [fails(Trouble.SIBLING_LOST), Interrupted()]}),
    "a statement is refuted": It(memory=memory(statements=stage.stated(K1))),
    "a statement is refuted, dry": It(memory=memory(statements=stage.stated(K1)), wishes=DRY),
    "a host on which nothing is recorded, and nobody could look": It(
        (), looks=[seen(k3=silence("kvm-03"))], host=K3, inventory=book()
    ),
    "a sibling is named": It(answers={Fence: [fails(Trouble.SIBLING_LOGIN), DEAD]}, wishes={**YES, "siblings": (K3,)}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_asked_for_and_said(case: str) -> None:
    assert_told_of("fence", case, CASES[case].lines())


def test_every_case_is_told() -> None:
    assert_told("fence", {name: it.lines() for name, it in CASES.items()})
