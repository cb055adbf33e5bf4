"""Texts that people write, and the values or the words they get for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafence.core.inventory import KEPT_FAULTS, SHOWN_FAULTS, Fault, Faults, InventoryError, shown
from hafence.core.parsing import (
    absolute,
    format_duration,
    parse_address,
    parse_bool,
    parse_duration,
    parse_share,
    parse_store,
    parse_whole,
)

PARSERS: list[Callable[[str], object]] = [
    parse_duration,
    parse_bool,
    parse_share,
    parse_address,
    lambda text: parse_whole(text, 1, 10),
    lambda text: parse_store(text, "/base"),
]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20", 20),
        ("0", 0),
        ("0.5", 0.5),
        ("500ms", 0.5),
        ("20s", 20),
        ("20 s", 20),
        ("2m", 120),
        ("2min", 120),
        ("1h", 3600),
        ("1d", 86400),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "+1", "1e3", "inf", "nan", "1h30m", "10:30", "٣", "1S", "1 hour", "20s\n", "1_0", ".5"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write seconds"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (1.5, "1.5s"), (70, "70s"), (120, "2m"), (3600, "1h"), (86400, "1d")],
)
def test_durations_are_shown_as_they_are_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(("text", "share"), [("0.5", 0.5), ("50%", 0.5), ("1", 1.0), ("100 %", 1.0)])
def test_shares(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["0", "0%", "1.1", "101%", "-0.5", "half", ""])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        parse_share(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.11", "10.0.0.11"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("KVM_01.Example.org.", "kvm_01.example.org"),
        ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1a", "1a"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        "-a",
        "a-",
        "a" * 64,
        "a." * 127 + "a",
        "1.2.3",
        "1.2.3.4.5",
        "10.0.0.1\n",
        "a b",
        "a/b",
        "224.0.0.1",
        *["255.255.255.255", "::", "ff02::1", "a.123", "$(x)", "`x`", "\uff21\uff22", "1:2", "u@h"],
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="write "):
        parse_address(text)


@pytest.mark.parametrize("text", ["", "x", "true ", "2", "yes", "on", "no", "off", "1", "0"])
def test_what_is_no_boolean(text: str) -> None:
    with pytest.raises(ValueError, match=r"write (true|false|true or false)$"):
        parse_bool(text)


@pytest.mark.parametrize("text", ["", "1.0", "01", "0x1", "1e1", "٣", "+1", " 1", "9" * 400, "11", "0"])
def test_what_is_no_whole_number_in_its_bounds(text: str) -> None:
    with pytest.raises(ValueError, match=r"write (one|a whole number) from 1 to 10"):
        parse_whole(text, 1, 10)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:a?mode=ro",
        "sqlite:a\nb",
        "etcd://",
        "etcd://,",
        "etcd://h:0",
        "mysql://h",
        *["etcd://h:1?password=hunter2", "etcd://u:hunter2@h:1", "file:///x"],
    ],
)
def test_what_is_no_store_is_told_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_store(text, "/base")
    assert "hunter2" not in str(caught.value)


def test_a_store_path_can_not_climb_above_the_root() -> None:
    assert parse_store("sqlite:////x/../../y.db", "/base") == "sqlite:///y.db"
    assert absolute("../../..", "/a/b") == "/"


@given(st.text(max_size=80))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    for parse in PARSERS:
        try:
            parse(text)
        except ValueError as error:
            words = str(error)
        else:
            words = ""
        assert words.isprintable()


def test_a_long_or_unprintable_text_is_shown_short_and_quoted() -> None:
    assert shown("a\x1b[2Jb") == r"'a\x1b[2Jb'"
    assert len(shown("x" * 10_000)) < 70


def test_faults_are_sorted_and_shown_up_to_a_bound() -> None:
    found = Faults()
    for line in range(KEPT_FAULTS + 5, 0, -1):
        found.add("b.yaml", line, "x", "wrong")
    error = found.error()
    assert (len(error.faults), error.more) == (KEPT_FAULTS, 5)
    lines = str(error).splitlines()
    assert lines[0] == "b.yaml:6: x: wrong"
    assert lines[-1] == f"… and {KEPT_FAULTS + 5 - SHOWN_FAULTS} more"
    assert len(lines) == SHOWN_FAULTS + 1


def test_a_fault_of_a_whole_file_has_no_line() -> None:
    error = InventoryError([Fault("b", 2, "", "two"), Fault("a", None, "", "one")])
    assert str(error) == "a: one\nb:2: two"


def test_only_so_many_guesses_are_made() -> None:
    found = Faults()
    known = [f"kvm-{number:04}" for number in range(1000)]
    assert found.guess("kvm-0001-", known) == "; did you mean 'kvm-0001'?"
    assert found.guess("zzz", known) == ""
    for number in range(100):
        found.guess(f"x{number}", known)
    assert found.guess("kvm-0002-", known) == ""
    assert found.guess("kvm-0001-", known) == "; did you mean 'kvm-0001'?"
