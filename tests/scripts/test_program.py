"""What goes over the wire: quoting, the command line, and shells that agree that it is sound."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hafence.adapters.hosts
from hafence.adapters.hosts.program import Program, compose, remote_command
from hafence.adapters.local.here import run_here
from hafence.core.attempts import Verdict
from hafence.core.model import Host, HostName, SshSettings, Uuid
from hafence.core.wire import ReplyFault

from ..lab.require import lack
from .conftest import HERE, NONCE, Shell
from .processes import Zoo, is_living

SCRIPTS = sorted((Path(hafence.adapters.hosts.__file__).parent / "scripts").glob("*.sh"))


def test_there_are_scripts() -> None:
    assert {path.stem for path in SCRIPTS} >= {"lib", "identity", "absence", "fence", "look", "start", "settle"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(path: Path) -> None:
    if shutil.which("shellcheck") is None:
        lack("needs shellcheck (Debian package shellcheck)")
    checked = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True, check=False)
    assert (checked.stdout, checked.returncode) == ("", 0)


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_both_shells_can_read_it(path: Path, shell: str) -> None:
    checked = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, check=False)
    assert (checked.stderr, checked.returncode) == ("", 0)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_value_reaches_the_script_as_it_is(value: str) -> None:
    text = compose((), NONCE, "", VALUE=value) + 'printf "%s<end>" "$VALUE"\n'
    for shell in ("dash", "bash"):
        assert run_here(Program(text, command=(shell, "-s")), 10).stdout == value + "<end>"


def test_what_a_shell_would_drop_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        compose((), NONCE, "", XML="a\0b")


@pytest.mark.parametrize("nonce", ["", "abc", "g" * 32, "A" * 32, "0" * 65, f"{NONCE}\n"])
def test_an_odd_nonce_is_refused(nonce: str) -> None:
    with pytest.raises(ValueError, match="nonce"):
        compose((), nonce, "")


@pytest.mark.parametrize(
    ("user", "sudo", "command"),
    [
        ("root", None, "exec timeout -k 2 20 /bin/sh -s"),
        ("root", True, "exec sudo -n timeout -k 2 20 /bin/sh -s"),
        ("ops", None, "exec sudo -n timeout -k 2 20 /bin/sh -s"),
        ("ops", False, "exec timeout -k 2 20 /bin/sh -s"),
    ],
)
def test_sudo_stands_outside_the_timeout(user: str, sudo: bool | None, command: str) -> None:
    host = Host(HostName("h"), "c", "192.0.2.1", ssh=SshSettings(user=user, sudo=sudo))
    assert remote_command(host, 19.2) == command


def test_the_timeout_is_never_none() -> None:
    assert remote_command(HERE, 0.0) == "exec timeout -k 2 1 /bin/sh -s"


def test_the_command_line_runs(tmp_path: Path) -> None:
    command = remote_command(HERE, 5)
    run = run_here(Program("echo $((6 * 7)); exit 10\n", command=("/bin/sh", "-c", command)), 10)
    assert (run.trouble, run.exit_status, run.stdout) == (None, 10, "42\n")


def test_a_machine_that_is_not_meant_is_told_to_end_and_nothing_is_killed(shell: Shell, zoo: Zoo, vm: str) -> None:
    qemu = zoo.qemu("-uuid", vm)
    machine = "e" * 32
    order = replace(shell.order(vm), machine_id=machine)
    reading = shell.fence_all(order)[Uuid(vm)]
    assert (reading.verdict, reading.fault and reading.fault.fault) == (Verdict.AMBIGUOUS, ReplyFault.OTHER_MACHINE)
    assert is_living(qemu.pid)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    taken = replace(shell.order(vm), others=((HostName("kvm-03"), boot),))
    reading = shell.fence_all(taken)[Uuid(vm)]
    assert (reading.verdict, reading.fault and reading.fault.fault) == (Verdict.AMBIGUOUS, ReplyFault.SAME_MACHINE)
    assert is_living(qemu.pid)
    assert shell.fence(vm).verdict is Verdict.CONFIRMED_DEAD
