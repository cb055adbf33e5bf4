"""Evidence: one observation with its time, its source and what it proves.

The failure of the field is that "no answer" turns into the convenient answer. Here only an observation
can be evidence, and each kind proves exactly one thing; a policy reads proofs, never booleans.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Proof(Enum):
    """What an observation proves."""

    VM_DEAD = "vm_dead"
    """No living task of the VM on the suspect, seen there, twice."""
    VM_ALIVE = "vm_alive"
    HOST_ALIVE = "host_alive"
    """The suspect gave a sign of life: whatever is silent about it, it is not without power."""
    SILENCE = "silence"
    """A working witness looked at the whole list of signs and found none. Proves nothing alone."""
    HOST_OFF = "host_off"
    """The suspect's power was observed to be off."""
    DISKS_FENCED = "disks_fenced"
    """Every writable disk of the VM was observed to refuse the suspect's writes."""
    STATEMENT = "statement"
    """A person has stated that the host is powered off."""
    NOTHING = "nothing"
    """Recorded for people; no rule may stand on it (a missing Ceph watcher, a failed power-off)."""


class Sign(Enum):
    """Signs of life of a host, as a witness sees them."""

    SYN_ACK = "accepts TCP connections"
    RST = "refuses TCP connections: its kernel answers"
    PING = "answers ping"
    ICMP_ERROR = "answers with an ICMP error from its own address"
    NEIGHBOUR = "answers ARP or neighbour discovery"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation. `at` is in seconds since the epoch, by the admin node's clock."""

    kind: str
    source: str
    at: float
    says: str
    proves: Proof


@dataclass(frozen=True, slots=True)
class WitnessReport:
    """What one witness (a sibling, or the admin node: `witness` is None) saw of the suspect just now.

    `could_look` is False when any of the looks could not be made (no right, no program, the sibling
    lost midway, a hardened login): such a witness is no witness, and `says` tells why.
    """

    witness: str | None
    at: float
    signs: frozenset[Sign]
    could_look: bool
    says: str
    peers_asked: int = 0
    """How many other hosts of the cluster it also tried, to see whether it is itself cut off."""
    peers_reached: int = 0

    @property
    def name(self) -> str:
        """The witness in words."""
        return self.witness or "the admin node"
