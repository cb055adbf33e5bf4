"""Every scenario folder comes out as a person has read and believed it."""

import shutil
from pathlib import Path

import pytest

from hafence.sim.events import BadEvent
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
    ],
)
def test_an_event_that_no_world_knows_is_told(tmp_path: Path, event: str, says: str) -> None:
    folder = copy_of("dead-host", tmp_path)
    (folder / "events.yaml").write_text(f"events:\n  - {{at: 1, {event}}}\n")
    with pytest.raises(BadEvent) as error:
        play_folder(folder)
    assert says in str(error.value)
