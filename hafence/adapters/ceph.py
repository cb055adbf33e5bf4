"""The storage fence of Ceph RBD: entries on the OSDs' blocklist, through the ceph and rbd command lines of a sibling.

Two conversations: who are the clients of the images; then the entries are added and, in the same conversation,
read back with the images' clients. What counts is only what was read back.
"""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..core.evidence import Evidence, Proof
from ..core.model import CephSettings, Host, Uuid, Vm
from ..core.storage import Client, Entry, Image, Known, parse_client, plan_fence, uncovered
from ..effects import SecondLevelReply
from .domain_xml import Domain
from .kvm_talk import Go
from .program import Program, Run, compose

CALL_S = 10.0
"""One call of ceph or rbd."""
CONVERSATION_S = 25.0
"""One conversation: two rounds of calls."""
NAME = "storage fence"
_PLAIN_IMAGE = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*(?:/[A-Za-z0-9._][A-Za-z0-9._-]*){1,2}\Z")

Ask = Callable[[Callable[[str], Program]], Run]
"""Runs a program, made for a nonce, on a host with Ceph's command lines."""


class CephError(Exception):
    """Ceph could not be asked, or what it said can't be read. The message is hafence's own words."""


@dataclass(frozen=True, slots=True)
class Volumes:
    """What a VM can write to: its RBD images, and everything else, which no storage fence covers."""

    images: tuple[str, ...]
    others: tuple[str, ...]


def volumes_of(vm: Vm, domain: Domain | None) -> Volumes:
    """All writable volumes of a VM, from its domain XML and from `disks` of the inventory."""
    images: dict[str, None] = {}
    others: list[str] = []
    for disk in domain.disks if domain else ():
        if disk.rbd_image:
            images[disk.rbd_image] = None
        elif disk.writable:
            others.append(f"{disk.target or 'a disk'} ({disk.kind})")
    others += domain.also_writes if domain else ()
    for text in vm.disks:
        name = text.removeprefix("rbd:")
        if text.startswith("rbd:") and _PLAIN_IMAGE.match(name):
            images[name] = None
        else:
            others.append(text)
    return Volumes(tuple(images), tuple(others))


@dataclass(frozen=True, slots=True)
class Seen:
    """What one conversation showed."""

    images: Mapping[str, Image]
    entries: tuple[Entry, ...]


def ceph_program(
    ceph: CephSettings,
    images: Sequence[str],
    not_after: float,
    nonce: str,
    *,
    block: Iterable[Client] = (),
    lift: Iterable[Client] = (),
) -> Program:
    """The conversation: change entries if there are any to change, then look."""
    text = compose(
        ("lib", "ceph"),
        nonce,
        "",
        CONF=ceph.conf,
        USER=ceph.user,
        KEYRING=ceph.keyring or "",
        IMAGES="\n".join(images),
        BLOCK="\n".join(client.text for client in block),
        LIFT="\n".join(client.text for client in lift),
        EXPIRE_S=f"{ceph.expire_s:.0f}",
        CALL_S=f"{CALL_S:.0f}",
    )
    return Program(text, Go(nonce, not_after, CONVERSATION_S, time.time))


def parse_seen(nonce: str, run: Run, images: Sequence[str]) -> Seen:
    """Read a conversation. Raises CephError for anything but the whole, exact answer."""
    if run.trouble is not None:
        raise CephError(run.trouble.value)
    lines = [line for line in run.stdout.split("\n") if line.startswith("hafence/")]
    prefix = f"hafence/1 {nonce} "
    if not lines or any(not line.startswith(prefix) for line in lines):
        raise CephError("the answer is not in the protocol")
    words = [line.removeprefix(prefix) for line in lines]
    for word in words:
        if word.startswith("lacks "):
            raise CephError(f"the program {word.removeprefix('lacks ')!r} is missing there")
    if run.exit_status != 0 or words[-1] != "end":
        raise CephError("the answer is cut short")
    return _seen(words[1:-1], images)


def _seen(words: Sequence[str], images: Sequence[str]) -> Seen:
    said: dict[str, object] = {}
    for word in words:
        key, status, document = _split(word)
        if key in said:
            raise CephError(f"the answer speaks twice of {key}")
        if status != "0":
            raise CephError(f"'{key.split()[0]}' failed there (exit {status})")
        said[key] = json_of(document) if key != "changed" else None
    found: dict[str, Image] = {}
    try:
        for number, name in enumerate(images, 1):
            found[name] = Image(name, watchers(said[f"status {number}"]), lockers(said[f"locks {number}"]))
        return Seen(found, entries(said["blocklist"]))
    except KeyError as missing:
        raise CephError(f"the answer says nothing of {missing}") from None


def _split(word: str) -> tuple[str, str, str]:
    kind, _, rest = word.partition(" ")
    if kind in ("status", "locks"):
        number, _, rest = rest.partition(" ")
        kind = f"{kind} {number}"
    status, _, document = rest.partition(" ")
    return kind, status, document


def json_of(text: str) -> object:
    """A JSON document of Ceph's."""
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError):
        raise CephError("Ceph's answer is not JSON") from None
    return document


def watchers(document: object) -> tuple[Client, ...]:
    """The watchers in `rbd status --format json`. An empty list proves nothing: it only names nobody."""
    listed = document.get("watchers") if isinstance(document, dict) else None
    if isinstance(listed, dict):  # releases before 12 wrote {"watcher": {...}}
        listed = list(listed.values())
    if not isinstance(listed, list):
        raise CephError("'rbd status' has no list of watchers")
    return tuple(_client(each, "address") for each in listed)


def lockers(document: object) -> tuple[Client, ...]:
    """The lock owners in `rbd lock ls --format json`."""
    if isinstance(document, dict):  # releases before 14 keyed them by lock
        document = list(document.values())
    if not isinstance(document, list):
        raise CephError("'rbd lock ls' is no list")
    return tuple(_client(each, "address") for each in document)


def entries(document: object) -> tuple[Entry, ...]:
    """The entries in `ceph osd blocklist ls --format json`. Entries for ranges of addresses are passed over."""
    if not isinstance(document, list):
        raise CephError("'ceph osd blocklist ls' is no list")
    found: list[Entry] = []
    for each in document:
        until = each.get("until") if isinstance(each, dict) else None
        if not isinstance(until, str):
            raise CephError("an entry of the blocklist has no end")
        try:
            end = datetime.strptime(until, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
        except ValueError:
            raise CephError("an entry of the blocklist ends at no time") from None
        if "/" in str(each.get("addr", "")).rpartition(":")[2]:
            found.append(Entry(_client(each, "addr"), end))
    return tuple(found)


def _client(each: object, key: str) -> Client:
    text = each.get(key) if isinstance(each, dict) else None
    try:
        return parse_client(str(text))
    except ValueError:
        raise CephError("a client's address can't be read") from None


# ---------------------------------------------------------------- the fence


@dataclass(frozen=True, slots=True)
class Fencer:
    """The storage fence of one suspect. `ask` runs a conversation; `until` is the admin node's clock."""

    ceph: CephSettings
    suspect: Host
    known: Known
    ask: Ask
    until: float

    def fence(self, volumes: Mapping[Uuid, Volumes], rehearse: bool) -> dict[Uuid, SecondLevelReply]:
        """Fence the images of the VMs: what came of it, VM by VM."""
        replies = {vm: refusal for vm, each in volumes.items() if (refusal := not_coverable(each))}
        covered = {vm: each for vm, each in volumes.items() if vm not in replies}
        names = tuple(dict.fromkeys(name for each in covered.values() for name in each.images))
        if not names:
            return replies
        try:
            before = self._talk(names)
            plan = plan_fence(before.images.values(), self.known)
            after = before if rehearse else self._talk(names, plan.block)
        except CephError as error:
            return replies | {vm: failed(str(error)) for vm in covered}
        for vm, each in covered.items():
            replies[vm] = self._judge([before.images[n] for n in each.images], after, each, rehearse)
        return replies

    def lift(self) -> str:
        """Remove every entry for the suspect's addresses. What was done, in words, 'failed' first if so."""
        try:
            mine = sorted({e.client for e in self._talk(()).entries if e.client.ip in self.known.suspect})
            if not mine:
                return "no entry on Ceph's blocklist"
            left = [e.client.text for e in self._talk((), lift=mine).entries if e.client in mine]
        except CephError as error:
            return f"failed: {error}"
        if left:
            return f"failed: {', '.join(left)} is still on the blocklist"
        return f"{len(mine)} entries removed from Ceph's blocklist"

    def _talk(self, names: Sequence[str], block: Sequence[Client] = (), lift: Sequence[Client] = ()) -> Seen:
        nonces: list[str] = []

        def program(nonce: str) -> Program:
            nonces.append(nonce)
            return ceph_program(self.ceph, names, self.until, nonce, block=block, lift=lift)

        run = self.ask(program)
        return parse_seen(nonces[-1], run, names)

    def _judge(self, before: Sequence[Image], after: Seen, volumes: Volumes, rehearse: bool) -> SecondLevelReply:
        """Whether every client of the suspect, seen before or after, is covered by an entry that was read back."""
        plan = plan_fence([*before, *(after.images[image.name] for image in before if not rehearse)], self.known)
        if plan.strangers:
            who = ", ".join(client.text for client in plan.strangers)
            return failed(
                f"{who} uses the VM's images and belongs to no known host; name it under ceph: mirrors, if it may"
            )
        if not plan.block:
            return failed(f"no IP address of {self.suspect.name} is known: give its storage_address")
        if rehearse:
            would = ", ".join(client.text for client in plan.block)
            return SecondLevelReply(NAME, True, f"would put {would} on the blocklist", watching(before, self.known))
        now = time.time()
        if left := uncovered(plan.block, after.entries, now):
            return failed("no entry of the blocklist was seen for " + ", ".join(client.text for client in left))
        who = ", ".join(client.text for client in plan.block)
        says = f"{who} is on Ceph's blocklist, read back: it can't write to {', '.join(volumes.images)}"
        proof = Evidence("storage", f"blocklist of {self.suspect.name}", now, says, Proof.DISKS_FENCED)
        return SecondLevelReply(NAME, True, says, (*watching(before, self.known), proof))


def not_coverable(volumes: Volumes) -> SecondLevelReply | None:
    """Why no storage fence can cover a VM, or None."""
    if volumes.others:
        return failed(f"it does not cover the VM: {', '.join(volumes.others)} lies elsewhere")
    if not volumes.images:
        return failed("it does not cover the VM: no RBD image of it is known (domain_xml or disks)")
    return None


def failed(says: str) -> SecondLevelReply:
    """A storage fence that did not come to be."""
    return SecondLevelReply(NAME, False, says, (Evidence("storage", "Ceph", time.time(), says, Proof.NOTHING),))


def watching(images: Iterable[Image], known: Known) -> tuple[Evidence, ...]:
    """What the watchers tell: one of the suspect's is a sign of life of that client; none is recorded as what it is."""
    own = sorted({c.text for image in images for c in image.watchers if c.ip in known.suspect})
    if own:
        says = f"the suspect's client {', '.join(own)} watches the images"
        return (Evidence("storage", "rbd status", time.time(), says, Proof.HOST_ALIVE),)
    says = "no watcher of the suspect on the images, which proves nothing: one that was silent for 30 s is dropped"
    return (Evidence("storage", "rbd status", time.time(), says, Proof.NOTHING),)


def known_addresses(suspect: Host, hosts: Iterable[Host], mirrors: Sequence[str], own: Iterable[str]) -> Known:
    """Whose address is whose. Names are not resolved: an address that is no IP tells nothing here."""
    others: dict[str, str] = {}
    for host in hosts:
        if host.name != suspect.name:
            others.update((ip, host.name) for ip in addresses_of(host))
    others.update((str(ipaddress.ip_address(ip)), "a mirror") for ip in mirrors)
    others.update((ip, "hafence") for ip in own)
    mine = frozenset(addresses_of(suspect))
    return Known(mine, {ip: who for ip, who in others.items() if ip not in mine})


def addresses_of(host: Host) -> tuple[str, ...]:
    """A host's IP addresses on the storage network: the one that is given for it, else its address."""
    text = host.storage_address or host.address
    try:
        return (str(ipaddress.ip_address(text)),)
    except ValueError:
        return ()
