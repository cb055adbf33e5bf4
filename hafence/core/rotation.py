"""Which fence paths an audit rehearses in one run. Of many hosts every path through every sibling is quadratic, so each
run takes a few siblings per host, and all pairs in turn.

With what earlier runs have seen, the path that was not gone for longest is next: every pair of a cluster is then
rehearsed within `rounds` runs. What failed last time is tried again first, besides those. Without that memory the
time of the run chooses: the same for the same moment, and another for the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .model import HostName

FRESH_S = 86400.0
"""So long what an earlier run saw of a path counts beside one that works now."""


@dataclass(frozen=True, slots=True)
class PathSeen:
    """What came of the rehearsal of one path: when (seconds since the epoch), whether the whole path was gone, the
    stable word and the sentence of what was in the way ('' where nothing was), and how long it took."""

    at: float
    good: bool
    word: str
    says: str
    seconds: float


Paths = Mapping[HostName, Mapping[HostName, PathSeen]]
"""By who would be fenced, and through whom."""


def rounds(members: int, per_host: int) -> int:
    """How many runs it takes until every pair of a cluster of so many hosts was rehearsed."""
    return max(1, -(-(members - 1) // per_host))


def choose_paths(
    members: Sequence[HostName], per_host: int, seen: Paths, at: float
) -> dict[HostName, tuple[HostName, ...]]:
    """The siblings through which each host's fence is rehearsed in a run at that time, in the order of their being
    tried. Each sibling is asked for about as many hosts: a ring, in which each begins at its own neighbour."""
    remembered = any(seen.get(name) for name in members)
    shift = 0 if remembered else _slot(at, rounds(len(members), per_host)) * per_host
    chosen = {}
    for place, suspect in enumerate(members):
        ring = [members[(place + step) % len(members)] for step in range(1, len(members))]
        if ring:
            start = shift % len(ring)
            ring = ring[start:] + ring[:start]
        known = seen.get(suspect, {})
        due = _longest_ago(ring, known)[:per_host]
        failed = [name for name in _longest_ago(ring, known) if name in known and not known[name].good]
        chosen[suspect] = tuple(dict.fromkeys([*failed[:per_host], *due]))
    return chosen


def more_paths(
    members: Sequence[HostName], suspect: HostName, tried: Sequence[HostName], per_host: int, seen: Paths
) -> tuple[HostName, ...]:
    """Further siblings for a host of which too few of those that were tried can fence it."""
    place = members.index(suspect)
    ring = [members[(place + step) % len(members)] for step in range(1, len(members))]
    left = [name for name in ring if name not in tried]
    return tuple(_longest_ago(left, seen.get(suspect, {}))[:per_host])


def _longest_ago(ring: Sequence[HostName], known: Mapping[HostName, PathSeen]) -> list[HostName]:
    """Those that were never tried first, then by their last time, in the order of the ring."""
    return sorted(ring, key=lambda name: known[name].at if name in known else float("-inf"))


def _slot(at: float, slots: int) -> int:
    """One of so many, by the time alone. A hash, since whoever runs it every day, or every so many minutes, would meet
    the same few by a remainder."""
    digest = hashlib.sha256(b"%d" % int(at)).digest()
    return int.from_bytes(digest[:8], "big") % slots
