"""What a history keeps of each step: every journalled effect has its words, nothing is a class's name, and it stays."""

from __future__ import annotations

import json
from dataclasses import is_dataclass, replace
from typing import Any

import pytest

from hafence import effects
from hafence.core.attempts import Facts, FenceOrder, FenceReport, Reading, Reply, Verdict
from hafence.core.captures import Capture
from hafence.core.evidence import Observation, Proof, Sign, WitnessReport
from hafence.core.given_back import GivenBack
from hafence.core.looks import Blind, HostLook, Libvirt, Silence
from hafence.core.model import HostName, Ready, Uuid
from hafence.core.owners import Owner, RunBy, UnitStop
from hafence.core.power import DeviceId
from hafence.core.ready import Readiness, Serves
from hafence.core.reasons import Reason
from hafence.core.record import ShutOut, VmRecord, VmState
from hafence.core.replies import interpret
from hafence.core.risks import Risk, RiskKind
from hafence.core.second_level import SecondLevelKind, SecondLevelReply
from hafence.core.starts import HookResult, StartOrder, StartReply, StartResult
from hafence.core.storage.ceph import Client
from hafence.core.storage.port import Asker, ClientsSeen, EntriesSeen, Entry, Unanswered, Volume
from hafence.core.stored import Lease, WorkKind
from hafence.core.troubles import Trouble
from hafence.core.watch import WatchReport
from hafence.core.wire import Faulty, ReplyFault
from hafence.effects import Effect, Journalled
from hafence.runner.step_format import KINDS, came, kind_of, reading_document, reading_of
from tests.core.telling import assert_told

VM, KVM_01, KVM_02 = Uuid("6d6f6a5a-0000-4000-8000-000000000001"), HostName("kvm-01"), HostName("kvm-02")
ORDER = FenceOrder(KVM_01, KVM_02, (VM,), 20.0, 1.0, float("inf"))
LOOK = HostLook(KVM_01, 1.0, 0.5, None, None, Libvirt.OK, {VM: 1}, frozenset({VM}), defined=frozenset({VM}))
START = StartOrder(VM, KVM_02, 7001, 220.0, 30.0)
RECORD = VmRecord(
    VM,
    VmState.STOPPED,
    None,
    KVM_01,
    3,
    "run-1",
    7001,
    Reason.STORAGE_FENCED,
    None,
    (ShutOut(KVM_01, 9e9),),
    unproven=(KVM_02,),
)
LEVEL = SecondLevelReply(
    SecondLevelKind.POWER, True, "off", (Observation("power", "bmc", 2.0, "off", Proof.HOST_OFF),), 9e9
)
ASKER, HERE = Asker("ceph", "prod", KVM_02), Asker("ceph", "prod", None)
CLIENT, WHOLE = Client("10.0.0.1", 0, 5), Client("fd00::1", 0, 0)
SEEN = ClientsSeen({"rbd/a": Volume("rbd/a", (CLIENT,), (WHOLE,))}, "10.0.0.2", 2.0)
LISTED = EntriesSeen((Entry(CLIENT, 9e9), Entry(WHOLE, 8e9)), 2.0)
KILLED = Reading(Verdict.CONFIRMED_DEAD, Facts(1, 1, "", "", (("destroy", "ok"),)), machine_id="f" * 32)
UNIT = Reading(
    Verdict.CONFIRMED_DEAD, Facts(1, 1, owner=Owner(RunBy.UNIT, "vm@web-01.service", "systemd", UnitStop.STOPPED))
)

STEPS: list[tuple[Effect[Any], Any]] = [
    (effects.Ask("Kill it?"), effects.Answer.NO),
    (effects.Tell("words"), None),
    (effects.Tell("a risk", Risk(RiskKind.SILENT_SUSPECT, (KVM_01,))), None),
    (
        effects.LookAt((KVM_01, KVM_02)),
        {KVM_01: LOOK, KVM_02: Silence(KVM_02, 1.0, Trouble.CUT, "n"), HostName("c"): Blind(HostName("c"), 1.0, "b")},
    ),
    (
        effects.LookAt((KVM_01,), through=effects.Through(KVM_01, (KVM_02,))),
        {KVM_01: Silence(KVM_01, 1.0, Trouble.TIMED_OUT, seen=replace(LOOK, through=KVM_02))},
    ),
    (effects.Fence(ORDER), FenceReport({VM: KILLED}, 1.5, 2.0)),
    (effects.EndWatch(KVM_01, VM), WatchReport(KVM_01, {VM: 2}, frozenset({VM}), True, {VM: True})),
    (effects.GiveBack(KVM_01, (VM,), 9e9), GivenBack(frozenset({VM}), "libvirt there did not take it")),
    (
        effects.Witness(KVM_01, (KVM_02,)),
        (WitnessReport(None, 1.0, frozenset({Sign.PING, Sign.RST}), True, "seen", 2, 1),),
    ),
    (effects.RunHooks(VM, KVM_01, KVM_02), (HookResult("site", "no room"), HookResult("dns", ""))),
    (effects.Start(replace(START, boot_id="b-2")), StartReply(StartResult.RUNNING, "it runs", 3.0)),
    (effects.Settle(START), StartReply(StartResult.UNKNOWN, "cut", 3.0)),
    (effects.WriteRecord(RECORD, Lease(VM, 7, 220.0)), RECORD),
    (effects.Quarantine(KVM_01, "fenced"), None),
    (effects.LiftQuarantine(KVM_01, "f" * 32), None),
    (effects.RecordStatement(KVM_01, "seen dark", 3700.0), None),
    (effects.SpendStatement(KVM_01, "it answered"), None),
    (effects.PlanWork(WorkKind.DISARMED, ("prod-a", "prod-b"), "rewiring", 3600.0), None),
    (effects.EndWork(WorkKind.MAINTENANCE, ("kvm-01",)), None),
    (effects.SendOff(DeviceId(KVM_01, 1, 2, "fence_ipmilan"), 220.0), None),
    (effects.AskClients(ASKER, ("rbd/a",), 220.0), SEEN),
    (effects.AskClients(HERE, ("rbd/a",), 220.0), Unanswered("no program 'rbd'")),
    (effects.ListEntries(ASKER, 220.0), LISTED),
    (effects.AddEntries(ASKER, (CLIENT, WHOLE), 220.0, anew=True), LISTED),
    (effects.RemoveEntries(HERE, (CLIENT,), 220.0), Unanswered("cut")),
    (effects.NoteSecondLevel(KVM_01, SecondLevelKind.POWER, {VM: LEVEL}), None),
    (effects.Fence(ORDER), FenceReport({VM: UNIT}, 1.5, 2.0)),
    (effects.KeepCapture(Capture(VM, KVM_01, 2.0, "d" * 64, "<domain/>")), None),
    (effects.AwaitReady(VM, KVM_02, Ready(389), 15.0), Readiness(Serves.YES, "it answers", 3.0)),
    (effects.AwaitReady(VM, KVM_02, Ready(), 0.1234), Readiness(Serves.NOT_YET, "no agent", 3.0)),
]


def effect_kinds() -> list[type[Effect[Any]]]:
    classes = [each for each in vars(effects).values() if isinstance(each, type) and issubclass(each, Effect)]
    return [each for each in classes if is_dataclass(each)]


def test_every_journalled_effect_and_no_other_has_a_place_in_the_history() -> None:
    assert set(KINDS) == {each for each in effect_kinds() if each.journalled is not Journalled.NOTHING}
    assert {type(effect) for effect, _ in STEPS} == set(KINDS)
    assert len({kind_of(effect) for effect, _ in STEPS}) == len(KINDS)


def test_what_is_kept_of_each_step() -> None:
    """Held to the letter: scripts and later versions read it."""
    kept = {f"{number}. {kind_of(step[0])}": [json.dumps(came(*step))] for number, step in enumerate(STEPS, 1)}
    assert_told("steps", kept)


@pytest.mark.parametrize(
    "reading",
    [
        KILLED,
        Reading(Verdict.STILL_ALIVE, Facts(2, 0, "D", "survived-sigkill")),
        Reading(Verdict.UNREACHABLE, trouble=Trouble.TIMED_OUT, note="three times"),
        Reading(Verdict.AMBIGUOUS, fault=Faulty(ReplyFault.STATUS_CONTRADICTS, "7")),
        Reading(Verdict.AMBIGUOUS, Facts(0, 0)),
        Reading(Verdict.CONFIRMED_DEAD, Facts(1, 1, owner=Owner(RunBy.LIBVIRT))),
        UNIT,
    ],
)
def test_a_reading_is_read_back_as_it_was(reading: Reading) -> None:
    document = json.loads(json.dumps(reading_document(reading)))
    assert reading_of(document) == reading


def test_nothing_of_what_a_host_said_is_kept() -> None:
    reply = Reply("n", None, 1, "secret words of the host", 1.0, 2.0)
    assert "secret" not in json.dumps(came(effects.Fence(ORDER), interpret(ORDER, reply)))


def test_a_step_that_nothing_tells_how_to_keep_is_a_bug() -> None:
    with pytest.raises(KeyError):
        kind_of(effects.Now())
