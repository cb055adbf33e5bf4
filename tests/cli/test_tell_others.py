"""What others hear of a run: a line in the system's log, and a program of the admin's own."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hafence.cli import tell_others
from tests.cli.conftest import INVENTORY, Desk
from tests.lab.require import lack

PROGRAM = """#!/bin/sh
{ echo "$HAFENCE_EVENT $HAFENCE_RUN"; cat; } >>told
echo "%s" >&2
exit %d
"""


def told_by(desk: Desk, says: str = "", status: int = 0) -> None:
    program = desk.write(PROGRAM % (says, status), "tell")
    program.chmod(0o755)
    desk.write(f"notify: tell\n{INVENTORY}")


def test_the_program_gets_the_result_and_the_name_of_what_has_happened(desk: Desk) -> None:
    told_by(desk)
    said = desk.type("start-vm", "db-01", "--json")
    assert (said.code, said.err) == (3, "")
    head, document = (desk.folder / "told").read_text().splitlines()
    assert head == f"refused {said.document['run']}"
    assert json.loads(document) == {"event": "refused", **said.document}


def test_what_the_program_does_wrong_is_said_and_changes_nothing(desk: Desk) -> None:
    told_by(desk, "no pager", 7)
    said = desk.type("start-vm", "db-01")
    assert said.code == 3
    assert said.err.splitlines()[-1].endswith("exit 7: no pager")


def test_of_a_dry_run_nobody_hears(desk: Desk) -> None:
    told_by(desk)
    assert desk.type("start-vm", "db-01", "--dry-run").code == 3
    assert not (desk.folder / "told").exists()


def test_a_program_that_hangs_is_waited_for_no_longer_than_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "hangs"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(tell_others, "NOTIFY_S", 0.3)
    begun = time.monotonic()
    tell_others._notify(str(program), "refused", {"run": "r1"})
    assert time.monotonic() - begun < 20, "it would have slept for a minute"
    assert "did not end within" in capsys.readouterr().err


@pytest.mark.parametrize("notify", ["nobody", "inventory.yaml", "/"])
def test_a_program_that_can_not_be_run_is_an_error_of_the_inventory(desk: Desk, notify: str) -> None:
    desk.write(f"notify: {notify}\n{INVENTORY}")
    said = desk.type("inventory", "check")
    assert said.code == 6
    assert "inventory.yaml:1: notify: " in said.err


@pytest.fixture
def log() -> Iterator[socket.socket]:
    """The system's log, as far as a program that writes to it can tell."""
    if os.geteuid() != 0:
        lack("needs root, for a system log of its own")
    if os.path.lexists("/dev/log"):
        lack("needs a machine without a system log of its own")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("/dev/log")
        try:
            yield sock
        finally:
            os.unlink("/dev/log")


def test_each_vm_is_a_line_in_the_systems_log(desk: Desk, log: socket.socket) -> None:
    """Other tests may be heard there, too: this VM's name is its own."""
    desk.write(INVENTORY.replace("db-01", "log-01"))
    run = desk.type("start-vm", "log-01", "--json").document["run"]
    desk.type("start-vm", "log-01", "--dry-run")
    log.setblocking(False)
    lines = []
    with suppress(BlockingIOError):
        while True:
            lines.append(log.recv(4096).decode().rstrip("\0"))
    words = "vm=log-01 suspect=kvm-02 decision=refused reason=not_ha host=- exit=3"
    (line,) = (line for line in lines if " vm=log-01 " in line)
    assert "hafence[" in line
    assert line.endswith(f"]: run={run} {words}")
