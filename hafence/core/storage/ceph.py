"""The storage fence of Ceph RBD, as rules: which clients are the suspect's, whom to block, what counts as blocked.

A client that is on the blocklist of the OSDs can write to no image (Ceph, "RBD exclusive locks" and `ceph osd
blocklist`). A missing watcher is nothing of the kind: an OSD drops a watcher that was silent for 30 s, and
the same qemu watches and writes again when its packets pass. So only an entry of the blocklist that was
seen, that lasts, and that covers every client of the suspect on every image is a fence.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import assert_never

from ..evidence import Evidence, Observation, Proof
from ..model import CephSettings, Host, Vm
from ..second_level import SecondLevelKind
from .port import (
    ClientsSeen,
    Ending,
    EntriesSeen,
    Entry,
    Plan,
    ShutOut,
    Surroundings,
    Volume,
    Volumes,
    WhyEnds,
    WritableDisk,
    with_clients,
)
from .rehearsal import Hindrance

USUAL_CONF = "/etc/ceph/ceph.conf"
"""What librbd reads on a host where a definition names no file (libvirt, "Network disks", `<config file>`)."""
MOST_CLIENTS = 40
"""Beyond so many it is a whole host that is fenced, and its address is shut out instead: each entry is a call."""
_OWN_USER = (
    """ceph auth get-or-create client.hafence mon 'profile rbd, allow command "osd blocklist","""
    """ allow command "osd blocklist ls"' osd 'profile rbd-read-only'"""
)
"""A user of hafence's own. `ceph auth caps` would take from another one, which VMs may use, all else that it may do."""
_ADDRESS = re.compile(r"(?:v[12]:|any:)?(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})/([0-9]{1,10})\Z")
_PLAIN_IMAGE = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*(?:/[A-Za-z0-9._][A-Za-z0-9._-]*){1,2}\Z")
"""`POOL/IMAGE` or `POOL/NAMESPACE/IMAGE`: a snapshot, and what has anything odd in its name, is no image to us."""


# ---------------------------------------------------------------- clients, and whose they are


@dataclass(frozen=True, slots=True, order=True)
class Client:
    """A Ceph client instance: `IP:port/nonce`. Port and nonce 0 together mean every client of that IP."""

    ip: str
    port: int
    nonce: int

    @property
    def text(self) -> str:
        """As the ceph command line reads it."""
        ip = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{ip}:{self.port}/{self.nonce}"


def parse_client(text: str) -> Client:
    """A client from Ceph's text. Raises ValueError for anything else."""
    match = _ADDRESS.match(text)
    if not match:
        raise ValueError("not a Ceph client address")
    ip = str(ipaddress.ip_address(match[1] or match[2]))
    return Client(ip, int(match[3]), int(match[4]))


def whole_host(ip: str) -> Client:
    """Every client of an address."""
    return Client(str(ipaddress.ip_address(ip)), 0, 0)


@dataclass(frozen=True, slots=True)
class Known:
    """Whose address is whose, in words: the suspect's own; of those who may use an image beside it (siblings that
    were seen to run no copy, mirrors, hafence); and of hosts that may not, since nobody has looked into them."""

    suspect: frozenset[str]
    others: Mapping[str, str]
    unseen: Mapping[str, str]


def known_addresses(around: Surroundings, mirrors: Iterable[str]) -> Known:
    """Whose address is whose. Names are not resolved: an address that is no IP tells nothing here."""
    looked_into = frozenset(around.looked_into)
    others: dict[str, str] = {}
    unseen: dict[str, str] = {}
    for host in around.hosts:
        if host.name != around.suspect.name:
            group = others if host.name in looked_into else unseen
            group.update((ip, host.name) for ip in addresses_of(host))
    others.update((str(ipaddress.ip_address(ip)), "a mirror") for ip in mirrors)
    others.update((ip, "hafence") for ip in around.own)
    mine = addresses_of(around.suspect)
    return Known(mine, {ip: who for ip, who in others.items() if ip not in mine}, unseen)


def addresses_of(host: Host) -> frozenset[str]:
    """A host's IP addresses from which it may reach Ceph."""
    found: set[str] = set()
    for text in (host.address, host.storage_address):
        with suppress(ValueError):
            found.add(str(ipaddress.ip_address(text or "")))
    return frozenset(found)


# ---------------------------------------------------------------- whom to block


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to put on the blocklist; with a stranger among the clients there is no storage fence.

    `unknown` are the images that show no client of the suspect: they cost its whole addresses, and that proves
    something only where it is known that its clients come from there.
    """

    block: tuple[Client, ...]
    strangers: tuple[str, ...]
    unknown: tuple[str, ...]


def choose_clients(images: Iterable[Volume[Client]], known: Known, alone: bool = False) -> Chosen:
    """Block every client of the suspect on the images; where an image shows none, the suspect's whole addresses.

    Where the suspect is `alone`, with no other VM that would lose its disks, its whole addresses in any case: a
    manager on it could start the VM again, as a client that nobody knows yet.

    A client that has been shut out is no watcher any more. So whoever chooses again lays what was seen before on the
    images (`with_clients`), or the second fence of a VM would shut out its whole host.
    """
    block: set[Client] = set()
    strangers: list[str] = []
    unknown: list[str] = []
    for image in images:
        clients = {*image.watchers, *image.lockers}
        own = {client for client in clients if client.ip in known.suspect}
        for client in sorted(clients - own):
            if client.ip not in known.others:
                strangers.append(f"{client.text} ({known.unseen.get(client.ip, 'of no known host')})")
        if not own:
            unknown.append(image.name)
        block |= own
        if alone or not own:
            block |= {whole_host(ip) for ip in known.suspect}
    return Chosen(tuple(sorted(block)), tuple(dict.fromkeys(strangers)), tuple(unknown))


def watching(images: Sequence[Volume[Client]], known: Known, at: float) -> Evidence:
    """What the watchers tell: one of the suspect's is a sign of life of that client; none is recorded as what it is."""
    own = sorted({c.text for image in images for c in image.watchers if c.ip in known.suspect})
    if own:
        says = f"the suspect's client {', '.join(own)} watches the images"
        return Observation(SecondLevelKind.STORAGE.value, "rbd status", at, says, Proof.HOST_ALIVE)
    nobody = not any(image.watchers for image in images)
    what = "Watchers: none" if nobody else "no watcher of the suspect"
    names = ", ".join(image.name for image in images)
    says = f"{what} on {names}: this proves nothing, one that was silent for 30 s is dropped"
    return Observation(SecondLevelKind.STORAGE.value, "rbd status", at, says, Proof.NOTHING)


# ---------------------------------------------------------------- what counts as blocked


def covers(entry: Entry[Client], client: Client, now: float, lasting_s: float) -> bool:
    """Whether an entry keeps a client from writing, and will for at least `lasting_s`.

    Ceph does not move the end of an entry that is there already, and makes short ones itself (an hour for one whose
    lock was broken). One that ends soon would leave the VM unfenced soon after its start.
    """
    if entry.until < now + lasting_s or entry.client.ip != client.ip:
        return False
    everyone = entry.client.port == 0 and entry.client.nonce == 0
    return everyone or entry.client == client


def uncovered(
    block: Iterable[Client], entries: Iterable[Entry[Client]], now: float, lasting_s: float
) -> tuple[Client, ...]:
    """The clients that no entry covers."""
    listed = tuple(entries)
    return tuple(client for client in block if not any(covers(entry, client, now, lasting_s) for entry in listed))


def in_words(clients: Iterable[Client]) -> str:
    """Clients for people."""
    return ", ".join(client.text for client in clients)


@dataclass(frozen=True, slots=True)
class CephFence:
    """The storage fence of a cluster with Ceph: entries on the OSDs' blocklist (core/storage/port.py, StorageFence)."""

    ceph: CephSettings

    @property
    def storage(self) -> str:
        """Its name in the registry."""
        return "ceph"

    @property
    def says(self) -> str:
        """The storage in words."""
        return "Ceph"

    @property
    def list_says(self) -> str:
        """What the entries stand in."""
        return "Ceph's blocklist"

    @property
    def lasting_s(self) -> float:
        """How long an entry must last to be counted on, and may be."""
        return self.ceph.lasting_s

    def volumes_of(self, vm: Vm, disks: Sequence[WritableDisk]) -> Volumes:
        """The RBD images of a VM, and what else it can write to."""
        images: dict[str, None] = {}
        servers: dict[str, None] = {}
        others: list[str] = []
        for disk in (*disks, *(WritableDisk(text, text) for text in vm.disks)):
            name = disk.source.removeprefix("rbd:")
            if disk.configured_by not in ("", USUAL_CONF, self.ceph.conf):  # which Ceph that names nobody here can see
                others.append(f"{disk.says}, which has its Ceph by {disk.configured_by},")
            elif disk.source.startswith("rbd:") and _PLAIN_IMAGE.match(name):
                images[name] = None
                servers.update(dict.fromkeys(disk.servers))
            else:
                others.append(disk.says)
        return Volumes(tuple(images), tuple(others), tuple(servers))

    def why_not_covered(self, volumes: Volumes) -> str:
        """Why a VM with these is not covered, or ''."""
        if volumes.others:
            return f"it does not cover the VM: {', '.join(volumes.others)} lies elsewhere"
        if not volumes.names:
            return "it does not cover the VM: no RBD image of it is known (domain_xml or disks)"
        return ""

    def own(self, volume: Volume[Client], around: Surroundings) -> tuple[Client, ...]:
        """The suspect's clients on an image."""
        mine = addresses_of(around.suspect)
        return tuple(sorted({client for client in (*volume.watchers, *volume.lockers) if client.ip in mine}))

    def left_open(self, volume: Volume[Client], around: Surroundings) -> tuple[Client, ...]:
        """The suspect's watchers that hold no lock of the image.

        Who opens an image with the feature exclusive-lock takes its lock, and librbd puts the client that held it on
        the blocklist. Without a lock it shuts out nobody, and what a dead client has sent is written when it arrives.
        """
        watching = (client for client in volume.watchers if client not in volume.lockers)
        return self.own(Volume(volume.name, tuple(watching), ()), around)

    def plan(
        self,
        volumes: Sequence[Volume[Client]],
        before: Mapping[str, Sequence[Client]],
        seen: ClientsSeen[Client],
        asker: Host | None,
        around: Surroundings,
    ) -> Plan[Client]:
        """Whom to block for the images of a VM."""
        known = known_addresses(around, self.ceph.mirrors)
        remembered = [with_clients(volume, before.get(volume.name, ())) for volume in volumes]
        chosen = choose_clients(remembered, known, around.alone)
        return Plan(
            volumes=tuple(volume.name for volume in volumes),
            shut_out=chosen.block,
            whole={whole_host(ip) for ip in known.suspect} <= set(chosen.block),
            doubt=doubt(chosen, known, around.suspect, asker, seen.source),
            signs=(watching(volumes, known, seen.at),),
        )

    def for_all(self, plans: Iterable[Plan[Client]]) -> tuple[Client, ...]:
        """The entries that are added for several VMs at once."""
        block = tuple(sorted({client for plan in plans for client in plan.shut_out}))
        if len(block) > MOST_CLIENTS:
            return tuple(sorted({whole_host(client.ip) for client in block}))
        return block

    def too_short(self, clients: Iterable[Client], seen: EntriesSeen[Client], now: float) -> tuple[Client, ...]:
        """Of these clients those whose own entry ends too soon."""
        listed = {entry.client for entry in seen.entries}
        return tuple(c for c in uncovered(clients, seen.entries, now, self.lasting_s) if c in listed)

    def judge(self, plan: Plan[Client], seen: EntriesSeen[Client], now: float) -> ShutOut | str:
        """Whether every client of a plan is blocked, as it was read back, and stays so; or why not."""
        if left := uncovered(plan.shut_out, seen.entries, now, self.lasting_s):
            return f"no lasting entry of the blocklist was seen for {in_words(left)}"
        lasting = [e for e in seen.entries if any(covers(e, c, now, self.lasting_s) for c in plan.shut_out)]
        hours = (min(entry.until for entry in lasting) - now) / 3600
        says = (
            f"{in_words(plan.shut_out)} is on Ceph's blocklist, read back, for {hours:.1f} h:"
            f" it can't write to {', '.join(plan.volumes)}"
        )
        return ShutOut("blocklist", says)

    def of_host(self, seen: EntriesSeen[Client], host: Host) -> tuple[Entry[Client], ...]:
        """A host's entries that a storage fence may have added: those of clients. A daemon's has a port of its own."""
        mine = addresses_of(host)
        return tuple(entry for entry in seen.entries if entry.client.ip in mine and entry.client.port == 0)

    def ending(self, entries: Iterable[Entry[Client]], now: float, alone: bool) -> Ending[Client] | None:
        """What of a host's entries ends within half their time, and has no lasting one beside it.

        Ceph does not move the end of an entry, and without it for a moment a leftover could write beside the VM's new
        process. So the whole address is added, where the host is `alone`: with no VM that may use its storage.
        """
        mine = tuple(entries)
        soon = [entry.client for entry in mine if entry.until < now + self.lasting_s]
        left = uncovered(soon, mine, now, self.lasting_s)
        if not left:
            return None
        until = min(entry.until for entry in mine if entry.client in left)
        whole = tuple(sorted({whole_host(client.ip) for client in left}))
        if not alone:
            return Ending(left, until, (), WhyEnds.OTHERS)
        if set(whole) & set(left):
            return Ending(left, until, (), WhyEnds.FIXED)
        return Ending(left, until, whole, WhyEnds.NOT_ASKED)

    def listed(self, clients: Iterable[Client]) -> str:
        """Clients in words."""
        return in_words(clients)

    def words_of(self, hindrance: Hindrance) -> tuple[str, str]:
        """What a rehearsal has found to be in the way, and what to do about it."""
        user = f"client.{self.ceph.user}"
        match hindrance:
            case Hindrance.RIGHT:
                # 'profile rbd' alone may add an entry and not remove one (MonCap.cc), which can't be told from neither.
                saw = f"Ceph refuses {user} the command 'osd blocklist': it may not let in again, or not even shut out"
                return saw, f"name in 'ceph: user:' one that may: {_OWN_USER}"
            case Hindrance.COMMAND:
                return (
                    "this Ceph does not know 'osd blocklist'",
                    "Ceph 16 or later is needed: leave 'ceph:' out till then",
                )
            case Hindrance.OPTION:
                saw = f"{self.ceph.conf} sets rbd_blocklist_on_break_lock to false: whose lock is broken may write on"
                return saw, f"take it out of {self.ceph.conf} on every host"
            case _:
                assert_never(hindrance)


def doubt(chosen: Chosen, known: Known, suspect: Host, asker: Host | None, source: str | None) -> str:
    """Why entries would prove nothing, or ''. `source`: the address from which the asker reaches Ceph, if it knows."""
    name = suspect.name
    if chosen.strangers:
        who = ", ".join(chosen.strangers)
        return f"{who} uses the VM's images too; if it may, name it under the cluster's ceph: mirrors"
    if not known.suspect:
        return f"no IP address of {name} is known: give its storage_address"
    usual = addresses_of(asker) if asker is not None else frozenset[str]()
    if chosen.unknown and suspect.storage_address is None and source not in usual:
        who = asker.name if asker is not None else "the admin node"
        from_where = f"{who} reaches Ceph from {source or 'an unknown address'}, not from its 'address'"
        return (
            f"no client of {name} is seen on {', '.join(chosen.unknown)}, and shutting out its address proves"
            f" nothing if its clients use another ({from_where}): give {name} its storage_address"
        )
    return ""
