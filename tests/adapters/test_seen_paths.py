"""What audits keep of fence paths between runs: a cache, which may be lost, odd or not writable."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hafence.adapters.local.seen_paths import AuditUnderWay, folder, keep_seen, only_audit, read_seen
from hafence.core.model import HostName
from hafence.core.rotation import PathSeen

STORE, OTHER = "sqlite:///var/lib/a.db", "sqlite:///var/lib/b.db"
K1, K2 = HostName("kvm-01"), HostName("kvm-02")
SEEN = {
    K1: {K2: PathSeen(100.5, True, "confirmed_dead", "", 0.412)},
    K2: {K1: PathSeen(99.0, False, "timed_out", "no answer", 5.0)},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "hafence"


def test_what_is_kept_comes_back_for_that_store_only(cache: Path) -> None:
    assert keep_seen(STORE, SEEN) == ""
    assert read_seen(STORE) == SEEN
    assert read_seen(OTHER) == {}
    [file] = cache.iterdir()
    assert (file.stat().st_mode & 0o777, cache.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": 2, "paths": []}',
        '{"format": 1}',
        '{"format": 1, "paths": [{}]}',
        '{"format": 1, "paths": 7}',
        "[" * 100_000,
    ],
)
def test_an_odd_file_is_none(cache: Path, text: str) -> None:
    keep_seen(STORE, SEEN)
    [file] = cache.iterdir()
    file.write_text(text)
    assert read_seen(STORE) == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [("says", "\x1b[2J"), ("suspect", 7), ("at", float("nan")), ("seconds", float("inf")), ("at", "x"), ("word", None)],
)
def test_what_is_odd_in_it_is_not_believed(cache: Path, key: str, value: object) -> None:
    keep_seen(STORE, SEEN)
    [file] = cache.iterdir()
    document = json.loads(file.read_text())
    document["paths"][0][key] = value
    file.write_text(json.dumps(document))
    assert read_seen(STORE) == {}


def test_where_it_can_not_be_kept_that_is_said(cache: Path) -> None:
    cache.parent.joinpath("hafence").write_text("a file is in the way")
    assert str(cache) in keep_seen(STORE, SEEN)
    assert read_seen(STORE) == {}
    with only_audit(STORE):
        pass


def test_a_file_that_can_not_be_replaced_leaves_nothing_behind(cache: Path) -> None:
    keep_seen(STORE, SEEN)
    [file] = cache.iterdir()
    file.unlink()
    file.mkdir()
    (file / "x").write_text("")
    assert "could not be kept" in keep_seen(STORE, SEEN)
    assert list(cache.iterdir()) == [file]


def test_of_two_audits_by_one_store_one_goes_on() -> None:
    with only_audit(STORE):
        with pytest.raises(AuditUnderWay), only_audit(STORE):
            pytest.fail("both go on")
        with only_audit(OTHER):
            pass
    with only_audit(STORE):
        pass


def test_systemd_and_the_user_say_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", f"{tmp_path}/one:{tmp_path}/two")
    assert folder() == tmp_path / "one"
    monkeypatch.delenv("CACHE_DIRECTORY")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder() == tmp_path / ".cache" / "hafence"
    assert os.fspath(folder()).startswith(str(tmp_path))
