"""What etcd says, judged at the border: JSON into values, or OddReply. Nothing that is not exactly right goes on.

The gateway writes 64-bit numbers as text, keys and values in base64, and leaves out what is 0, false or empty.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,19})\Z")
_MOST = 2**63 - 1


class OddReply(Exception):
    """Not what an etcd says. The message is for people and holds nothing of the reply."""


@dataclass(frozen=True, slots=True)
class Get:
    """Read a key, or all from `key` up to and without `end`; at most `limit` of them if that is not 0."""

    key: str
    end: str = ""
    limit: int = 0
    descend: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """Write a key; with `lease`, it goes away with that lease of etcd's own."""

    key: str
    value: bytes
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a key."""

    key: str


Do = Get | Put | Delete


@dataclass(frozen=True, slots=True)
class Kept:
    """A key that is there. `mod_revision`: the cluster's revision when it was last written."""

    key: str
    value: bytes
    mod_revision: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a Get found. `more`: there is more than was asked for."""

    kept: tuple[Kept, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Header:
    """Who answered, and how far it was: `revision` grows with every write to the cluster."""

    cluster: int
    revision: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction came to. `found`: one for each Get of the branch that was taken."""

    header: Header
    succeeded: bool
    found: tuple[Found, ...]


def document_in(body: bytes) -> dict[str, Any]:
    """A reply's JSON object."""
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        _odd("it is not JSON")
    return _mapping(document, "the reply")


def header_in(document: dict[str, Any]) -> Header:
    """A reply's header."""
    header = _mapping(document.get("header"), "the header")
    cluster = _number(header.get("cluster_id"), "the cluster's id", 2**64 - 1)
    revision = _number(header.get("revision"), "the revision")
    if not cluster or not revision:
        _odd("its header has no cluster id or no revision")
    return Header(cluster, revision)


def outcome_in(document: dict[str, Any], success: Sequence[Do], failure: Sequence[Do]) -> Outcome:
    """A transaction's reply, held against what was asked for."""
    header = header_in(document)
    succeeded = document.get("succeeded", False)
    if not isinstance(succeeded, bool):
        _odd("it does not say whether the transaction succeeded")
    asked = success if succeeded else failure
    responses = document.get("responses", [])
    if not isinstance(responses, list) or len(responses) != len(asked):
        _odd("it does not answer what was asked")
    found = []
    for do, response in zip(asked, responses, strict=True):
        answer = _answer_to(do, _mapping(response, "a response"), header)
        if isinstance(do, Get):
            found.append(_found(do, answer, header))
    return Outcome(header, succeeded, tuple(found))


def number_in(document: dict[str, Any], name: str) -> int:
    """A positive number of a reply."""
    number = _number(document.get(name), name)
    if not number:
        _odd(f"it has no {name}")
    return number


_KINDS = {Get: "response_range", Put: "response_put", Delete: "response_delete_range"}


def _answer_to(do: Do, response: dict[str, Any], header: Header) -> dict[str, Any]:
    kind = _KINDS[type(do)]
    if set(response) != {kind}:
        _odd("it answers another question")
    answer = _mapping(response[kind], kind)
    # Each answer bears the revision, too: one that lost its content on the way would read as "nothing is there".
    revision = _number(_mapping(answer.get("header"), "an answer's header").get("revision"), "an answer's revision")
    if not 0 < revision <= header.revision:
        _odd("an answer in it is from another time")
    return answer


def _found(asked: Get, answer: dict[str, Any], header: Header) -> Found:
    entries = answer.get("kvs", [])
    more = answer.get("more", False)
    if not isinstance(entries, list) or not isinstance(more, bool):
        _odd("its keys are no list")
    kept = tuple(_kept(_mapping(entry, "a key"), header) for entry in entries)
    count = _number(answer.get("count"), "the count")
    if (count <= len(kept)) if more else (count != len(kept)):
        _odd("keys are missing from it")
    if more and len(kept) != asked.limit:
        _odd("it holds less than was asked for")
    if asked.limit and len(kept) > asked.limit:
        _odd("it holds more than was asked for")
    _check_keys(asked, [each.key for each in kept])
    return Found(kept, more)


def _kept(entry: dict[str, Any], header: Header) -> Kept:
    created = _number(entry.get("create_revision"), "a key's revision")
    changed = _number(entry.get("mod_revision"), "a key's revision")
    version = _number(entry.get("version"), "a key's version")
    if not 0 < created <= changed <= header.revision or not version:
        _odd("a key is from another time than the reply")
    try:
        key = _bytes(entry.get("key", "")).decode("ascii")
    except UnicodeDecodeError:
        _odd("a key is not ASCII")
    return Kept(key, _bytes(entry.get("value", "")), changed)


def _check_keys(asked: Get, keys: Sequence[str]) -> None:
    """The keys lie where was asked for, each once and in order."""
    if not asked.end and any(key != asked.key for key in keys):
        _odd("it answers for another key")
    if asked.end and any(not asked.key <= key < asked.end for key in keys):
        _odd("it answers for other keys")
    if list(keys) != sorted(set(keys), reverse=asked.descend):
        _odd("its keys are out of order")


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        _odd("a key or a value is not text")
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        _odd("a key or a value is not base64")
    if base64.b64encode(raw).decode() != text:
        _odd("a key or a value is not base64 as etcd writes it")
    return raw


def _number(value: Any, what: str, most: int = _MOST) -> int:
    """A number that the gateway wrote as text; left out, it is 0."""
    if value is None:
        return 0
    if not isinstance(value, str) or not _NUMBER.match(value) or int(value) > most:
        _odd(f"{what} is not a number")
    return int(value)


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _odd(f"{what} is not a JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no name stands twice: which of the two was meant?"""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name stands twice")
    return document


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _odd(what: str) -> NoReturn:
    raise OddReply(what)
