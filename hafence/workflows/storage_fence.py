"""The storage fence: ask for the clients, shut the suspect's out, read that back; later let them in, or keep them out.

The same for every storage. What a client is, which are the suspect's and what counts as shut out, the storage's own
rules say (core/storage/port.py). Whatever got no whole answer is passed on as such: an asker that has none is passed
over, and where all of them are, there is no fence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..core.model import Host, HostName, HostState, Inventory, Uuid
from ..core.second_level import SecondLevelReply
from ..core.storage.port import (
    Asker,
    ClientsSeen,
    Ending,
    EntriesSeen,
    Entry,
    Plan,
    StorageFence,
    Surroundings,
    Unanswered,
    Volume,
    Volumes,
    WhyEnds,
    with_clients,
)
from ..core.storage.registry import storage_fence_of
from ..core.storage.results import (
    Ends,
    HowLong,
    Lasts,
    Lifted,
    LiftResult,
    NoneThere,
    NotKnown,
    Renewed,
    StillThere,
    foretold,
    no_storage_fence,
    of_the_dead,
    storage_fenced,
)
from ..effects import (
    AddEntries,
    AskClients,
    Effect,
    ListEntries,
    Now,
    OwnAddresses,
    RemoveEntries,
    Together,
    Workflow,
    WritableDisks,
    do,
)

T = TypeVar("T")
LOOK_S = 60.0
"""What lifting a storage fence, or making one last, may take: two conversations."""
Remembered = dict[str, tuple[Any, ...]]
"""The suspect's clients that a run has seen on each volume: one that is shut out is no watcher any more."""


@dataclass(slots=True)
class _Askers:
    """Who is asked, in order; whoever has answered comes first from then on. Nobody is after `until`."""

    order: tuple[Asker, ...]
    until: float

    def ask(self, question: Callable[[Asker], Effect[T | Unanswered]]) -> Workflow[T | Unanswered]:
        """The answer of the first that has one; or what each of them said."""
        said: list[str] = []
        for asker in self.order:
            if (yield from do(Now())) >= self.until:
                said.append("no time was left")
                break
            answer = yield from do(question(asker))
            if not isinstance(answer, Unanswered):
                self.order = (asker, *(each for each in self.order if each is not asker))
                return answer
            said.append(f"{asker.says}: {answer.says}")
        return Unanswered("; ".join(said))

    @property
    def first(self) -> Asker:
        """Who has answered last."""
        return self.order[0]


def _askers(fence: StorageFence[Any], cluster: str, hosts: Sequence[HostName], until: float) -> _Askers:
    """These hosts in their order, then this machine."""
    return _Askers(tuple(Asker(fence.storage, cluster, host) for host in (*hosts, None)), until)


# ---------------------------------------------------------------- shutting out


@dataclass(frozen=True, slots=True)
class StorageOrder:
    """Fence the storage of `vms` on the suspect. Nothing is changed after `not_after`; all of it takes `within_s`.

    `siblings` were looked into and run no copy: they are asked in this order. With `rehearse`, only look.
    `alone`: no other VM is recorded or seen on the suspect, so that it may be shut out as a whole.
    """

    suspect: Host
    vms: tuple[Uuid, ...]
    siblings: tuple[HostName, ...]
    not_after: float
    within_s: float
    rehearse: bool
    alone: bool


def fence_storage(
    inventory: Inventory, fence: StorageFence[Any], order: StorageOrder, remembered: Remembered
) -> Workflow[dict[Uuid, SecondLevelReply]]:
    """Make the suspect unable to write to the VMs' volumes and see that it is: what came of it, VM by VM."""
    now = yield from do(Now())
    askers = _askers(fence, order.suspect.cluster, order.siblings, min(order.not_after, now + order.within_s))
    covered, replies = yield from _covered(inventory, fence, order.vms, now)
    if not covered:
        return replies
    around = yield from _surroundings(inventory, order)
    seen = yield from _ask_clients(askers, covered.values())
    if isinstance(seen, Unanswered):
        now = yield from do(Now())
        return replies | {vm: no_storage_fence(fence, seen.says, now) for vm in covered}
    asked = inventory.hosts[askers.first.host] if askers.first.host is not None else None
    plans: dict[Uuid, Plan[Any]] = {}
    for vm, each in covered.items():
        if foreign := [server for server in each.servers if server in seen.foreign]:
            replies[vm] = no_storage_fence(fence, _of_another_storage(fence, foreign), seen.at)
            continue
        images = [seen.volumes[name] for name in each.names]
        plan = fence.plan(images, remembered, seen, asked, around)
        _remember(fence, images, around, remembered)
        if plan.doubt:
            replies[vm] = no_storage_fence(fence, plan.doubt, seen.at, plan.signs)
        elif order.rehearse:
            replies[vm] = foretold(fence, plan)
        else:
            plans[vm] = plan
    return replies | (yield from _shut_out(fence, askers, plans))


def _covered(
    inventory: Inventory, fence: StorageFence[Any], vms: tuple[Uuid, ...], now: float
) -> Workflow[tuple[dict[Uuid, Volumes], dict[Uuid, SecondLevelReply]]]:
    """What each VM can write to, all of which is covered; and the replies for those where it is not."""
    covered: dict[Uuid, Volumes] = {}
    replies: dict[Uuid, SecondLevelReply] = {}
    disks = yield from do(Together(tuple(WritableDisks(vm) for vm in vms)))
    for vm, found in zip(vms, disks, strict=True):
        if isinstance(found, Unanswered):
            replies[vm] = no_storage_fence(fence, f"its disks are not known: {found.says}", now)
            continue
        volumes = fence.volumes_of(inventory.vms[vm], found)
        if why := fence.why_not_covered(volumes):
            replies[vm] = no_storage_fence(fence, why, now)
        else:
            covered[vm] = volumes
    return covered, replies


def _ask_clients(askers: _Askers, of: Iterable[Volumes]) -> Workflow[ClientsSeen[Any] | Unanswered]:
    """Who the clients of all these volumes are, and which of the servers that are named for them are another's."""
    every = tuple(of)
    names = tuple(dict.fromkeys(name for each in every for name in each.names))
    servers = tuple(dict.fromkeys(server for each in every for server in each.servers))
    return (yield from askers.ask(lambda asker: AskClients(asker, names, askers.until, servers)))


def _of_another_storage(fence: StorageFence[Any], foreign: Sequence[str]) -> str:
    """A volume of that name in this storage is not the VM's."""
    return (
        f"its definition names {', '.join(foreign)}, which {fence.says} as it is configured here does not call its own:"
        " its volumes may be another one's"
    )


def _surroundings(inventory: Inventory, order: StorageOrder) -> Workflow[Surroundings]:
    there = [order.suspect, *(inventory.hosts[name] for name in order.siblings)]
    towards = tuple(text for host in there for text in (host.address, host.storage_address) if text)
    own = yield from do(OwnAddresses(towards))
    return Surroundings(order.suspect, tuple(inventory.hosts.values()), order.siblings, own, order.alone)


def _remember(
    fence: StorageFence[Any], volumes: Iterable[Volume[Any]], around: Surroundings, remembered: Remembered
) -> None:
    for volume in volumes:
        before = remembered.get(volume.name, ())
        remembered[volume.name] = fence.own(with_clients(volume, before), around)


def _shut_out(
    fence: StorageFence[Any], askers: _Askers, plans: Mapping[Uuid, Plan[Any]]
) -> Workflow[dict[Uuid, SecondLevelReply]]:
    """Add the entries of all plans in one conversation, and judge each plan by what was read back."""
    clients = fence.for_all(plans.values())
    if not clients:
        return {}
    seen = yield from askers.ask(lambda asker: AddEntries(asker, clients, askers.until))
    now = yield from do(Now())
    short = () if isinstance(seen, Unanswered) else fence.too_short(clients, seen, now)
    if short:  # nothing has been started yet, so a moment without an entry does no harm here
        seen = yield from askers.ask(lambda asker: AddEntries(asker, short, askers.until, anew=True))
        now = yield from do(Now())
    if isinstance(seen, Unanswered):
        says = f"{seen.says}. Entries for {fence.listed(clients)} may have been added: 'hafence rejoin' lifts them"
        return {vm: no_storage_fence(fence, says, now, plan.signs) for vm, plan in plans.items()}
    return {vm: _judged(fence, plan, seen, askers.first, now) for vm, plan in plans.items()}


def _judged(
    fence: StorageFence[Any], plan: Plan[Any], seen: EntriesSeen[Any], asker: Asker, now: float
) -> SecondLevelReply:
    judged = fence.judge(plan, seen, now)
    if isinstance(judged, str):
        return no_storage_fence(fence, judged, now, plan.signs)
    return storage_fenced(fence, plan, judged, asker, seen.at)


# ---------------------------------------------------------------- after a death


def shut_out_left_open(
    inventory: Inventory, fence: StorageFence[Any], order: StorageOrder
) -> Workflow[dict[Uuid, SecondLevelReply]]:
    """Shut out the clients of dead processes that the storage would let write on, and see that they are.

    For the VMs of which something is to be told: that it was done, or why nobody knows. A volume that other VMs may use
    by its definition is left alone: a client of the suspect's there may be a living VM's.
    """
    now = yield from do(Now())
    askers = _askers(fence, order.suspect.cluster, order.siblings, min(order.not_after, now + order.within_s))
    own: dict[Uuid, Volumes] = {}
    disks = yield from do(Together(tuple(WritableDisks(vm) for vm in order.vms)))
    for vm, found in zip(order.vms, disks, strict=True):
        alone = () if isinstance(found, Unanswered) else tuple(disk for disk in found if not disk.shareable)
        volumes = fence.volumes_of(inventory.vms[vm], alone)
        if volumes.names:
            own[vm] = volumes
    if not own:
        return {}
    around = yield from _surroundings(inventory, order)
    seen = yield from _ask_clients(askers, own.values())
    if isinstance(seen, Unanswered):
        now = yield from do(Now())
        return {vm: no_storage_fence(fence, seen.says, now) for vm in own}
    plans: dict[Uuid, Plan[Any]] = {}
    for vm, each in own.items():
        if seen.foreign.intersection(each.servers):
            continue  # another storage's clients are none of this one's
        left = {client for name in each.names for client in fence.left_open(seen.volumes[name], around)}
        if left:
            plans[vm] = Plan(each.names, tuple(sorted(left)), False, "", ())
    replies = yield from _shut_out(fence, askers, plans)
    return {vm: of_the_dead(reply) for vm, reply in replies.items()}


# ---------------------------------------------------------------- letting in, and keeping out


def _for_host(
    inventory: Inventory, host: Host, not_after: float = math.inf
) -> Workflow[tuple[StorageFence[Any], _Askers] | None]:
    """The storage fence of a host's cluster, and who is asked: the other hosts of the cluster, then this machine."""
    fence = storage_fence_of(inventory.clusters[host.cluster])
    if fence is None:
        return None
    members = inventory.members(host.cluster)
    siblings = tuple(h.name for h in members if h.name != host.name and h.state is HostState.ENABLED)
    now = yield from do(Now())
    return fence, _askers(fence, host.cluster, siblings, min(not_after, now + LOOK_S))


def lift_storage_fence(inventory: Inventory, host: Host, not_after: float) -> Workflow[LiftResult | None]:
    """Remove every entry of a host, and see that they are gone. None where its cluster has no storage fence.

    Nothing is removed after `not_after`, the end of the leases on the VMs whose old processes the entries keep out.
    """
    found = yield from _for_host(inventory, host, not_after)
    if found is None:
        return None
    fence, askers = found
    seen = yield from askers.ask(lambda asker: ListEntries(asker, askers.until))
    if isinstance(seen, Unanswered):
        return NotKnown(seen.says)
    mine = tuple(entry.client for entry in fence.of_host(seen, host))
    if not mine:
        return NoneThere(fence.list_says)
    after = yield from askers.ask(lambda asker: RemoveEntries(asker, mine, askers.until))
    if isinstance(after, Unanswered):
        return NotKnown(after.says)
    left = {entry.client for entry in after.entries} & set(mine)
    if left:
        return StillThere(fence.listed(sorted(left)), fence.list_says)
    return Lifted(len(mine), fence.list_says)


def look_at_storage_fence(inventory: Inventory, host: Host, alone: bool) -> Workflow[HowLong | None]:
    """How long a host's entries last; nothing is changed. None where its cluster has no storage fence.

    `alone`: no VM that may use the storage is recorded or seen there, so that it may be shut out as a whole.
    """
    found = yield from _for_host(inventory, host)
    return None if found is None else (yield from _how_long(*found, host, alone))[0]


def renew_storage_fence(inventory: Inventory, host: Host, alone: bool) -> Workflow[HowLong | None]:
    """Make a host's entries last on, where some of them end too soon and others can be added, and see that they do."""
    found = yield from _for_host(inventory, host)
    if found is None:
        return None
    fence, askers = found
    how_long, ending = yield from _how_long(fence, askers, host, alone)
    if ending is None or not ending.add:
        return how_long
    seen = yield from askers.ask(lambda asker: AddEntries(asker, ending.add, askers.until))
    now = yield from do(Now())
    if isinstance(seen, Unanswered):
        return replace(_ends(fence, ending, now), why=WhyEnds.NOT_ADDED, detail=seen.says)
    mine = fence.of_host(seen, host)
    left = fence.ending(mine, now, alone)
    if left is None:
        return Renewed(fence.listed(ending.add), _lasts_until(fence, mine, now), now, fence.list_says)
    return _ends(fence, replace(left, why=WhyEnds.NOT_SEEN if left.why is WhyEnds.NOT_ASKED else left.why), now)


def _how_long(
    fence: StorageFence[Any], askers: _Askers, host: Host, alone: bool
) -> Workflow[tuple[HowLong, Ending[Any] | None]]:
    seen = yield from askers.ask(lambda asker: ListEntries(asker, askers.until))
    now = yield from do(Now())
    if isinstance(seen, Unanswered):
        return NotKnown(seen.says), None
    mine = fence.of_host(seen, host)
    if not mine:
        return NoneThere(fence.list_says), None
    ending = fence.ending(mine, now, alone)
    if ending is None:
        return Lasts(_lasts_until(fence, mine, now)), None
    return _ends(fence, ending, now), ending


def _lasts_until(fence: StorageFence[Any], mine: Sequence[Entry[Any]], now: float) -> float:
    """The first end among the entries that last: of the others each has one beside it."""
    return min(entry.until for entry in mine if entry.until >= now + fence.lasting_s)


def _ends(fence: StorageFence[Any], ending: Ending[Any], now: float) -> Ends:
    return Ends(fence.listed(ending.clients), ending.until, now, ending.why)
