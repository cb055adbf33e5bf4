"""Texts that people write, and the values or the words they get for them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafence.core.parsing import (
    absolute,
    format_duration,
    moment_words,
    parse_address,
    parse_bool,
    parse_duration,
    parse_ip,
    parse_share,
    parse_whole,
    shown,
)
from hafence.inventory.faults import KEPT_FAULTS, SHOWN_FAULTS, TEMPLATE, InventoryError, Mistake, Mistakes
from hafence.stores.url import parse_store

from .telling import assert_told

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
    found = Mistakes()
    for line in range(KEPT_FAULTS + 5, 0, -1):
        found.add("b.yaml", line, "x", "wrong")
    error = found.error()
    assert (len(error.faults), error.more) == (KEPT_FAULTS, 5)
    lines = str(error).splitlines()
    assert lines[0] == "b.yaml:6: x: wrong"
    assert lines[-1] == f"… and {KEPT_FAULTS + 5 - SHOWN_FAULTS} more"
    assert len(lines) == SHOWN_FAULTS + 1


def test_a_fault_of_a_whole_file_has_no_line() -> None:
    error = InventoryError([Mistake("b", 2, "", "two"), Mistake("a", None, "", "one")])
    assert str(error) == "a: one\nb:2: two"


def test_only_so_many_guesses_are_made() -> None:
    found = Mistakes()
    known = [f"kvm-{number:04}" for number in range(1000)]
    assert found.guess("kvm-0001-", known) == "; did you mean 'kvm-0001'?"
    assert found.guess("zzz", known) == ""
    for number in range(100):
        found.guess(f"x{number}", known)
    assert found.guess("kvm-0002-", known) == ""
    assert found.guess("kvm-0001-", known) == "; did you mean 'kvm-0001'?"


def test_faults_are_in_the_order_of_files_lines_paths_and_words() -> None:
    faults = [
        Mistake("a", None, "z", "whole"),
        Mistake("a", 1, "b", "one"),
        Mistake("a", 1, "b", "two"),
        Mistake("a", 1, "c", "a"),
        Mistake("a", 2, "a", "a"),
        Mistake("b", 1, "a", "a"),
    ]
    assert InventoryError(reversed(faults)).faults == tuple(faults)


def test_a_fault_of_the_whole_file_comes_before_one_of_its_first_line() -> None:
    whole, first = Mistake("a", None, "z", "x"), Mistake("a", 1, "a", "x")
    assert InventoryError([first, whole]).faults == (whole, first)


def test_an_inventory_error_can_be_told_as_a_value() -> None:
    fault = Mistake("a", 1, "b", "c")
    assert InventoryError([fault], 7).args == ((fault,), 7)
    assert str(InventoryError([fault], 7)) == "a:1: b: c\n… and 7 more"
    assert str(InventoryError([fault])) == "a:1: b: c"


def test_faults_are_true_once_there_is_one() -> None:
    found = Mistakes()
    assert not found
    found.add("a", 1, "b", "c")
    assert found


def test_a_template_is_one_fault_at_its_place_and_is_told_in_a_value() -> None:
    found = Mistakes()
    found.template("a", 1, "hosts.x.address")
    found.add("a", 1, "hosts.x.address", "'{{ ip }}' is no address")
    found.add("a", 2, "hosts.y.address", "'{{ ip }}' is no address")
    first, second = found.error().faults
    assert (first.path, first.says) == ("hosts.x.address", TEMPLATE)
    assert second.says == f"'{{{{ ip }}}}' is no address ({TEMPLATE})"


def test_a_word_is_guessed_whatever_its_case() -> None:
    assert Mistakes().guess("KVM-01", ["kvm-01", "kvm-02"]) == "; did you mean 'kvm-01'?"
    assert Mistakes().guess("kvm-1", ["KVM-01"]) == "; did you mean 'KVM-01'?"
    assert Mistakes().guess("zebra", ["kvm-01"]) == ""


def test_guesses_stop_where_their_budget_ends_and_not_before() -> None:
    found = Mistakes()
    half = [f"word-{number:05}" for number in range(25_000)]
    for word in ("word-00001x", "word-00002x"):
        assert found.guess(word, half)
    assert found.guess("word-00003x", half) == ""
    assert found.guess("word-00003x", ()) == ""


def test_of_a_long_word_the_first_128_letters_are_compared() -> None:
    # 2 * 57 / (128 + 62) is the 0.6 at which difflib calls two words near; one letter more, and it is less
    assert Mistakes().guess("c" * 57 + "e" * 200, ["c" * 57 + "d" * 5])
    assert not Mistakes().guess("c" * 57 + "e" * 200, ["c" * 57 + "d" * 6])


def test_of_several_near_words_the_nearest_is_guessed_and_a_long_word_by_its_beginning() -> None:
    found = Mistakes()
    assert found.guess("adress", ["dress", "address"]) == "; did you mean 'address'?"
    assert found.guess("a" * 128 + "b" * 5000, ["a" * 128]) == f"; did you mean {'a' * 128!r}?"


def test_a_text_of_sixty_letters_is_shown_whole_and_a_longer_one_cut_to_fewer() -> None:
    assert shown("x" * 60) == "'" + "x" * 60 + "'"
    assert shown("x" * 61) == "'" + "x" * 57 + "'…"


TOLD: dict[str, list[tuple[Callable[[str], object], str]]] = {
    "addresses": [
        *((parse_address, text) for text in ("root@10.0.0.1", "10.0.0.256", "bücher.example", "-a", "a.123", "a..b")),
        *((parse_address, text) for text in ("kvm:22", "[fd00::1]", "[fd00::1]:22", "fe80::1%eth0", "fd00::g", "::")),
        *((parse_address, text) for text in ("255.255.255.255", "224.0.0.1", "0.0.0.0", "::ffff:0.0.0.0")),
        *((parse_ip, text) for text in ("kvm-01", "a@b")),
    ],
    "durations": [(parse_duration, "1 hour")],
    "booleans": [
        (parse_bool, text) for text in ("yes", "ON", "y", "1", "enabled", "no", "off", "n", "0", "disabled", "x")
    ],
    "shares": [(parse_share, "101%"), (parse_share, "x" * 100)],
    "numbers": [(lambda text: parse_whole(text, 1, 10), text) for text in ("x", "01", "0", "11")],
    "stores": [
        (lambda text: parse_store(text, "/base"), text)
        for text in (
            "sqlite:",
            "sqlite://:memory:",
            "sqlite:a/",
            "sqlite:a?b",
            "sqlite:a#b",
            "x",
            "etcd://h:0",
            "etcd://u@h",
        )
    ],
}


def test_what_is_said_of_each_text_that_is_refused() -> None:
    told: dict[str, list[str]] = {}
    for kind, texts in TOLD.items():
        told[kind] = []
        for parse, text in texts:
            with pytest.raises(ValueError) as refused:  # what it says is the test
                parse(text)
            told[kind].append(f"{text}: {refused.value}")
    assert_told("refused_texts", told)


def test_a_number_at_its_bounds_is_in_them() -> None:
    assert [parse_whole(text, -1, 10) for text in ("-1", "0", "10", "9")] == [-1, 0, 10, 9]
    assert parse_whole("9" * 18, 0, 10**18) == 10**18 - 1
    with pytest.raises(ValueError, match="whole number"):
        parse_whole("1" * 19, 0, 10**20)


def test_true_and_false_in_any_case() -> None:
    assert [parse_bool(text) for text in ("true", "TRUE", "True")] == [True] * 3
    assert [parse_bool(text) for text in ("false", "FALSE", "False")] == [False] * 3


def test_a_duration_of_one_second_is_told_in_seconds_and_less_in_thousandths() -> None:
    assert [format_duration(each) for each in (1, 0.999, 0.001, 59, 61, 90, 5400, 172800)] == [
        *("1s", "999ms", "1ms", "59s", "61s", "90s", "90m", "2d")
    ]
    assert parse_duration("1.123456h") == 1.123456 * 3600
    assert parse_duration("123456789ms") == 123456.789
    for text in ("1234567890", "1.1234567", "1.", "1  s", "1\ts"):
        with pytest.raises(ValueError, match="is not a duration"):
            parse_duration(text)


def test_shares_to_the_letter() -> None:
    assert [parse_share(text) for text in ("0.000001", "100.0%", "1.0", "0.1 %", "12.5%")] == [
        1e-6,
        1.0,
        1.0,
        0.001,
        0.125,
    ]
    for text in ("1000%", "0.0000001", "1.", ".5", "50 % ", "50  %", "50%\n", "0.5x"):
        with pytest.raises(ValueError, match="is not a share"):
            parse_share(text)


def test_names_of_hosts_to_the_letter() -> None:
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    assert len(longest) == 253
    for text in (longest, longest + ".", "a" * 63, "a", "_a_", "a-b", "9a", "a.b9", "a.9b"):
        assert parse_address(text.upper()) == text.removesuffix(".")
    for text in (longest + "d", "a" * 64, "a-", "a-.b", "-a.b", "a.9", "a b", "a\n", "a..", "a/b"):
        with pytest.raises(ValueError, match="write "):
            parse_address(text)


def test_ip_addresses_are_taken_where_names_are_not() -> None:
    assert parse_ip("10.0.0.1") == "10.0.0.1"
    assert parse_ip("FD00::1") == "fd00::1"


def test_stores_to_the_letter() -> None:
    for text, store in {
        "sqlite:state.db": "sqlite:///base/state.db",
        "sqlite://state.db": "sqlite:///base/state.db",
        "sqlite:///var/x.db": "sqlite:///var/x.db",
        "sqlite:../x.db": "sqlite:///x.db",
        "sqlite::memory:x": "sqlite:///base/:memory:x",
    }.items():
        assert parse_store(text, "/base") == store
    for text in (
        *("etcd://h", "etcd://h:2379", "etcd://h1:1,h2:65535", "etcd://[fd00::1]:2379", "etcd://[fd00::1]"),
        *("etcd://10.0.0.1:2379/prefix", "etcd://h/", "etcd://h:2379/A-z_0.9/x"),
    ):
        assert parse_store(text, "/base") == text
    for text in (
        "etcd://h:65536",
        "etcd://h:",
        "etcd://h/a b",
        "etcd://h?x",
        "etcd://h#x",
        "etcd://h/?",
        "etcd://[h",
        " etcd://h",
    ):
        with pytest.raises(ValueError, match=r"write |is no store"):
            parse_store(text, "/base")


def test_paths_are_absolute_and_in_one_form() -> None:
    assert absolute("x", "/a/b") == "/a/b/x"
    assert absolute("/x/./y//z", "/a") == "/x/y/z"
    assert absolute("../x", "/a/b") == "/a/x"
    assert absolute("//x", "/a") == "/x"


def test_a_moment_is_told_in_utc_wherever_the_admin_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert moment_words(1_763_824_000.9) == "2025-11-22T15:06:40Z"
    finally:
        monkeypatch.undo()
        time.tzset()
