"""From a URL to a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from hafence.effects import StoreError
from hafence.stores import open_store


def test_what_follows_sqlite_is_the_path(tmp_path: Path) -> None:
    for url in (f"sqlite://{tmp_path}/one.db", f"sqlite:{tmp_path}/one.db"):
        store = open_store(url)
        assert store.name == str(tmp_path / "one.db")
        store.close()


@pytest.mark.parametrize("url", ["sqlite:sub/state.db", "sqlite://sub/state.db"])
def test_a_relative_path_is_taken_from_the_base(tmp_path: Path, url: str) -> None:
    store = open_store(url, base=tmp_path)
    assert store.name == str(tmp_path / "sub" / "state.db")
    store.close()


@pytest.mark.parametrize("name", ["a?b=c&d#e%20.db", "mode=memory", ":memory:", "ü 🔌.db", "-x.db", "it's.db"])
def test_a_path_is_taken_literally(tmp_path: Path, name: str) -> None:
    store = open_store(f"sqlite:{name}", base=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"{name}-shm", f"{name}-wal"])
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    open_store(f"sqlite:{name}", base=tmp_path, read_only=True).close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "url", ["", "sqlite", "sqlite:", "sqlite://", "state.db", "/var/lib/x.db", "mysql://h/db", "SQLite:x"]
)
def test_a_url_of_no_known_kind_is_refused_with_the_right_form(url: str) -> None:
    with pytest.raises(StoreError, match="sqlite:///PATH"):
        open_store(url)


def test_no_password_in_a_url_is_repeated() -> None:
    with pytest.raises(StoreError, match="holds a user or a password") as caught:
        open_store("etcd://root:geheim@h1:2379")
    assert "geheim" not in str(caught.value)
    with pytest.raises(StoreError) as caught:
        open_store("postgres://root:geheim@h1/db")
    assert "geheim" not in str(caught.value)


def test_a_path_with_a_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="names no file"):
        open_store("sqlite:a\0b", base=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="too long"):
        open_store(f"sqlite:{'x' * 300}", base=tmp_path)
    with pytest.raises(StoreError, match="too long"):
        open_store(f"sqlite:{'x' * 300}", base=tmp_path, read_only=True)
