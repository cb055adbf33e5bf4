"""Hooks and start commands that say and do odd things: only their exit status decides, and it is never misread."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafence.adapters.local.commands import OUTPUT_LIMIT, last_words, run_command

from .bend import examples
from .command import Place, Typed, a_place

HOOK = '#!/bin/sh\ncat "$0.says"\ncat "$0.says" >&2\nexit "$(cat "$0.exit")"\n'
GIB = 1024**3
words = st.binary(max_size=300) | st.sampled_from(
    [
        b"\0" * 5000,
        b"\xff\xfe\n",
        b"\x1b]0;title\x07\x1b[2J\n",
        b'{"decision": "started"}\n',
        b"Traceback (most recent call last\n",
        b"a" * 100_000,
        "\u202e\u2028\n".encode(),
        b"\n" * 3000,
    ]
)
exits = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 8, 126, 127, 130, 255])


def recorded(place: Place) -> str:
    """Where web-01 is recorded to run, or what it is instead."""
    (vm,) = (vm for vm in place.type("status", "--json").document["vms"] if vm["name"] == "web-01")
    return str(vm["host"] or vm["state"])


def start(place: Place, hook: tuple[bytes, int], command: tuple[bytes, int]) -> Typed:
    place.write("hooks.d/50-site", HOOK.replace("$0", f"{place.folder}/hooks.d/.site"), 0o755)
    for name, (says, status) in (("hooks.d/.site", hook), ("start", command)):
        place.write(f"{name}.says", says)
        place.write(f"{name}.exit", str(status))
    return place.type("start-vm", "web-01", "--json")


@settings(max_examples=examples(40))
@given(hook_says=words, hook_exit=exits, start_says=words, start_exit=exits)
def test_whatever_they_print_their_exit_status_decides(
    hook_says: bytes, hook_exit: int, start_says: bytes, start_exit: int
) -> None:
    with a_place() as place:
        done = start(place, (hook_says, hook_exit), (start_says, start_exit))
        document = done.document
        assert all(char.isprintable() for char in document["message"])
        assert len(document["message"]) < 1500
        if hook_exit:
            assert (done.code, document["reason"], place.starts) == (3, "hook_failed", 0)
            assert recorded(place) == "bh-01"
        elif start_exit:
            assert (done.code, document["reason"]) == (4, "start_failed")
            assert place.starts == 1
            assert recorded(place) == "bh-01"
        else:
            assert (done.code, document["decision"], place.starts) == (0, "started", 1)
            assert recorded(place) == "bh-02"


@pytest.mark.parametrize(
    "hook",
    [
        b"\x7fELF\0\0\0",
        b"#!/nowhere/interpreter\n",
        b"",
        b"\0",
        b"#!/bin/sh\nkill -9 $$\n",
        b"#!/bin/sh\nkill -TERM 0\n",
        b"#!/bin/sh\nexec >&- 2>&- <&-\nexit 1\n",
    ],
)
def test_a_hook_that_breaks_says_no(hook: bytes) -> None:
    with a_place() as place:
        place.write("hooks.d/50-site", hook, 0o755)
        done = place.type("start-vm", "web-01", "--json")
        assert (done.code, done.document["reason"], place.starts) == (3, "hook_failed", 0)
        assert recorded(place) == "bh-01"


@pytest.mark.parametrize("name", [b"50-\xff", b"50-\x1b[2J", b"50\nsite", b"-rf", b"50 $(touch ran)"])
def test_a_hook_is_run_and_named_whatever_it_is_called(name: bytes) -> None:
    with a_place() as place:
        path = os.fsencode(place.folder) + b"/hooks.d/" + name
        for status in (1, 0):
            with open(path, "wb") as file:
                file.write(b"#!/bin/sh\nexit %d\n" % status)
            os.chmod(path, 0o755)
            done = place.type("start-vm", "web-01", "--json")
            assert (done.code, place.starts) == ((3, 0) if status else (0, 1))
            assert all(char.isprintable() for char in done.document["message"])
        assert not (place.folder / "ran").exists()
        assert "hook" in place.type("explain").out


@pytest.mark.parametrize(
    ("command", "code", "decision"),
    [
        (b"#!/bin/sh\nkill -9 $$\n", 4, "failed"),
        (b"\x7fELF\0\0\0", 4, "failed"),
        (b"#!/nowhere/interpreter\n", 4, "failed"),
        (b"#!/bin/sh\nexec >&- 2>&- <&-\n", 0, "started"),
    ],
)
def test_a_start_command_that_breaks_has_not_started_it(command: bytes, code: int, decision: str) -> None:
    with a_place() as place:
        place.write("start", command, 0o755)
        done = place.type("start-vm", "web-01", "--json")
        assert (done.code, done.document["decision"]) == (code, decision)
        assert recorded(place) == ("bh-02" if code == 0 else "bh-01")


def test_gigabytes_of_output_do_not_fill_memory() -> None:
    """All of it was once kept until the end: a hook that floods would have had the kernel kill hafence."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (GIB, GIB))

    flood = "#!/bin/sh\nhead -c 1500000000 /dev/zero\necho the last word >&2\nexit %d\n"
    with a_place() as place:
        place.write("hooks.d/50-site", flood % 0, 0o755)
        place.write("start", flood % 5, 0o755)
        done = subprocess.run(
            [sys.executable, "-m", "hafence", "-i", "inventory", "start-vm", "web-01", "--json"],
            cwd=place.folder,
            preexec_fn=bound,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 4, done.stderr
        assert b"the last word" in done.stdout
        assert b"Traceback" not in done.stderr


def test_a_command_is_heard_to_its_limit_and_its_end_is_seen() -> None:
    run = run_command(["sh", "-c", f"head -c {OUTPUT_LIMIT + 1} /dev/zero; echo why >&2; exit 7"], 30)
    assert (run.status, len(run.stdout), run.flooded, last_words(run)) == (7, OUTPUT_LIMIT, True, "why")
    run = run_command(["sh", "-c", f"head -c {OUTPUT_LIMIT} /dev/zero"], 30)
    assert (run.status, run.flooded) == (0, False)


def test_a_command_that_does_not_listen_ends_all_the_same() -> None:
    much = "option=value\n" * 100_000
    assert run_command(["true"], 30, much).status == 0
    assert run_command(["wc", "-c"], 30, much).stdout.strip() == str(len(much))


def test_a_command_that_hangs_is_killed_with_all_that_it_left() -> None:
    begun = time.monotonic()
    run = run_command(["sh", "-c", "echo begun; sleep 600 & echo $!; sleep 600"], 0.5)
    assert (run.status, run.stdout.split("\n")[0], run.started) == (None, "begun", True)
    assert "did not end within" in run.trouble
    child = int(run.stdout.split("\n")[1])
    while os.path.exists(f"/proc/{child}") and _state(child) != "Z":
        assert time.monotonic() < begun + 30
        time.sleep(0.01)


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_grandchild_that_holds_the_pipe_holds_nobody_up() -> None:
    run = run_command(["sh", "-c", "setsid sleep 5 & exit 0"], 0.3)
    assert run.status is None
    assert run.seconds < 5


@pytest.mark.parametrize("argument", ["a\0b", "\ud800"])
def test_an_argument_that_none_can_be_is_a_command_that_was_not_started(argument: str) -> None:
    run = run_command(["true", argument], 5)
    assert (run.status, run.started) == (None, False)
    assert run.trouble
