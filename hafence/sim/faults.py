"""Which faults can be put before a step, so that the search tries each where it makes a difference.

A fault on a part of the world has the same effect before every step between two that read what it changes. So it
is tried only before steps that read it (the partial-order reduction of the search). One that would change nothing
there is not tried at all: no link is mended that passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import groupby
from operator import attrgetter, or_
from typing import Any, NamedTuple

from ..core.model import Inventory
from ..effects import Effect, Fence, LookAt, Recall, RecallPlanned, Start, TakeLease, Touches, Witness
from .events import Event
from .kernel import Step
from .network import STORAGE, STORE, Network
from .perform import PART
from .situations import ADMINS, CLUSTER, SUSPECT, TARGET, VM

SHORT_HOLD_S = 70.0
"""Longer than evidence lives, shorter than a lease."""
LONG_HOLD_S = 150.0
"""Longer than a lease."""
STORE_AWAY_S = 8.0
REBOOT_S = 20.0
Fault = tuple[Event, ...]


class Moment(NamedTuple):
    """The gap before one or more steps of the same time. `does` are the effects that they begin, go on with or end."""

    at: float
    runs: frozenset[str]
    does: frozenset[type[Effect[Any]]]
    parts: bool
    """Whether one of these steps is of several effects that a run has asked for at once."""
    on_host: str
    """What scripts and libvirtd do in these steps, in words, or ''."""
    touched: frozenset[str]

    @property
    def touches(self) -> Touches:
        """All that these effects read or change."""
        return touched_by(self.does)


def touched_by(effects: Iterable[type[Effect[Any]]]) -> Touches:
    """All that effects read or change, by what stands on their classes."""
    return reduce(or_, (effect.touches for effect in effects), Touches.NOTHING)


def points(steps: list[Step], after: float) -> Iterator[Moment]:
    """Moments at which faults are to be tried: one before all distinct steps later than `after`.

    Of a run that waits for a lease only the first step counts.
    """
    before = after
    last: set[str] = set()
    for at, steps_then in groupby(steps, attrgetter("at")):
        moment, labels = _moment(before, at, [*steps_then])
        if at > before:
            if not (labels == last and moment.does == {TakeLease}):
                yield moment
            last = labels
        before = max(before, at)


def _moment(before: float, at: float, steps: list[Step]) -> tuple[Moment, set[str]]:
    """The gap before the steps of one time, and whose steps they are."""
    labels = {step.label for step in steps}
    touched = frozenset().union(*(step.touched for step in steps))
    does = frozenset().union(*(step.does for step in steps))
    runs = frozenset(label.partition(" ")[0] for label in labels if label.startswith("run-"))
    on_host = " ".join(sorted(label for label in labels if not label.startswith("run-")))
    parts = any(label.endswith(PART) for label in labels)
    return Moment(_within(before, at), runs, does, parts, on_host, touched), labels


def _within(before: float, at: float) -> float:
    middle = round((before + at) / 2, 4)
    return middle if before < middle < at else at


class Standing:
    """What the events of a case before a moment have left in force."""

    def __init__(self, world: Inventory, events: Iterable[Event], at: float) -> None:
        self.power = any(host.power for host in world.hosts.values())
        self.ceph = any(cluster.ceph for cluster in world.clusters.values())
        self.network = Network((*ADMINS, *world.hosts, STORAGE, STORE))
        self.said: set[tuple[str, str]] = set()
        self.verbs: set[str] = set()
        self.off: set[str] = set()
        self.frozen: set[str] = set()
        for event in events:
            if event.at <= at:
                self._note(event)

    def _note(self, event: Event) -> None:
        verb, what = event.verb, event.what
        self.said.add((verb, what))
        self.verbs.add(verb)
        if verb in ("cut", "mend"):
            one, link, other = what.split(" ")
            if verb == "cut":
                self.network.drop(one, other, link == "-")
            else:
                self.network.mend(one, other)
        elif verb == "power_off":
            self.off.add(what)
            self.frozen.discard(what)
        elif verb == "power_on":
            self.off.discard(what)
        elif verb == "freeze":
            self.frozen.add(what)
        elif verb == "unfreeze":
            self.frozen.discard(what)

    def link(self, at: float, one: str, other: str) -> Event:
        """The event that changes a link: cut where it passes, mended where it does not."""
        return Event(at, "cut" if self.network.passes(one, other) else "mend", f"{one} - {other}")

    def suspect_alone(self) -> bool:
        """Whether any link of the suspect is cut."""
        return any(SUSPECT in pair for pair in self.network.cut)


def faults_before(world: Inventory, events: Iterable[Event], moment: Moment, two_runs: bool) -> Iterator[Fault]:
    """Every single fault that makes a difference at a moment of a case."""
    standing = Standing(world, events, moment.at)
    yield from _admin_faults(moment, standing, two_runs)
    if STORE in moment.touched:
        yield from _store_faults(moment, two_runs)
    if STORAGE in moment.touched:
        yield (Event(moment.at, "storage", "down"),)
    if Recall in moment.does and ("state", SUSPECT) not in standing.said:
        yield (Event(moment.at, "state", SUSPECT),)
    reads = not moment.does.isdisjoint((Recall, RecallPlanned, LookAt))
    if reads and not two_runs and not standing.verbs & {"disarm", "maintenance"}:
        yield (Event(moment.at, "disarm", CLUSTER),)
        yield (Event(moment.at, "maintenance", f"{SUSPECT}=on"),)
        yield (Event(moment.at, "maintenance", f"{TARGET}=on"),)
    hosts = sorted(part for part in moment.touched if part in world.hosts)
    for host in hosts:
        yield from _host_faults(moment, standing, host, two_runs)
        if host == SUSPECT:
            yield from _suspect_faults(moment.at, standing)
        elif not moment.does.isdisjoint((Fence, Witness)):
            yield (standing.link(moment.at, host, SUSPECT),)


def _admin_faults(moment: Moment, standing: Standing, two_runs: bool) -> Iterator[Fault]:
    """Runs that crash, are suspended (of two runs only as `pairs.py` says) or interrupted, and lose a host."""
    at = moment.at
    for admin in ADMINS:
        if admin not in moment.touched:
            continue
        yield (Event(at, "crash", admin),)
        if not two_runs:
            for hold_s in (SHORT_HOLD_S, LONG_HOLD_S):
                yield (Event(at, "hold", admin), Event(at + hold_s, "release", admin))
        for part in sorted(moment.touched):
            if part.startswith("kvm-"):
                yield (standing.link(at, admin, part),)
    for run in sorted(moment.runs):
        yield (Event(at, "interrupt", run),)


def _store_faults(moment: Moment, two_runs: bool) -> Iterator[Fault]:
    """Before the step in which a question arrives it is lost; before the one in which its answer does, the answer."""
    at = moment.at
    yield (Event(at, "store", "down"), Event(at + STORE_AWAY_S, "store", "up"))
    if not two_runs:
        yield (Event(at, "store", "down"),)
        return
    for admin in ADMINS:
        if admin in moment.touched:
            yield (Event(at, "cut", f"{admin} - store"),)


def _host_faults(moment: Moment, standing: Standing, host: str, two_runs: bool) -> Iterator[Fault]:
    at = moment.at
    script = host in moment.on_host
    if host not in standing.off:
        yield (Event(at, "power_off", host),)
        yield (Event(at, "power_off", host), Event(at + REBOOT_S, "power_on", host))
    if host not in standing.frozen | standing.off:
        yield (Event(at, "freeze", host), Event(at + LONG_HOLD_S, "unfreeze", host))
        if not two_runs:
            yield (Event(at, "freeze", host),)
    if Touches.HOSTS & moment.touches:
        yield (Event(at, "sshd", f"{host}=gone"),)
    if script or LookAt in moment.does:
        yield (Event(at, "libvirtd", f"{host}=hung"),)
    if Touches.HOST_CHANGE & moment.touches:
        yield (Event(at, "slow", f"{host}=40"),)
    if standing.ceph:
        yield (standing.link(at, host, STORAGE),)
    if host != SUSPECT and (script or Start in moment.does):
        for how in ("fails", "dies", "slow"):
            yield (Event(at, "starts", f"{host}={how}"),)


def _suspect_faults(at: float, standing: Standing) -> Iterator[Fault]:
    """What heals at the wrong moment, and a power fence that is gone."""
    if SUSPECT in standing.off or standing.power:
        yield (Event(at, "power_on", SUSPECT),)
    if SUSPECT in standing.frozen:
        yield (Event(at, "unfreeze", SUSPECT),)
    if ("qemu", f"{VM} {SUSPECT} unkillable") in standing.said:
        yield (Event(at, "thaw", SUSPECT),)
    if standing.suspect_alone():
        yield (Event(at, "mend", f"{SUSPECT} - *"),)
    if standing.power:
        yield (Event(at, "bmc", f"{SUSPECT}=gone"),)
