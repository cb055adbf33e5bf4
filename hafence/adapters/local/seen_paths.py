"""What audits of this machine have seen of fence paths: a file that may be lost, since an audit changes no store.

It lies in the user's cache (`$CACHE_DIRECTORY` under systemd, else `$XDG_CACHE_HOME`, else `~/.cache`), one file for
each store. Beside the store it would be in the way of one that may only be read; in the store every audit would be a
write, on whose success a check must not depend. Whatever is odd in the file is as if it were not there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...core.model import HostName
from ...core.rotation import Paths, PathSeen

FORMAT = 1
MOST_BYTES = 256 * 1024 * 1024


class AuditUnderWay(Exception):
    """Another audit by the same store goes on on this machine."""


def folder() -> Path:
    """Where the files lie. The first of several folders that systemd names."""
    given = os.environ.get("CACHE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "hafence"


def _file(store: str, ending: str) -> Path:
    return folder() / f"audit-{hashlib.sha256(store.encode()).hexdigest()[:16]}.{ending}"


@contextmanager
def only_audit(store: str) -> Iterator[None]:
    """While nobody else audits by this store from here. AuditUnderWay where somebody does. Where no lock can be made,
    nobody is kept out: a look does no harm."""
    try:
        _make_folder()
        lock = os.open(_file(store, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except (OSError, RuntimeError):
        yield
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AuditUnderWay from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(lock)


def read_seen(store: str) -> Paths:
    """What is known of paths; nothing where the file is missing or odd."""
    try:
        with _file(store, "json").open("rb") as file:
            document = json.loads(file.read(MOST_BYTES))
        if document["format"] != FORMAT:
            return {}
        seen: dict[HostName, dict[HostName, PathSeen]] = {}
        for each in document["paths"]:
            paths = seen.setdefault(HostName(_text(each, "suspect")), {})
            paths[HostName(_text(each, "proxy"))] = _path(each)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, RecursionError):
        return {}
    return seen


def _path(each: Mapping[str, Any]) -> PathSeen:
    at, seconds = float(each["at"]), float(each["seconds"])
    if not (math.isfinite(at) and math.isfinite(seconds)):
        raise ValueError("seconds")
    return PathSeen(at, each["good"] is True, _text(each, "word"), _text(each, "says"), seconds)


def _text(each: Mapping[str, Any], key: str) -> str:
    value = each[key]
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(key)
    return value


def keep_seen(store: str, seen: Paths) -> str:
    """Write the file anew, in one step. The words for why it could not be; '' where it was."""
    rows = [
        {
            "suspect": suspect,
            "proxy": proxy,
            "at": path.at,
            "good": path.good,
            "word": path.word,
            "says": path.says,
            "seconds": round(path.seconds, 3),
        }
        for suspect, paths in sorted(seen.items())
        for proxy, path in sorted(paths.items())
    ]
    place = None
    try:
        _make_folder()
        number, name = tempfile.mkstemp(dir=folder(), prefix=".audit-")
        place = Path(name)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "paths": rows}, file)
        place.replace(_file(store, "json"))
    except (OSError, RuntimeError) as error:
        if place is not None:
            with suppress(OSError):
                place.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"what was seen of fence paths could not be kept in {folder_words()}: {reason}"
    return ""


def folder_words() -> str:
    """The folder, as far as it is known."""
    try:
        return str(folder())
    except RuntimeError:  # no home
        return "a cache"


def _make_folder() -> None:
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
