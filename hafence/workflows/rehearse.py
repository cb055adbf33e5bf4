"""The fence paths of an audit: which are rehearsed in this run, and what was overdue is tried once more, alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.attempts import FenceOrder, FenceReport, Reading
from ..core.audit_paths import proves
from ..core.looks import Look, Silence, shows_life
from ..core.model import HostName, HostState, Inventory, Uuid
from ..core.rotation import Paths, choose_paths, more_paths
from ..core.siblings import choose_siblings
from ..core.stored import Recollection
from ..core.troubles import Trouble
from ..effects import Fence, LookAt, Now, Together, Workflow, do

NOBODY = Uuid("00000000-0000-4000-8000-000000000000")
"""A VM that does not exist: a rehearsal of the fence can find nothing of it."""
AT_ONCE = 16
"""Rehearsals of which it is certain that they go on at once: each has its whole time."""
_NO_ANSWER = frozenset({Trouble.TIMED_OUT, Trouble.NO_BANNER, Trouble.NO_REPLY_IN_TIME})
_OVERDUE = _NO_ANSWER | {Trouble.SIBLING_FROZEN, Trouble.SIBLING_UNREACHABLE}
"""What may be this machine's own load: many logins at a time keep it busy."""


@dataclass(slots=True)
class Rehearsed:
    """What came of the paths so far, by who would be fenced and through whom, and how long each took."""

    readings: dict[HostName, dict[HostName, Reading]] = field(default_factory=dict)
    seconds: dict[HostName, dict[HostName, float]] = field(default_factory=dict)

    def note(self, orders: Sequence[FenceOrder], reports: Sequence[FenceReport]) -> None:
        """Take in the reports of some, in the order of their orders; a later one takes an earlier one's place."""
        for order, report in zip(orders, reports, strict=True):
            assert order.proxy is not None, "a rehearsal goes through a sibling"
            self.readings.setdefault(order.suspect, {})[order.proxy] = report.readings[NOBODY]
            self.seconds.setdefault(order.suspect, {})[order.proxy] = report.seconds


Pairs = Sequence[tuple[HostName, HostName]]
"""Whose fence is rehearsed, and through whom."""


def chosen_paths(inventory: Inventory, seen: Paths, now: float) -> Pairs:
    """The paths of this run, those that failed last time first. Hosts in maintenance are left to the people there."""
    pairs = [
        (suspect, proxy)
        for members in _clusters(inventory)
        for suspect, proxies in choose_paths(members, inventory.settings.paths, seen, now).items()
        for proxy in sorted(proxies)
    ]
    failed = {(a, b) for a, paths in seen.items() for b, path in paths.items() if not path.good}
    return sorted(pairs, key=lambda pair: pair not in failed)


def expected(inventory: Inventory) -> int:
    """About how many looks and rehearsals an audit makes."""
    clusters = list(_clusters(inventory))
    paths = sum(len(members) * min(inventory.settings.paths, len(members) - 1) for members in clusters)
    kvm = sum(1 for host in inventory.hosts.values() if inventory.cluster_of(host.name).is_kvm)
    return kvm + paths


def _clusters(inventory: Inventory) -> Iterator[list[HostName]]:
    """The hosts of each cluster that should be up and can be fenced."""
    for name, cluster in sorted(inventory.clusters.items()):
        if cluster.is_kvm:
            yield [host.name for host in inventory.members(name) if host.state is HostState.ENABLED]


def orders_for(inventory: Inventory, memory: Recollection, pairs: Pairs, now: float) -> list[FenceOrder]:
    """A rehearsal of each path. They wait for one another: the last begins when most have had their time."""
    settings = inventory.settings
    rounds = 1 + max(0, len(pairs) - 1) // AT_ONCE
    return [
        FenceOrder(
            suspect=suspect,
            proxy=proxy,
            vms=(NOBODY,),
            within_s=settings.ssh_timeout_s,
            settle_s=settings.settle_s,
            not_after=now + settings.ssh_timeout_s * rounds,
            rehearse=True,
            machine_id=memory.machine_ids.get(suspect),
        )
        for suspect, proxy in pairs
    ]


def look_again(looks: Mapping[HostName, Look]) -> Workflow[dict[HostName, Look]]:
    """The looks, those anew that got no answer in time: nothing else goes on by now."""
    overdue = tuple(
        name for name, look in sorted(looks.items()) if isinstance(look, Silence) and look.trouble in _NO_ANSWER
    )
    if not overdue:
        return dict(looks)
    again = yield from do(LookAt(overdue, every_need=True))
    return {**looks, **again}


def rehearse_more(
    inventory: Inventory, memory: Recollection, looks: Mapping[HostName, Look], seen: Paths, done: Rehearsed
) -> Workflow[None]:
    """What is tried once the rest has ended: paths that were overdue between hosts that answer, and more siblings for a
    host of which too few of those that were asked can fence it."""
    pairs = [*_overdue(looks, done), *_more(inventory, memory, looks, seen, done)]
    if not pairs:
        return
    orders = orders_for(inventory, memory, pairs, (yield from do(Now())))
    done.note(orders, (yield from do(Together(tuple(Fence(order) for order in orders)))))


def _overdue(looks: Mapping[HostName, Look], done: Rehearsed) -> Iterator[tuple[HostName, HostName]]:
    answering = {name for name, look in looks.items() if not isinstance(look, Silence)}
    for suspect, readings in done.readings.items():
        for proxy, reading in readings.items():
            if reading.trouble in _OVERDUE and {suspect, proxy} <= answering:
                yield suspect, proxy


def _more(
    inventory: Inventory, memory: Recollection, looks: Mapping[HostName, Look], seen: Paths, done: Rehearsed
) -> Iterator[tuple[HostName, HostName]]:
    for members in _clusters(inventory):
        for suspect in members:
            look = looks.get(suspect)
            if look is None or not shows_life(look):
                continue
            readings = done.readings.get(suspect, {})
            asked = [inventory.hosts[name] for name in members]
            usable = choose_siblings(inventory.hosts[suspect], asked, (), memory.quarantine, looks).chosen
            good = [name for name in usable if name in readings and proves(readings[name])]
            tried = [*readings, *(name for name in members if name not in usable)]
            if len(good) < min(2, len(usable)):
                for proxy in more_paths(members, suspect, tried, inventory.settings.paths, seen):
                    yield suspect, proxy
