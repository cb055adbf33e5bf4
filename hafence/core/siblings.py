"""Who may be asked to fence, in which order, and why not the others: a chain of named filters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from .looks import Blind, HostLook, Libvirt, Look, Silence, sibling_behind, way_to_look
from .model import Host, HostName
from .risks import listed


@dataclass(frozen=True, slots=True)
class Candidates:
    """Siblings in the order in which they are asked, and every other host with the reason against it."""

    chosen: tuple[HostName, ...]
    excluded: tuple[tuple[HostName, str], ...]
    ways: tuple[str, ...] = ()
    """What would bring an excluded one back, as far as that is known: what can be typed now first."""


def reason_against(host: Host, suspect: Host, quarantined: Mapping[HostName, str], look: Look | None) -> str | None:
    """Why `host` can't be a proxy now, or None. Filters from the cheapest to the latest."""
    reason = _against_asking(host, suspect, quarantined)
    if reason is not None:
        return reason
    match look:
        case Silence():
            return f"does not answer: {look.says}"
        case None:
            return "was not looked at"
        case HostLook() | Blind():
            return None
        case _:
            assert_never(look)


def _against_asking(host: Host, suspect: Host, quarantined: Mapping[HostName, str]) -> str | None:
    """Why `host` is no proxy, whatever a look into it would tell."""
    if host.name == suspect.name:
        return "is the suspect"
    if host.cluster != suspect.cluster:
        return f"is in another cluster ({host.cluster})"
    if host.out_of_service:
        return host.out_of_service
    if host.name in quarantined:
        return "is in quarantine until 'hafence rejoin'"
    return None


def choose_before_a_look(
    suspect: Host, hosts: Sequence[Host], named: Sequence[HostName], quarantined: Mapping[HostName, str]
) -> tuple[HostName, ...]:
    """The siblings through which the suspect may be looked into where the admin node gets no answer: in the order of
    choose_siblings, as far as that goes by what is known before anybody was looked into."""
    fit = [host.name for host in hosts if _against_asking(host, suspect, quarantined) is None]
    return tuple(sorted(fit, key=lambda name: (_first(name, named), name)))


def choose_siblings(
    suspect: Host,
    hosts: Sequence[Host],
    named: Sequence[HostName],
    quarantined: Mapping[HostName, str],
    looks: Mapping[HostName, Look],
) -> Candidates:
    """The siblings to ask: those that the admin named first, then the one that was let look into the suspect, then
    healthy ones before degraded ones, then by name.

    A named host goes through the same filters: naming the suspect, or a host in quarantine, excludes it.
    """
    chosen: list[HostName] = []
    excluded: list[tuple[HostName, str]] = []
    there = looks.get(suspect.name)
    proven = sibling_behind(there) if there is not None else None
    for host in sorted(hosts, key=lambda h: (_first(h.name, named), h.name != proven, _rank(h.name, looks))):
        reason = reason_against(host, suspect, quarantined, looks.get(host.name))
        if reason is None:
            chosen.append(host.name)
        elif host.name != suspect.name or host.name in named:
            excluded.append((host.name, reason))
    back = {host.name: host.way_back for host in hosts if host.way_back}
    return Candidates(tuple(chosen), tuple(excluded), _ways(dict(excluded), quarantined, looks, back))


def ways_back(quarantined: Sequence[HostName], others: Iterable[tuple[HostName, str]]) -> tuple[str, ...]:
    """What would bring hosts back: the command for those that are only in quarantine first, then each way ('' for none)
    with the hosts that it helps."""
    ways: dict[str, list[HostName]] = {}
    for name, way in others:
        if way:
            ways.setdefault(way, []).append(name)
    rejoin = (f"'hafence rejoin {' '.join(quarantined)}'",) if quarantined else ()
    return (*rejoin, *(f"{listed(names)}: {way}" for way, names in ways.items()))


def _ways(
    excluded: Collection[HostName],
    quarantined: Mapping[HostName, str],
    looks: Mapping[HostName, Look],
    back: Mapping[HostName, str],
) -> tuple[str, ...]:
    others = ((name, back.get(name) or way_to_look(looks.get(name))) for name in excluded if name not in quarantined)
    return ways_back([name for name in excluded if name in quarantined], others)


def _first(name: HostName, named: Sequence[HostName]) -> int:
    return named.index(name) if name in named else len(named)


def _rank(name: HostName, looks: Mapping[HostName, Look]) -> tuple[bool, HostName]:
    look = looks.get(name)
    healthy = isinstance(look, HostLook) and look.libvirt is Libvirt.OK
    return (not healthy, name)
