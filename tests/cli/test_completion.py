"""Completion, as the shells ask for it: commands, options, VMs, hosts and runs."""

from __future__ import annotations

import pytest

from tests.cli.conftest import DB, WEB, Desk


def complete(desk: Desk, line: str) -> list[str]:
    """What bash would be offered for the last word of `line`."""
    words = line.split(" ")
    said = desk.type(_HAFENCE_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    return [item.split(",")[1] for item in said.out.splitlines() if item]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("hafence sta", ["start-vm", "status"]),
        ("hafence inventory ", ["init", "check", "scan-keys"]),
        ("hafence config ", ["show"]),
        ("hafence doc", ["doctor"]),
        ("hafence status w", ["web-01"]),
        ("hafence status --host far", ["far-01"]),
        ("hafence status -o w", ["wide"]),
        ("hafence simulate ", ["play", "explore", "compare"]),
        ("hafence simulate play --b", ["--bless"]),
        ("hafence start-vm ", ["db-01", "web-01"]),
        ("hafence start-vm w", ["web-01"]),
        ("hafence fence web-01 d", ["db-01"]),
        ("hafence start-vm 6d6f6a5b", [DB]),
        ("hafence start-vm 6D6F6A5A", [WEB]),
        ("hafence start-vm web-01 --sibling k", ["kvm-01", "kvm-02"]),
        ("hafence fence --host far", ["far-01"]),
        ("hafence evacuate far", ["far-01"]),
        ("hafence confirm-dead kvm-02", ["kvm-02"]),
        ("hafence maintenance far", ["far-01"]),
        ("hafence arm --cluster ", ["prod-a", "prod-b"]),
        ("hafence start-vm web-01 --dry", ["--dry-run"]),
        ("hafence explain 2", []),
    ],
)
def test_offers(desk: Desk, line: str, offered: list[str]) -> None:
    assert complete(desk, line) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completion(empty_desk: Desk, shell: str) -> None:
    said = empty_desk.type("completion", shell)
    assert (said.code, said.err) == (0, "")
    assert f"_HAFENCE_COMPLETE={shell}_complete" in said.out


def test_a_folder_may_still_follow_simulate_at_once(desk: Desk) -> None:
    line = "hafence simulate scen"
    said = desk.type(_HAFENCE_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD="2")
    assert said.out.splitlines() == ["dir,scen"]


def test_the_inventory_that_was_named_is_the_one_that_is_read(desk: Desk) -> None:
    (desk.folder / "inventory.yaml").rename(desk.folder / "other.yaml")
    assert complete(desk, "hafence start-vm w") == []
    assert complete(desk, "hafence -i other.yaml start-vm w") == ["web-01"]
    assert complete(desk, "hafence start-vm -i other.yaml w") == ["web-01"]
    desk.env["HAFENCE_INVENTORY"] = "other.yaml"
    assert complete(desk, "hafence start-vm w") == ["web-01"]


def test_a_broken_inventory_completes_to_nothing_and_says_nothing(desk: Desk) -> None:
    desk.write("hosts: [")
    assert complete(desk, "hafence start-vm w") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(desk: Desk, shell: str) -> None:
    said = desk.type(_HAFENCE_COMPLETE=f"{shell}_source")
    assert said.code == 0
    assert f"_HAFENCE_COMPLETE={shell}_complete" in said.out
