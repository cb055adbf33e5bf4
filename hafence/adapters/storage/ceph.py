"""Ceph, asked through one host that has its command lines: one question, and the reading of what rbd and ceph say.

Two kinds of conversation: of images (who are their clients), and of the blocklist (entries are added or removed,
and in the same call read back). Whatever is not the whole, exact answer is a CephError and never an empty list.
Nothing is decided here: that is core/storage/ceph.py's.
"""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ...core.model import CephSettings
from ...core.storage.ceph import Client, parse_client
from ...core.storage.port import ClientsSeen, EntriesSeen, Entry, Unanswered, Volume
from ...core.storage.rehearsal import Hindrance, Rehearsal
from ...core.wire import PROTOCOL, Faulty, read_message
from ..hosts.program import Program, ProgramResult, compose
from ..hosts.talk import Go

CALL_S = 10.0
"""One call of ceph or rbd."""
CONVERSATION_S = 25.0
"""One conversation, from its hello on."""

_SERVER = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,255}\Z")
"""What may be a monitor's name or address; anything else is asked about as "-", which is none."""
_SPACE = re.compile(r"\s*")


class CephError(Exception):
    """Ceph could not be asked, or what it said can't be read. The message is hafence's own words."""


Carry = Callable[[Program], tuple[ProgramResult, float]]
"""Takes a program to the host that is asked: what came of it, and when that was seen (seconds since the epoch)."""


@dataclass(frozen=True, slots=True)
class CephStorage:
    """A cluster's Ceph, asked through one host (adapters/storage/port.py, Storage)."""

    ceph: CephSettings
    carry: Carry

    def ask_clients(
        self, volumes: Sequence[str], servers: Sequence[str], not_after: float
    ) -> ClientsSeen[Client] | Unanswered:
        """Who watches the images, and who holds their locks; and which of these are no monitors of this Ceph."""
        nonce = _nonce()
        run, at = self.carry(images_program(self.ceph, volumes, not_after, nonce, servers=servers))
        try:
            seen = parse_images(nonce, run, volumes, servers)
        except CephError as error:
            return Unanswered(str(error))
        return ClientsSeen(seen.images, seen.source, at, seen.foreign)

    def list_entries(self, not_after: float) -> EntriesSeen[Client] | Unanswered:
        """The blocklist."""
        return self._entries(not_after)

    def add_entries(self, clients: Sequence[Client], anew: bool, not_after: float) -> EntriesSeen[Client] | Unanswered:
        """Put clients on the blocklist, with their own entries removed before that if `anew`, and read it."""
        return self._entries(not_after, block=clients, lift=clients if anew else ())

    def rehearse(self, not_after: float) -> Rehearsal | Unanswered:
        """Remove an entry that is not there, read the blocklist, and ask for the option that would break a fence."""
        nonce = _nonce()
        run, at = self.carry(rehearsal_program(self.ceph, not_after, nonce))
        try:
            return Rehearsal(parse_rehearsal(nonce, run), at)
        except CephError as error:
            return Unanswered(str(error))

    def remove_entries(self, clients: Sequence[Client], not_after: float) -> EntriesSeen[Client] | Unanswered:
        """Take clients off the blocklist, and read it."""
        return self._entries(not_after, lift=clients)

    def _entries(
        self, not_after: float, block: Sequence[Client] = (), lift: Sequence[Client] = ()
    ) -> EntriesSeen[Client] | Unanswered:
        nonce = _nonce()
        run, at = self.carry(entries_program(self.ceph, not_after, nonce, block, lift))
        try:
            return EntriesSeen(parse_entries(nonce, run), at)
        except CephError as error:
            return Unanswered(str(error))


def _nonce() -> str:
    return secrets.token_hex(8)


# ---------------------------------------------------------------- asking


def images_program(
    ceph: CephSettings,
    images: Sequence[str],
    not_after: float,
    nonce: str,
    root: str = "",
    servers: Sequence[str] = (),
) -> Program:
    """Ask for the clients of images, and whether these are monitors of the Ceph that is asked. `root` as a host has it
    (core/model.py)."""
    assert images, "without images the blocklist would be asked for"
    return _program(ceph, not_after, nonce, images=images, root=root, servers=servers)


def entries_program(
    ceph: CephSettings, not_after: float, nonce: str, block: Iterable[Client] = (), lift: Iterable[Client] = ()
) -> Program:
    """Add or remove entries of the blocklist, and read it."""
    return _program(ceph, not_after, nonce, block=block, lift=lift)


def rehearsal_program(ceph: CephSettings, not_after: float, nonce: str, root: str = "") -> Program:
    """Ask whether entries could be added and removed. 192.0.2.0/24 is for documents (RFC 5737): nobody is there."""
    nobody = f"192.0.2.1:0/{int(nonce[:7], 16) + 1}"
    return _program(ceph, not_after, nonce, root=root, nobody=nobody)


def _program(
    ceph: CephSettings,
    not_after: float,
    nonce: str,
    images: Sequence[str] = (),
    block: Iterable[Client] = (),
    lift: Iterable[Client] = (),
    root: str = "",
    servers: Sequence[str] = (),
    nobody: str = "",
) -> Program:
    text = compose(
        ("lib", "ceph"),
        nonce,
        root,
        CONF=ceph.conf,
        CEPH_USER=ceph.user,
        KEYRING=ceph.keyring or "",
        IMAGES="\n".join(images),
        SERVERS="\n".join(server if _SERVER.match(server) else "-" for server in servers),
        BLOCK="\n".join(client.text for client in block),
        LIFT="\n".join(client.text for client in lift),
        NOBODY=nobody,
        EXPIRE_S=f"{ceph.expire_s:.0f}",
        CALL_S=f"{CALL_S:.0f}",
    )
    return Program(text, Go(nonce, not_after, CONVERSATION_S, time.time))


# ---------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class ImagesSeen:
    """The clients of images, by image, and the address from which the host that looked reaches Ceph, if it knows."""

    images: Mapping[str, Volume[Client]]
    source: str | None
    foreign: frozenset[str] = frozenset()
    """The monitors that are not this Ceph's, for all that it told."""


def parse_images(nonce: str, run: ProgramResult, images: Sequence[str], servers: Sequence[str] = ()) -> ImagesSeen:
    """Read a conversation of images. Raises CephError for anything but the whole answer."""
    said = _said(nonce, run)
    expected = {f"{kind} {number}" for number in range(1, len(images) + 1) for kind in ("status", "locks")}
    about = {f"server {number}": server for number, server in enumerate(servers, 1)}
    if set(said) - expected - {"from"} - set(about):
        raise CephError("the answer has a line that this version does not know")
    if set(about) - set(said):
        raise CephError("the answer does not speak of every monitor")
    found: dict[str, Volume[Client]] = {}
    for number, name in enumerate(images, 1):
        watching = watchers(_answer(said, f"status {number}", f"rbd status {name}"))
        found[name] = Volume(name, watching, lockers(_answer(said, f"locks {number}", f"rbd lock ls {name}")))
    foreign = frozenset(server for key, server in about.items() if said[key] != "own")
    return ImagesSeen(found, _ip_or_none(said.get("from", "")), foreign)


def parse_entries(nonce: str, run: ProgramResult) -> tuple[Entry[Client], ...]:
    """Read a conversation of the blocklist. Raises CephError for anything but the whole answer."""
    said = _said(nonce, run)
    if set(said) - {"blocklist"}:
        raise CephError("the answer has a line that this version does not know")
    return entries(_answer(said, "blocklist", "ceph osd blocklist ls"))


_REFUSED, _UNKNOWN_COMMAND = "13", "22"
"""The ceph command line ends with the errno of a refusal: EACCES; EINVAL for a command that the monitors don't know."""


def parse_rehearsal(nonce: str, run: ProgramResult) -> tuple[Hindrance, ...]:
    """Read a rehearsal. Raises CephError for anything but the whole answer."""
    said = _said(nonce, run)
    if set(said) - {"may", "breaks", "blocklist"}:
        raise CephError("the answer has a line that this version does not know")
    may, _, _ = said.get("may", "").partition(" ")
    if may == _REFUSED:
        found = [Hindrance.RIGHT]
    elif may == _UNKNOWN_COMMAND:
        found = [Hindrance.COMMAND]
    else:
        _answer(said, "may", "ceph osd blocklist rm")
        entries(_answer(said, "blocklist", "ceph osd blocklist ls"))
        found = []
    if said.get("breaks") == "false":
        found.append(Hindrance.OPTION)
    return tuple(found)


def _said(nonce: str, run: ProgramResult) -> dict[str, str]:
    """The lines of the answer, the rest of each by its key."""
    if run.trouble is not None:
        raise CephError(run.trouble.says)
    message = read_message(nonce, run.stdout, run.exit_status, run.not_run)
    if isinstance(message, Faulty):
        raise CephError(message.says)
    lines: dict[str, str] = {}
    for line in message.lines:
        kind, _, rest = line.partition(" ")
        if kind in ("status", "locks", "server"):
            number, _, rest = rest.partition(" ")
            kind = f"{kind} {number}"
        if kind in lines:
            raise CephError(f"the answer speaks twice of {kind!r}")
        lines[kind] = rest
    if missing := lines.get("lacks"):
        raise CephError(f"the program {missing[:20]!r} is missing there")
    if run.exit_status != 0:
        raise CephError(f"the {PROTOCOL} script failed there (exit {run.exit_status})")
    return lines


def _answer(said: Mapping[str, str], key: str, what: str) -> str:
    if key not in said:
        raise CephError(f"the answer says nothing of {what!r}")
    status, _, document = said[key].partition(" ")
    if status != "0":
        why = {"124": "did not answer in time", "99": "said too much"}.get(status, f"failed there (exit {status[:5]})")
        raise CephError(f"'{what}' {why}")
    return document


def _ip_or_none(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _documents(text: str) -> list[object]:
    """The JSON documents in a text, one after the other."""
    decoder = json.JSONDecoder(object_pairs_hook=_without_doubles)
    found: list[object] = []
    place = _next_word(text, 0)
    try:
        # By place: to cut off what was read would copy the rest, once for every document of a hostile answer.
        while place < len(text):
            document, end = decoder.raw_decode(text, place)
            found.append(document)
            place = _next_word(text, end)
    except (ValueError, RecursionError):
        raise CephError("Ceph's answer is not JSON") from None
    return found


def _next_word(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match, "no space at all matches too"
    return match.end()


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object. Python would keep the last of two values under one key, and so hide a client."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _one_document(text: str) -> object:
    found = _documents(text)
    if len(found) != 1:
        raise CephError(f"Ceph's answer has {len(found)} JSON documents, not one")
    return found[0]


def watchers(text: str) -> tuple[Client, ...]:
    """The watchers in `rbd status --format json`. An empty list proves nothing: it only names nobody."""
    document = _one_document(text)
    listed = document.get("watchers") if isinstance(document, dict) else None
    if isinstance(listed, dict):  # releases before 12 wrote {"watcher": {...}}
        listed = list(listed.values())
    if not isinstance(listed, list):
        raise CephError("'rbd status' has no list of watchers")
    return tuple(_client(each) for each in listed)


def lockers(text: str) -> tuple[Client, ...]:
    """The lock owners in `rbd lock ls --format json`."""
    document = _one_document(text)
    if isinstance(document, dict):  # releases before 14 keyed them by lock
        document = list(document.values())
    if not isinstance(document, list):
        raise CephError("'rbd lock ls' is no list")
    return tuple(_client(each) for each in document)


def entries(text: str) -> tuple[Entry[Client], ...]:
    """The entries in `ceph osd blocklist ls --format json`.

    Since release 16.2.11 a second document follows, of ranges. Those, and addresses of no kind known here, are
    passed over: what is not read covers nobody.
    """
    found: list[Entry[Client]] = []
    documents = _documents(text)
    if not documents or not all(isinstance(document, list) for document in documents):
        raise CephError("'ceph osd blocklist ls' is no list")
    for each in (each for document in documents if isinstance(document, list) for each in document):
        until = each.get("until") if isinstance(each, dict) else None
        if not isinstance(until, str):
            raise CephError("an entry of the blocklist has no end")
        try:
            end = datetime.strptime(until, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
        except (ValueError, OverflowError):
            raise CephError("an entry of the blocklist ends at no time") from None
        try:
            found.append(Entry(parse_client(str(each.get("addr"))), end))
        except ValueError:
            continue
    return tuple(found)


def _client(each: object) -> Client:
    text = each.get("address") if isinstance(each, dict) else None
    try:
        return parse_client(str(text))
    except ValueError:
        raise CephError("a client's address can't be read") from None
