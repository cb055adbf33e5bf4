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
        ("history", "web-99"),
        ("history", "-n", "0"),
        ("explain",),
        ("explain", "2026"),
        ("confirm-dead", "kvm-01"),
        ("confirm-dead", "kvm-01", "--reason", "  "),
        ("confirm-dead", "kvm-99", "--reason", "x", "--confirm", "kvm-99"),
        ("rejoin", "kvm-99"),
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
