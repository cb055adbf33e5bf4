"""The demo as a user sees it: it goes as told, says so by its exit code, and a story that does not is noticed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hafence.demo.acts import ACTS
from hafence.demo.cluster import DemoCluster
from hafence.demo.layout import VMS
from hafence.demo.story import play, run_shown


def test_the_demo_goes_as_told_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "hafence", "demo"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT AS TOLD" not in done.stdout
    for number, act in enumerate(ACTS, 1):
        assert f"{number}. {act.title}" in done.stdout
        assert f"$ hafence {' '.join(act.command)}" in done.stdout
    assert "Every VM had at most one writer at any time, but for mail-01 while kvm-04 had no guard." in " ".join(
        done.stdout.split()
    )
    guarded, bare = done.stdout.split("6. The same without it")
    assert "TWO LIVING COPIES" not in guarded
    assert "TWO LIVING COPIES: on kvm-" in bare
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("hafence-demo-")] == []


def test_an_act_that_ends_otherwise_is_told(cluster: DemoCluster) -> None:
    """A refusal that the story does not expect, of a VM that runs where it should."""
    for vm in VMS:
        cluster.await_beat(vm.name, vm.host)
    said: list[str] = []
    act = replace(ACTS[1], command=("start-vm", "web-02"), fault=None)
    faults = play(cluster, act, 1, said.append)
    assert faults == [f"{act.title}: the reason was not still_alive"]
    assert any("suspect_healthy" in line for line in said)


def test_on_a_terminal_the_command_draws_for_itself(cluster: DemoCluster, capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    assert run_shown(cluster, ("status",), said.append, screen=True) == 0
    assert said == ["  $ hafence status", "  [exit 0]"]
    assert "web-01   running on kvm-01" in capfd.readouterr().out
