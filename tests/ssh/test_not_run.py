"""What real sudo and real shells say when they run no script, by the command line that a login gets."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hafence.adapters.hosts.program import remote_command
from hafence.core.model import Host, HostName, SshSettings
from hafence.core.not_run import why_not_run
from hafence.core.wire import ReplyFault
from tests.lab.require import lack, require

AS_NOBODY = Host(HostName("kvm-01"), "lab", "192.0.2.1", ssh=SshSettings(user="nobody"))
ALL = "nobody ALL=(ALL) NOPASSWD: ALL\n"


def as_nobody(sudoers: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command line of a login of `nobody`, without a terminal, on a machine with these sudoers."""
    if os.geteuid() != 0:
        lack("needs root, for sudoers of its own in a mount namespace")
    require("sudo", "unshare", "setpriv", "setsid")
    file = folder / "sudoers"
    file.write_text(sudoers)
    file.chmod(0o440)
    lines = (
        f"mount --bind {file} /etc/sudoers",
        "mount -t tmpfs none /etc/sudoers.d",
        'exec setsid setpriv --reuid=nobody --regid=nogroup --clear-groups /bin/sh -c "$1"',
    )
    command = ["unshare", "-m", "sh", "-ec", "\n".join(lines), "sh", remote_command(AS_NOBODY, 5)]
    return subprocess.run(command, input="echo ran\n", capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("sudoers", "fault"),
    [
        ("", ReplyFault.SUDO_PASSWORD),
        ("nobody ALL=(ALL) ALL\n", ReplyFault.SUDO_PASSWORD),
        ("nobody ALL=(games) NOPASSWD: ALL\n", ReplyFault.SUDO_PASSWORD),
        (f"Defaults requiretty\n{ALL}", ReplyFault.SUDO_TTY),
        (f'Defaults secure_path="/opt/bin"\n{ALL}', ReplyFault.SUDO_NO_PROGRAM),
        ("nobody ALL=(ALL) NOPASSWD: ALL, !/usr/bin/timeout\n", ReplyFault.SUDO_FORBIDS),
        ("nobody ALL=(ALL NOPASSWD\n", ReplyFault.SUDO_BROKEN),
    ],
    ids=["no rule", "a password", "another user", "requiretty", "secure_path", "forbidden", "broken"],
)
def test_what_sudo_says_is_told_apart(tmp_path: Path, sudoers: str, fault: ReplyFault) -> None:
    ran = as_nobody(sudoers, tmp_path)
    assert why_not_run(ran.returncode, ran.stdout, ran.stderr) is fault, ran


def test_with_a_rule_the_script_runs(tmp_path: Path) -> None:
    ran = as_nobody(ALL, tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "ran\n"), ran


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize(("program", "fault"), [("sudo", ReplyFault.NO_SUDO), ("timeout", ReplyFault.NO_TIMEOUT)])
def test_what_a_shell_says_of_a_program_that_is_missing_or_dead(
    tmp_path: Path, shell: str, program: str, fault: ReplyFault
) -> None:
    require(shell)
    line = remote_command(AS_NOBODY, 5)
    command = [shutil.which(shell) or shell, "-c", line if program == "sudo" else line.replace("sudo -n ", "")]

    def said() -> ReplyFault | None:
        path = {"PATH": str(tmp_path)}
        ran = subprocess.run(command, env=path, input="", capture_output=True, text=True, timeout=30, check=False)
        return why_not_run(ran.returncode, ran.stdout, ran.stderr)

    assert said() is fault
    dead = tmp_path / program
    dead.write_bytes(b"\x7fELF")
    dead.chmod(0o644)
    assert said() is ReplyFault.NOT_EXECUTABLE
