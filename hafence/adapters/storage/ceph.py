"""The storage fence of Ceph RBD: entries on the OSDs' blocklist, through the ceph and rbd command lines of a sibling.

Who are the clients of the images is asked first; then the entries are added and read back. What counts is only
what was read back.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from ...core.evidence import Evidence, Observation, Proof
from ...core.model import CephSettings, Host, HostName, Uuid, Vm
from ...core.storage.ceph import (
    Client,
    Entry,
    Image,
    Known,
    Plan,
    covers,
    of_host,
    plan_fence,
    uncovered,
    whole_host,
    with_clients,
)
from ...effects import SecondLevelReply
from ...inventory.domain_xml import Domain
from ..hosts.program import Program, ProgramResult
from .ceph_talk import CephError, ImagesSeen, entries_program, images_program, parse_entries, parse_images

T = TypeVar("T")
NAME = "storage fence"
MOST_CLIENTS = 40
"""Beyond so many it is a whole host that is fenced, and its address is shut out instead: each entry is a call."""
_PLAIN_IMAGE = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*(?:/[A-Za-z0-9._][A-Za-z0-9._-]*){1,2}\Z")


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
        if not disk.writable:
            continue
        if disk.rbd_image:
            images[disk.rbd_image] = None
        else:
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
class Asker:
    """A host with Ceph's command lines, or this machine. `addresses` is where it should reach Ceph from, if known."""

    name: str
    addresses: frozenset[str]
    run: Callable[[Program], ProgramResult]


@dataclass(slots=True)
class Fencer:
    """The storage fence of one suspect. The askers are asked in order; `until` is the admin node's clock."""

    ceph: CephSettings
    suspect: Host
    known: Known
    askers: Sequence[Asker]
    until: float
    earlier: dict[str, set[Client]] = field(default_factory=dict)
    """The suspect's clients that this run has seen on each image, to be kept from one fence to the next."""

    def fence(
        self, volumes: Mapping[Uuid, Volumes], rehearse: bool, alone: bool = False
    ) -> dict[Uuid, SecondLevelReply]:
        """Fence the images of the VMs: what came of it, VM by VM. `alone`: they are all that is on the suspect."""
        replies = {vm: refusal for vm, each in volumes.items() if (refusal := not_coverable(each))}
        covered = {vm: each for vm, each in volumes.items() if vm not in replies}
        names = tuple(dict.fromkeys(name for each in covered.values() for name in each.images))
        if not names:
            return replies
        try:
            seen = self._look(names)
        except CephError as error:
            return replies | {vm: failed(str(error)) for vm in covered}
        plans: dict[Uuid, Plan] = {}
        for vm, each in covered.items():
            images = [seen.images[name] for name in each.images]
            plan = plan_fence([self._remembered(image) for image in images], self.known, alone)
            signs = watching(images, self.known)
            if doubt := self._doubt(plan, seen):
                replies[vm] = failed(doubt, signs)
            elif rehearse:
                would = f"would put {_listed(plan.block)} on the blocklist (foretold, nothing was changed)"
                replies[vm] = SecondLevelReply(NAME, True, would, signs)
            else:
                plans[vm] = plan
        return replies | self._block(plans, covered, seen)

    def _remembered(self, image: Image) -> Image:
        clients = self.earlier.setdefault(image.name, set())
        clients.update(c for c in (*image.watchers, *image.lockers) if c.ip in self.known.suspect)
        return with_clients(image, sorted(clients))

    def _look(self, names: Sequence[str]) -> ImagesSeen:
        return self._talk(
            lambda nonce: images_program(self.ceph, names, self.until, nonce),
            lambda nonce, run: parse_images(nonce, run, names),
        )

    def _entries(self, block: Sequence[Client] = (), lift: Sequence[Client] = ()) -> tuple[Entry, ...]:
        return self._talk(lambda nonce: entries_program(self.ceph, self.until, nonce, block, lift), parse_entries)

    def _talk(self, make: Callable[[str], Program], parse: Callable[[str, ProgramResult], T]) -> T:
        """One conversation, with the first asker that can hold it; the others are not asked again in this fence."""
        said: list[str] = []
        for asker in tuple(self.askers):
            if time.time() >= self.until:
                said.append("no time was left")
                break
            nonce = secrets.token_hex(8)
            try:
                answer = parse(nonce, asker.run(make(nonce)))
            except CephError as error:
                said.append(f"{asker.name}: {error}")
                continue
            self.askers = (asker, *(each for each in self.askers if each is not asker))
            return answer
        raise CephError("; ".join(said))

    def _doubt(self, plan: Plan, seen: ImagesSeen) -> str:
        """Why entries would prove nothing, or ''."""
        name = self.suspect.name
        if plan.strangers:
            who = ", ".join(plan.strangers)
            return f"{who} uses the VM's images too; if it may, name it under the cluster's ceph: mirrors"
        if not self.known.suspect:
            return f"no IP address of {name} is known: give its storage_address"
        asker = self.askers[0]
        if plan.unknown and self.suspect.storage_address is None and seen.source not in asker.addresses:
            from_where = f"{asker.name} reaches Ceph from {seen.source or 'an unknown address'}, not from its 'address'"
            return (
                f"no client of {name} is seen on {', '.join(plan.unknown)}, and shutting out its address proves"
                f" nothing if its clients use another ({from_where}): give {name} its storage_address"
            )
        return ""

    def _block(
        self, plans: Mapping[Uuid, Plan], volumes: Mapping[Uuid, Volumes], seen: ImagesSeen
    ) -> dict[Uuid, SecondLevelReply]:
        """Add the entries of all plans at once, and judge each by what was read back."""
        block = sorted({client for plan in plans.values() for client in plan.block})
        if not block:
            return {}
        if len(block) > MOST_CLIENTS:
            block = sorted({whole_host(client.ip) for client in block})
        try:
            entries = self._entries(block=block)
            listed = {entry.client for entry in entries}
            short = [c for c in uncovered(block, entries, time.time(), self.ceph.lasting_s) if c in listed]
            if short:  # nothing has been started yet, so a moment without an entry does no harm here
                entries = self._entries(block=short, lift=short)
        except CephError as error:
            says = f"{error}. Entries for {_listed(block)} may have been added: 'hafence rejoin' lifts them"
            return {vm: failed(says) for vm in plans}
        now = time.time()
        replies: dict[Uuid, SecondLevelReply] = {}
        for vm, plan in plans.items():
            images = [seen.images[name] for name in volumes[vm].images]
            signs = watching(images, self.known)
            if left := uncovered(plan.block, entries, now, self.ceph.lasting_s):
                replies[vm] = failed(f"no lasting entry of the blocklist was seen for {_listed(left)}", signs)
                continue
            until = min(e.until for e in entries if any(covers(e, c, now, self.ceph.lasting_s) for c in plan.block))
            says = (
                f"{_listed(plan.block)} is on Ceph's blocklist, read back, for {(until - now) / 3600:.1f} h:"
                f" it can't write to {', '.join(volumes[vm].images)}"
            )
            proof = Observation("storage", f"blocklist, asked on {self.askers[0].name}", now, says, Proof.DISKS_FENCED)
            whole = {whole_host(ip) for ip in self.known.suspect} <= set(plan.block)
            lasts = now + self.ceph.lasting_s if whole else None
            replies[vm] = SecondLevelReply(NAME, True, says, (*signs, proof), lasts)
        return replies

    def lift(self) -> str:
        """Remove every client's entry for the suspect's addresses. What was done, in words, 'failed' first if so."""
        try:
            mine = [entry.client for entry in of_host(self._entries(), self.known.suspect)]
            if not mine:
                return "no entry on Ceph's blocklist"
            left = {entry.client for entry in self._entries(lift=mine)} & set(mine)
        except CephError as error:
            return f"failed: {error}"
        if left:
            return f"failed: {_listed(sorted(left))} is still on the blocklist"
        return f"{_count(mine)} removed from Ceph's blocklist"

    def renew(self, alone: bool) -> str:
        """Keep the suspect shut out beyond entries that end within half their time. '' if there was nothing to do.

        Ceph does not move the end of an entry, and without it for a moment a leftover could write beside the VM's new
        process. So the whole address is added, where the host is `alone`: with no VM that may use its storage.
        """
        now = time.time()
        try:
            mine = of_host(self._entries(), self.known.suspect)
            ending = [entry.client for entry in mine if entry.until < now + self.ceph.lasting_s]
            left = uncovered(ending, mine, now, self.ceph.lasting_s)
            if not left:
                return ""
            whole = sorted({whole_host(client.ip) for client in left})
            if alone and not set(whole) & set(left):
                left = uncovered(left, self._entries(block=whole), now, self.ceph.lasting_s)
        except CephError as error:
            return f"failed: {error}"
        if not left:
            return f"{_listed(whole)} is on Ceph's blocklist for another {self.ceph.expire_s / 86400:.0f} days"
        days = (min(entry.until for entry in mine if entry.client in left) - now) / 86400
        why = "and Ceph can't make them last" if alone else "and VMs that may use its storage run on the host"
        return f"failed: entries end in {days:.1f} days ({_listed(left)}), {why}"


def _listed(clients: Iterable[Client]) -> str:
    return ", ".join(client.text for client in clients)


def _count(clients: Sequence[Client]) -> str:
    return f"{len(clients)} {'entry' if len(clients) == 1 else 'entries'}"


def not_coverable(volumes: Volumes) -> SecondLevelReply | None:
    """Why no storage fence can cover a VM, or None."""
    if volumes.others:
        return failed(f"it does not cover the VM: {', '.join(volumes.others)} lies elsewhere")
    if not volumes.images:
        return failed("it does not cover the VM: no RBD image of it is known (domain_xml or disks)")
    return None


def failed(says: str, signs: tuple[Evidence, ...] = ()) -> SecondLevelReply:
    """A storage fence that did not come to be."""
    return SecondLevelReply(
        NAME, False, says, (*signs, Observation("storage", "Ceph", time.time(), says, Proof.NOTHING))
    )


def watching(images: Iterable[Image], known: Known) -> tuple[Evidence, ...]:
    """What the watchers tell: one of the suspect's is a sign of life of that client; none is recorded as what it is."""
    looked = tuple(images)
    own = sorted({c.text for image in looked for c in image.watchers if c.ip in known.suspect})
    if own:
        says = f"the suspect's client {', '.join(own)} watches the images"
        return (Observation("storage", "rbd status", time.time(), says, Proof.HOST_ALIVE),)
    nobody = not any(image.watchers for image in looked)
    what = "Watchers: none" if nobody else "no watcher of the suspect"
    says = (
        f"{what} on {', '.join(i.name for i in looked)}: this proves nothing, one that was silent for 30 s is dropped"
    )
    return (Observation("storage", "rbd status", time.time(), says, Proof.NOTHING),)


# ---------------------------------------------------------------- whose address is whose


def known_addresses(
    suspect: Host, hosts: Iterable[Host], seen: Iterable[HostName], mirrors: Sequence[str], own: Iterable[str]
) -> Known:
    """Whose address is whose. `seen` are siblings that were looked into and run no copy of the VMs.

    Names are not resolved: an address that is no IP tells nothing here.
    """
    looked_into = frozenset(seen)
    others: dict[str, str] = {}
    unseen: dict[str, str] = {}
    for host in hosts:
        if host.name != suspect.name:
            group = others if host.name in looked_into else unseen
            group.update((ip, host.name) for ip in addresses_of(host))
    others.update((str(ipaddress.ip_address(ip)), "a mirror") for ip in mirrors)
    others.update((ip, "hafence") for ip in own)
    mine = addresses_of(suspect)
    return Known(mine, {ip: who for ip, who in others.items() if ip not in mine}, unseen)


def addresses_of(host: Host) -> frozenset[str]:
    """A host's IP addresses from which it may reach Ceph."""
    found: set[str] = set()
    for text in (host.address, host.storage_address):
        with suppress(ValueError):
            found.add(str(ipaddress.ip_address(text or "")))
    return frozenset(found)


def own_addresses(towards: Iterable[str]) -> tuple[str, ...]:
    """This machine's addresses, as it would use them towards others: its own look at an image is no stranger's."""
    found: dict[str, None] = {}
    for ip in towards:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((ip, 9))  # a datagram socket: nothing is sent
            found[str(probe.getsockname()[0])] = None
    return tuple(found)
