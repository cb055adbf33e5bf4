"""What `evacuate --json-lines` prints of each effect, held to its schema; people still hear what is said to them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hafence.cli.show.lines import LinesVoice
from hafence.core.attempts import FenceOrder, FenceReport, Reading, Verdict
from hafence.core.looks import Blind
from hafence.core.model import HostName
from hafence.core.reasons import Reason
from hafence.core.record import mark_stopped, unseen
from hafence.core.second_level import SecondLevelKind, SecondLevelReply
from hafence.core.starts import StartOrder, StartReply, StartResult
from hafence.core.stored import Lease
from hafence.effects import (
    Answer,
    Ask,
    DropLease,
    Effect,
    Fence,
    LookAt,
    NoteOutcome,
    NoteSecondLevel,
    Quarantine,
    Start,
    StoreError,
    Tell,
    WriteRecord,
)
from tests.cli.test_json import FULL
from tests.core.make import inventory, look, silence, uuid
from tests.json_schemas import faults

K1, K2, K3 = (HostName(f"kvm-0{n}") for n in (1, 2, 3))
VM = {"uuid": uuid(1), "name": "vm-01"}
LEASE = Lease(uuid(1), 7, 100.0)
RECORD = mark_stopped(unseen(uuid(1), K1), "r1", Reason.CONFIRMED_DEAD)
LOOKS = {K2: look("kvm-02"), K1: silence("kvm-01"), K3: Blind(K3, 1.0, "a forced command")}
OFF = SecondLevelReply(SecondLevelKind.POWER, True, "off", ())
START = StartOrder(uuid(1), K2, 7001, 220.0, 30.0)
FENCE = FenceOrder(K1, K2, (uuid(1), uuid(2)), 20.0, 1.0, 220.0)
REPORT = FenceReport({uuid(1): Reading(Verdict.CONFIRMED_DEAD), uuid(2): Reading(Verdict.STILL_ALIVE)}, 0.4, 100.0)


class Heard:
    """A voice that notes what it was asked to say."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begins(self, effect: Effect[Any], budget_s: float | None) -> None:
        self.said.append(f"begins {type(effect).__name__}")

    def ends(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        self.said.append(f"ends {type(effect).__name__}")

    def tells(self, text: str) -> None:
        self.said.append(text)

    def asks(self, question: str) -> Answer:
        self.said.append(question)
        return Answer.YES


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The events that were printed, without what each has."""
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [fault for event in events for fault in faults("evacuate-lines", event)] == []
    assert {event.pop("run") for event in events} <= {"r1"}
    assert all(event.pop("at") for event in events)
    return events


@pytest.mark.parametrize(
    ("effect", "answer", "event"),
    [
        (Tell("place on kvm-02: 1"), None, {"event": "said", "says": "place on kvm-02: 1"}),
        (Ask("Go on?"), Answer.NO, {"event": "asked", "question": "Go on?", "answer": "no"}),
        (
            LookAt((K1, K2, K3)),
            LOOKS,
            {"event": "looked", "hosts": {"kvm-01": "silent", "kvm-02": "answers", "kvm-03": "blind"}},
        ),
        (
            Fence(FENCE),
            REPORT,
            {
                "event": "fenced",
                "suspect": "kvm-01",
                "proxy": "kvm-02",
                "rehearsed": False,
                "vms": [
                    {**VM, "verdict": "confirmed_dead"},
                    {"uuid": uuid(2), "name": uuid(2), "verdict": "still_alive"},
                ],
            },
        ),
        (
            NoteSecondLevel(K1, SecondLevelKind.POWER, {uuid(1): OFF}),
            None,
            {"event": "second_level", "suspect": "kvm-01", "level": "power", "vms": [{**VM, "done": True}]},
        ),
        (Quarantine(K1, "fenced"), None, {"event": "quarantined", "host": "kvm-01"}),
        (
            Start(START),
            StartReply(StartResult.RUNNING, "it runs", 100.0),
            {"event": "start_ended", "vm": VM, "target": "kvm-02", "result": "running"},
        ),
        (
            WriteRecord(RECORD, LEASE),
            RECORD,
            {"event": "recorded", "vm": VM, "state": "stopped", "host": None},
        ),
        (
            NoteOutcome(FULL),
            None,
            {
                "event": "outcome",
                "vm": {"uuid": FULL.uuid, "name": "web-01"},
                "decision": "started",
                "reason": "confirmed_dead",
                "host": "kvm-03",
                "message": "busy",
                "exit": 0,
            },
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_effect_that_is_told(
    capsys: pytest.CaptureFixture[str], effect: Effect[Any], answer: Any, event: dict[str, Any]
) -> None:
    people = Heard()
    voice = LinesVoice(inventory(), people)
    voice.begin("r1", K1, False, ())
    voice.ends(effect, answer, 0.1)
    assert told(capsys) == [{"event": "began", "host": "kvm-01", "dry_run": False, "vms": []}, event]
    assert people.said == [f"ends {type(effect).__name__}"]


def test_a_start_is_told_before_it_is_sent_and_an_error_is_no_event(capsys: pytest.CaptureFixture[str]) -> None:
    people = Heard()
    voice = LinesVoice(inventory(), people)
    voice.begin("r1", K1, True, inventory().vms.values())
    voice.begins(Start(START), 30.0)
    voice.begins(Quarantine(K1, "fenced"), None)
    voice.ends(Start(START), StoreError("gone"), 0.1)
    voice.ends(DropLease(LEASE), None, 0.1)
    voice.tells("a word")
    assert voice.asks("Go on?") is Answer.YES
    assert told(capsys) == [
        {"event": "began", "host": "kvm-01", "dry_run": True, "vms": [VM]},
        {"event": "starting", "vm": VM, "target": "kvm-02"},
    ]
    assert people.said == ["begins Start", "begins Quarantine", "ends Start", "ends DropLease", "a word", "Go on?"]
