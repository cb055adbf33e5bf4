"""What is typed wrong is a usage error: exit 2, said on stderr, and nothing has been contacted or written."""

from __future__ import annotations

import pytest

import hafence
from tests.cli.conftest import Desk


def test_the_version_is_said() -> None:
    assert hafence.__version__


@pytest.mark.parametrize("words", [("--version",), ("-q", "--version")])
def test_version_with_and_without_the_short_way(desk: Desk, words: tuple[str, ...]) -> None:
    said = desk.type(*words)
    assert (said.code, said.out, said.err) == (0, f"hafence {hafence.__version__}\n", "")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("start-vm",),
        ("start-vm", "web-01", "--nonsense"),
        ("start-vm", "web-01", "--wait", "soon"),
        ("start-vm", "web-01", "--wait", "-1"),
        ("start-vm", "web-01", "--wait", "nan"),
        ("start-vm", "web-01", "--wait", "2d"),
        ("rejoin",),
        ("rejoin", "kvm-01", "--all"),
        ("start-vm", "web-99"),
        ("start-vm", "6d6f6a5"),
        ("start-vm", "web-01", "--to", "kvm-99"),
        ("start-vm", "web-01", "--sibling", "kvm-99"),
        ("start-vm", "web-01", "--sibling", "kvm-01"),
        ("start-vm", "web-01", "--sibling", "far-01"),
        ("fence",),
        ("fence", "web-99"),
        ("fence", "--host", "kvm-99"),
        ("fence", "--host", "kvm-02", "--sibling", "kvm-02"),
        ("evacuate",),
        ("evacuate", "kvm-99"),
        ("evacuate", "kvm-02", "--sibling", "kvm-02"),
        ("history", "web-99"),
        ("history", "-n", "0"),
        ("explain",),
        ("explain", "2026"),
        ("confirm-dead", "kvm-01"),
        ("confirm-dead", "kvm-01", "--reason", "  "),
        ("confirm-dead", "kvm-99", "--reason", "x", "--confirm", "kvm-99"),
        ("rejoin", "kvm-99"),
        ("disarm", "--reason", "x"),
        ("disarm", "--for", "2h"),
        ("disarm", "--reason", " ", "--for", "2h"),
        ("disarm", "--reason", "x", "--for", "0"),
        ("disarm", "--reason", "x", "--for", "31d"),
        ("disarm", "--reason", "x", "--for", "2h", "--cluster", "prod-c"),
        ("arm", "--cluster", "prod-c"),
        ("maintenance", "kvm-01"),
        ("maintenance", "kvm-01", "--reason", "x"),
        ("maintenance", "kvm-01", "--end", "--for", "2h"),
        ("maintenance", "kvm-99", "--end"),
        ("inventory",),
        ("inventory", "scan-keys", "kvm-99"),
    ],
    ids=" ".join,
)
def test_usage_errors_exit_2_and_touch_nothing(desk: Desk, words: tuple[str, ...]) -> None:
    said = desk.type(*words)
    assert said.code == 2, said
    assert said.out == ""
    assert said.err
    assert "Traceback" not in said.err
    assert sorted(path.name for path in desk.folder.iterdir()) == ["home", "inventory.yaml"]


def test_an_unknown_vm_is_told_in_the_inventorys_words(desk: Desk) -> None:
    assert "no VM 'web-99' in inventory.yaml: give a UUID, a name, or" in desk.type("start-vm", "web-99").err


def test_a_mistyped_vm_is_guessed_and_a_host_is_told_as_one(desk: Desk) -> None:
    assert "did you mean web-01?" in desk.type("start-vm", "WEB-10").err
    assert "(kvm-02 is a host: 'hafence status' shows what runs there)" in desk.type("start-vm", "KVM-02").err
    assert "(web-01 is a VM)" in desk.type("rejoin", "web-01").err


def test_an_ambiguous_beginning_of_a_uuid_names_the_vms(desk: Desk) -> None:
    assert "'6d6f6a5' is the beginning of 2 UUIDs: db-01" in desk.type("start-vm", "6d6f6a5").err


def test_a_mistyped_host_is_guessed(desk: Desk) -> None:
    assert "did you mean kvm-02?" in desk.type("start-vm", "web-01", "--sibling", "kmv-02").err
    assert "did you mean kvm-02?" in desk.type("rejoin", "KVM-02").err


@pytest.mark.parametrize("words", [("status",), ("history",), ("explain", "20261122T153000-3f2a9c")])
def test_a_store_that_is_named_and_not_there_is_no_empty_one(desk: Desk, words: tuple[str, ...]) -> None:
    said = desk.type(*words, "--store", "sqlite:sttae.db")
    assert (said.code, said.out) == (7, "")
    assert "there is no store at sqlite:sttae.db: is --store" in said.err
    assert not (desk.folder / "sttae.db").exists()


def test_a_time_is_written_as_in_the_inventory(desk: Desk) -> None:
    said = desk.type("start-vm", "db-01", "--wait", "5m", "--json")
    assert said.document["reason"] == "not_ha"
    assert "'soon' is not a duration: write seconds, or" in desk.type("start-vm", "web-01", "--wait", "soon").err
    assert "2d is longer than 1d" in desk.type("start-vm", "web-01", "--wait", "2d").err


def test_a_host_that_is_in_no_quarantine_needs_no_rejoin_and_leaves_no_history(desk: Desk) -> None:
    said = desk.type("rejoin", "kvm-01", "--yes")
    assert (said.code, said.out) == (0, "kvm-01 is not in quarantine: nothing to do\n")
    document = desk.type("rejoin", "kvm-01", "--yes", "--json").document
    assert (document["run"], document["reason"], document["exit"]) == (None, "not_in_quarantine", 0)
    assert desk.type("rejoin", "--all").out == "no host is in quarantine: nothing to do\n"
    assert desk.type("rejoin", "--all", "--json").document == {"hosts": [], "exit": 0}
    both = desk.type("rejoin", "kvm-01", "kvm-02", "kvm-01", "--json").document
    assert [each["host"] for each in both["hosts"]] == ["kvm-01", "kvm-02"]
    assert desk.type("history", "--json").document["runs"] == []


def test_a_host_that_was_not_looked_into_is_not_said_to_have_nothing_to_fence(desk: Desk) -> None:
    said = desk.type("fence", "--host", "far-01")
    assert said.code == 3
    assert said.out.splitlines()[-1].startswith("refused: far-01 was not looked into (")
    document = desk.type("fence", "--host", "far-01", "--json").document
    assert (document["vms"], document["exit"]) == ([], 3)
    assert "nothing was fenced" in document["message"]


def test_a_mistyped_command_is_guessed(desk: Desk) -> None:
    assert "No such command 'statsu': did you mean 'status'?" in desk.type("statsu").err
    assert "did you mean 'scan-keys'?" in desk.type("inventory", "scankeys").err
    assert "No such command 'zebra'." in desk.type("zebra").err


def test_an_inventory_to_begin_with_is_valid_and_overwrites_nothing(empty_desk: Desk) -> None:
    assert "'hafence inventory init' writes one" in empty_desk.type("status").err
    said = empty_desk.type("inventory", "init")
    assert (said.code, said.out) == (
        0,
        "wrote inventory.yaml: make it yours, then 'hafence inventory check inventory.yaml'\n",
    )
    assert empty_desk.type("inventory", "check").out.startswith("OK: inventory.yaml: 1 cluster, 3 hosts, 2 VMs")
    written = (empty_desk.folder / "inventory.yaml").read_text()
    again = empty_desk.type("inventory", "init")
    assert (again.code, (empty_desk.folder / "inventory.yaml").read_text()) == (2, written)
    assert empty_desk.type("inventory", "init", "no/such/folder.yaml").code == 2


def test_why_a_host_is_no_sibling_is_told(desk: Desk) -> None:
    assert "the suspect itself" in desk.type("start-vm", "web-01", "--sibling", "kvm-01").err
    assert "in cluster prod-b" in desk.type("start-vm", "web-01", "--sibling", "far-01").err


@pytest.mark.parametrize("command", ["start-vm", "fence", "audit", "status", "confirm-dead", "inventory check"])
def test_help_works_without_an_inventory(empty_desk: Desk, command: str) -> None:
    for flag in ("--help", "-h"):
        said = empty_desk.type(*command.split(), flag)
        assert said.code == 0
        assert f"hafence {command}" in said.out


def test_a_usage_error_of_the_audit_is_unknown_to_monitoring(desk: Desk) -> None:
    for words in (("audit", "--nonsense"), ("--nonsense", "audit"), ("audit", "one-too-many")):
        said = desk.type(*words)
        assert said.code == 3, words
        assert said.out.startswith("HAFENCE UNKNOWN - ")
