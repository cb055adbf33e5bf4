"""Why a login ran no script of ours: what sudo, a shell or a login program says then, by fixed phrases of theirs.

An exit status alone tells little: sudo ends with 1 for a missing rule, for a password and for a program that it does
not find. What those programs print is fixed, up to names and paths; it is looked for and never repeated. The phrases
are those of sudo 1.8 to 1.9 and of sudo-rs (sudoers(5), and their sources), of dash, bash, busybox, zsh and fish, of
shadow's and util-linux's nologin(8), of git-shell(1) and of cloud-init's disabled root login.
"""

from __future__ import annotations

import re

from .wire import ReplyFault

_TOLD: tuple[tuple[ReplyFault, str], ...] = (
    (ReplyFault.SUDO_PASSWORD, r"sudo(-rs)?: (a password is required|no tty present and no askpass program specified)"),
    (ReplyFault.SUDO_PASSWORD, r"sudo(-rs)?: (interactive authentication is required|a terminal is required to )"),
    (ReplyFault.SUDO_TTY, r"sudo: sorry, you must have a tty to run sudo"),
    (ReplyFault.SUDO_NO_PROGRAM, r"sudo(-rs)?: '?[^ ]*timeout'?: command not found"),
    (ReplyFault.SUDO_FORBIDS, r"Sorry, user [^ ]+ (is not allowed|may not run)|[^ ]+ is not in the sudoers file"),
    (ReplyFault.SUDO_FORBIDS, r"I'm sorry [^ ]+\. I'm afraid I can't do that"),
    (ReplyFault.SUDO_ACCOUNT, r"sudo: (Account or password is expired|account validation failure|PAM account manage)"),
    (ReplyFault.SUDO_BROKEN, r"(>>> )?/etc/sudoers\S*: (syntax|parse) error"),
    (ReplyFault.SUDO_BROKEN, r"sudo: (.* must be owned by uid 0|.*effective uid is not 0|.*is (world|group) writable)"),
    (
        ReplyFault.SUDO_BROKEN,
        r"sudo: (.*is owned by|.*no valid sudoers|.*(syntax|parse) error|The \"no new privileges)",
    ),
    (ReplyFault.SUDO_BROKEN, r"sudo: (unable to (open|stat|read|initialize)|error (in|initializing))"),
    (ReplyFault.SUDO_OTHER, r"sudo(-rs)?: (?!unable to resolve host)"),
    (ReplyFault.NO_LOGIN, r"This account is currently not available"),
    (ReplyFault.OTHER_USER, r"Please login as the user \"[^\"]*\" rather than the user"),
    (ReplyFault.RESTRICTED, r"\S*sh: .*restricted\b|fatal: (Interactive git shell|unrecognized command)"),
    (ReplyFault.NO_SUDO, r"(.*[: ])?sudo: (inaccessible or )?(command )?not found|.*command(?: not found)?: sudo"),
    (
        ReplyFault.NO_TIMEOUT,
        r"(.*[: ])?timeout: (inaccessible or )?(command )?not found|.*command(?: not found)?: timeout",
    ),
    (ReplyFault.NO_SHELL, r".*(/bin/sh|failed to run command).*No such file or directory"),
)
_PATTERNS = tuple((fault, re.compile(pattern, re.IGNORECASE)) for fault, pattern in _TOLD)
_BY_STATUS = {126: ReplyFault.NOT_EXECUTABLE, 127: ReplyFault.NOT_FOUND, 1: ReplyFault.NOT_RUN}
MOST_LINES = 50
"""Of what came, so many lines are looked at, and of each so much: a hostile host's text costs no more."""
MOST_OF_A_LINE = 300


def why_not_run(exit_status: int | None, stdout: str, stderr: str) -> ReplyFault | None:
    """Why no line of the protocol came, as far as an exit status and fixed phrases tell; None where they don't."""
    if exit_status in (None, 0):
        return None
    if exit_status == 126:  # the shell found the program and could not run it, whatever else was said
        return ReplyFault.NOT_EXECUTABLE
    for text in (stderr, stdout):
        for line in text.split("\n", MOST_LINES)[:MOST_LINES]:
            for fault, pattern in _PATTERNS:
                if pattern.match(line.strip()[:MOST_OF_A_LINE]):
                    return fault
    return _BY_STATUS.get(exit_status)
