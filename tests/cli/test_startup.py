"""What is asked for often starts fast: help, version and completion load no SSH, no screen and no YAML."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import Desk

HEAVY = ("fabric", "paramiko", "rich", "yaml", "asyncssh", "sqlite3")

ASK = f"""
import atexit, sys
atexit.register(lambda: print(*sorted(set(sys.modules) & set({HEAVY!r})), "end", file=sys.stderr))
from hafence.cli import main
sys.argv = ["hafence", *sys.argv[1:]]
sys.exit(main())
"""


def loaded(desk: Desk, *words: str, **env: str) -> list[str]:
    """Which of the heavy libraries a command line has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, *words],
        cwd=desk.folder,
        env=desk.environment | env,
        capture_output=True,
        text=True,
        check=False,
    )
    *modules, end = done.stderr.splitlines()[-1].split()
    assert end == "end"
    return modules


@pytest.mark.parametrize("words", ["--version", "--help", "start-vm --help", "inventory --help", "audit --help"])
def test_help_and_version_load_nothing_heavy(desk: Desk, words: str) -> None:
    assert loaded(desk, *words.split()) == []


def test_a_usage_error_loads_nothing_heavy(desk: Desk) -> None:
    assert loaded(desk, "start-vm", "--nonsense") == []


def test_the_version_does_not_even_load_click() -> None:
    say = "import sys; from hafence.cli import main; main(); print('click' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", say, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("words", ["start-vm w", "fence --host k"])
def test_completion_loads_no_ssh(desk: Desk, words: str) -> None:
    line = f"hafence {words}"
    env = {"_HAFENCE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    assert loaded(desk, **env) == ["yaml"]
