"""Stores: where runs keep what they learn and do. `open_store(url)` is the one way in."""

from __future__ import annotations

from pathlib import Path

from ..effects import StoreError
from .port import Store
from .url import parse_etcd

FORMS = "sqlite:///PATH, or sqlite:PATH beside the inventory; or etcd://HOST:PORT,HOST:PORT"


def is_there(url: str) -> bool:
    """Whether there is a store where `url` names a file; of a store on servers only its opening tells."""
    scheme, _, rest = url.partition(":")
    if scheme != "sqlite":
        return True
    from .sqlite.place import status_of

    try:
        return status_of(Path.cwd() / rest.removeprefix("//")) is not None
    except (OSError, ValueError):
        return True  # what is wrong with it is for its opening to say


def can_be_written(url: str) -> bool | None:
    """Whether this user may write (or make) the store; None where only a write would tell. Nothing is written.

    Raises StoreError for a place where no store may lie, OSError for one that can't be looked at.
    """
    scheme, _, rest = url.partition(":")
    if scheme != "sqlite":
        return None
    from .sqlite.place import may_be_written

    return may_be_written(Path.cwd() / rest.removeprefix("//"))


def open_store(url: str, *, base: Path | None = None, read_only: bool = False) -> Store:
    """Open the store that `url` names; what follows `sqlite://` (or `sqlite:`) is the path (etcd: stores.url).

    A relative path is taken from `base` (None: the working folder). A store that does not exist yet is
    created, or with `read_only` reads as empty. `read_only` changes nothing anywhere, not even a file beside the store.
    Raises StoreError, with what is wrong and the way out, for a store that cannot be used: unreadable,
    damaged, of a newer hafence, on a network file system. Each engine is named here and nowhere else.
    """
    scheme, colon, rest = url.partition(":")
    if colon and scheme == "sqlite":
        text = rest.removeprefix("//")
        if not text or "\0" in text:
            raise StoreError(f"the store's URL names no file: write {FORMS}")
        from .sqlite.store import SqliteStore

        return SqliteStore((base or Path.cwd()) / text, read_only=read_only)
    if colon and scheme == "etcd":
        try:
            place = parse_etcd(url, str(base or Path.cwd()))
        except ValueError as error:
            raise StoreError(f"the store's URL {error}") from None
        from .etcd.store import EtcdStore

        return EtcdStore(place, read_only=read_only)
    # The rest of an unknown URL may hold a password.
    raise StoreError(f"the store's URL begins with {scheme[:20]!r}, which is no known kind of store: write {FORMS}")
