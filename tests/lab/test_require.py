"""A real part that is missing is skipped by name on a desk, and fails on CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.require import missing

REPOSITORY = Path(__file__).parents[2]

CASES = """
import pytest
from tests.lab.proc import CannotHere
from tests.lab.require import require

@pytest.mark.lab
def test_program():
    require("no-such-program")

@pytest.mark.ceph
def test_hidden_skip():
    pytest.skip("not today")

@pytest.mark.bmc
def test_fault_that_cannot_be_made():
    raise CannotHere("no freezer")

def test_of_no_real_part():
    pytest.skip("this may be")
"""


def run_cases(folder: Path, ci: str) -> str:
    (folder / "test_cases.py").write_text(CASES)
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-c", str(REPOSITORY / "pyproject.toml"), "-q", "-rsf"]
    argv = [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder), str(folder / "test_cases.py")]
    environment = {**os.environ, "CI": ci}
    return subprocess.run(argv, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False).stdout


def test_on_a_desk_what_is_missing_is_skipped_by_name(tmp_path: Path) -> None:
    said = run_cases(tmp_path, ci="")
    assert "4 skipped" in said
    assert "no-such-program (Debian package no-such-program)" in said
    assert "no freezer" in said


def test_on_ci_every_skip_of_a_real_part_is_a_failure(tmp_path: Path) -> None:
    said = run_cases(tmp_path, ci="true")
    assert "3 failed, 1 skipped" in said
    assert "not today" in said
    assert "this may be" in said


def test_what_is_missing_is_named_with_what_brings_it() -> None:
    assert "no-such-module" in str(missing(modules=["no-such-module"]))
    assert "the file /no/such/file" in missing(files=["/no/such/file"])
    assert not [lack for lack in missing(["sh"]) if lack != "root"]


@pytest.mark.parametrize("name", ["sshd", "ip"])
def test_programs_of_sbin_are_found_with_a_users_path(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert not [lack for lack in missing([name]) if lack.startswith(name)]
