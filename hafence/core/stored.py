"""What the store knows that a run needs: leases, people's statements, and all of it at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .model import HostName, Uuid
from .record import VmRecord


@dataclass(frozen=True, slots=True)
class Lease:
    """The expiring, store-held right to act on one VM. `token` grows with every new holder."""

    vm: Uuid
    token: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Busy:
    """The lease is another's. `since`: when that one took it."""

    vm: Uuid
    holder: str
    run: str
    expires_at: float
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Statement:
    """A person's `confirm-dead` of a host that still holds."""

    host: HostName
    who: str
    reason: str
    at: float
    expires_at: float


class WorkKind(Enum):
    """What planned work forbids: stable words, the first part of its key in every store."""

    DISARMED = "disarmed"
    """Of a cluster: nothing is fenced and nothing started there."""
    MAINTENANCE = "maintenance"
    """Of a host: it counts as one whose inventory says `state: maintenance`."""


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """What a person has announced with `disarm` or `maintenance`, until when it holds. `name`: a cluster or a host."""

    kind: WorkKind
    name: str
    who: str
    reason: str
    since: float
    until: float

    @property
    def subject(self) -> str:
        """What it is about, in one word: there is one announcement of each."""
        return f"{self.kind.value}/{self.name}"


@dataclass(frozen=True, slots=True)
class Planned:
    """The planned work that holds at one moment."""

    disarmed: Mapping[str, PlannedWork] = field(default_factory=dict)
    """By cluster."""
    maintenance: Mapping[HostName, PlannedWork] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recollection:
    """What the store knows that a run needs. VMs that no run has touched have no record."""

    records: Mapping[Uuid, VmRecord]
    quarantine: Mapping[HostName, str]
    """Quarantined hosts, each with why and since when, in words."""
    machine_ids: Mapping[HostName, str]
    statements: Mapping[HostName, Statement]
    planned: Planned = field(default_factory=Planned)
