"""Evidence: one observation with its time, its source and what it proves.

The failure of the field is that "no answer" turns into the convenient answer. Here only an observation
can be evidence, and each kind proves exactly one thing; a policy reads proofs, never booleans.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from .model import HostName


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
    """Signs of life of a host, as a witness sees them: stable words."""

    SYN_ACK = "syn_ack"
    RST = "rst"
    PING = "ping"
    ICMP_ERROR = "icmp_error"
    NEIGHBOUR = "neighbour"

    @property
    def says(self) -> str:
        """What the host does, in words."""
        return _SIGN_SAYS[self]


_SIGN_SAYS = {
    Sign.SYN_ACK: "accepts TCP connections",
    Sign.RST: "refuses TCP connections: its kernel answers",
    Sign.PING: "answers ping",
    Sign.ICMP_ERROR: "answers with an ICMP error from its own address",
    Sign.NEIGHBOUR: "answers ARP or neighbour discovery",
}


class Evidence(Protocol):
    """One observation. `at` is in seconds since the epoch, by the admin node's clock.

    What was observed is typed where it was observed: an Attempt (attempts.py), a WitnessReport, or an Observation. The
    words are made when they are shown.
    """

    @property
    def kind(self) -> str:
        """What kind of observation: a stable word."""

    @property
    def source(self) -> str:
        """Who or what observed."""

    @property
    def at(self) -> float:
        """When."""

    @property
    def says(self) -> str:
        """What was seen, in words."""

    @property
    def proves(self) -> Proof:
        """What it proves."""


@dataclass(frozen=True, slots=True)
class Observation:
    """An observation with nothing more to it than what it proves: a look, a statement, a power state, a blocklist."""

    kind: str
    source: str
    at: float
    says: str
    proves: Proof
    until: float = math.inf
    """When it ceases to hold, in seconds since the epoch, whatever its age: a person may have set an end."""


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

    @property
    def kind(self) -> str:
        """What kind of evidence it is."""
        return "witness"

    @property
    def source(self) -> str:
        """The witness in words."""
        return self.name

    @property
    def proves(self) -> Proof:
        """Life where there was a sign; silence only from one who could look everywhere."""
        if self.signs:
            return Proof.HOST_ALIVE
        return Proof.SILENCE if self.could_look else Proof.NOTHING


@dataclass(frozen=True, slots=True)
class CutOff:
    """The observer, not the suspect, seems to be the one who is cut off, and why. No silence counts then."""

    at: float
    says: str
    kind: str = field(default="cut_off", init=False)
    source: str = field(default="admin node", init=False)
    proves: Proof = field(default=Proof.NOTHING, init=False)


@dataclass(frozen=True, slots=True)
class NotSeen:
    """Other hosts of the cluster of which nobody could say that no copy of the VM is there: nobody could look into
    them, or nothing was found and libvirt there did not answer. Those in quarantine are not meant."""

    at: float
    hosts: tuple[HostName, ...]
    kind: str = field(default="not_seen", init=False)
    source: str = field(default="admin node", init=False)
    proves: Proof = field(default=Proof.NOTHING, init=False)

    @property
    def says(self) -> str:
        """In words."""
        return f"nobody could say of {', '.join(self.hosts)} that no copy is there"
