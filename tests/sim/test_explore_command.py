"""`hafence simulate …` as people and scripts use it, and as they typed it before it had commands of its own."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hafence.cli.app import run
from hafence.sim.events import Event
from hafence.sim.explore import first_case
from hafence.sim.folder import write_folder
from hafence.sim.oracle import Violation
from hafence.sim.policies import SshFailureIsDeath, arm_of
from hafence.sim.report import Failure
from hafence.sim.scenario import play_events, play_folder
from hafence.sim.search import as_scenario, exhaustive
from hafence.sim.situations import Means, inventory
from tests.json_schemas import faults

DRAFTS = "ssh-failure-counts-as-dead"
SCENARIO = str(Path(__file__).parents[1] / "scenarios/dead-host")


def hafence(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hafence", *words], capture_output=True, text=True, timeout=300, check=False
    )


Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def type_here(capsys: pytest.CaptureFixture[str]) -> Type:
    """Type `hafence simulate WORDS` in this process, which saves the second that a new one takes to begin; the answer:
    exit code, stdout, stderr."""

    def typed(*words: str) -> tuple[int, str, str]:
        code = run(["simulate", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return typed


def test_the_whole_search_of_one_run_as_a_document() -> None:
    done = hafence("simulate", "explore", "--single", "--faults", "0", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["policy"], document["fences"], document["split_brains"]) == ("confirm", "no fence", 0)
    assert document["cases"] == document["searches"]["one run"] > 20
    assert document["unbidden_split_brains"] > 0
    assert document["stories"] == []
    assert faults("simulate-explore", document) == []


@pytest.mark.slow
def test_the_table_of_policies_fits_80_columns_and_the_document_has_every_row() -> None:
    wanted = ("simulate", "compare", "--random", "60", "--seed", "columns")
    shown = hafence(*wanted)
    assert shown.returncode == 0, shown.stderr
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
    document = json.loads(hafence(*wanted, "--json").stdout)
    assert faults("simulate-compare", document) == []
    rows = document["policies"]
    assert {(row["policy"], row["fences"]) for row in rows} == {
        *(
            (policy, fences)
            for policy in ("proceed", "confirm", "prove")
            for fences in ("no fence", "storage fence", "power fence", "storage and power fence")
        ),
        ("confirm", "no fence, guarded"),
        (DRAFTS, "no fence"),
    }
    for row in rows:
        assert row["cases"] == 60
        assert set(row["per_million"]) >= {"split_brains", "named_split_brains", "refusals"}
        assert row["median_start_seconds"] is None or row["median_start_seconds"] > 0


@pytest.mark.slow
def test_what_the_drafts_break_is_written_as_scenarios_that_play_to_the_same_end(tmp_path: Path) -> None:
    done = hafence(
        "simulate", "explore", "--policy", DRAFTS, "--random", "100", "--write", str(tmp_path / "found"), "--json"
    )
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert document["split_brains"] > 0
    assert document["stories"]
    assert faults("simulate-explore", document) == []
    for story in document["stories"]:
        played = hafence("simulate", "play", "--policy", DRAFTS, story["folder"])
        assert played.returncode == 3
        assert story["broken"] in played.stderr
        assert DRAFTS in (Path(story["folder"]) / "README.md").read_text()
        ours = hafence("simulate", "play", story["folder"])
        assert "the oracle" not in ours.stderr, "what hafence itself does keeps the promise in the same story"


@pytest.mark.slow
def test_a_story_of_the_exhaustive_search_plays_to_the_same_end_from_its_folder(tmp_path: Path) -> None:
    report = exhaustive(DRAFTS, faults=1, pairs=False, situations=("isolated", "half-open"))
    assert report.failures
    for number, failure in enumerate(report.failures[::40]):
        folder = tmp_path / str(number)
        write_folder(folder, "found", inventory(Means("proceed")), failure.events, failure.violations)
        log, found = play_events(inventory(Means("proceed")), failure.events, SshFailureIsDeath())
        result = play_folder(folder, policy=SshFailureIsDeath())
        assert result.log == log
        assert result.violations == found
        assert set(failure.violations) >= set(found) != set()


def test_a_story_after_which_the_vm_stays_down_is_written_with_the_run_that_does_not_bring_it_up() -> None:
    failure = Failure("healthy", first_case("healthy"), [Violation("liveness", "an example")])
    *before, mended, again = as_scenario(failure, arm_of("confirm"))
    assert tuple(before) == failure.events
    assert mended.verb == "heal"
    assert again == Event(again.at, "run", failure.events[-1].what)
    assert again.at > mended.at > failure.events[-1].at


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("explore", "--policy", "hope"), "no policy 'hope'"),
        (("play", "--policy", "hope", SCENARIO), "no policy 'hope'"),
        (("play",), "Missing argument 'FOLDER...'"),
        (("play", "--single", SCENARIO), "No such option"),
        (("explore", SCENARIO), "unexpected extra argument"),
        (("compare", "--write", "found"), "No such option"),
        (("--explore", "--policy", "hope"), "no policy 'hope'"),
        (("--compare",), "give scenario folders, or --explore"),
        ((SCENARIO, "--compare"), "--compare goes with --explore"),
        (("--explore", SCENARIO), "give scenario folders, or --explore"),
        (("no-such-folder",), "does not exist"),
        ((), "give scenario folders, or --explore"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(type_here: Type, words: tuple[str, ...], says: str) -> None:
    code, shown, wrong = type_here(*words)
    assert (code, shown) == (2, "")
    assert says in wrong


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((SCENARIO,), ("play", SCENARIO)),
        (("-v", SCENARIO, "--json"), ("play", "-v", SCENARIO, "--json")),
        (("--", SCENARIO), ("play", "--", SCENARIO)),
        (("--policy", DRAFTS, SCENARIO), ("play", "--policy", DRAFTS, SCENARIO)),
        (
            ("--single", "--faults", "0", "--explore", "--json"),
            ("explore", "--single", "--faults", "0", "--json"),
        ),
        (
            ("--explore", "--storage", "--random", "5", "--seed", "old", "--policy", "prove"),
            ("explore", "--storage", "--random", "5", "--seed", "old", "--policy", "prove"),
        ),
        (
            ("--explore", "--policy", DRAFTS, "--random", "10", "--json"),
            ("explore", "--policy", DRAFTS, "--random", "10", "--json"),
        ),
        (
            ("--explore", "--compare", "--random", "2", "--faults", "1", "--json"),
            ("compare", "--random", "2", "--faults", "1", "--json"),
        ),
    ],
    ids=lambda words: " ".join(words).replace(SCENARIO, "FOLDER"),
)
def test_what_was_typed_before_means_the_same(type_here: Type, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    code, shown, wrong = type_here(*old)
    assert (code, shown, wrong) == type_here(*new)
    assert code in (0, 3)
    assert shown + wrong


def test_the_environment_means_the_same_as_before(type_here: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"EXPLORE": "1", "SINGLE": "1", "FAULTS": "0", "JSON": "1"}.items():
        monkeypatch.setenv(f"HAFENCE_{name}", value)
    old, new = type_here(), type_here("explore")
    assert old == new
    assert new[0] == 0
    assert json.loads(new[1])["searches"].keys() == {"one run"}


OF_ALL = {"--json", "--inventory", "--store", "--verbose", "--quiet", "--help"}


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("play", {"--bless", "--policy"}),
        (
            "explore",
            {"--policy", "--storage", "--power", "--faults", "--single", "--random", "--seed", "--jobs", "--write"},
        ),
        ("compare", {"--random", "--faults", "--seed", "--jobs"}),
    ],
)
def test_each_command_shows_its_own_options_only(type_here: Type, command: str, options: set[str]) -> None:
    _, shown, _ = type_here(command, "--help")
    assert set(re.findall(r"^  (?:-\w, )?(--[a-z]+)", shown, re.M)) == options | OF_ALL


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("--explore", "--help"), (SCENARIO, "--help")])
def test_help_names_the_commands_however_the_line_began(type_here: Type, words: tuple[str, ...]) -> None:
    code, shown, _ = type_here(*words)
    assert code == 0
    assert re.findall(r"^  (play|explore|compare) ", shown, re.M) == ["play", "explore", "compare"]
    assert "--explore" not in shown
