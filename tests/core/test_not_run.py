"""Why a login ran no script: the phrases of sudo, shells and login programs, and what is near to them."""

from __future__ import annotations

import pytest

from hafence.core.not_run import MOST_LINES, MOST_OF_A_LINE, why_not_run
from hafence.core.wire import Faulty, ReplyFault, read_message


@pytest.mark.parametrize(
    ("status", "said", "fault"),
    [
        (1, "sudo: a password is required", ReplyFault.SUDO_PASSWORD),
        (1, "sudo: no tty present and no askpass program specified", ReplyFault.SUDO_PASSWORD),
        (1, "sudo: a terminal is required to read the password", ReplyFault.SUDO_PASSWORD),
        (1, "sudo-rs: interactive authentication is required", ReplyFault.SUDO_PASSWORD),
        (1, "sudo: sorry, you must have a tty to run sudo", ReplyFault.SUDO_TTY),
        (1, "sudo: timeout: command not found", ReplyFault.SUDO_NO_PROGRAM),
        (1, "sudo-rs: 'timeout': command not found", ReplyFault.SUDO_NO_PROGRAM),
        (1, "Sorry, user ops is not allowed to execute '/usr/bin/timeout' as root on a.", ReplyFault.SUDO_FORBIDS),
        (1, "Sorry, user ops may not run sudo on kvm-01.", ReplyFault.SUDO_FORBIDS),
        (1, "ops is not in the sudoers file.  This incident will be reported.", ReplyFault.SUDO_FORBIDS),
        (1, "I'm sorry ops. I'm afraid I can't do that", ReplyFault.SUDO_FORBIDS),
        (1, "sudo: Account or password is expired, reset your password and try again", ReplyFault.SUDO_ACCOUNT),
        (1, "sudo: account validation failure, is your account locked?", ReplyFault.SUDO_ACCOUNT),
        (1, "sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set", ReplyFault.SUDO_BROKEN),
        (1, "sudo: effective uid is not 0, is /usr/bin/sudo on a file system with nosuid?", ReplyFault.SUDO_BROKEN),
        (1, "sudo: /etc/sudoers is world writable", ReplyFault.SUDO_BROKEN),
        (1, "sudo: no valid sudoers sources found, quitting", ReplyFault.SUDO_BROKEN),
        (
            1,
            ">>> /etc/sudoers: syntax error near line 1 <<<\nsudo: parse error in /etc/sudoers",
            ReplyFault.SUDO_BROKEN,
        ),
        (1, "/etc/sudoers:1:17: syntax error\nsudo: a password is required", ReplyFault.SUDO_BROKEN),
        (1, 'sudo: The "no new privileges" flag is set', ReplyFault.SUDO_BROKEN),
        (1, "sudo: unable to resolve host kvm-01\nsudo: a password is required", ReplyFault.SUDO_PASSWORD),
        (1, "sudo: konfigurationen duger inte", ReplyFault.SUDO_OTHER),
        (1, "This account is currently not available.", ReplyFault.NO_LOGIN),
        (1, "This account is currently disabled.", ReplyFault.NOT_RUN),
        (142, 'Please login as the user "debian" rather than the user "root".', ReplyFault.OTHER_USER),
        (1, "bash: exec: restricted", ReplyFault.RESTRICTED),
        (127, "rbash: line 1: exec: restricted", ReplyFault.RESTRICTED),
        (128, "fatal: Interactive git shell is not enabled.", ReplyFault.RESTRICTED),
        (127, "dash: 1: exec: sudo: not found", ReplyFault.NO_SUDO),
        (127, "bash: line 1: exec: sudo: not found", ReplyFault.NO_SUDO),
        (127, "zsh:1: command not found: sudo", ReplyFault.NO_SUDO),
        (127, "fish: Unknown command: sudo", ReplyFault.NO_SUDO),
        (127, "sh: exec: line 0: sudo: not found", ReplyFault.NO_SUDO),
        (127, "ksh: sudo: inaccessible or not found", ReplyFault.NO_SUDO),
        (127, "bash: line 1: exec: timeout: not found", ReplyFault.NO_TIMEOUT),
        (127, "zsh:1: command not found: timeout", ReplyFault.NO_TIMEOUT),
        (127, "timeout: failed to run command '/bin/sh': No such file or directory", ReplyFault.NO_SHELL),
        (127, "", ReplyFault.NOT_FOUND),
        (127, "welcome to kvm-01", ReplyFault.NOT_FOUND),
        (126, "bash: /usr/bin/timeout: Input/output error", ReplyFault.NOT_EXECUTABLE),
        (126, "sudo: a password is required", ReplyFault.NOT_EXECUTABLE),
        (1, "", ReplyFault.NOT_RUN),
        (1, "access is restricted to staff", ReplyFault.NOT_RUN),
        (255, "", None),
        (254, "anything", None),
        (0, "sudo: a password is required", None),
        (None, "sudo: a password is required", None),
    ],
)
def test_each_phrase_is_told_apart(status: int | None, said: str, fault: ReplyFault | None) -> None:
    assert why_not_run(status, "", said) is fault
    if fault is not None:
        assert Faulty(fault).says


def test_nologin_speaks_on_stdout_and_stderr_is_read_first() -> None:
    assert why_not_run(1, "This account is currently not available.\n", "") is ReplyFault.NO_LOGIN
    both = why_not_run(1, "This account is currently not available.\n", "sudo: a password is required\n")
    assert both is ReplyFault.SUDO_PASSWORD


def test_a_flood_of_words_costs_no_more_than_a_few() -> None:
    late = "x\n" * MOST_LINES + "sudo: a password is required\n"
    assert why_not_run(1, "", late) is ReplyFault.NOT_RUN
    assert why_not_run(1, "", "x\n" * (MOST_LINES - 1) + "sudo: a password is required\n") is ReplyFault.SUDO_PASSWORD
    assert why_not_run(1, "", "x" * MOST_OF_A_LINE + "restricted") is ReplyFault.NOT_RUN


def test_a_script_that_spoke_was_run_whatever_else_was_said() -> None:
    hello = "hafence/1 00112233445566778899aabbccddeeff hello clock=1.0 machine=- host=a\n"
    nonce = "00112233445566778899aabbccddeeff"
    told = read_message(nonce, hello, 1, ReplyFault.SUDO_PASSWORD)
    assert isinstance(told, Faulty)
    assert told.fault is ReplyFault.TRUNCATED
    silent = read_message(nonce, "", 1, ReplyFault.SUDO_PASSWORD)
    assert isinstance(silent, Faulty)
    assert silent.fault is ReplyFault.SUDO_PASSWORD


def test_only_what_helps_is_a_way_out() -> None:
    silent = {fault for fault in ReplyFault if not Faulty(fault).way_out}
    assert {ReplyFault.NOTHING_CAME, ReplyFault.NOT_EXECUTABLE, ReplyFault.NO_SHELL} <= silent
    assert ReplyFault.SUDO_PASSWORD not in silent
