"""The audit's findings of whom nobody could fence, and of which VMs are down with a host that is silent."""

from __future__ import annotations

from collections.abc import Iterator

from .attempts import Reading, Verdict
from .looks import Look, Silence, shows_life
from .model import Host, HostName, HostState, Vm
from .record import VmState
from .rotation import FRESH_S, Paths, PathSeen
from .siblings import Candidates, choose_siblings
from .survey import Code, Finding, Severity, Survey


def watched(scene: Survey) -> Iterator[tuple[Host, Look | None]]:
    """The hosts that should be up: those in maintenance or disabled are people's own business."""
    for host in sorted(scene.inventory.hosts.values(), key=lambda h: h.name):
        if host.state is HostState.ENABLED and scene.inventory.cluster_of(host.name).is_kvm:
            yield host, scene.looks.get(host.name)


def proves(reading: Reading) -> bool:
    """Whether a rehearsal went the whole path: the script on the suspect has answered."""
    return reading.verdict in (Verdict.CONFIRMED_DEAD, Verdict.STILL_ALIVE)


def siblings_of(scene: Survey, host: Host) -> Candidates:
    """Who would be asked to fence the host now, and why not the others: as a run chooses them."""
    members = [each for each in scene.inventory.members(host.cluster) if each.name != host.name]
    return choose_siblings(host, members, (), scene.quarantine, scene.looks)


def ways_to_fence(scene: Survey, host: Host) -> tuple[HostName, ...]:
    """The siblings through which it could be fenced now. Where one of them was seen to, those count, too, that an
    earlier audit has seen to within a day: each run asks a few. Where none was, nothing of yesterday does."""
    paths, earlier = scene.paths.get(host.name, {}), scene.earlier.get(host.name, {})
    asked = siblings_of(scene, host).chosen
    now = [name for name in asked if name in paths and proves(paths[name])]
    before = [name for name in asked if name not in paths and name in earlier and _counts(earlier[name], scene.at)]
    return (*now, *before) if now else ()


def _counts(seen: PathSeen, now: float) -> bool:
    return seen.good and 0 <= now - seen.at <= FRESH_S


def paths_seen(scene: Survey) -> Paths:
    """What is known of every path between hosts of the inventory: this audit's word, else an earlier one's."""
    known: dict[HostName, dict[HostName, PathSeen]] = {}
    for host, _ in watched(scene):
        now = scene.paths.get(host.name, {})
        before = scene.earlier.get(host.name, {})
        for each in scene.inventory.members(host.cluster):
            if each.name in now:
                took = scene.path_seconds.get(host.name, {}).get(each.name, 0.0)
                known.setdefault(host.name, {})[each.name] = _seen(now[each.name], scene.at, took)
            elif each.name in before and each.name != host.name:
                known.setdefault(host.name, {})[each.name] = before[each.name]
    return known


def _seen(reading: Reading, at: float, seconds: float) -> PathSeen:
    good = proves(reading)
    if reading.trouble is not None:
        word = reading.trouble.value
    elif reading.fault is not None:
        word = reading.fault.fault.value
    else:
        word = reading.facts.why or reading.verdict.value
    return PathSeen(at, good, word, "" if good else reading.detail, seconds)


def fence_paths(scene: Survey) -> Iterator[Finding]:
    """Can every host be fenced, and by more than one sibling where the cluster has more?"""
    for host, _ in watched(scene):
        asked = siblings_of(scene, host)
        good = ways_to_fence(scene, host)
        siblings = len(scene.inventory.members(host.cluster)) - 1
        if not good:
            saw = f"no sibling can fence it ({_against(scene, host, asked) or _NOBODY})"
            do = "mend one path: without it hafence can only refuse, or rely on power and storage"
            yield Finding(Code.NO_FENCE_PATH, Severity.CRITICAL, host.name, saw, "; ".join((*asked.ways, do)))
        elif len(good) < min(2, siblings):
            saw = f"only {good[0]} can fence it ({_against(scene, host, asked) or 'no other sibling answers'})"
            do = "; ".join((*asked.ways, "mend a second path"))
            yield Finding(Code.FEW_FENCE_PATHS, Severity.WARNING, host.name, saw, do)


_NOBODY = "the cluster has no sibling that answers"


def _against(scene: Survey, host: Host, asked: Candidates) -> str:
    """What is in the way of each path that can't be gone: what came of it where it was tried, else why it is not."""
    tried = {name: reading.detail for name, reading in scene.paths.get(host.name, {}).items() if not proves(reading)}
    kept_out = {name: "is in quarantine" for name, _ in asked.excluded if name in scene.quarantine}
    return "; ".join(f"{name}: {says}" for name, says in sorted({**kept_out, **tried}.items()))


def down_with_its_host(scene: Survey, vm: Vm) -> Iterator[Finding]:
    """A VM whose host shows no sign of life, and that runs nowhere else. Not one whose host only lets nobody in: there
    it most likely runs."""
    record = scene.record(vm)
    look = scene.looks.get(record.suspect)
    if record.state is VmState.RUNNING and not scene.copies(vm.uuid) and isinstance(look, Silence):
        if shows_life(look):
            return
        severity = Severity.CRITICAL if vm.ha else Severity.WARNING
        saw = f"is recorded as {record.words}, which shows no sign of life, and no host that answers runs it"
        do = f"'hafence start-vm {vm.name}'" if vm.ha else f"see after {record.suspect}: it has 'ha: false'"
        yield Finding(Code.VM_DOWN, severity, vm.name, saw, do)
