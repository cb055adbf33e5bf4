"""Secrets in definitions: taken out of one that is captured, and passwords of consoles put back from the inventory's.

`virsh dumpxml --migratable` gives passwords, as `--security-info` does, and hafence's store keeps no secrets. A start
from a capture takes them from where the admin keeps them; else a console that had a password would be open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from .domain_xml import DomainError

_GRAPHICS = ("domain", "devices", "graphics")
_OURS = ("passwd", "passwdValidTo", "connected")
"""What libvirt writes of a console's password (formatdomain, Graphical framebuffers)."""
_TAG = re.compile(rb"<graphics(?:\s+[^\s=]+\s*=\s*(?:'[^']*'|\"[^\"]*\"))*\s*/?>")
_PASSWORD = re.compile(rb"\s+passwd\s*=\s*(?:'[^']*'|\"[^\"]*\")")
_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0 "
_MAY_BE_SECRET = re.compile(r"passw|secret|data=", re.IGNORECASE)

Consoles = dict[tuple[str, int], tuple[int, Mapping[str, str]]]
"""By kind and number: at which byte each begins, and its attributes."""


def without_secrets(xml: str) -> str:
    """A definition without the passwords of its consoles. It has been read by domain_xml.py before.

    Raises DomainError, with words for people, for one with a secret that can't be put back by `with_passwords`.
    """
    source = xml.encode("utf-8")
    kept: list[bytes] = []
    end = 0
    for at, attributes in _consoles(source).values():
        tag = _TAG.match(source, at)
        if "passwd" not in attributes or tag is None:
            continue
        kept += [source[end:at], _PASSWORD.sub(b"", tag[0])]
        end = tag.end()
    clean = b"".join((*kept, source[end:]))
    _walk(clean, _refuse_secrets)
    return clean.decode("utf-8")


def _refuse_secrets(path: tuple[str, ...], attributes: Mapping[str, str], _: int) -> None:
    if attributes.get("passwd") is not None:
        raise DomainError(f"has a password in its <{path[-1]}>, which the store must not keep")
    if path[-1] == "cookie":
        raise DomainError("has cookies for a disk behind HTTP, which are secrets and are not kept in the store")
    if path[-1].startswith(_QEMU) and any(map(_MAY_BE_SECRET.search, attributes.values())):
        raise DomainError("has an argument of its own for qemu that may hold a secret, which the store must not keep")


def with_passwords(xml: str, of: str) -> str:
    """A definition with the passwords of another one of the same VM, console by console of each kind. Both have been
    read by domain_xml.py before."""
    source = xml.encode("utf-8")
    wanted = _consoles(of.encode("utf-8"))
    kept: list[bytes] = []
    end = 0
    for key, (at, attributes) in _consoles(source).items():
        _, its = wanted.get(key, (0, {}))
        if not its.get("passwd") or attributes.get("passwd"):
            continue
        place = at + len(b"<graphics")
        added = "".join(f" {name}={quoteattr(its[name])}" for name in _OURS if name in its and name not in attributes)
        kept += [source[end:place], added.encode("utf-8")]
        end = place
    return b"".join((*kept, source[end:])).decode("utf-8")


def _consoles(source: bytes) -> Consoles:
    found: Consoles = {}

    def note(path: tuple[str, ...], attributes: Mapping[str, str], at: int) -> None:
        if path == _GRAPHICS:
            kind = attributes.get("type", "")
            found[kind, sum(1 for each in found if each[0] == kind)] = (at, attributes)

    _walk(source, note)
    return found


def _walk(source: bytes, visit: Callable[[tuple[str, ...], Mapping[str, str], int], None]) -> None:
    """Every element of a document that has been read before: its path, its attributes, the byte at which it begins."""
    path: list[str] = []
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")

    def start(tag: str, attributes: dict[str, str]) -> None:
        path.append(tag)
        visit(tuple(path), attributes, parser.CurrentByteIndex)

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: path.pop()
    parser.Parse(source, True)
