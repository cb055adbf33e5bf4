"""Sentences that were false or misleading once, and must not come back. Those of decisions are in tests/core/told."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys

import pytest

from hafence.core.left_behind import undefine_command
from hafence.core.quarantine import quarantine_words
from hafence.core.reasons import PROOFS, Reason
from hafence.core.whys import sentence
from tests.cli.conftest import Desk
from tests.core.make import uuid
from tests.test_docs import README

RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")


@pytest.mark.parametrize("words", [("start-vm", "web-01"), ("fence", "web-01"), ("evacuate", "kvm-01")])
def test_a_dry_run_says_no_id_that_explain_would_not_know(desk: Desk, words: tuple[str, ...]) -> None:
    said = desk.type(*words, "--dry-run")
    assert said.code == 3
    assert not RUN_ID.search(said.out + said.err)


@pytest.mark.parametrize("reason", Reason)
def test_silence_is_no_fence(reason: Reason) -> None:
    assert ("was fenced there" in quarantine_words("web-01", reason)) == (reason in PROOFS)


def test_what_came_back_is_said_to_have_been_killed() -> None:
    assert "it was killed there, and something has started it anew" in sentence("respawned", {})


def test_a_stale_definition_of_a_uefi_guest_can_be_undefined() -> None:
    assert "--keep-nvram" in undefine_command(uuid(1))


def test_no_inventory_is_not_one_error(empty_desk: Desk) -> None:
    said = empty_desk.type("status")
    assert said.code == 6
    assert "there is no inventory" in said.err
    assert "error" not in said.err
    assert "hafence inventory init" in said.err


def test_the_readme_s_first_block_works_as_typed(empty_desk: Desk) -> None:
    block = README.split("## Use it")[1].split("```")[1]
    lines = [line.split("#")[0].strip() for line in block.strip().splitlines()]
    assert lines[0] == "pip install ."
    assert len(lines) > 1
    for line in lines[1:]:
        program, *words = shlex.split(line)
        assert program == "hafence"
        assert empty_desk.type(*words).code == 0, line


def test_ctrl_c_is_told_once(desk: Desk) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        desk.write(MUTE.format(port=mute.getsockname()[1]))
        words = [sys.executable, "-m", "hafence", "status", "--live"]
        with subprocess.Popen(
            words, cwd=desk.folder, env=desk.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as going:
            mute.settimeout(30)
            caller, _ = mute.accept()  # it waits for a banner by now
            going.send_signal(signal.SIGINT)
            _, said = going.communicate(timeout=20)
            caller.close()
    assert going.returncode == 130
    assert "interrupted: interrupted" not in said
    assert said.count("interrupted:") == 1


MUTE = """\
fencing: {{connect_timeout: 60}}
store: sqlite:state.db
clusters: {{prod-a: }}
hosts: {{kvm-01: {{cluster: prod-a, address: 127.0.0.1, ssh: {{port: {port}}}}}}}
vms: {{}}
"""


def test_a_missing_package_of_the_demo_is_no_bug(desk: Desk) -> None:
    hide = (
        "import importlib.util as u, sys\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'asyncssh' else find(name, *a)\n"
        "from hafence.cli import main\nsys.argv = ['hafence', 'demo']\nsys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide], cwd=desk.folder, env=desk.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "asyncssh" in done.stderr
    assert "Traceback" not in done.stderr
