"""One incident, one run: the claim on a host's evacuation is a lease like that on a VM, under a UUID of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from .model import HostName, Uuid

_NAMESPACE = uuid.UUID("6d6f6a5a-9c1e-4d0e-8f4b-2f7f3c9a61d7")
"""Of the claims' UUIDs, which are made of the hosts' names: the same on every admin node. It never changes."""


def claim_on(host: HostName) -> Uuid:
    """The key of the lease on the evacuation of a host. No VM has it: a VM's own UUID is random, or its owner's."""
    return Uuid(str(uuid.uuid5(_NAMESPACE, host)))


def name_of_claim(key: Uuid, hosts: Iterable[HostName]) -> str | None:
    """What such a lease is on, in words; None where it is on none of these hosts."""
    return next((f"the evacuation of {host}" for host in hosts if claim_on(host) == key), None)
