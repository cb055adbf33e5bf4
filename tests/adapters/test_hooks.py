"""Before-start hooks: real executables in a folder, and a real package with entry points. Any error says no."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafence.adapters.local.hooks import GROUP, HookCall, run_hooks

CALL = HookCall("r1", "6d6f6a5a-0000-4000-8000-000000000001", "web-01", "kvm-01", "kvm-02")

PACKAGE = """
def ticket(*, run, vm_uuid, vm_name, suspect, target):
    return None if target == "kvm-02" else f"no ticket for {vm_name}"

def no(**told):
    return f"not {told['vm_name']} from {told['suspect']}"

def broken(**told):
    raise RuntimeError("the ticket system is down")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package with three hooks, as pip leaves it in site-packages."""
    site = tmp_path / "site-packages"
    info = site / "tickets-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "tickets.py").write_text(PACKAGE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tickets\nVersion: 1.0\n")
    points = "".join(f"{name} = tickets:{name}\n" for name in ("ticket", "no", "broken", "missing"))
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{points}")
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    yield site
    sys.modules.pop("tickets", None)


def test_every_entry_point_is_called_with_the_keywords_of_the_man_page(package: Path) -> None:
    said = {result.name: result.error for result in run_hooks(None, CALL)}
    assert said["ticket"] == ""
    assert said["no"] == "not web-01 from kvm-01"
    assert said["broken"] == "RuntimeError: the ticket system is down"
    assert said["missing"].startswith("AttributeError")


def test_every_executable_of_the_folder_runs_in_the_order_of_the_names(tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder = tmp_path / "hooks"
    folder.mkdir()
    for name, end in (("20-no", "echo why; echo it is holiday >&2; exit 3"), ("10-yes", "exit 0")):
        hook = folder / name
        hook.write_text(f'#!/bin/sh\necho "{name} $HAFENCE_VM_NAME $HAFENCE_SUSPECT $HAFENCE_TARGET" >> {log}\n{end}\n')
        hook.chmod(0o755)
    (folder / "README.md").write_text("no hook")
    yes, no = run_hooks(str(folder), CALL)
    assert (yes.name, yes.error) == ("10-yes", "")
    assert (no.name, no.error) == ("20-no", "exit 3: it is holiday")
    assert log.read_text().splitlines() == ["10-yes web-01 kvm-01 kvm-02", "20-no web-01 kvm-01 kvm-02"]


def test_a_hook_that_cannot_be_run_says_no(tmp_path: Path) -> None:
    folder = tmp_path / "hooks"
    folder.mkdir()
    (folder / "plain").write_text("exit 0")
    (folder / "everybodys").write_text("#!/bin/sh\nexit 0\n")
    (folder / "everybodys").chmod(0o777)
    everybodys, plain = run_hooks(str(folder), CALL)
    assert "can be written by anyone" in everybodys.error
    assert "is no executable file" in plain.error


def test_a_folder_that_is_not_there_is_a_no_and_not_no_hooks(tmp_path: Path) -> None:
    (result,) = run_hooks(str(tmp_path / "gone"), CALL)
    assert result.error == "No such file or directory"
