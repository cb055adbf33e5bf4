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
from dataclasses import dataclass

_ADDRESS = re.compile(r"(?:v[12]:|any:)?(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})/(\d{1,10})\Z")

LASTING_S = 600.0
"""An entry that ends sooner is not counted on: the VM would run unfenced soon after its start."""


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
    """Whose address is whose: the suspect's own, and those of other hosts, of mirrors, of hafence, each in words."""

    suspect: frozenset[str]
    others: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to put on the blocklist, and the clients that nobody knows: with one of them there is no storage fence."""

    block: tuple[Client, ...]
    strangers: tuple[Client, ...]


def plan_fence(images: Iterable[Image], known: Known) -> Plan:
    """Block every client of the suspect on the images; where an image shows none, the suspect's whole addresses."""
    block: set[Client] = set()
    strangers: set[Client] = set()
    for image in images:
        clients = {*image.watchers, *image.lockers}
        own = {client for client in clients if client.ip in known.suspect}
        strangers |= {client for client in clients - own if client.ip not in known.others}
        block |= own or {whole_host(ip) for ip in known.suspect}
    return Plan(tuple(sorted(block)), tuple(sorted(strangers)))


def covers(entry: Entry, client: Client, now: float) -> bool:
    """Whether an entry keeps a client from writing, and will for a while."""
    if entry.until < now + LASTING_S or entry.client.ip != client.ip:
        return False
    everyone = entry.client.port == 0 and entry.client.nonce == 0
    return everyone or entry.client == client


def uncovered(block: Iterable[Client], entries: Iterable[Entry], now: float) -> tuple[Client, ...]:
    """The clients that no entry covers."""
    listed = tuple(entries)
    return tuple(client for client in block if not any(covers(entry, client, now) for entry in listed))
