"""`start-vm`, effect by effect: what is asked for after which answers, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hafence.core.backing import FileBacking
from hafence.core.captures import Capture, Origin, Source
from hafence.core.evidence import Sign
from hafence.core.halted import Halted
from hafence.core.looks import Libvirt, Look
from hafence.core.marks import Mark
from hafence.core.model import Cluster, HostName, HostState, Inventory, StartMode, Unreachable, Vm
from hafence.core.needs import Lack, Lacking, Need, NeedKind
from hafence.core.record import ShutOut
from hafence.core.starts import HookResult, StartResult
from hafence.core.stored import Busy, Recollection
from hafence.core.troubles import Trouble
from hafence.core.watch import WatchReport
from hafence.effects import (
    Answer,
    Ask,
    DropLease,
    EndWatch,
    Fence,
    Interrupted,
    LeaseLost,
    LookAt,
    Recall,
    RecallPlanned,
    RenewLease,
    RunHooks,
    Settle,
    Start,
    Startable,
    StoreError,
    TakeLease,
    Uptime,
    Witness,
    WriteRecord,
)
from hafence.workflows.start_vm import start_vm
from hafence.workflows.vm_run import VmRun
from tests.core.make import behind, host, look, silence, uuid, vm
from tests.core.telling import assert_told, assert_told_of

from . import stage
from .drive import ALIVE, DEAD, EMPTY, UNKNOWN, Desk, fails, nothing_seen, says, started
from .stage import (
    ARMED,
    DB,
    DISARMED,
    K1,
    K2,
    K3,
    ON_SILENCE,
    RUNNING,
    STARTING,
    STOPPED,
    WEB,
    Teller,
    at_work,
    book,
    memory,
    power,
    seen,
    storage,
)


@dataclass
class It:
    """A case: the world that answers, and what the admin wants."""

    looks: list[dict[str, Look]] = field(default_factory=lambda: [seen(k1=(WEB,)), seen()])
    inventory: Inventory = field(default_factory=book)
    memory: Recollection = EMPTY
    answers: dict[type[Any], Any] = field(default_factory=dict)
    takes: dict[type[Any], float] = field(default_factory=dict)
    wishes: dict[str, Any] = field(default_factory=dict)
    vm: Vm = WEB

    def play(self, teller: Teller) -> list[str]:
        desk = Desk(self.inventory, list(self.looks), self.memory, dict(self.answers), self.takes)
        return teller(desk, start_vm(stage.run(self.inventory, **self.wishes), self.vm))

    def lines(self) -> list[str]:
        return self.play(stage.dialogue)


YES = {"yes": True}
DRY = {"dry_run": True}
OLD = {RunHooks: 61.0}
AFTER = seen(k2=(WEB,))
BEHIND = [seen(k1=behind("kvm-03", "kvm-01", WEB.uuid)), seen(), AFTER]
DISK, OWN = Need(NeedKind.WRITE, "/srv/a.img", is_written=True), FileBacking("xfs", "fd00", 1)
MOVED = [seen(k1=(WEB,)), seen(), AFTER]
SILENT = [seen(k1=silence("kvm-01")), seen(k1=silence("kvm-01")), seen(k1=silence("kvm-01"), k2=(WEB,))]
CUT_OFF = {EndWatch: lambda effect: WatchReport(effect.suspect)}
WHOSE = " store=0123456789abcdef run=run-b age="
EDITED = Source("", Capture(WEB.uuid, K1, 50.0, "d" * 64, "<domain/>"), other_disks=True)
PAUSED = Halted("paused", "i-o-error")
OTHER_DISKS = says("alive", 10, " found=1 killed=0 why=disks-differ differs=web-01.snap1")
ANOTHER_STORES = says("unknown", 11, f" found= killed=0 why=another-store-is-at-it{WHOSE}3")
UNREADABLE = says("unknown", 11, " found= killed=0 why=mark-unreadable")
LONG_AGO = says("dead", 0, f" found=1 killed=1 why={WHOSE}36000")
BARRED = started(StartResult.BARRED, "run run-b of another store was at it there 3 s ago")
NO_ANSWER = {Fence: fails(Trouble.TIMED_OUT)}
MAINTAINED = host("kvm-01", state=HostState.MAINTENANCE)
SYN = replace(nothing_seen("kvm-03"), signs=frozenset({Sign.SYN_ACK}), says="accepts connections")
ONE_BLIND = (
    nothing_seen("kvm-02"),
    replace(nothing_seen("kvm-03"), could_look=False, says="no ping there"),
    nothing_seen(None),
)
SIX_HOSTS = seen(k1=silence("kvm-01"), k4=(), k5=(), k6=())
SEEING = ("kvm-04", "kvm-05", "kvm-03")
NO_NVRAM = Lack(Need(NeedKind.STATE, "/var/lib/libvirt/qemu/nvram/web-01_VARS.fd"), Lacking.MISSING)
GIVEN_UP = replace(RUNNING, host=K2, last_host=K1, unproven=(K1,))
SHUT_OUT = replace(RUNNING, host=K2, last_host=K1, shut_out=(ShutOut(K1, 2000.0),))

NOTHING_THERE = says("dead", 0, " found=0 killed=0")
OTHERS = (
    host("kvm-04", cluster="far"),
    host("kvm-05", cluster="far", state=HostState.DISABLED),
    host("kvm-06", cluster="foreign"),
)
TWO_CLUSTERS = replace(
    book(hosts=OTHERS),
    clusters={"prod": Cluster("prod"), "far": Cluster("far"), "foreign": Cluster("foreign", "esxi")},
)

CASES = {
    "yes, fenced and moved": It(MOVED, wishes=YES),
    "the admin says yes": It(MOVED, answers={Ask: Answer.YES}),
    "the admin says no": It(answers={Ask: Answer.NO}),
    "nobody to ask": It(),
    "a healthy suspect in a dry run": It(wishes=DRY),
    "a dry run with yes": It(answers={Fence: ALIVE}, wishes={**DRY, **YES}),
    "a dry run of a silent suspect": It(SILENT, answers=NO_ANSWER, wishes=DRY),
    "a dry run that refuses": It(SILENT, answers={Fence: fails(Trouble.REFUSED)}, wishes=DRY),
    "silent, everybody agrees": It(SILENT, answers=NO_ANSWER),
    "silent, a sibling sees it accept connections, and fences it": It(
        [seen(k1=silence("kvm-01")), seen(), AFTER],
        answers={Fence: [fails(Trouble.TIMED_OUT), DEAD], Witness: (nothing_seen("kvm-02"), SYN, nothing_seen(None))},
    ),
    "silent, everybody agrees, and the admin says no": It(SILENT, answers={**NO_ANSWER, Ask: Answer.NO}),
    "silent, everybody agrees, and the admin says yes": It(SILENT, answers={**NO_ANSWER, Ask: Answer.YES}),
    "silent, everybody agrees, and yes was said before": It(SILENT, answers=NO_ANSWER, wishes=YES),
    "silent, everybody agrees, and nobody wants to be asked": It(
        SILENT, book(ask_on_silence=False), answers={**NO_ANSWER, Ask: Answer.NO}
    ),
    "silent, one of two siblings can't look": It(SILENT, answers={**NO_ANSWER, Witness: ONE_BLIND}),
    "silent and disabled, one of two siblings can't look": It(
        SILENT,
        book(hosts=(host("kvm-01", state=HostState.DISABLED),)),
        answers={**NO_ANSWER, Witness: ONE_BLIND},
    ),
    "silent, with a cluster of two, and its sibling agrees": It(
        [seen(k1=silence("kvm-01"))],
        book(hosts=(host("kvm-03", cluster="other"),), storm_share=0.5),
        answers={**NO_ANSWER},
    ),
    "silent, and seen through a sibling": It(BEHIND, answers={Fence: DEAD}),
    "silent, and seen through a sibling that then can't reach it": It(BEHIND, answers=NO_ANSWER),
    "silent, seen through a sibling, and stated to be off": It(
        BEHIND, memory=memory(statements=stage.stated(K1)), answers={Fence: DEAD}
    ),
    "silent, seen through a sibling, and its disk is not the targets'": It(
        [
            {
                **seen(k2=look("kvm-02", backings={DISK: OWN}), k3=look("kvm-03", backings={DISK: OWN})),
                K1: behind("kvm-03", "kvm-01", WEB.uuid, backings={DISK: replace(OWN, inode=2)}),
            }
        ]
    ),
    "silent, seen through a sibling, and it runs elsewhere, too": It(
        [seen(k1=behind("kvm-03", "kvm-01", WEB.uuid), k2=(WEB,))]
    ),
    "silent, seen through a sibling without the VM, which runs elsewhere": It(
        [seen(k1=behind("kvm-03", "kvm-01"), k2=(WEB,))]
    ),
    "silent, seen through a sibling, and never had the VM": It(
        [seen(k1=behind("kvm-03", "kvm-01")), seen(), AFTER], answers={Fence: NOTHING_THERE}
    ),
    "silent, seen through a sibling, and another host of the round": It(
        [seen(k1=behind("kvm-03", "kvm-01", WEB.uuid, boot_id="boot of kvm-02"))]
    ),
    "silent with proceed": It(SILENT, book(unreachable=Unreachable.PROCEED), answers=NO_ANSWER),
    "silent with prove": It(SILENT, book(unreachable=Unreachable.PROVE), answers=NO_ANSWER),
    "silent, the first sibling is lost": It(SILENT, answers={Fence: [fails(Trouble.SIBLING_LOST), DEAD]}),
    "silent, no sibling can try": It(SILENT, answers={Fence: fails(Trouble.SIBLING_FORBIDS)}),
    "silent soon after this machine has booted": It(
        SILENT, book(boot_grace_s=600.0), answers={**NO_ANSWER, Uptime: 60.0}
    ),
    "silent long after this machine has booted": It(
        SILENT, book(boot_grace_s=600.0), answers={**NO_ANSWER, Uptime: 601.0}
    ),
    "silent in a storm": It([seen(k1=silence("kvm-01"), k2=silence("kvm-02"))], answers=NO_ANSWER),
    "silent, and a person has said that it is off": It(
        SILENT, memory=memory(statements=stage.stated(K1)), answers=NO_ANSWER
    ),
    "a statement ends before the evidence grows old": It(
        SILENT, memory=memory(statements={K1: replace(stage.stated(K1)[K1], expires_at=130.0)}), answers=NO_ANSWER
    ),
    "a statement ends while the first target fails": It(
        [*SILENT[:2], seen(k1=silence("kvm-01"))],
        memory=memory(statements={K1: replace(stage.stated(K1)[K1], expires_at=130.0)}),
        answers={**NO_ANSWER, Start: [started(StartResult.CLEAN, "busy"), started(StartResult.RUNNING)]},
        takes={Start: 31.0},
    ),
    "what was silent is proven by the second fence": It(
        [*SILENT[:2], seen(), seen(), seen(k3=(WEB,))],
        memory=memory(statements=stage.stated(K1)),
        answers={
            Fence: [fails(Trouble.TIMED_OUT), DEAD],
            Start: [started(StartResult.CLEAN, "busy"), started(StartResult.RUNNING)],
        },
        takes={Start: 61.0},
    ),
    "a statement is refuted by the suspect that lives": It(
        MOVED, memory=memory(statements=stage.stated(K1)), wishes=YES
    ),
    "a statement on a host that refuses connections": It(
        [seen(k1=silence("kvm-01", Trouble.REFUSED))],
        memory=memory(statements=stage.stated(K1)),
        answers={Fence: fails(Trouble.REFUSED)},
    ),
    "unkillable": It(answers={Fence: ALIVE}, wishes=YES),
    "unkillable, power works": It(MOVED, stage.with_power(book()), answers={Fence: ALIVE, **power(True)}, wishes=YES),
    "unkillable, power fails": It(MOVED, stage.with_power(book()), answers={Fence: ALIVE, **power(False)}, wishes=YES),
    "unkillable, another VM is there, nobody agrees": It(
        [seen(k1=(WEB, DB))], stage.with_power(book(WEB, DB)), answers={Fence: ALIVE, Ask: [Answer.YES, Answer.NO]}
    ),
    "unkillable, another VM is there, the admin agrees": It(
        [seen(k1=(WEB, DB)), seen(k1=(DB,)), AFTER],
        stage.with_power(book(WEB, DB)),
        answers={Fence: ALIVE, Ask: Answer.YES, **power(True)},
    ),
    "unkillable, another VM is there, dry": It(
        [seen(k1=(WEB, DB))], stage.with_power(book(WEB, DB)), answers={Fence: UNKNOWN}, wishes={**DRY}
    ),
    "silent, another VM is recorded there, power works": It(
        SILENT, stage.with_power(book(WEB, DB)), answers={**NO_ANSWER, **power(True)}
    ),
    "unkillable, the storage fence works": It(
        MOVED,
        stage.with_ceph(book()),
        answers={Fence: ALIVE, **storage(True, WEB)},
        wishes=YES,
    ),
    "what was seen dead is shut out by the second fence": It(
        [seen(k1=(WEB,)), seen(), seen(), seen(), seen(k3=(WEB,))],
        stage.with_ceph(book()),
        answers={
            Fence: [DEAD, ALIVE],
            Start: [started(StartResult.CLEAN, "busy"), started(StartResult.RUNNING)],
            **storage(True, WEB),
        },
        takes={Start: 61.0},
        wishes=YES,
    ),
    "unkillable, the storage fence fails": It(
        MOVED, stage.with_ceph(book()), answers={Fence: ALIVE, **storage(False, WEB)}, wishes=YES
    ),
    "unkillable, power and storage, dry": It(
        answers={Fence: UNKNOWN, **power(True), **storage(True, WEB)},
        inventory=stage.with_power(stage.with_ceph(book())),
        wishes={**DRY, **YES},
    ),
    "a dry run that finds a leftover in state D": It(
        answers={Fence: says("alive", 10, " found=1 state=D")}, wishes={**DRY, **YES}
    ),
    "a dry run that finds two leftovers": It(
        answers={Fence: says("alive", 10, " found=2 state=S")}, wishes={**DRY, **YES}
    ),
    "a dry run on a host with another VM, power": It(
        [seen(k1=(DB,))], stage.with_power(book(WEB, DB)), answers={Fence: UNKNOWN}, wishes=DRY
    ),
    "silent, two siblings see it accept connections": It(
        [seen(k1=silence("kvm-01")), seen(), AFTER],
        answers={
            Fence: [fails(Trouble.TIMED_OUT), fails(Trouble.SIBLING_LOST), DEAD],
            Witness: (replace(SYN, witness="kvm-02"), SYN, nothing_seen(None)),
        },
    ),
    "silent, siblings that were not tried yet and see it come first, in the order of siblings": It(
        [SIX_HOSTS],
        book(hosts=tuple(host(f"kvm-0{n}") for n in range(1, 7))),
        answers={Fence: fails(Trouble.TIMED_OUT), Witness: tuple(replace(SYN, witness=w) for w in SEEING)},
        wishes={"siblings": (K3, K2, HostName("kvm-05"))},
    ),
    "silent, six hosts, nobody sees it": It(
        [SIX_HOSTS],
        book(hosts=tuple(host(f"kvm-0{n}") for n in range(1, 7))),
        answers=NO_ANSWER,
    ),
    "silent with proceed, six hosts, too fast": It(
        [SIX_HOSTS],
        book(hosts=tuple(host(f"kvm-0{n}") for n in range(1, 7)), unreachable=Unreachable.PROCEED),
        answers={Fence: fails(Trouble.FAST_NO_ROUTE)},
    ),
    "no sibling could try, and one is excluded": It(
        answers={Fence: fails(Trouble.SIBLING_FORBIDS)}, wishes={**YES, "siblings": (K1,)}
    ),
    "it writes to other disks": It(MOVED, answers={Fence: OTHER_DISKS}, wishes=YES),
    "it writes to other disks, dry": It(MOVED, answers={Fence: OTHER_DISKS}, wishes={**DRY, "yes": True}),
    "it writes to other disks, which neither power nor storage changes": It(
        MOVED,
        stage.with_power(stage.with_ceph(book())),
        answers={Fence: OTHER_DISKS, **power(True), **storage(True, WEB)},
        wishes=YES,
    ),
    "another store's run is at it on the suspect": It(answers={Fence: ANOTHER_STORES}, wishes=YES),
    "another store's run is at it on the suspect, which has fences": It(
        inventory=stage.with_ceph(stage.with_power(book())),
        answers={Fence: ANOTHER_STORES, **power(True), **storage(True, WEB)},
        wishes=YES,
    ),
    "another store's run is seen to be at it on a third host": It(
        [seen(k1=(WEB,)), seen(k3=look(K3, held={WEB.uuid: Mark("0123456789abcdef", "run-b", 119.9)}))], wishes=YES
    ),
    "another store's run, and one of this, were at it on a third host": It(
        [
            seen(k1=(WEB,)),
            seen(
                k2=look(K2, held={WEB.uuid: Mark("5709e5709e5709e5", "run-0", 1.0)}),
                k3=look(K3, held={WEB.uuid: Mark("0123456789abcdef", "run-b", 120.0)}),
            ),
            seen(k2=(WEB,)),
        ],
        wishes=YES,
    ),
    "the mark on the suspect can't be read": It(answers={Fence: UNREADABLE}, wishes=YES),
    "another store's run was at it on the suspect, long ago": It(
        [seen(k1=(WEB,)), seen(), seen(k2=(WEB,))], answers={Fence: LONG_AGO}, wishes=YES
    ),
    "another store's run is at it on the target": It(answers={Start: BARRED}, wishes=YES),
    "another store's run is at it on the target, after silence": It(SILENT, answers={**NO_ANSWER, Start: BARRED}),
    "the machine behind the address is another": It(answers={}, memory=memory(machine_ids={K1: "f" * 32}), wishes=YES),
    "the machine is the one that is known": It(
        MOVED, memory=memory(machine_ids={K1: "0123456789abcdef0123456789abcdef"}), wishes=YES
    ),
    "not HA": It(vm=replace(WEB, ha=False), inventory=book(replace(WEB, ha=False))),
    "in maintenance": It(inventory=book(hosts=(MAINTAINED,))),
    "disarmed": It(memory=memory(planned=DISARMED), wishes=YES),
    "disarmed, dry": It(memory=memory(planned=DISARMED), wishes=DRY),
    "disarmed, with a start in flight": It(memory=memory(STARTING, planned=DISARMED), wishes=YES),
    "disarmed since it began": It(answers={RecallPlanned: DISARMED}, wishes=YES),
    "disarmed since it began, dry": It(answers={RecallPlanned: DISARMED}, wishes={**DRY, **YES}),
    "disarmed since the fence": It(MOVED, answers={RecallPlanned: [ARMED, DISARMED]}, wishes=YES),
    "disarmed since the fence, and the evidence is old": It(
        MOVED, answers={RecallPlanned: [ARMED, DISARMED]}, takes=OLD, wishes=YES
    ),
    "disarmed before the power is used": It(
        inventory=stage.with_power(book()),
        answers={Fence: ALIVE, RecallPlanned: [ARMED, DISARMED], **power(True)},
        wishes=YES,
    ),
    "disarmed since it began, and nothing is fenced here": It(
        [seen(), AFTER], inventory=book(pre_fence=False), answers={RecallPlanned: DISARMED}
    ),
    "people are at work on the suspect": It(memory=memory(planned=at_work(K1)), wishes=YES),
    "people are at work on the suspect since it began": It(answers={RecallPlanned: at_work(K1)}, wishes=YES),
    "people are at work on the suspect, by the inventory and the store": It(
        inventory=book(hosts=(MAINTAINED,)), memory=memory(planned=at_work(K1)), wishes=YES
    ),
    "people are at work on a sibling": It(
        [seen(k1=(WEB,)), seen(), seen(k3=(WEB,))], memory=memory(planned=at_work(K2)), wishes=YES
    ),
    "people are at work on every sibling": It(memory=memory(planned=at_work(K2, K3)), wishes=YES),
    "people are at work on the target since the fence": It(
        [seen(k1=(WEB,)), seen(), seen(k3=(WEB,))], answers={RecallPlanned: [ARMED, at_work(K2)]}, wishes=YES
    ),
    "people are at work on every target since the fence": It(
        MOVED, answers={RecallPlanned: [ARMED, at_work(K2, K3)]}, wishes=YES
    ),
    "last on a host that nobody knows": It(memory=memory(replace(RUNNING, host=HostName("kvm-99")))),
    "busy": It(answers={TakeLease: Busy(uuid(1), "admin-2", "run-9", 1100.0)}, wishes={"wait_s": 5.0}),
    "already running, started just now": It(memory=memory(replace(RUNNING, started_at=90.0)), wishes=YES),
    "already running, started long ago": It(MOVED, memory=memory(replace(RUNNING, started_at=-100.0)), wishes=YES),
    "running elsewhere": It([seen(k3=(WEB,))]),
    "running here and elsewhere": It([seen(k1=(WEB,), k3=(WEB,))]),
    "stopped, and found running": It([seen(k3=(WEB,))], memory=memory(STOPPED)),
    "stopped, and started": It([seen(), seen(), AFTER], memory=memory(STOPPED)),
    "a leftover that can't write is no copy": It(
        [seen(k1=(WEB,), k2=(WEB,)), seen(k1=(WEB,)), seen(k1=(WEB,), k3=(WEB,))],
        memory=memory(SHUT_OUT, quarantine={K1: "fenced"}),
        wishes=YES,
    ),
    "a part of the VM's state is not on its target": It(
        [seen(k1=(WEB,), k2=replace(look("kvm-02"), lacking=(NO_NVRAM,))), seen(), AFTER], wishes=YES
    ),
    "a host that was given up earlier is silent still": It(
        [seen(k1=silence("kvm-01")), seen(k1=silence("kvm-01")), seen(k1=silence("kvm-01"), k3=(WEB,))],
        memory=memory(GIVEN_UP, quarantine={K1: "fenced"}),
        answers={Fence: says("dead", 0, " found=1 killed=1")},
        wishes=YES,
    ),
    "a host that was given up earlier was looked into": It(
        [seen(), seen(k1=silence("kvm-01")), seen(k3=(WEB,))],
        memory=memory(GIVEN_UP, quarantine={K1: "fenced"}),
        wishes=YES,
    ),
    "a host that was given up earlier is looked into right before the start": It(
        [seen(k1=look("kvm-01", libvirt=Libvirt.HUNG)), seen(), seen(k1=silence("kvm-01"), k3=(WEB,))],
        memory=memory(GIVEN_UP, quarantine={K1: "fenced"}),
        wishes=YES,
    ),
    "a host that was given up earlier is looked into right after the start": It(
        [seen(k1=silence("kvm-01")), seen(k1=silence("kvm-01")), seen(k3=(WEB,))],
        memory=memory(GIVEN_UP, quarantine={K1: "fenced"}),
        wishes=YES,
    ),
    "a suspect that was given up earlier is named once, dry": It(
        SILENT, memory=memory(replace(RUNNING, unproven=(K1,))), answers=NO_ANSWER, wishes=DRY
    ),
    "a suspect that was given up earlier is named once, without a fence": It(
        SILENT,
        book(pre_fence=False),
        memory(replace(RUNNING, unproven=(K1,))),
    ),
    "given up earlier, and a start in flight came up": It(
        [AFTER],
        memory=memory(replace(STARTING, unproven=(K3,))),
        answers={Settle: started(StartResult.RUNNING)},
    ),
    "a start in flight came up": It([AFTER], memory=memory(STARTING), answers={Settle: started(StartResult.RUNNING)}),
    "edited after it was captured, on silence": It(SILENT, answers={**NO_ANSWER, Startable: EDITED}),
    "edited after it was captured, and its process is found": It(MOVED, answers={Startable: EDITED}, wishes=YES),
    "edited after it was captured, with the same disks": It(
        SILENT, answers={**NO_ANSWER, Startable: replace(EDITED, other_disks=False)}
    ),
    "from its capture, on silence": It(
        SILENT, answers={**NO_ANSWER, Startable: Source("", EDITED.capture, Origin.CAPTURE)}
    ),
    "it is paused right after its start": It(
        [seen(k1=(WEB,)), seen(), seen(k2=replace(look("kvm-02", WEB.uuid), halted={WEB.uuid: PAUSED}))], wishes=YES
    ),
    "a start in flight came up, and is paused": It(
        [seen(k2=replace(look("kvm-02", WEB.uuid), halted={WEB.uuid: PAUSED}))],
        memory=memory(STARTING),
        answers={Settle: started(StartResult.RUNNING)},
    ),
    "a start in flight came to nothing": It([seen(), seen(), seen(k3=(WEB,))], memory=memory(STARTING)),
    "a start in flight is unknown": It(memory=memory(STARTING), answers={Settle: started(StartResult.UNKNOWN)}),
    "a start in flight, dry": It([seen()], memory=memory(STARTING), wishes=DRY),
    "no definition": It(answers={Startable: Source("its domain_xml is gone")}, wishes=YES),
    "no target": It([seen(k1=(WEB,), k2=silence("kvm-02"), k3=look("kvm-03", memory_free_mib=10))], wishes=YES),
    "no target and no sibling": It([seen(k1=(WEB,), k2=silence("kvm-02"), k3=silence("kvm-03"))], wishes=YES),
    "to a host": It([seen(k1=(WEB,)), seen(), seen(k3=(WEB,))], wishes={**YES, "to": K3}),
    "to the suspect": It(wishes={**YES, "to": K1}),
    "a named sibling": It(MOVED, wishes={**YES, "siblings": (K3,)}),
    "memory by the domain XML": It(
        MOVED, book(replace(WEB, memory_mib=None)), wishes=YES, vm=replace(WEB, memory_mib=None)
    ),
    "a neighbour is kept apart": It(
        [seen(k1=(WEB,), k2=(DB,)), seen(k2=(DB,)), seen(k3=(WEB,))],
        book(replace(WEB, anti_affinity=("db-01",)), DB),
        vm=replace(WEB, anti_affinity=("db-01",)),
        wishes=YES,
    ),
    "a hook says no": It(answers={RunHooks: (HookResult("a", ""), HookResult("b", "no"))}, wishes=YES),
    "two hooks say no to a silent suspect": It(
        SILENT, answers={**NO_ANSWER, RunHooks: (HookResult("a", "no"), HookResult("b", "never"))}
    ),
    "hooks take long, everything is looked at again": It(
        [seen(k1=(WEB,)), seen(), seen(), seen(), seen(), AFTER], takes=OLD, wishes=YES
    ),
    "hooks take long, and then it runs elsewhere": It([seen(k1=(WEB,)), seen(k3=(WEB,))], takes=OLD, wishes=YES),
    "hooks take long, and then the fence fails": It(
        [seen(k1=(WEB,)), seen()], takes=OLD, answers={Fence: [DEAD, UNKNOWN]}, wishes=YES
    ),
    "pre_fence is off": It([seen(k1=(WEB,)), AFTER], book(pre_fence=False), wishes=YES),
    "pre_fence is off, dry": It([seen(), AFTER], book(pre_fence=False), wishes=DRY),
    "pre_fence is off, a hook says no": It(
        [seen(), AFTER], book(pre_fence=False), answers={RunHooks: (HookResult("a", "no"),)}
    ),
    "no KVM": It([{}], stage.foreign(book())),
    "no KVM, dry": It([{}], stage.foreign(book()), wishes=DRY),
    "no KVM, no target": It([{}], stage.foreign(book()), wishes={"to": K1}),
    "no KVM, in maintenance": It([{}], stage.foreign(book(hosts=(MAINTAINED,)))),
    "the first target fails": It(
        [seen(k1=(WEB,)), seen(), seen(k3=(WEB,))],
        answers={Start: [started(StartResult.CLEAN, "no memory"), started(StartResult.RUNNING)]},
        wishes=YES,
    ),
    "every target fails": It(answers={Start: started(StartResult.CLEAN, "no memory")}, wishes=YES),
    "every target fails, and the second round does not": It(
        MOVED, answers={Start: [started(StartResult.CLEAN, "busy")] * 2 + [started(StartResult.RUNNING)]}, wishes=YES
    ),
    "every target fails by the site's own command": It(
        inventory=replace(book(), clusters={"prod": Cluster("prod", start=StartMode.COMMAND, start_command=("x",))}),
        answers={Start: started(StartResult.CLEAN, "exit 1")},
        wishes=YES,
    ),
    "every target fails, and it may go back": It(
        [seen(k1=look("kvm-01", WEB.uuid, defined=frozenset({WEB.uuid}))), seen()],
        answers={Start: started(StartResult.CLEAN, "no memory")},
        wishes=YES,
    ),
    "every target fails, and its host is not well": It(
        [seen(k1=look("kvm-01", WEB.uuid, defined=frozenset({WEB.uuid}), libvirt=Libvirt.BUSY)), seen()],
        answers={Start: started(StartResult.CLEAN, "no memory")},
        wishes=YES,
    ),
    "every target fails after silence": It(
        SILENT, answers={**NO_ANSWER, Start: started(StartResult.CLEAN, "no memory")}
    ),
    "a start is unknown": It(answers={Start: started(StartResult.UNKNOWN, "cut")}, wishes=YES),
    "a start takes long, the next is fenced again": It(
        [seen(k1=(WEB,)), seen(), seen(), seen(), seen(k3=(WEB,))],
        takes={Start: 61.0},
        answers={Start: [started(StartResult.CLEAN, "slow"), started(StartResult.RUNNING)]},
        wishes=YES,
    ),
    "a start takes long, and the fence fails then": It(
        takes={Start: 61.0},
        answers={Fence: [DEAD, UNKNOWN], Start: started(StartResult.CLEAN, "slow")},
        wishes=YES,
    ),
    "started, and two copies are seen": It([seen(k1=(WEB,)), seen(), seen(k2=(WEB,), k3=(WEB,))], wishes=YES),
    "started, and two copies are seen, the new one lives": It(
        [seen(k1=(WEB,)), seen(), seen(k2=(WEB,), k3=(WEB,))], answers={Fence: [DEAD, ALIVE]}, wishes=YES
    ),
    "started, and three copies are seen": It(
        [seen(k1=(WEB,)), seen(), seen(k1=(WEB,), k2=(WEB,), k3=(WEB,))], wishes=YES
    ),
    "started twice on the target": It(
        [seen(k1=(WEB,)), seen(), seen(k2=replace(look("kvm-02", WEB.uuid), copies={WEB.uuid: 2}))], wishes=YES
    ),
    "started, and not seen": It([seen(k1=(WEB,)), seen()], wishes=YES),
    "started, and not seen, and unknown": It(
        [seen(k1=(WEB,)), seen()], answers={Settle: started(StartResult.UNKNOWN)}, wishes=YES
    ),
    "started, and the target is silent": It([seen(k1=(WEB,)), seen(), seen(k2=silence("kvm-02"))], wishes=YES),
    "the lease is lost at the end": It(MOVED, answers={DropLease: LeaseLost("gone")}, wishes=YES),
    "the store is gone at the end": It(MOVED, answers={DropLease: StoreError("gone")}, wishes=YES),
    "interrupted at the end": It(MOVED, answers={DropLease: Interrupted()}, wishes=YES),
    "the lease is lost before the fence": It(answers={RenewLease: LeaseLost("taken by run-9")}, wishes=YES),
    "the lease is lost after the fence": It(answers={WriteRecord: LeaseLost("taken by run-9")}, wishes=YES),
    "the lease is lost during the start": It(answers={Start: LeaseLost("taken by run-9")}, wishes=YES),
    "the store is gone before the fence": It(answers={LookAt: StoreError("state.db is gone")}, wishes=YES),
    "the store is gone after the fence": It(answers={WriteRecord: StoreError("state.db is gone")}, wishes=YES),
    "the store is gone during the start": It(answers={Start: StoreError("state.db is gone")}, wishes=YES),
    "interrupted before the fence": It(answers={LookAt: Interrupted()}, wishes=YES),
    "interrupted after the fence": It(answers={RunHooks: Interrupted()}, wishes=YES),
    "interrupted during the start": It(answers={Start: Interrupted()}, wishes=YES),
    "put back after silence, which is what it was": It(SILENT, memory=memory(ON_SILENCE), answers=NO_ANSWER),
    "it turns up elsewhere after the fence": It([seen(k1=(WEB,)), seen(k3=(WEB,))], wishes=YES),
    "it comes back on the suspect after the fence": It([seen(k1=(WEB,)), seen(k1=(WEB,))], wishes=YES),
    "the suspect was silent, and is not waited for": It(SILENT, answers=NO_ANSWER),
    "silent here, ended by a sibling, whose watch was cut off": It(SILENT, answers=CUT_OFF),
    "silent, seen through a sibling, which sees a copy after the start": It(
        [*BEHIND, seen(k1=behind("kvm-03", "kvm-01", WEB.uuid), k2=(WEB,))], answers={**CUT_OFF, Fence: DEAD}
    ),
    "silent here, ended by a sibling, whose watch was cut off, and it is there again": It(
        [*SILENT, seen(k1=(WEB,), k2=(WEB,))], answers=CUT_OFF
    ),
    "nothing was found, and it runs in another cluster": It(
        [seen(), seen(k4=(WEB,))], TWO_CLUSTERS, answers={Fence: NOTHING_THERE}, wishes=YES
    ),
    "nothing was found, and nobody can look into another cluster": It(
        [seen(), seen(k4=silence("kvm-04")), AFTER], TWO_CLUSTERS, answers={Fence: NOTHING_THERE}, wishes=YES
    ),
    "nothing was found, where it is defined": It(
        [seen(), seen(k1=replace(look("kvm-01"), defined=frozenset({WEB.uuid}))), AFTER],
        answers={Fence: NOTHING_THERE},
        wishes=YES,
    ),
    "nothing was found, and libvirt does not answer": It(
        [seen(), seen(k1=look("kvm-01", libvirt=Libvirt.FAILED)), AFTER], answers={Fence: NOTHING_THERE}, wishes=YES
    ),
    "nothing was found, and libvirt hangs on another host": It(
        [seen(k3=look("kvm-03", libvirt=Libvirt.HUNG)), seen(k3=look("kvm-03", libvirt=Libvirt.HUNG)), AFTER],
        answers={Fence: NOTHING_THERE},
        wishes=YES,
    ),
    "nothing was found, and libvirt hangs on another host by then": It(
        [seen(), seen(k3=look("kvm-03", libvirt=Libvirt.HUNG)), AFTER], answers={Fence: NOTHING_THERE}, wishes=YES
    ),
    "it was found, and libvirt hangs on another host": It(
        [
            seen(k1=(WEB,), k3=look("kvm-03", libvirt=Libvirt.HUNG)),
            seen(k3=look("kvm-03", libvirt=Libvirt.HUNG)),
            AFTER,
        ],
        wishes=YES,
    ),
    "another host answers at the suspect's address": It(
        [seen(k1=look("kvm-01", boot_id="b-3"), k3=look("kvm-03", boot_id="b-3"))], wishes=YES
    ),
    "the others' boots are told to the fence": It(
        [seen(k1=look("kvm-01", boot_id="b-1"), k3=look("kvm-03", boot_id="b-3")), seen(), AFTER], wishes=YES
    ),
    "the VM of another inventory": It(MOVED, book(WEB, vm(3, host="kvm-03")), memory=memory(RUNNING), wishes=YES),
    "the store can't be read": It(answers={Recall: StoreError("no right")}, wishes=YES),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_asked_for_and_said(case: str) -> None:
    assert_told_of("start_vm", case, CASES[case].lines())


def test_every_case_is_told() -> None:
    assert_told("start_vm", {name: it.lines() for name, it in CASES.items()})


def test_nothing_is_said_of_targets_before_there_are_any() -> None:
    assert VmRun(stage.run(book()), WEB, RUNNING).without_state == ()
