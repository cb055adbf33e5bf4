"""A story that was found can be written as a scenario folder and comes out the same when it is played from there."""

from pathlib import Path

from hafence.inventory.yaml_tree import read_inventory
from hafence.sim.folder import events_text, write_folder
from hafence.sim.oracle import Violation
from hafence.sim.random_cases import random_case
from hafence.sim.scenario import play_events, play_folder, read_events
from hafence.sim.situations import Means, inventory


def test_events_survive_being_written_and_read(tmp_path: Path) -> None:
    for number in range(200):
        _, events = random_case(f"written/{number}", 6)
        path = tmp_path / "events.yaml"
        path.write_text(events_text(events))
        assert read_events(path) == events, number


def test_a_written_folder_plays_like_the_story(tmp_path: Path) -> None:
    for number, means in enumerate((Means(), Means("prove", True, True), Means("proceed", False, True))):
        _, events = random_case(f"folder/{number}", 4)
        folder = tmp_path / str(number)
        write_folder(folder, "a story", inventory(means), events, [Violation("record", "an example")])
        log, _ = play_events(inventory(means), events)
        result = play_folder(folder)
        assert result.log == log
        assert result.expected is None
        assert "an example" in (folder / "README.md").read_text()


def test_a_written_inventory_says_what_the_simulated_one_says(tmp_path: Path) -> None:
    means = Means("prove", True, True)
    write_folder(tmp_path, "a story", inventory(means), (), [])
    read = read_inventory(str(tmp_path / "inventory.yaml"))
    wanted = inventory(means)
    assert read.settings.unreachable is wanted.settings.unreachable
    assert set(read.hosts) == set(wanted.hosts)
    assert all(bool(read.hosts[name].power) for name in wanted.hosts)
    assert read.clusters["prod-a"].ceph is not None
