"""The storage fence, as rules: which Ceph clients are the suspect's, what must be blocked, what counts as blocked.

A client that is on the blocklist of the OSDs can write to no image (Ceph, "RBD exclusive locks" and `ceph osd
blocklist`). A missing watcher is nothing of the kind: an OSD drops a watcher that was silent for 30 s, and
the same qemu watches and writes again when its packets pass. So only an entry of the blocklist that was
seen, that lasts, and that covers every client of the suspect on every image is a fence.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

_ADDRESS = re.compile(r"(?:v[12]:|any:)?(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})/([0-9]{1,10})\Z")


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
class Entry:
    """An entry of the blocklist and when it ends (seconds since the epoch)."""

    client: Client
    until: float


@dataclass(frozen=True, slots=True)
class Image:
    """One RBD image: who watches it and who holds its exclusive lock."""

    name: str
    watchers: tuple[Client, ...]
    lockers: tuple[Client, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Whose address is whose, in words: the suspect's own; of those who may use an image beside it (siblings that
    were seen to run no copy, mirrors, hafence); and of hosts that may not, since nobody has looked into them."""

    suspect: frozenset[str]
    others: Mapping[str, str]
    unseen: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to put on the blocklist; with a stranger among the clients there is no storage fence.

    `unknown` are the images that show no client of the suspect: they cost its whole addresses, and that proves
    something only where it is known that its clients come from there.
    """

    block: tuple[Client, ...]
    strangers: tuple[str, ...]
    unknown: tuple[str, ...]


def plan_fence(images: Iterable[Image], known: Known, alone: bool = False) -> Plan:
    """Block every client of the suspect on the images; where an image shows none, the suspect's whole addresses.

    Where the suspect is `alone`, with no other VM that would lose its disks, its whole addresses in any case: a
    manager on it could start the VM again, as a client that nobody knows yet.

    A client that has been shut out is no watcher any more. So whoever plans again lays what was seen before on the
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
    return Plan(tuple(sorted(block)), tuple(dict.fromkeys(strangers)), tuple(unknown))


def with_clients(image: Image, before: Iterable[Client]) -> Image:
    """An image with clients that were seen on it earlier, as if they held its lock still."""
    return replace(image, lockers=tuple(dict.fromkeys((*image.lockers, *before))))


def covers(entry: Entry, client: Client, now: float, lasting_s: float) -> bool:
    """Whether an entry keeps a client from writing, and will for at least `lasting_s`.

    Ceph does not move the end of an entry that is there already, and makes short ones itself (an hour for one whose
    lock was broken). One that ends soon would leave the VM unfenced soon after its start.
    """
    if entry.until < now + lasting_s or entry.client.ip != client.ip:
        return False
    everyone = entry.client.port == 0 and entry.client.nonce == 0
    return everyone or entry.client == client


def uncovered(block: Iterable[Client], entries: Iterable[Entry], now: float, lasting_s: float) -> tuple[Client, ...]:
    """The clients that no entry covers."""
    listed = tuple(entries)
    return tuple(client for client in block if not any(covers(entry, client, now, lasting_s) for entry in listed))


def of_host(entries: Iterable[Entry], addresses: frozenset[str]) -> tuple[Entry, ...]:
    """A host's entries that a storage fence may have added: those of clients. A daemon's has a port of its own."""
    return tuple(entry for entry in entries if entry.client.ip in addresses and entry.client.port == 0)
