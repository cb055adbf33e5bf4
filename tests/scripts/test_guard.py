"""The guard of contrib/: which starts it refuses, by the files alone that hafence leaves on a host."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..lab.guard import HERE

VM, OTHER = "6d6f6a5a-0000-4000-8000-000000000001", "6d6f6a5a-0000-4000-8000-000000000002"
XML = f"<domain type='kvm'>\n  <name>web-01</name>\n  <uuid>{VM.upper()}</uuid>\n  <metadata/>\n</domain>\n"
Asked = Callable[..., tuple[bool, str]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture(params=["dash", "bash"])
def asked(request: pytest.FixtureRequest, tmp_path: Path, run: Path) -> Asked:
    """Whether libvirt may go on, and what the guard says."""

    def ask(operation: str = "prepare", conf: str | None = "VMS=all\n", xml: str = XML) -> tuple[bool, str]:
        if conf is not None:
            (tmp_path / "conf").write_text(conf)
        done = subprocess.run(
            [request.param, str(HERE / "hafence-guard"), "web-01", operation, "begin", "-"],
            input=xml,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
            env={**os.environ, "HAFENCE_GUARD_CONF": str(tmp_path / "conf"), "HAFENCE_GUARD_RUN": str(run)},
        )
        assert done.stdout == ""
        return done.returncode == 0, done.stderr

    return ask


def test_what_hafence_has_not_started_in_this_boot_is_refused(asked: Asked) -> None:
    goes_on, says = asked()
    assert not goes_on
    why = f"hafence has not started VM {VM} here since this host booted: start it with 'hafence start-vm'"
    assert says == f"hafence-guard: {why}\n"


def test_what_hafence_starts_goes_on_until_it_is_fenced(asked: Asked, run: Path) -> None:
    (run / f"{VM}.mark").write_text("0123456789abcdef run-1 1000\n")
    (run / f"{VM}.ticket").write_text("7 start\n")
    assert asked() == (True, "")
    os.utime(run / f"{VM}.mark", ns=(2**62, 2**62))
    goes_on, says = asked()
    assert (goes_on, "was fenced here since" in says) == (False, True)


def test_a_start_that_was_settled_is_none(asked: Asked, run: Path) -> None:
    (run / f"{VM}.ticket").write_text("7 settle\n")
    assert not asked()[0]


@pytest.mark.parametrize(
    ("conf", "goes_on"),
    [
        ("VMS=\n", True),
        (f"VMS={OTHER}\n", True),
        (f"# ours\n\nVMS={OTHER} {VM}\n", False),
        (f"VMS={OTHER}\nVMS={VM}", False),
        ("VMS=all\nON_DOUBT=allow\n", False),
    ],
)
def test_it_guards_the_vms_that_are_named(asked: Asked, conf: str, goes_on: bool) -> None:
    assert asked(conf=conf)[0] is goes_on


@pytest.mark.parametrize("operation", ["start", "started", "stopped", "release", "reconnect", "attach", "restore"])
def test_everything_but_a_start_goes_on(asked: Asked, operation: str) -> None:
    assert asked(operation) == (True, "")


def test_a_migration_lets_one_start_in(asked: Asked) -> None:
    assert asked("migrate") == (True, "")
    assert asked() == (True, "")
    assert not asked()[0]


def test_an_admin_lets_one_start_in(asked: Asked, run: Path) -> None:
    (run / f"{VM}.allow").touch()
    assert asked() == (True, "")
    assert not asked()[0]


@pytest.mark.parametrize("xml", ["", "<domain><name>web-01</name></domain>", XML.replace(VM.upper(), "no-uuid")])
def test_a_definition_without_a_uuid_is_a_doubt(asked: Asked, xml: str) -> None:
    assert asked(xml=xml, conf="VMS=all\nON_DOUBT=allow\n") == (True, "")
    assert asked(xml=xml) == (
        False,
        "hafence-guard: the definition shows no UUID, and ON_DOUBT is refuse\n",
    )


@pytest.mark.parametrize("ticket", ["", "x start\n", "-1 start\n"])
def test_a_ticket_that_makes_no_sense_is_a_doubt(asked: Asked, run: Path, ticket: str) -> None:
    (run / f"{VM}.ticket").write_text(ticket)
    assert asked(conf="VMS=all\nON_DOUBT=allow\n") == (True, "")
    assert not asked()[0]


@pytest.mark.parametrize("conf", [None, "VMS all\n", "ON_DOUBT=perhaps\n"])
def test_a_configuration_that_cannot_be_read_refuses(asked: Asked, conf: str | None) -> None:
    goes_on, says = asked(conf=conf)
    assert (goes_on, "can't be read" in says) == (False, True)


def test_another_uuid_in_the_metadata_is_not_the_vms(asked: Asked) -> None:
    xml = XML.replace("<metadata/>", f"<metadata>\n  <uuid>{OTHER}</uuid>\n</metadata>")
    assert asked(xml=xml, conf=f"VMS={OTHER}\n") == (True, "")
    assert not asked(xml=xml, conf=f"VMS={VM}\n")[0]
