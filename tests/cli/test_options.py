"""Options of hafence itself: before or after the command's name, or in the environment; the later word holds."""

from __future__ import annotations

import pytest

from hafence.stores import open_store
from tests.cli.conftest import Desk


@pytest.mark.parametrize(
    "words",
    [
        ("-i", "other.yaml", "status", "--json"),
        ("--inventory=other.yaml", "status", "--json"),
        ("status", "-i", "other.yaml", "--json"),
        ("status", "--json", "--inventory", "other.yaml"),
        ("-i", "nowhere.yaml", "status", "-i", "other.yaml", "--json"),
    ],
)
def test_the_inventory_may_be_named_anywhere(desk: Desk, words: tuple[str, ...]) -> None:
    (desk.folder / "inventory.yaml").rename(desk.folder / "other.yaml")
    said = desk.type(*words)
    assert said.code == 0, said
    assert [vm["name"] for vm in said.document["vms"]] == ["db-01", "web-01"]


def test_the_environment_names_the_inventory_and_the_command_line_overrules_it(desk: Desk) -> None:
    (desk.folder / "inventory.yaml").rename(desk.folder / "other.yaml")
    assert desk.type("status", HAFENCE_INVENTORY="other.yaml").code == 0
    assert desk.type("-i", "other.yaml", "status", HAFENCE_INVENTORY="nowhere.yaml").code == 0
    assert desk.type("status", HAFENCE_INVENTORY="nowhere.yaml").code == 6
    assert desk.type("status", HAFENCE_INVENTORY="").code == 6


def test_the_usual_places_are_looked_at_in_their_order(desk: Desk) -> None:
    config = desk.folder / "config" / "hafence"
    config.mkdir(parents=True)
    desk.env["XDG_CONFIG_HOME"] = str(config.parent)
    assert desk.type("inventory", "check").out.startswith("OK: inventory.yaml:")
    (desk.folder / "inventory.yaml").rename(config / "inventory.yaml")
    assert desk.type("inventory", "check").out.startswith(f"OK: {config / 'inventory.yaml'}:")


def test_the_store_may_be_named_anywhere(desk: Desk) -> None:
    url = f"sqlite://{desk.folder / 'elsewhere.db'}"
    open_store(url).close()
    for said in (
        desk.type("--store", url, "status", "--json"),
        desk.type("status", "--store", url, "--json"),
        desk.type("status", "--json", HAFENCE_STORE=url),
    ):
        assert said.document["store"].endswith("elsewhere.db")
    assert [path.name for path in desk.folder.glob("*.db")] == ["elsewhere.db"]


def test_a_commands_own_option_is_taken_from_the_environment(desk: Desk) -> None:
    assert desk.type("start-vm", "web-01", HAFENCE_START_VM_SIBLING="kvm-99").code == 2
    assert "1 host" not in desk.type("history", HAFENCE_HISTORY_LIMIT="nonsense").out
    assert desk.type("history", HAFENCE_HISTORY_LIMIT="nonsense").code == 2


def test_an_option_is_taken_from_the_environment_whatever_the_command(desk: Desk) -> None:
    asked = desk.type("fence", "web-01", HAFENCE_DRY_RUN="1", HAFENCE_JSON="1")
    assert asked.document["vms"][0]["dry_run"] is True, asked
    assert not (desk.folder / "state.db").exists()
    assert desk.type("start-vm", "web-01", HAFENCE_SIBLING="kvm-99").code == 2
    assert desk.type("start-vm", "web-01", HAFENCE_DRY_RUN="perhaps").code == 2
    assert desk.type("history", HAFENCE_JSON="1").document["runs"] == []


def test_quiet_says_only_what_is_wrong(desk: Desk) -> None:
    assert desk.type("-q", "inventory", "check").out == ""
    assert desk.type("inventory", "check", "-q").out == ""
    assert desk.type("inventory", "check", HAFENCE_QUIET="1").out == ""
