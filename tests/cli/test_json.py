"""The JSON of the contract: every key is there whatever happened, and times are RFC 3339 in UTC."""

from __future__ import annotations

import json
from dataclasses import replace

from hafence.cli.show.documents import outcome_object, outcomes_object
from hafence.cli.show.times import seconds, timestamp
from hafence.core.attempts import Attempt, Facts, Reading, Verdict
from hafence.core.model import HostName, Uuid
from hafence.core.outcome import Decision, Exit, Outcome
from hafence.core.reasons import Reason
from hafence.core.risks import Risk, RiskKind

KEYS = {"run", "vm", "suspect", "decision", "verdict", "reason", "message", "host", "dry_run", "attempts", "evidence"}
KEYS |= {"residual_risk"}

BARE = Outcome(
    run="20261122T153000-3f2a9c",
    uuid=Uuid("6d6f6a5a-0000-4000-8000-000000000001"),
    name="web-01",
    suspect=None,
    decision=Decision.REFUSED,
    verdict=None,
    reason=Reason.BUSY,
    says="busy",
)
READING = Reading(Verdict.CONFIRMED_DEAD, Facts(found=1, killed=1))
KILLED = Attempt(HostName("kvm-02"), READING, 0.41, 1763824000.1239)
FULL = replace(
    BARE,
    suspect=HostName("kvm-01"),
    decision=Decision.STARTED,
    verdict=Verdict.CONFIRMED_DEAD,
    reason=Reason.CONFIRMED_DEAD,
    host=HostName("kvm-03"),
    attempts=(KILLED,),
    evidence=(KILLED,),
    residual_risk=(Risk(RiskKind.SILENT_SUSPECT, (HostName("kvm-01"),)),),
)


def test_every_key_is_there_when_nothing_is_known() -> None:
    document = outcome_object(BARE)
    assert document.keys() >= KEYS
    assert document["suspect"] is document["verdict"] is document["host"] is None
    assert document["attempts"] == document["evidence"] == document["residual_risk"] == []


def test_a_start_with_all_that_it_stands_on() -> None:
    document = json.loads(json.dumps(outcome_object(FULL)))
    assert document["vm"] == {"uuid": "6d6f6a5a-0000-4000-8000-000000000001", "name": "web-01"}
    assert (document["decision"], document["verdict"], document["reason"]) == (
        "started",
        "confirmed_dead",
        "confirmed_dead",
    )
    assert document["attempts"] == [
        {"proxy": "kvm-02", "verdict": "confirmed_dead", "detail": KILLED.says, "seconds": 0.41}
    ]
    assert document["evidence"] == [
        {
            "kind": "fence",
            "source": "through kvm-02",
            "at": "2025-11-22T15:06:40.123Z",
            "says": KILLED.says,
            "proves": "vm_dead",
        }
    ]


def test_several_vms_stand_in_one_object() -> None:
    document = outcomes_object("r1", [FULL, BARE], 3)
    assert document["run"] == "r1"
    assert [vm["decision"] for vm in document["vms"]] == ["started", "refused"]


def test_a_store_that_fails_in_a_run_is_an_outcome_and_an_error_object() -> None:
    gone = replace(BARE, reason=Reason.STORE_ERROR, says="the store is gone", exit=Exit.STORE)
    document = outcome_object(gone)
    assert document.keys() >= KEYS
    assert document["error"] == {"exit": 7, "message": "the store is gone", "errors": []}
    assert outcomes_object("r1", [FULL, gone], 7)["error"]["message"] == "the store is gone"


def test_a_timestamp_can_be_read_back() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert abs(seconds(timestamp(1763824000.1239)) - 1763824000.1239) < 0.001
