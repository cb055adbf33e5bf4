"""The store's URL: `sqlite:///PATH`, or `etcd://HOST:PORT,…/PREFIX?ca=…`, with all that reaches an etcd.

A URL stands in logs and in `ps`: it names the file or the command that gives a password, never a password. What is
wrong is told without the text, which might hold one all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from ..core.parsing import absolute, parse_address, parse_whole

SQLITE_FORMS = "sqlite:///PATH, sqlite:PATH (beside the inventory)"
ETCD_FORM = "etcd://HOST:PORT,HOST:PORT"
ETCD_PORT = 2379
DEFAULT_PREFIX = "/hafence/"

_ETCD = re.compile(r"etcd://([^/?#]+)(/[A-Za-z0-9._/-]*)?(?:\?([^#]*))?\Z")
_PATHS = ("ca", "cert", "key", "password_file")
_WORDS = ("user", "password_command")


@dataclass(frozen=True, slots=True)
class EtcdPlace:
    """An etcd cluster, and where in it the store lies. Empty: not given."""

    members: tuple[tuple[str, int], ...]
    """Host and port of each, in the order in which they are asked."""
    prefix: str
    """Before every key; ends in a slash."""
    ca: str = ""
    """A file of certificates: TLS is used, and each member's must be signed by one of them."""
    cert: str = ""
    key: str = ""
    user: str = ""
    password_file: str = ""
    password_command: str = ""
    """One line, split into words as a shell would; no shell runs it."""

    @property
    def name(self) -> str:
        """The store for people."""
        return "etcd://" + ",".join(_shown(host, port) for host, port in self.members) + self.prefix.rstrip("/")


def parse_store(text: str, base: str) -> str:
    """The store's URL with absolute paths: `sqlite:///var/lib/x.db`, or `etcd://h1:2379,h2:2379`.

    `base` is the folder that a relative path (`sqlite:state.db`) is relative to. A fault is told without
    the text, which might hold a password.
    """
    if text.startswith("sqlite:"):
        path = text.removeprefix("sqlite:").removeprefix("//")
        if not path or path.endswith("/") or path == ":memory:" or not path.isprintable() or re.search(r"[?#]", path):
            raise ValueError(
                "names no file: write sqlite:///var/lib/hafence/state.db, or sqlite:state.db beside the inventory"
            )
        return "sqlite://" + absolute(path, base)
    place = parse_etcd(text, base)
    given = {name: getattr(place, name) for name in (*_PATHS, *_WORDS) if getattr(place, name)}
    query = "&".join(f"{name}={quote(value)}" for name, value in given.items())
    return text.partition("?")[0] + (f"?{query}" if query else "")


def parse_etcd(text: str, base: str) -> EtcdPlace:
    """What an etcd store's URL says. Relative paths are taken from `base`."""
    match = _ETCD.match(text)
    if not match:
        raise ValueError(f"is no store: write {SQLITE_FORMS}, or {ETCD_FORM}")
    members = tuple(_member(member) for member in match[1].split(","))
    path = (match[2] or "").rstrip("/")
    given = {} if match[3] is None else _options(match[3])
    for name in _PATHS:
        if name in given:
            given[name] = absolute(given[name], base)
    _check_together(given)
    return EtcdPlace(members, path + "/" if path else DEFAULT_PREFIX, **given)


def _member(member: str) -> tuple[str, int]:
    if "@" in member:
        raise ValueError(f"holds a user or a password: a store's URL stands in logs; write {ETCD_FORM}")
    host, port = member, str(ETCD_PORT)
    match = re.search(r":([0-9]+)\Z", member)
    if match:
        host, port = member[: match.start()], match[1]
    inner = re.fullmatch(r"\[(.*)\]", host)
    return parse_address(inner[1] if inner else host), parse_whole(port, 1, 65535)


def _options(query: str) -> dict[str, str]:
    """What follows the `?`: `name=value&…`, with %-escapes."""
    given: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name not in (*_PATHS, *_WORDS):
            known = ", ".join((*_PATHS, *_WORDS))
            raise ValueError(f"has an unknown word after the ?: write some of {known} (never a password itself)")
        if name in given:
            raise ValueError(f"names {name} twice: write it once")
        given[name] = unquote(value)
        if not given[name] or not given[name].isprintable():
            raise ValueError(f"has no {name} after {name}=: write what it is, or leave it out")
    return given


def _check_together(given: dict[str, str]) -> None:
    sources = [name for name in ("password_file", "password_command") if name in given]
    if ("cert" in given) != ("key" in given):
        raise ValueError("names a certificate or a key, but not both: write cert= and key=")
    if len(sources) > 1 or ("user" in given) != bool(sources):
        raise ValueError("has only a part of a login: write user= and one of password_file= and password_command=")
    if "cert" in given and "ca" not in given:
        raise ValueError("names a certificate, but nothing to know the members by: write ca= too, for TLS")
    if "user" in given and "ca" not in given:
        raise ValueError("would send a password over a line that anyone can read: write ca= too, for TLS")


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
