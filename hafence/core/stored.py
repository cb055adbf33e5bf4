"""What the store knows that a run needs: leases, people's statements, and all of it at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    """The lease is another's."""

    vm: Uuid
    holder: str
    run: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Statement:
    """A person's `confirm-dead` of a host that still holds."""

    host: HostName
    who: str
    reason: str
    at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Recollection:
    """What the store knows that a run needs. VMs that no run has touched have no record."""

    records: Mapping[Uuid, VmRecord]
    quarantine: Mapping[HostName, str]
    """Quarantined hosts, each with why and since when, in words."""
    machine_ids: Mapping[HostName, str]
    statements: Mapping[HostName, Statement]
