"""The environment: whatever HAFENCE_… holds is used as it says, or refused in words."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafence.cli.app import COMMANDS, hafence

from .bend import examples
from .command import Place, Typed, a_place

# Commands that write nothing and send nothing: whatever they are told, they may be told it at random.
READING = (
    ("status",),
    ("status", "--json"),
    ("history", "--json"),
    ("explain",),
    ("store", "check"),
    ("inventory", "check", "--json"),
    ("start-vm", "web-01", "--dry-run", "--json"),
)
VALUES = st.sampled_from(
    [
        b"",
        b" ",
        b"1",
        b"-1",
        b"0",
        b"true",
        b"perhaps",
        b"nan",
        b"inf",
        b"1e999",
        b"9" * 5000,
        "٣".encode(),
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\n",
        b"\x1b[2J",
        b"x" * 5000,
        b"bh-01",
        b"bh-01 bh-02 nowhere",
        b".",
        b"..",
        b"inventory",
        b"inventory/hosts.yaml",
        b"nowhere/inventory.yaml",
        b"sqlite:",
        b"sqlite:.",
        b"sqlite:inventory/vms.yaml",
        b"sqlite:///dev/null",
        b"sqlite:///dev/zero",
        b"sqlite:////proc/self/mem",
        b"sqlite:\xff.db",
        b"sqlite:a?mode=memory#x%00",
        b"sqlite::memory:",
        b"etcd://h1:2379",
        b"postgres://me:hunter2@db/x",
        b"/dev/zero",
        b"/dev/tty",
        b"/proc/self/mem",
        b"/proc/self/fd/0",
    ]
) | st.binary(max_size=40).map(lambda value: value.replace(b"\0", b"").replace(b"/", b""))


def options() -> list[bytes]:
    """The variable of every option there is."""

    def walk(command: click.Command, context: click.Context, path: str) -> Iterator[str]:
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in (None, "help", "version"):
                yield f"HAFENCE_{path}{option.name}".upper().replace("-", "_")
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                yield from walk(inner, click.Context(inner, parent=context, info_name=name), f"{path}{name}_")

    return [name.encode() for name in dict.fromkeys(walk(hafence, click.Context(hafence), ""))]


VARIABLES = options()


def test_every_command_has_options_here() -> None:
    assert {b"HAFENCE_INVENTORY", b"HAFENCE_STORE", b"HAFENCE_START_VM_WAIT", b"HAFENCE_HISTORY_LIMIT"} <= set(
        VARIABLES
    )
    assert len(VARIABLES) > len(COMMANDS)


def type_with(place: Place, words: tuple[str, ...], env: dict[bytes, bytes]) -> Typed:
    before = sorted(path.name for path in place.folder.rglob("*"))
    typed = place.type(*words, env=env)
    if {name for name, value in env.items() if b"hunter2" in value} == {b"HAFENCE_STORE"}:
        assert "hunter2" not in typed.out + typed.err
    if "--json" in words and typed.code in (0, 3, 6, 7):
        assert isinstance(typed.document, dict)
    assert sorted(path.name for path in place.folder.rglob("*")) == before
    assert place.starts == 0
    return typed


@settings(max_examples=examples(150))
@given(
    words=st.sampled_from(READING),
    env=st.dictionaries(st.sampled_from([b"HAFENCE_INVENTORY", b"HAFENCE_STORE"]), VALUES, min_size=1)
    | st.dictionaries(st.sampled_from(VARIABLES), VALUES, min_size=1, max_size=4),
)
def test_whatever_the_environment_says_nothing_is_changed(words: tuple[str, ...], env: dict[bytes, bytes]) -> None:
    with a_place() as place:
        type_with(place, words, env)


@pytest.mark.parametrize("value", [b"nan", b"inf", b"-1", b"1e999", b"86401", b"soon", b"\xff", "٣x".encode()])
def test_a_wait_that_never_ends_or_is_none_is_a_usage_error(value: bytes) -> None:
    """`--wait inf` once ended in a traceback: it could not be written to the history."""
    with a_place() as place:
        assert type_with(place, ("start-vm", "web-01"), {b"HAFENCE_START_VM_WAIT": value}).code == 2
        assert "wait" in place.type("start-vm", "web-01", "--wait", "inf").err


@pytest.mark.parametrize("run", ["\udcff", "\0", "%", "_", "'; DROP TABLE history", "x" * 100_000])
def test_a_run_that_can_not_be_is_a_usage_error(run: str) -> None:
    with a_place() as place:
        assert place.type("start-vm", "web-01").code == 0
        assert place.type("explain", run).code == 2
        assert place.type("explain", "last").code == 0


@pytest.mark.parametrize("name", ["NO_COLOR", "TERM", "COLUMNS", "LINES", "HOME", "XDG_CONFIG_HOME", "SUDO_USER", "TZ"])
@pytest.mark.parametrize("value", [b"", b"\xff", b"-5", b"9" * 30, b"/" + b"x" * 5000, b"\n\x1b[2J"])
def test_the_rest_of_the_environment_stops_no_start(name: str, value: bytes) -> None:
    with a_place() as place:
        done = place.type("start-vm", "web-01", "--json", env={name.encode(): value})
        assert (done.code, done.document["decision"], place.starts) == (0, "started", 1)
        assert place.type("explain", env={name.encode(): value}).code == 0
        assert place.type("status", env={name.encode(): value}).code == 0
