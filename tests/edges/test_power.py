"""What fence agents print, bent: OFF is only what the agent itself calls off, and nothing that went wrong is."""

from __future__ import annotations

import math
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafence.adapters.local.commands import OUTPUT_LIMIT, CommandResult
from hafence.adapters.power.agents import read_status
from hafence.adapters.power.passwords import find_secret
from hafence.core.evidence import Proof
from hafence.core.model import Host, HostName, PowerDevice
from hafence.core.power import Power
from hafence.core.second_level import SecondLevelReply
from hafence.workflows.power_fence import power_fence
from tests.core.make import inventory
from tests.lab.require import require
from tests.playing import play

from .bend import bent_by, examples, heard

chances = st.randoms(use_true_random=False)
statuses = st.sampled_from([0, 1, 2, 2, 2, 3, 126, 127, 137, 255, -2, -9, None])


def of(status: int | None, stdout: bytes, stderr: bytes = b"") -> Power:
    return read_status(CommandResult(status, heard(stdout), heard(stderr), 0.1))[0]


def says_off_alone(stdout: bytes) -> bool:
    """Whether one line says off and no line says anything else of the status, by bytes and not by letters."""
    lines = [line.strip(b" \t\r").lower() for line in stdout.split(b"\n")]
    told = {line for line in lines if line.startswith(b"status")}
    return told == {b"status: off"}


@settings(max_examples=examples(400))
@given(chance=chances, status=statuses)
def test_off_is_only_what_the_agent_calls_off(chance: random.Random, status: int | None) -> None:
    whole = chance.choice([b"Status: ON\n", b"Status: OFF\n", b"Connecting\nStatus: OFF\nDone\n", b"Status: UNKNOWN\n"])
    stdout = bent_by(chance, whole)
    stderr = chance.choice([b"", b"Parse error: Ignoring unknown option 'x'\n", b"\xff"])
    if of(status, stdout, stderr) is Power.OFF:
        assert status == 2
        assert says_off_alone(stdout) or not stdout + stderr


@given(noise=st.binary(max_size=100), status=statuses)
def test_bytes_are_never_off(noise: bytes, status: int | None) -> None:
    if of(status, noise) is Power.OFF:
        assert status == 2
        assert says_off_alone(noise) or not noise


@pytest.mark.parametrize(
    "stdout",
    [
        b"Status: OFF\nStatus: UNKNOWN\n",
        "Status: O\ufb00\n".encode(),
        "\u017ftatus: off\n".encode(),
        "Status: OFF\u2028Status: ON\n".encode(),
        b"Status: OF\nF\n",
        b"Status: OFF\0\n",
        b"Status: OFF (cached)\n",
        b"Status:OFF\n",
        b"\n",
    ],
)
def test_what_only_looks_like_off_is_unknown(stdout: bytes) -> None:
    assert of(2, stdout) is Power.ERROR


# ---------------------------------------------------------------- programs that stand as agents


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An agent in PATH, to be written."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "fence_edge"


def fenced(device: PowerDevice, within_s: float, rehearse: bool) -> SecondLevelReply:
    """What the power fence of a host with this device comes to."""
    host = Host(HostName("kvm-01"), "prod", "127.0.0.1", power=((device,),))
    return play(inventory([host], []), power_fence(host, math.inf, within_s, rehearse))


def asked(agent: Path, script: str, rehearse: bool = True, within_s: float = 5.0) -> tuple[bool, bool, str]:
    """Whether the second level says that it is done, whether it has proved the host off, and what it says."""
    agent.write_text(f"#!/bin/sh\n{script}\n")
    agent.chmod(0o755)
    device = PowerDevice("fence_edge", (("ip", "127.0.0.1"),))
    reply = fenced(device, within_s, rehearse)
    return reply.done, any(each.proves is Proof.HOST_OFF for each in reply.evidence), reply.says


def test_an_agent_that_says_off_is_believed(agent: Path) -> None:
    done, off, says = asked(agent, "cat >/dev/null; echo Status: OFF; exit 2")
    assert (done, off) == (True, True), says


@pytest.mark.parametrize(
    "script",
    [
        "echo Status: OFF; exit 1",
        "echo Status: OFF; kill -9 $$",
        "printf 'Status: OFF\\0\\n'; exit 2",
        "printf 'Status: \\377OFF\\n'; exit 2",
        "echo Status: OFF; head -c 1500000 /dev/zero; echo; echo Status: ON; exit 2",
        "echo Status: OFF; head -c 1500000 /dev/zero >&2; exit 2",
        "echo usage >&2; exit 2",
        "exit 126",
        "exec /nowhere/fence_other",
        "if then",
    ],
)
def test_an_agent_that_breaks_is_no_proof(agent: Path, script: str) -> None:
    done, off, says = asked(agent, script)
    assert (done, off) == (False, False)
    assert "can't tell" in says
    assert says.isprintable()


def test_an_agent_that_hangs_or_leaves_a_child_behind_is_no_proof(agent: Path) -> None:
    for script in ("echo Status: OFF; sleep 60", "echo Status: OFF; sleep 60 & exit 2"):
        done, off, says = asked(agent, script, within_s=1.0)
        assert (done, off) == (False, False)
        assert "did not end within" in says


def test_an_agent_whose_status_can_not_be_read_is_no_proof_after_off_either(agent: Path) -> None:
    done, off, says = asked(agent, "echo Status: OFF; exit 0", rehearse=False)
    assert (done, off) == (False, False)
    assert "was not seen off" in says


def test_an_agent_that_does_not_know_an_option_is_not_told_to_switch_anything_off(agent: Path, tmp_path: Path) -> None:
    log = tmp_path / "told"
    script = f"""
        while read -r line; do case $line in
            action=*) echo "${{line#*=}}" >>{log} && action=${{line#*=}} ;;
            ip=*) ;;
            *) echo "Parse error: Ignoring unknown option '$line'" >&2 ;;
        esac; done
        case $action in status) echo Status: OFF; exit 2 ;; esac"""
    agent.write_text(f"#!/bin/sh\n{script}\n")
    agent.chmod(0o755)
    reply = fenced(PowerDevice("fence_edge", (("ip", "127.0.0.1"), ("plg", "7"))), 3.0, rehearse=False)
    assert not reply.done
    assert "does not know the option plg" in reply.says
    assert "off" not in log.read_text().split()
    assert fenced(PowerDevice("fence_edge", (("ip", "127.0.0.1"),)), 3.0, rehearse=False).done
    assert "off" in log.read_text().split()


def test_the_real_agents_warning_is_understood(tmp_path: Path) -> None:
    require("fence_dummy")
    state = tmp_path / "state"
    state.write_text("on")
    wrong = PowerDevice("fence_dummy", (("type", "file"), ("status_fil", str(state))))
    reply = fenced(wrong, 5.0, rehearse=False)
    assert (reply.done, state.read_text()) == (False, "on")
    assert "does not know the option status_fil" in reply.says
    right = PowerDevice("fence_dummy", (("type", "file"), ("status_file", str(state))))
    assert fenced(right, 10.0, rehearse=False).done
    assert state.read_text() == "off"


def test_an_agent_that_is_no_program_is_no_proof(agent: Path) -> None:
    agent.write_bytes(b"\x7fELF\0\0")
    agent.chmod(0o755)
    device = PowerDevice("fence_edge", ())
    for each in (device, PowerDevice("fence_nowhere", ()), PowerDevice("fence_\0", ())):
        assert not fenced(each, 5.0, rehearse=True).done


# ---------------------------------------------------------------- passwords


@settings(max_examples=examples(60))
@given(secret=st.binary(max_size=60))
def test_a_password_in_the_environment_is_one_line_of_utf_8_or_refused_without_being_repeated(secret: bytes) -> None:
    device = PowerDevice("fence_edge", (("password_env", "BMC_PASSWORD"),))
    text = secret.decode("utf-8", "surrogateescape")  # as Python reads the environment
    try:
        found = find_secret(device, {"BMC_PASSWORD": text})
    except ValueError as error:
        told = str(error)
    else:
        assert found is not None
        assert found.encode() == secret.rstrip(b"\n")
        return
    assert told in {"BMC_PASSWORD is not UTF-8", "BMC_PASSWORD does not hold exactly one line"}


@pytest.mark.parametrize(
    "script",
    ["printf 'hunter\\3772\\n'", f"head -c {OUTPUT_LIMIT + 1} /dev/zero | tr '\\0' h", "exit 0", "echo a; echo b"],
)
def test_a_password_command_that_prints_something_else_is_refused(script: str) -> None:
    device = PowerDevice("fence_edge", (("password_command", ("sh", "-c", script)),))
    with pytest.raises(ValueError, match="password_command") as caught:
        find_secret(device, {})
    assert "hunter" not in str(caught.value)
