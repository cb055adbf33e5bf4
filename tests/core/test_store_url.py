"""What an etcd store's URL says, and the words for one that says it wrongly (the rest: test_parsing)."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafence.stores.url import EtcdPlace, parse_etcd, parse_store

LOGIN = "user=ha&password_file=/p"


def test_members_have_a_port_and_the_prefix_ends_in_a_slash() -> None:
    assert parse_etcd("etcd://h1,h2:1,[fd00::1]:65535", "/base") == EtcdPlace(
        (("h1", 2379), ("h2", 1), ("fd00::1", 65535)), "/hafence/"
    )
    assert parse_etcd("etcd://h", "/b") == EtcdPlace((("h", 2379),), "/hafence/", "", "", "", "", "", "")
    for path, prefix in {
        "": "/hafence/",
        "/": "/hafence/",
        "//": "/hafence/",
        "/a": "/a/",
        "/a/b/": "/a/b/",
        "/X": "/X/",
    }.items():
        assert parse_etcd(f"etcd://h{path}", "/base").prefix == prefix


def test_what_follows_the_question_mark() -> None:
    place = parse_etcd("etcd://h/x?ca=ca.pem&cert=/c&key=k%20y&user=ha%26&password_command=pass%20show%20'a%20b'", "/b")
    assert place == EtcdPlace(
        (("h", 2379),), "/x/", "/b/ca.pem", "/c", "/b/k y", "ha&", password_command="pass show 'a b'"
    )
    assert parse_etcd(f"etcd://h?ca=/ca&{LOGIN}", "/b").password_file == "/p"
    assert parse_etcd("etcd://h?ca=a+b", "/b").ca == "/b/a+b"


def test_a_store_is_written_with_absolute_paths_and_means_the_same() -> None:
    text = "etcd://h:1/x?user=h%20a&ca=ca.pem&password_file=../p%26w"
    written = parse_store(text, "/b/c")
    assert written == "etcd://h:1/x?ca=/b/c/ca.pem&password_file=/b/p%26w&user=h%20a"
    assert parse_etcd(written, "/elsewhere") == parse_etcd(text, "/b/c")
    assert parse_store(written, "/elsewhere") == written
    whole = "etcd://h?ca=/1&cert=/2&key=/3&user=4&password_command=5%3F"
    assert parse_store(whole, "/b") == whole


def test_the_name_for_people_holds_no_path_of_this_machine() -> None:
    assert parse_etcd(f"etcd://h1,[fd00::1]:7/a/b/?ca=/ca&{LOGIN}", "/b").name == "etcd://h1:2379,[fd00::1]:7/a/b"
    assert parse_etcd("etcd://h/aX", "/b").name == "etcd://h:2379/aX"
    assert parse_etcd("etcd://h", "/b").name == "etcd://h:2379/hafence"


@pytest.mark.parametrize(
    "member", ["[h", "[hh", "h]", "hh]", "[[h]]", "[]", "[]:1", ":1", "h:", "fd00::1", "h:65536", ""]
)
def test_what_is_no_member(member: str) -> None:
    with pytest.raises(ValueError):  # in which words is parse_address' and parse_whole's
        parse_etcd(f"etcd://{member},h", "/b")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            "password=hunter2",
            "has an unknown word after the ?: write some of ca, cert, key, password_file, user, password_command "
            "(never a password itself)",
        ),
        ("hunter2", "has an unknown word after the ?: "),
        ("", "has an unknown word after the ?: "),
        ("ca=/a&", "has an unknown word after the ?: "),
        ("ca=/a&ca=/b", "names ca twice: write it once"),
        ("ca=", "has no ca after ca=: write what it is, or leave it out"),
        ("ca", "has no ca after ca=: write what it is, or leave it out"),
        ("user=%0a", "has no user after user=: write what it is, or leave it out"),
        ("ca=/a&cert=/c", "names a certificate or a key, but not both: write cert= and key="),
        ("ca=/a&key=/c", "names a certificate or a key, but not both: write cert= and key="),
        ("cert=/c&key=/k", "names a certificate, but nothing to know the members by: write ca= too, for TLS"),
        (LOGIN, "would send a password over a line that anyone can read: write ca= too, for TLS"),
        *(
            (text, "has only a part of a login: write user= and one of password_file= and password_command=")
            for text in ("ca=/a&user=ha", "ca=/a&password_file=/p", f"ca=/a&{LOGIN}&password_command=x")
        ),
    ],
)
def test_what_is_wrong_after_the_question_mark(query: str, says: str) -> None:
    with pytest.raises(ValueError) as refused:  # what it says is the test
        parse_store(f"etcd://h?{query}", "/b")
    assert str(refused.value).startswith(says)
    assert "hunter2" not in str(refused.value)


@given(st.text(max_size=60))
def test_a_word_is_refused_or_comes_back(text: str) -> None:
    try:
        place = parse_etcd(f"etcd://h?ca=/a&password_file=/p&user={quote(text, safe='')}", "/b")
    except ValueError:
        assert not text or not text.isprintable()
    else:
        assert place.user == text
