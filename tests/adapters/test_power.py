"""What a fence agent's `status` tells, and where a password comes from."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafence.adapters.local.commands import CommandResult
from hafence.adapters.power.agents import read_status
from hafence.adapters.power.passwords import find_secret, without_secret_in_arguments
from hafence.core.model import PowerDevice
from hafence.core.power import Power

SECRET = "hunter2 'quoted' $HOME"


def said(status: int | None, stdout: str = "", stderr: str = "", trouble: str = "") -> Power:
    return read_status(CommandResult(status, stdout, stderr, 0.1, trouble))[0]


def test_on_and_off_are_said_by_status_and_words_together() -> None:
    assert said(0, "Status: ON\n") is Power.ON
    assert said(2, "Status: OFF\n") is Power.OFF
    assert said(2, "Status: OFF\n", "DeprecationWarning: 'pipes' is deprecated\n") is Power.OFF


@pytest.mark.parametrize(("status", "stdout"), [(0, "Status: ON\n"), (2, "Status: OFF\n")])
def test_an_agent_that_does_not_know_an_option_tells_nothing_and_its_value_is_not_repeated(
    status: int, stdout: str
) -> None:
    warned = "WARNING:root:Parse error: Ignoring unknown option 'plg=hunter2'\n"
    power, says = read_status(CommandResult(status, stdout, warned, 0.1))
    assert (power, says) == (Power.ERROR, "can't tell: its agent does not know the option plg")


def test_the_exit_status_alone_is_enough_from_an_agent_that_says_nothing_at_all() -> None:
    assert said(2) is Power.OFF
    assert said(0) is Power.ON


@pytest.mark.parametrize(
    ("status", "stdout", "stderr"),
    [
        (2, "", "usage: fence_site [-h] --ip IP\nfence_site: error: the following arguments are required: --ip\n"),
        (2, "", "sh: 1: Syntax error: end of file unexpected\n"),
        (2, "Status: ON\n", ""),
        (2, "Status: ON\nStatus: OFF\n", ""),
        (2, "chassis power is off\n", ""),
        (0, "Status: OFF\n", ""),
        (0, "", "timeout\n"),
        (1, "Status: OFF\n", ""),
        (127, "", ""),
        (-9, "Status: OFF\n", ""),
        (None, "Status: OFF\n", ""),
    ],
)
def test_an_error_is_never_off(status: int | None, stdout: str, stderr: str) -> None:
    assert said(status, stdout, stderr) is Power.ERROR


@given(st.none() | st.integers(-64, 255), st.text(), st.text(), st.sampled_from(["", "did not end within 5 s"]))
def test_off_is_only_ever_exit_2_without_trouble(status: int | None, stdout: str, stderr: str, trouble: str) -> None:
    if said(status, stdout, stderr, trouble) is Power.OFF:
        assert status == 2
        assert not trouble
        assert "Status: OFF".lower() in stdout.lower() or not (stdout + stderr).strip()


def device(agent: str, **options: str | tuple[str, ...]) -> PowerDevice:
    return PowerDevice(agent, tuple(options.items()))


def test_a_password_comes_from_a_file_a_variable_or_a_command(tmp_path: Path) -> None:
    file = tmp_path / "bmc"
    file.write_text(f"{SECRET}\n")
    assert find_secret(device("fence_x", password_file=str(file)), {}) == SECRET
    assert find_secret(device("fence_x", password_env="BMC"), {"BMC": SECRET}) == SECRET
    assert find_secret(device("fence_x", password_command=("cat", str(file))), {}) == SECRET
    assert find_secret(device("fence_x", ip="192.0.2.1"), {}) is None


@pytest.mark.parametrize("text", ["", "\n", "hunter2\naction=on\n", "hunter2\r\nx", "hun\0ter2", b"hunter2\xff"])
def test_a_password_of_no_or_two_lines_is_refused_and_not_repeated(tmp_path: Path, text: str | bytes) -> None:
    file = tmp_path / "bmc"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ValueError, match="bmc") as caught:
        find_secret(device("fence_x", password_file=str(file)), {})
    assert "hunter2" not in str(caught.value)


def test_a_command_that_fails_is_refused_and_its_output_not_repeated() -> None:
    with pytest.raises(ValueError, match="exit 3") as caught:
        find_secret(device("fence_x", password_command=("sh", "-c", "echo hunter2; exit 3")), {})
    assert "hunter2" not in str(caught.value)


def test_most_agents_take_the_password_on_stdin() -> None:
    with ExitStack() as stack:
        hidden = without_secret_in_arguments(device("fence_redfish"), SECRET, stack)
    assert hidden.options == (("password", SECRET),)
    assert not hidden.environment


def test_ipmitool_gets_it_in_its_environment_and_every_other_argument_as_it_was(tmp_path: Path) -> None:
    ipmitool = tmp_path / "ipmi tool"
    ipmitool.write_text('#!/bin/sh\nprintf "%s\\n" "$IPMITOOL_PASSWORD" "$@"\n')
    ipmitool.chmod(0o755)
    with ExitStack() as stack:
        hidden = without_secret_in_arguments(device("fence_idrac", ipmitool_path=str(ipmitool)), SECRET, stack)
        options = dict(hidden.options)
        assert SECRET not in str(hidden.options)
        argv = [options["ipmitool_path"], "-I", "lanplus", "-U", "a b", "-P", options["password"], "-C", "", "power"]
        run = subprocess.run(argv, env=dict(hidden.environment), capture_output=True, text=True, check=True)
        assert Path(options["ipmitool_path"]).parent.stat().st_mode & 0o777 == 0o700
    assert run.stdout.split("\n")[:-1] == [SECRET, "-E", "-I", "lanplus", "-U", "a b", "-C", "", "power"]
    assert not Path(options["ipmitool_path"]).parent.exists()
