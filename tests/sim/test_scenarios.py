"""Every scenario folder comes out as a person has read and believed it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hafence.core.outcome import Decision, Exit
from hafence.core.reasons import Reason
from hafence.sim.arguments import BadEvent
from hafence.sim.commands import verbs
from hafence.sim.scenario import play_folder, read_events

SCENARIOS = Path(__file__).parents[1] / "scenarios"
FOLDERS = sorted(path for path in SCENARIOS.iterdir() if path.is_dir())


def copy_of(name: str, to: Path) -> Path:
    return Path(shutil.copytree(SCENARIOS / name, to / name))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_scenario(folder: Path) -> None:
    result = play_folder(folder)
    assert result.ok, result.says


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_scenario_says_what_it_shows(folder: Path) -> None:
    assert (folder / "README.md").read_text().startswith("# ")


WITHOUT_A_RUN = {
    Exit.BUG: "a run that ends so is a violation of its own",
    Exit.USAGE: "the command line is read before there is a run",
    Exit.INVENTORY: "the inventory is read before there is a run; a folder with a bad one can't be played",
}
"""Exit codes that no scenario can end in, and why."""
LOGS = "".join((folder / "expect.log").read_text() for folder in FOLDERS)
ENDS = set(re.findall(r"exit (\d+): (\w+) \((\w+), ", LOGS))
"""The exit, decision and reason of every run in every scenario."""


def test_there_are_at_least_sixty_scenarios() -> None:
    assert len(FOLDERS) >= 60


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.value)
def test_every_reason_ends_a_run_in_some_scenario(reason: Reason) -> None:
    assert any(said == reason.value for _, _, said in ENDS)


@pytest.mark.parametrize("decision", Decision, ids=lambda decision: decision.value)
def test_every_decision_is_taken_in_some_scenario(decision: Decision) -> None:
    assert any(said == decision.value for _, said, _ in ENDS)


@pytest.mark.parametrize("code", [code for code in Exit if code not in WITHOUT_A_RUN], ids=str)
def test_every_exit_code_of_a_run_ends_some_scenario(code: Exit) -> None:
    assert any(said == str(int(code)) for said, _, _ in ENDS)


@pytest.mark.parametrize("verb", verbs())
def test_every_event_happens_in_some_scenario(verb: str) -> None:
    assert any(re.search(rf"\b{verb}: ", (folder / "events.yaml").read_text()) for folder in FOLDERS)


def test_no_scenario_has_come_to_expect_a_bug_or_a_split_that_nothing_excuses() -> None:
    assert "BUG" not in LOGS
    assert "WHICH NOTHING EXCUSES" not in LOGS


def test_no_log_holds_a_sentence_that_is_said_to_people() -> None:
    """Sentences are held once, in tests/core/told/; a log that changes is another course of things."""
    told = (Path(__file__).parents[1] / "core/told/said.txt").read_text().splitlines()
    sentences = {line.strip() for line in told if line.startswith("    ")}
    assert len(sentences) > 100
    assert not [sentence for sentence in sentences if sentence in LOGS]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_readme_tells_what_happens_and_what_must_come_of_it(folder: Path) -> None:
    title, blank, *story = (folder / "README.md").read_text().splitlines()
    assert re.fullmatch(r"# .{10,90}", title)
    assert not title.endswith(".")
    assert blank == ""
    assert 1 <= len(story) <= 8
    assert len(" ".join(story)) >= 80


def test_no_two_scenarios_are_the_same_story() -> None:
    stories = [(folder / "events.yaml").read_text() + (folder / "inventory.yaml").read_text() for folder in FOLDERS]
    assert len(set(stories)) == len(stories)


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_a_story_comes_out_the_same_whatever_order_sets_have(seed: str) -> None:
    command = [sys.executable, "-m", "hafence", "simulate", *map(str, FOLDERS)]
    env = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_missing_expectation_fails(tmp_path: Path) -> None:
    folder = copy_of("dead-host", tmp_path)
    (folder / "expect.log").unlink()
    result = play_folder(folder)
    assert not result.ok
    assert "no expect.log" in result.says
    assert not (folder / "expect.log").exists()


def test_bless_writes_the_expectation_and_the_next_play_agrees(tmp_path: Path) -> None:
    folder = copy_of("dead-host", tmp_path)
    before = (folder / "expect.log").read_text()
    (folder / "expect.log").unlink()
    assert play_folder(folder, bless=True).ok
    assert (folder / "expect.log").read_text() == before


def test_another_log_than_expected_is_shown_as_a_difference(tmp_path: Path) -> None:
    folder = copy_of("dead-host", tmp_path)
    wanted = (folder / "expect.log").read_text().replace("exit 0", "exit 3")
    (folder / "expect.log").write_text(wanted)
    result = play_folder(folder)
    assert not result.ok
    assert "-" in result.says
    assert "exit 3" in result.says
    assert "exit 0" in result.says


def test_bless_does_not_bless_a_broken_promise(tmp_path: Path) -> None:
    folder = copy_of("dead-host", tmp_path)
    events = "events:\n  - {at: 1, run: start-vm web-01 --yes}\n  - {at: 1.5, hold: admin-1}\n"
    (folder / "events.yaml").write_text(events)
    result = play_folder(folder, bless=True)
    assert not result.ok
    assert [violation.rule for violation in result.violations] == ["budget"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("events:\n  - {at: soon, crash: admin-1}\n", "events.yaml:2: at: wants a number"),
        ("events:\n  - {at: -1, crash: admin-1}\n", "events.yaml:2: at: wants a number of seconds: '-1' is less than"),
        ("events:\n  - {at: inf, crash: admin-1}\n", "'inf' is out of range"),
        ("events:\n  - {at: nan, crash: admin-1}\n", "'nan' is out of range"),
        ("events:\n  - {at: 1}\n", "events.yaml:2: one thing happens at a time"),
        ("events:\n  - {at: 1, crash: admin-1, hold: admin-1}\n", "one thing happens at a time"),
        ("events:\n  - {at: 1, explode: kvm-01}\n", "no event is called 'explode'"),
        ("events:\n  - just a text\n", "events.yaml:2: write each event"),
        ("happens: []\n", "wants one key, events"),
        ("events: [\n", "is not valid YAML"),
    ],
)
def test_an_events_file_that_cannot_be_read_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "events.yaml"
    path.write_text(text)
    with pytest.raises(BadEvent, match=r"events\.yaml") as error:
        read_events(path)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ("crash: admin-9", "no admin node 'admin-9'"),
        ("power_off: kvm-99", "no host 'kvm-99'"),
        ("cut: kvm-01", "is no link"),
        ("sshd: kvm-01=sleepy", "one of"),
        ("qemu: web-01 kvm-01 dances", "a qemu begins"),
        ("run: dance", "knows no command 'dance'"),
        ("run: start-vm web-99", "no VM 'web-99'"),
        ("run: start-vm web-01 --wait soon", "'soon' is no number"),
        ("hold: admin-9", "no admin node 'admin-9'"),
        ("boot: kvm-01", "no admin node 'kvm-01'"),
        ("reinstall: kvm-99", "no host 'kvm-99'"),
        ("clone: kvm-99=kvm-01", "no host 'kvm-99'"),
        ("take_over: kvm-01=kvm-02", "only a clone shows the same host key"),
        ("clock: store", "is no NAME=VALUE"),
        ("clock: store=late", "'late' is no number"),
        ("clock: kvm-99=3", "no host 'kvm-99'"),
        ("disks: web-01=some", "one of 'covered', 'uncovered'"),
        ("definition: web-99=ok", "no VM 'web-99'"),
        ("deaths: ignored", "is seen or unseen"),
        ("store: sideways", "neither 'up' nor 'down'"),
        ("operator: maybe", "yes, no, or is nobody"),
        ("memory: kvm-01=nan", "'nan' is out of range"),
        ("slow: kvm-01=-3", "'-3' is less than none"),
        ("qemu: web-01 kvm-01 respawns -1", "'-1' is less than none"),
        ("run: start-vm", "of which VM or host?"),
        ("run: start-vm web-01 --force", "--force wants a value"),
        ("run: start-vm web-01 --force much", "no option --force"),
        ("run: start-vm 'web-01", "No closing quotation"),
        ("memory: kvm-01", "is no NAME=VALUE"),
        ("qemu: web-01 kvm-01", "is not 'VM HOST begins'"),
    ],
)
def test_an_event_that_no_world_knows_is_told(tmp_path: Path, event: str, says: str) -> None:
    folder = copy_of("dead-host", tmp_path)
    (folder / "events.yaml").write_text(f"events:\n  - {{at: 1, {event}}}\n")
    with pytest.raises(BadEvent) as error:
        play_folder(folder)
    assert says in str(error.value)
    assert str(error.value).startswith(f"{folder / 'events.yaml'}:2: ")


@pytest.mark.parametrize(
    "events", ["events:\n  - {at: 1, power_off: kvm-99}\n", "events:\n  - {at: 1}\n", "events: [\n"]
)
def test_the_command_tells_a_bad_event_with_its_place_and_no_traceback(tmp_path: Path, events: str) -> None:
    folder = copy_of("dead-host", tmp_path)
    (folder / "events.yaml").write_text(events)
    command = [sys.executable, "-m", "hafence", "simulate", "--json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == Exit.INVENTORY
    assert f"{folder / 'events.yaml'}:" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]["exit"] == Exit.INVENTORY


def test_an_interrupt_of_a_run_that_never_is_is_told(tmp_path: Path) -> None:
    path = tmp_path / "events.yaml"
    path.write_text("events:\n  - {at: 1, run: start-vm web-01}\n  - {at: 2, interrupt: run-2}\n")
    with pytest.raises(BadEvent, match=r"events\.yaml:3: no run 'run-2'; there will be run-1"):
        read_events(path)
