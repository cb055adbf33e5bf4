"""docs/json says what scripts may build on: its words are those of the code, and what is printed is held to it."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from hafence.cli.readiness import Ready
from hafence.cli.show.documents import outcome_object, outcomes_object
from hafence.core.attempts import Verdict
from hafence.core.evidence import Proof
from hafence.core.live import Seen
from hafence.core.model import HostState
from hafence.core.outcome import Decision
from hafence.core.reasons import Reason
from hafence.core.record import VmState
from hafence.core.survey import Code, Severity
from hafence.workflows.host_status import HostReason
from hafence.workflows.planned_work import WorkReason
from tests.cli.conftest import Desk
from tests.cli.test_json import BARE, FULL
from tests.json_schemas import NAMES, faults, hold, schema, schema_of

EVIDENCE = outcome_object(FULL)["evidence"][0]
OUTCOME = schema("common")["$defs"]["outcome"]["properties"]


def words(of: type[Enum]) -> list[Any]:
    return [each.value for each in of]


def test_the_schemas_name_the_words_that_there_are() -> None:
    assert OUTCOME["decision"]["enum"] == words(Decision)
    assert OUTCOME["verdict"]["enum"] == [*words(Verdict), None]
    assert OUTCOME["reason"]["enum"] == words(Reason)
    assert schema("common")["$defs"]["evidence"]["properties"]["proves"]["enum"] == words(Proof)
    finding = schema("audit")["properties"]["findings"]["items"]["properties"]
    assert finding["code"]["enum"] == words(Code)
    assert finding["severity"]["enum"] == schema("audit")["properties"]["status"]["enum"] == list(Severity.__members__)
    status = schema("status")["anyOf"][0]["properties"]
    assert status["vms"]["items"]["properties"]["state"]["enum"] == words(VmState)
    assert status["hosts"]["items"]["properties"]["state"]["enum"] == words(HostState)
    live = status["vms"]["items"]["properties"]["live"]["anyOf"][0]["properties"]
    assert live["seen"]["enum"] == words(Seen)
    check = schema("doctor")["anyOf"][0]["properties"]["checks"]["items"]["properties"]
    assert check["state"]["enum"] == words(Ready)
    of_a_host = schema("common")["$defs"]["host_run"]["properties"]["reason"]["enum"]
    assert of_a_host == [*words(HostReason), "not_in_quarantine"]
    assert schema("common")["$defs"]["planned"]["properties"]["reason"]["enum"] == words(WorkReason)


def test_an_outcome_is_what_is_promised_with_all_and_with_nothing() -> None:
    for outcome in (BARE, FULL):
        assert faults("start-vm", outcome_object(outcome)) == []
    assert faults("fence", outcomes_object("r1", [BARE, FULL], 3)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"verdict": "dead"}, "$.verdict is 'dead', none of"),
        ({"exit": True}, "$.exit is True, no integer"),
        ({"host": 3}, "$.host is 3, no string or null"),
        ({"new": 1}, "$ has new, which is not in the schema"),
        ({"vm": {"uuid": "1"}}, "$.vm lacks name"),
        ({"ways_out": ["a", None]}, "$.ways_out[1] is None, no string"),
        ({"evidence": [EVIDENCE | {"at": "yesterday"}]}, "$.evidence[0].at is 'yesterday', which is not like"),
    ],
)
def test_what_is_not_as_promised_is_noticed(change: dict[str, Any], told: str) -> None:
    found = _outcome_faults(change)
    assert any(fault.startswith(told) for fault in found), found


def _outcome_faults(change: dict[str, Any]) -> list[str]:
    document = outcomes_object("r1", [FULL], 0)
    document["vms"][0] |= change
    return [fault.replace("$.vms[0]", "$") for fault in faults("fence", document)]


def test_a_line_is_known_by_its_command() -> None:
    assert (
        *("arm", "audit", "capture", "config-show", "confirm-dead", "disarm", "doctor", "evacuate", "evacuate-lines"),
        *("explain", "fence", "history", "inventory-check", "maintenance", "rejoin", "simulate-compare"),
        *("simulate-explore", "simulate-play", "start-vm", "status", "store-check"),
    ) == NAMES
    assert schema_of(["python", "-m", "hafence", "-i", "x", "config", "show", "--json"]) == "config-show"
    assert schema_of(["fence", "web-01", "--json"]) == "fence"
    assert schema_of(["fence", "web-01"]) is schema_of(["demo", "--json"]) is None
    assert schema_of(["store", "check", "--json"]) == "store-check"
    with pytest.raises(AssertionError, match=r"docs/json/doctor\.json: .*\$ lacks checks"):
        hold(["doctor", "--json"], '{"ready": true}')


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("simulate-")])
def test_every_command_that_has_a_schema_prints_what_it_says(desk: Desk, name: str) -> None:
    """Of an error, and of what there is without a run; tests of runs hold theirs to it, too."""
    line = re.sub("^(config|inventory|store)-", r"\1 ", name).split()
    desk.type(*line, "--json")
    said = desk.type(*line, *(["web-01", "--dry-run"] if name in ("fence", "start-vm") else []), "--json")
    assert faults(name, said.document) == []
    desk.write("hosts: [")
    assert desk.type(*line, "--json").document["error"]["exit"] in (2, 6)


def test_a_scenario_that_is_played_is_told_as_promised(desk: Desk) -> None:
    folder = Path(__file__).parents[1] / "scenarios" / "zombie-leader"
    assert faults("simulate-play", desk.type("simulate", "play", str(folder), "--json").document) == []
    assert faults("simulate-play", desk.type("simulate", "play", "nowhere", "--json").document) == []
