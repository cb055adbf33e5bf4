"""Every error is one exit code and words on stderr; with --json each is an object on stdout too."""

from __future__ import annotations

import errno
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

from hafence.cli.context import Options
from hafence.cli.errors import report
from hafence.stores import open_store
from hafence.stores.port import RunRow
from tests.cli.conftest import INVENTORY, Desk

FAULTY = INVENTORY.replace("address: 127.0.0.2", "adress: 127.0.0.2").replace("host: kvm-02,", "host: kvm-20,")


@pytest.mark.parametrize("words", [("inventory", "check"), ("status",), ("start-vm", "web-01"), ("fence", "web-01")])
def test_each_inventory_error_is_a_line_with_its_place(desk: Desk, words: tuple[str, ...]) -> None:
    desk.write(FAULTY)
    said = desk.type(*words)
    assert (said.code, said.out) == (6, "")
    lines = said.err.splitlines()
    assert any(line.startswith("inventory.yaml:5: hosts.kvm-01.adress: ") for line in lines)
    assert any("did you mean 'address'?" in line for line in lines)
    assert any(line.startswith("inventory.yaml:10: vms.db-01.host: ") for line in lines)
    assert lines[-1].startswith("hafence: the inventory has ")


def test_no_inventory_is_no_error_in_one(empty_desk: Desk) -> None:
    said = empty_desk.type("status")
    assert said.code == 6
    assert said.err.splitlines()[-1] == "hafence: there is no inventory"


@pytest.mark.parametrize("words", ["inventory check locked.yaml", "-i locked.yaml status", "inventory check locked"])
def test_an_inventory_that_may_not_be_read_is_an_error_of_the_inventory(desk: Desk, words: str) -> None:
    desk.write(INVENTORY, "locked.yaml").chmod(0)
    (desk.folder / "locked").mkdir(mode=0)
    # root reads everything: it is typed without that right
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*without, sys.executable, "-m", "hafence", *words.split()],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (6, "")
    assert "grant the right" in done.stderr


@pytest.mark.parametrize("words", [("inventory", "check", "--json"), ("start-vm", "web-01", "--json")])
def test_inventory_errors_as_json(desk: Desk, words: tuple[str, ...]) -> None:
    desk.write(FAULTY)
    error = desk.type(*words).document["error"]
    assert error["exit"] == 6
    assert error["message"].startswith("the inventory has ")
    (misspelt,) = [fault for fault in error["errors"] if fault["path"] == "hosts.kvm-01.adress"]
    assert (misspelt["file"], misspelt["line"]) == ("inventory.yaml", 5)
    assert "did you mean 'address'?" in misspelt["says"]


def test_no_inventory_is_exit_6_with_the_places(empty_desk: Desk) -> None:
    said = empty_desk.type("status")
    assert said.code == 6
    assert "./inventory.yaml" in said.err
    assert "/etc/hafence/inventory.yaml" in said.err


def test_the_inventory_that_is_checked_is_the_argument(desk: Desk) -> None:
    desk.write("hosts: [", "bad.yaml")
    assert desk.type("inventory", "check").code == 0
    assert desk.type("inventory", "check", "bad.yaml").code == 6
    assert desk.type("-i", "bad.yaml", "inventory", "check", "inventory.yaml").code == 0


@pytest.mark.parametrize("words", [("status",), ("history",), ("start-vm", "web-01"), ("store", "check")])
def test_a_store_that_is_no_store_is_exit_7(desk: Desk, words: tuple[str, ...]) -> None:
    (desk.folder / "state.db").write_text("this is no database, and it is long enough to be looked at as one" * 20)
    said = desk.type(*words, "--json")
    assert said.code == 7, said
    assert said.document["error"]["exit"] == 7
    assert "state.db" in said.document["error"]["message"]
    assert "state.db" in desk.type(*words).err


def test_an_unknown_kind_of_store_is_exit_7_and_its_password_is_not_repeated(desk: Desk) -> None:
    said = desk.type("--store", "postgres://me:hunter2@db/x", "status")
    assert said.code == 7
    assert "hunter2" not in said.err


def test_the_audit_calls_what_it_cannot_read_unknown(desk: Desk) -> None:
    desk.write("hosts: [")
    said = desk.type("audit")
    assert said.code == 3
    assert said.out.startswith("HAFENCE UNKNOWN - inventory.yaml:")
    document = desk.type("audit", "--json").document
    assert (document["status"], document["findings"], document["error"]["exit"]) == ("UNKNOWN", [], 6)


def test_a_bug_is_exit_1_with_a_traceback_and_unknown_to_monitoring(capsys: pytest.CaptureFixture[str]) -> None:
    error = RuntimeError("unforeseen")
    assert report(error, Options(command="start-vm"), ["start-vm"]) == 1
    said = capsys.readouterr()
    assert "RuntimeError: unforeseen" in said.err
    assert "this is a bug" in said.err
    assert said.out == ""
    assert report(error, Options(command="audit"), ["audit"]) == 3


def test_a_reader_that_has_gone_changes_no_exit_code(desk: Desk) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "hafence", "status"],
            cwd=desk.folder,
            env=desk.environment,
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_ascii_locale_is_no_error(desk: Desk) -> None:
    desk.write("hosts: [")
    said = desk.type("status", LANG="C", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert said.code == 6
    assert "Traceback" not in said.err


def test_ctrl_c_at_a_question_records_nothing_and_exits_130(desk: Desk) -> None:
    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "hafence", "confirm-dead", "kvm-01", "--reason", "unplugged"],
        cwd=desk.folder,
        env=desk.environment,
        stdin=child,
        stdout=child,
        stderr=child,
    ) as process:
        os.close(child)
        seen = read_until(parent, b"powered off: ")
        assert b"kvm-01 still has power" in seen
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    os.close(parent)
    assert not (desk.folder / "state.db").exists()


def read_until(terminal: int, words: bytes, within_s: float = 20) -> bytes:
    """What a terminal has shown once it shows `words`, or when it ends."""
    seen = b""
    until = time.monotonic() + within_s
    while words not in seen and time.monotonic() < until:
        try:
            seen += os.read(terminal, 4096)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            break
    return seen


@pytest.mark.parametrize(
    "words",
    [
        ("start-vm",),
        ("start-vm", "no-such-vm"),
        ("fence", "--sibling"),
        ("no-such-command",),
        ("history", "--nonsense"),
    ],
)
def test_a_usage_error_is_a_document_too(desk: Desk, words: tuple[str, ...]) -> None:
    said = desk.type(*words, "--json")
    assert said.code == 2, said
    error = said.document["error"]
    assert (error["exit"], error["errors"]) == (2, [])
    assert error["message"] in said.err


def test_a_usage_error_of_the_audit_is_a_document_that_monitoring_can_read(desk: Desk) -> None:
    said = desk.type("audit", "--nonsense", "--json")
    assert said.code == 3, said
    assert (said.document["status"], said.document["findings"]) == ("UNKNOWN", [])


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_run_whose_streams_are_closed_ends_as_it_would_with_them(desk: Desk, closed: str) -> None:
    """A service manager may start it so. Nothing that is opened later may take their place, least of all the store."""
    command = f'exec "$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", command, "-", sys.executable, "-m", "hafence", "fence", "web-01", "--yes"],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done
    assert b"Traceback" not in done.stderr
    (run,) = desk.type("history", "--json").document["runs"]
    assert (run["exit"], run["reason"]) == (3, "no_sibling")


def test_what_an_audit_says_of_a_damaged_store_stays_in_its_line(desk: Desk) -> None:
    store = open_store(f"sqlite://{desk.folder / 'state.db'}")
    for number in range(40):
        store.begin_run(RunRow(f"r{number}", 1.0 + number, "ann@admin", "start-vm", (), {"why": "x" * 500}))
    store.close()
    with (desk.folder / "state.db").open("r+b") as file:
        file.seek(4096 + 100)
        file.write(bytes(range(256)) * 30)
    said = desk.type("audit")
    status, *findings = said.out.splitlines()
    assert re.fullmatch(r"HAFENCE \w+ - [^|]+ \|( \w+=\d+[;\d]*)+", status)
    assert any(line.startswith("UNKNOWN store_unreadable ") for line in findings)
    assert {line.split()[0] for line in findings} <= {"CRITICAL", "UNKNOWN", "WARNING"}
