"""What a storage fence must answer, whatever the storage: it makes that refuse the suspect's writes, and sees it do so.

Four questions go to the storage, a conversation each (effects/second_level.py): who the clients of volumes are
(AskClients); whom it shuts out (ListEntries); shut these clients out (AddEntries) and let them in again
(RemoveEntries), each with the list read back in the same conversation, for only what was read back counts. The order
of them is in workflows/storage_fence.py and the same for every storage. A fifth is an audit's: could all that be done
(RehearseStorage)? What a storage is to it stands in

- core/storage/NAME.py: a `StorageFence`, pure: which volumes it covers, whom to shut out, what counts as shut out;
- adapters/storage/NAME.py: each question carried to one host, and its answer read;
- a line in core/storage/registry.py, and one in runner/perform_storage.py;
- sim/storage.py: the array that answers the same questions in the simulated world.

`C` is what a client is to that storage: an address of Ceph's; with SCSI-3 reservations it would be a key on a LUN, and
an entry a key that was preempted; with a site's own command, a host. Only NAME.py looks into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from ..evidence import Evidence
from ..model import Host, HostName, Vm
from .rehearsal import Hindrance


class HasText(Protocol):
    """What every storage's client has, whatever else it is: a text, and an order."""

    @property
    def text(self) -> str:
        """The client as the storage's own tools write it."""

    def __lt__(self, other: Any) -> bool:
        """Lists of them are told in one order."""


C = TypeVar("C", bound=HasText)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that got no answer, or none that is whole and exact; why, in hafence's own words. Never taken for an
    empty one."""

    says: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks the storage of a cluster: one of its hosts, or this machine itself (`host` None)."""

    storage: str
    """The storage's name in core/storage/registry.py."""
    cluster: str
    host: HostName | None

    @property
    def says(self) -> str:
        """The asker in words."""
        return self.host or "the admin node"


@dataclass(frozen=True, slots=True)
class WritableDisk:
    """One thing that a VM could write to: its source (a path, `rbd:POOL/IMAGE`, …) and what people call it."""

    source: str
    says: str
    shareable: bool = False
    """Whether its definition says that other VMs may use it, too."""
    servers: tuple[str, ...] = ()
    """The servers of its storage that the definition names, `HOST` or `HOST:PORT`; none where the host's own
    configuration says them."""
    configured_by: str = ""
    """The file on the host that the definition names for its storage's configuration; '' for the usual one."""


@dataclass(frozen=True, slots=True)
class Volumes:
    """What a VM can write to: the volumes that the storage fence covers, and everything else, in words."""

    names: tuple[str, ...]
    others: tuple[str, ...]
    servers: tuple[str, ...] = ()
    """The servers that the definition names for the former."""


@dataclass(frozen=True, slots=True)
class Volume(Generic[C]):
    """One volume: who watches it now, and who has left a lock on it."""

    name: str
    watchers: tuple[C, ...]
    lockers: tuple[C, ...]


def with_clients(volume: Volume[C], before: Iterable[C]) -> Volume[C]:
    """A volume with clients that were seen on it earlier, as if they held its lock still."""
    return replace(volume, lockers=tuple(dict.fromkeys((*volume.lockers, *before))))


@dataclass(frozen=True, slots=True)
class ClientsSeen(Generic[C]):
    """The clients of volumes, by the volume's name. `at`: seconds since the epoch, by the admin node's clock."""

    volumes: Mapping[str, Volume[C]]
    source: str | None
    """The address from which the asker reaches the storage, if it knows."""
    at: float
    foreign: frozenset[str] = frozenset()
    """Of the servers that were asked about those that the storage does not call its own: another one's, for all that is
    known."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[C]):
    """What shuts a client out, and when it ends (seconds since the epoch)."""

    client: C
    until: float


@dataclass(frozen=True, slots=True)
class EntriesSeen(Generic[C]):
    """Whom the storage shuts out, as it was read back. `at`: seconds since the epoch, by the admin node's clock."""

    entries: tuple[Entry[C], ...]
    at: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a storage fence: whose clients may use the VMs' volumes beside the suspect's."""

    suspect: Host
    hosts: tuple[Host, ...]
    """All that the inventory knows."""
    looked_into: tuple[HostName, ...]
    """Those that were looked into and run no copy: another one's client is a stranger's."""
    own: tuple[str, ...]
    """This machine's addresses."""
    alone: bool = False
    """No other VM is recorded or seen on the suspect, which may then be shut out as a whole."""


@dataclass(frozen=True, slots=True)
class Plan(Generic[C]):
    """Whom to shut out for one VM. `whole`: the whole suspect, with whatever is started there anew. With a `doubt`, why
    entries would prove nothing. `signs`: what the watchers tell."""

    volumes: tuple[str, ...]
    shut_out: tuple[C, ...]
    whole: bool
    doubt: str
    signs: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class ShutOut:
    """A VM's volumes were seen to refuse the suspect. `seen_in` is where that stands, in a word."""

    seen_in: str
    says: str


class WhyEnds(Enum):
    """Why an entry that ends is let end."""

    NOT_ASKED = "not_asked"
    """It could be made to last; nobody has asked for that."""
    OTHERS = "others"
    """VMs that may use the storage are on the host."""
    FIXED = "fixed"
    """The storage can't make it last."""
    NOT_SEEN = "not_seen"
    """Something was added to make up for it, and was not read back."""
    NOT_ADDED = "not_added"
    """Nothing could be added to make up for it, or nobody knows whether it was."""


@dataclass(frozen=True, slots=True)
class Ending(Generic[C]):
    """Entries of a host that end too soon and that no lasting one stands beside. `until`: when the first of them ends.

    `add` would make up for them.
    """

    clients: tuple[C, ...]
    until: float
    add: tuple[C, ...]
    why: WhyEnds


class StorageFence(Protocol[C]):
    """The pure half of one cluster's storage fence."""

    @property
    def storage(self) -> str:
        """Its name in the registry."""

    @property
    def says(self) -> str:
        """The storage in words."""

    @property
    def list_says(self) -> str:
        """What the entries stand in, in words."""

    @property
    def lasting_s(self) -> float:
        """How long an entry must last to be counted on, and may be."""

    def volumes_of(self, vm: Vm, disks: Sequence[WritableDisk]) -> Volumes:
        """Which of a VM's disks it covers. `disks` are those of the domain XML; the inventory may name more."""

    def why_not_covered(self, volumes: Volumes) -> str:
        """Why it can't cover a VM with these, or ''."""

    def own(self, volume: Volume[C], around: Surroundings) -> tuple[C, ...]:
        """The suspect's clients on a volume."""

    def left_open(self, volume: Volume[C], around: Surroundings) -> tuple[C, ...]:
        """Of the suspect's clients on a volume those that the storage lets write on when somebody else opens it."""

    def plan(
        self,
        volumes: Sequence[Volume[C]],
        before: Mapping[str, Sequence[C]],
        seen: ClientsSeen[C],
        asker: Host | None,
        around: Surroundings,
    ) -> Plan[C]:
        """Whom to shut out of a VM's volumes. `before`: clients of the suspect that were seen on them earlier."""

    def for_all(self, plans: Iterable[Plan[C]]) -> tuple[C, ...]:
        """The clients that one conversation shuts out, for the plans of several VMs."""

    def too_short(self, clients: Iterable[C], seen: EntriesSeen[C], now: float) -> tuple[C, ...]:
        """Of these clients those with an entry that ends too soon: it has to be made anew."""

    def judge(self, plan: Plan[C], seen: EntriesSeen[C], now: float) -> ShutOut | str:
        """What the entries that were read back come to for a VM; or why they are no fence."""

    def of_host(self, seen: EntriesSeen[C], host: Host) -> tuple[Entry[C], ...]:
        """The entries that a storage fence of a host may have added."""

    def ending(self, entries: Iterable[Entry[C]], now: float, alone: bool) -> Ending[C] | None:
        """What of a host's entries ends too soon. `alone`: the host may be shut out as a whole."""

    def listed(self, clients: Iterable[C]) -> str:
        """Clients in words."""

    def words_of(self, hindrance: Hindrance) -> tuple[str, str]:
        """What a rehearsal has found to be in the way, and what to do about it."""
