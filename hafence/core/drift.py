"""In what a running VM differs from the definition that it would be started from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .risks import some_of


@dataclass(frozen=True, slots=True)
class Outline:
    """What of a definition matters to whoever depends on the VM."""

    disks: Mapping[str, str] = field(default_factory=dict)
    """The source of each disk (no CD-ROM), by its target (`vda`)."""
    networks: tuple[str, ...] = ()
    """Of each interface its kind and what it is plugged into, `network default`, in order."""
    memory_mib: int | None = None
    machine: str = ""


class DriftKind(Enum):
    """What differs: stable words, the worst first."""

    DISKS = "disks"
    MACHINE = "machine"
    NETWORK = "network"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference: what the running VM has, and what a start would give it."""

    kind: DriftKind
    live: str
    start: str

    @property
    def says(self) -> str:
        """In words."""
        return (
            f"{self.kind.value}: it runs with {self.live or 'none'}, and would be started with {self.start or 'none'}"
        )


def drift_between(live: Outline, start: Outline) -> tuple[Drift, ...]:
    """How the running VM differs from a start."""
    found: list[Drift] = []
    if live.disks != start.disks:
        both = sorted({*live.disks, *start.disks})
        targets = [name for name in both if live.disks.get(name) != start.disks.get(name)]
        found.append(Drift(DriftKind.DISKS, _listed(targets, live.disks), _listed(targets, start.disks)))
    if not _same_machine(live.machine, start.machine):
        found.append(Drift(DriftKind.MACHINE, live.machine, start.machine))
    if not _same_networks(live.networks, start.networks):
        found.append(Drift(DriftKind.NETWORK, some_of(live.networks), some_of(start.networks)))
    if None not in (live.memory_mib, start.memory_mib) and live.memory_mib != start.memory_mib:
        found.append(Drift(DriftKind.MEMORY, f"{live.memory_mib} MiB", f"{start.memory_mib} MiB"))
    return tuple(found)


def _listed(targets: list[str], disks: Mapping[str, str]) -> str:
    return some_of([f"{name} on {disks[name]}" for name in targets if name in disks])


def _same_machine(live: str, start: str) -> bool:
    """libvirt writes `pc-i440fx-7.2` where a definition says `pc`, which is a machine of the host's own choice."""
    family = {"pc": "pc-i440fx-", "q35": "pc-q35-"}.get(start, f"{start}-")
    return not live or not start or live == start or live.startswith(family)


def _same_networks(live: tuple[str, ...], start: tuple[str, ...]) -> bool:
    """A live definition may name the bridge of a network, where the other one names the network."""
    pairs = zip(live, start, strict=False)
    return len(live) == len(start) and all(
        one == other or one.split(" ")[0] != other.split(" ")[0] for one, other in pairs
    )
