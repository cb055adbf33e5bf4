"""What was really the case while runs asked and acted. The simulator notes it and the oracle judges by it.

No workflow sees any of this, and nothing of it is what a workflow was told: a sign of life that nobody made anything
of stands here all the same. Times are seconds since the world began.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..core.model import HostName, Uuid
from ..core.reasons import Reason

Observer = HostName | None
"""A sibling, or None: the admin node."""


class Sign(NamedTuple):
    """A sign of a host's life got to somebody whom a run had asked."""

    at: float
    run: str
    host: HostName
    to: str
    """Who could have told of it."""


class Looks(NamedTuple):
    """A round of looks from the admin node into hosts."""

    at: float
    run: str
    asked: frozenset[HostName]
    silent: frozenset[HostName]
    """Hosts that did not answer in any way."""
    seen: frozenset[HostName]
    """Hosts whose processes it could see."""
    writers: Mapping[Uuid, tuple[HostName, ...]]
    """Where processes that could write lived, of those that it could see."""
    quarantined: frozenset[HostName]
    """Hosts that were in quarantine then: nobody expects them to answer."""
    at_work: frozenset[HostName] = frozenset()
    """Hosts that were in maintenance then by the store's word."""


class Attempt(NamedTuple):
    """A sibling that worked tried to connect to a suspect, and nothing at all came back."""

    at: float
    run: str
    suspect: HostName
    proxy: HostName


class Watch(NamedTuple):
    """A round of witnesses who looked for a suspect's signs of life. `at` is when the first of them looked."""

    at: float
    run: str
    suspect: HostName
    saw_nothing: frozenset[Observer]
    """Who looked for every sign, worked until the end, and could not have seen one."""
    could_look: frozenset[HostName]
    """The siblings whom the admin node could have asked."""
    silent_to: Mapping[HostName, frozenset[HostName]]
    """The hosts that did not answer each sibling, the suspect among them."""


class Scan(NamedTuple):
    """A fence script's last look at the processes of the machine that it ran on."""

    at: float
    run: str
    host: HostName
    """Whom the run had asked."""
    machine: HostName
    """Who answered: a clone of that host, where it has taken over its address."""
    living: frozenset[Uuid]
    """The VMs of the order of which a process lived, or was being started."""
    disks: Mapping[Uuid, int] = MappingProxyType({})
    """The generation of disks to which a process of each wrote when the script began, where one lived."""


class Sent(NamedTuple):
    """A start that was sent, on what grounds by the record, and what was the case at that moment."""

    at: float
    run: str
    vm: Uuid
    target: HostName
    suspect: HostName | None
    grounds: Reason | None
    off_at: float
    """When the suspect was last without power: now, some time ago, or -inf for never."""
    shut_out: bool
    """Whether no process of the VM on the suspect could have written, with the blocklist as it was."""
    stated: bool
    """Whether a person's statement that the suspect is powered off held."""
    named: frozenset[HostName]
    """The hosts of the risks that its run had named by then."""
    at_work: frozenset[HostName] = frozenset()
    """Hosts that were in maintenance by the store's word: whoever is at work there may have begun since the looks."""
    disks: int = 0
    """The generation of disks that it was from."""
    own_disk: bool = False
    """Whether it was from a disk of the target's own."""


class Defied(NamedTuple):
    """A run has sent an order to fence or to start that planned work forbade, as it could have known."""

    at: float
    run: str
    what: str


class Notes:
    """All of it, each list in the order of time."""

    __slots__ = ("attempts", "defied", "looks", "scans", "sent", "signs", "watches")

    def __init__(self) -> None:
        self.signs: list[Sign] = []
        self.looks: list[Looks] = []
        self.attempts: list[Attempt] = []
        self.watches: list[Watch] = []
        self.scans: list[Scan] = []
        self.sent: list[Sent] = []
        self.defied: list[Defied] = []
