"""What an audit has found, by cause and the worst first, as a person reads it: each cause once, with a count, the names
and what to type. Monitoring reads the findings one by one (core/audit.py)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .audit import whereabouts, worst
from .audit_paths import watched, ways_to_fence
from .looks import HostLook
from .model import HostName
from .record import VmState
from .risks import some_of
from .survey import Code, Finding, Severity, Survey

MOST_COMMANDS = 6
"""Commands of one cause; more would push the next cause off the screen."""

KINDS: tuple[tuple[str, frozenset[Code]], ...] = (
    ("two copies", frozenset({Code.SPLIT_BRAIN})),
    ("unsettled", frozenset({Code.START_UNSETTLED})),
    ("VMs down", frozenset({Code.VM_DOWN, Code.VM_GONE, Code.VM_STOPPED})),
    ("elsewhere", frozenset({Code.VM_ELSEWHERE})),
    (
        "store",
        frozenset({Code.STORE_UNREADABLE, Code.DAMAGED, Code.HISTORY_BROKEN, Code.ROW, Code.SCHEMA, Code.TWO_STORES}),
    ),
    (
        "no fence",
        frozenset(
            {
                *(Code.NO_FENCE_PATH, Code.WRONG_POWER, Code.POWER_UNUSABLE, Code.STORAGE_FENCE_ENDS),
                *(Code.STORAGE_FENCE_UNUSABLE, Code.CLONE),
            }
        ),
    ),
    ("hosts", frozenset({Code.HOST_SILENT, Code.HOST_BLIND, Code.FENCED_LEFTOVER, Code.FEW_FENCE_PATHS})),
    (
        "no start",
        frozenset({Code.NO_ROOM, Code.WOULD_NOT_START, Code.ONE_HOST_ONLY, Code.XML_MISSING, Code.SHARED_DISK}),
    ),
    ("planned", frozenset({Code.DISARMED, Code.MAINTENANCE})),
    ("quarantine", frozenset({Code.QUARANTINED})),
)
"""The causes, the worst first, each with the findings that show it. Whatever stands in none is hygiene, the last."""

HYGIENE = "hygiene"

_SAYS: Mapping[Code, str] = {
    Code.NO_FENCE_PATH: "no sibling can fence it",
    Code.FEW_FENCE_PATHS: "only one sibling can fence it",
    Code.NO_ROOM: "no host has room for it",
    Code.WOULD_NOT_START: "no host could take it",
    Code.ONE_HOST_ONLY: "only one host could take it",
    Code.XML_MISSING: "could not be started from its definition",
    Code.VM_STOPPED: "recorded as stopped, and no host that answers runs it",
    Code.VM_GONE: "its host answers and does not run it",
    Code.HOST_SILENT: "does not answer",
    Code.HOST_BLIND: "lets nobody look into it",
    Code.START_UNSETTLED: "a start was sent whose outcome is not recorded",
    Code.VM_ELSEWHERE: "does not run where it is recorded",
}
"""What several findings of one code have in common; of one alone what was seen is told whole."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause. `do`: what to type or do, what can be done now first; more than MOST_COMMANDS are counted only."""

    kind: str
    severity: Severity
    names: tuple[str, ...]
    says: str
    do: tuple[str, ...]


def by_cause(scene: Survey, findings: Iterable[Finding]) -> tuple[Cause, ...]:
    """The causes of all findings, the worst first."""
    left = list(findings)
    with_host = list(_down_with_hosts(scene, left))
    explained = {host for host, _ in with_host}
    left = [each for each in left if not _is_told(each, explained)]
    causes: list[Cause] = []
    for kind, codes in KINDS:
        if kind == "VMs down":
            causes += [cause for _, cause in with_host]
        if kind == "quarantine":
            causes += _quarantine(scene, [each for each in left if each.code in codes])
            continue
        for code in sorted(codes):
            causes += _of(kind, [each for each in left if each.code is code])
    known = frozenset[Code]().union(*(codes for _, codes in KINDS))
    return (*causes, *_hygiene([each for each in left if each.code not in known]))


def _is_told(finding: Finding, silent: set[str]) -> bool:
    """Whether a silent host's VMs that are down say it already: nothing is told twice."""
    return finding.code is Code.VM_DOWN or (
        finding.subject in silent and finding.code in (Code.HOST_SILENT, Code.NO_FENCE_PATH)
    )


def _down_with_hosts(scene: Survey, findings: list[Finding]) -> Iterator[tuple[str, Cause]]:
    """The VMs that are down with a silent host, host by host."""
    down = {each.subject: each.severity for each in findings if each.code is Code.VM_DOWN}
    hosts: dict[HostName, list[str]] = {}
    evacuated = set()
    for vm in sorted(scene.inventory.vms.values(), key=lambda vm: (-vm.priority, vm.name)):
        if vm.name in down:
            host = scene.record(vm).suspect
            hosts.setdefault(host, []).append(vm.name)
            if vm.ha:
                evacuated.add(host)
    for host, names in sorted(hosts.items()):
        do = f"hafence evacuate {host} --dry-run" if host in evacuated else f"see after {host}"
        severity = Severity.CRITICAL if host in evacuated else Severity.WARNING
        yield host, Cause("VMs down", severity, tuple(names), f"recorded on {host}, which is silent", (do,))


def _of(kind: str, findings: list[Finding]) -> list[Cause]:
    """The findings of one code: one line, or, where each is of its own kind, a line each."""
    if not findings:
        return []
    severity = worst(tuple(findings))
    says = _SAYS.get(findings[0].code)
    if len(findings) == 1 or says is None:
        return [Cause(kind, each.severity, (each.subject,), each.saw, (_bare(each.do),)) for each in findings]
    names = tuple(dict.fromkeys(each.subject for each in findings))
    return [Cause(kind, severity, names, says, tuple(dict.fromkeys(_bare(each.do) for each in findings)))]


def _bare(do: str) -> str:
    """A command that stands alone, without its quotes: to be marked and pasted."""
    alone = do.startswith("'") and do.endswith("'") and do.count("'") == 2
    return do[1:-1] if alone else do


def _quarantine(scene: Survey, findings: list[Finding]) -> Iterator[Cause]:
    """Those that answer can be taken back by one command; whether they are clean the command itself looks."""
    names = [each.subject for each in findings]
    answering = {host for host, look in scene.looks.items() if isinstance(look, HostLook)}
    back = [name for name in names if name in answering]
    others = tuple(name for name in names if name not in back)
    if back:
        all_of_them = len(back) > 1 and not others and len(back) == len(scene.quarantine)
        do = "hafence rejoin --all" if all_of_them else f"hafence rejoin {' '.join(back)}"
        count = f"{len(back)} siblings" if len(back) > 1 else "one sibling"
        says = f"{'they answer' if len(back) > 1 else 'it answers'}: {count} to have back"
        yield Cause("quarantine", Severity.WARNING, tuple(back), says, (do,))
    if others:
        do = f"see after {some_of(others)}, then: hafence rejoin {' '.join(others)}"
        yield Cause("quarantine", Severity.WARNING, others, "nobody could look into it", (do,))


def _hygiene(findings: list[Finding]) -> Iterator[Cause]:
    """What can wait for the morning: one line, a count for each kind."""
    if not findings:
        return
    codes: dict[Code, list[str]] = {}
    for each in findings:
        codes.setdefault(each.code, []).append(each.subject)
    says = "; ".join(
        f"{len(of)} {code.replace('_', ' ')} ({some_of(list(dict.fromkeys(of)))})" for code, of in sorted(codes.items())
    )
    ways = {_bare(each.do) for each in findings}
    do = tuple(ways) if len(ways) == 1 else ("hafence audit -v",)
    yield Cause(HYGIENE, worst(tuple(findings)), (), says, do)


@dataclass(frozen=True, slots=True)
class Well:
    """What is as it should be, counted. `clocks_s`: how far off any clock may be."""

    hosts: tuple[int, int]
    """How many hosts that should be up can be fenced through siblings now, and how many should be up."""
    vms: tuple[int, int]
    """How many VMs are where they are recorded, and how many hafence can look for."""
    store_whole: bool
    clocks_s: float | None


def all_well(scene: Survey) -> Well:
    """The other half of an audit, for its last line."""
    hosts = [host for host, _ in watched(scene)]
    vms = [vm for vm in scene.inventory.vms.values() if scene.inventory.cluster_of(vm.host).is_kvm]
    right = 0
    for vm in vms if scene.remembered else ():
        record, copies = scene.record(vm), scene.copies(vm.uuid)
        there = record.host in copies if record.state is VmState.RUNNING else not copies
        right += there and not any(whereabouts(scene, vm))
    looks = [look for look in scene.looks.values() if isinstance(look, HostLook)]
    return Well(
        (sum(1 for host in hosts if ways_to_fence(scene, host)), len(hosts)),
        (right, len(vms)),
        scene.remembered and not scene.store_problems,
        max((abs(look.clock_offset_s) + look.clock_within_s for look in looks), default=None),
    )
