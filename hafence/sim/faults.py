"""Which faults can be put before a step, so that the search tries each where it makes a difference.

A fault on a part of the world has the same effect before every step between two that touch the part. So it
is tried only before steps that touch it (the partial-order reduction of the search), and at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

from .events import Event
from .kernel import Step
from .network import STORAGE, STORE
from .situations import ADMINS, SUSPECT

SHORT_HOLD_S = 70.0
"""Longer than evidence lives, shorter than a lease."""
LONG_HOLD_S = 150.0
"""Longer than a lease."""
STORE_AWAY_S = 8.0
Fault = tuple[Event, ...]


def points(steps: list[Step], after: float) -> Iterator[tuple[float, Step]]:
    """Moments at which faults are to be tried: one before each distinct step later than `after`.

    The moment lies in the gap before the step. Of a run that waits for a lease only the first step counts.
    """
    before = after
    label = ""
    for step in steps:
        at, name, _ = step
        if at > before and at > after:
            if not (name == label and name.endswith("TakeLease")):
                yield _within(before, at), step
            label = name
        before = max(before, at)


def _within(before: float, at: float) -> float:
    middle = round((before + at) / 2, 4)
    return middle if before < middle < at else at


def faults_before(at: float, step: Step) -> Iterator[Fault]:
    """Every single fault that makes a difference before this step."""
    _, label, touched = step
    run, _, effect = label.partition(" ")
    for admin in ADMINS:
        if admin in touched:
            yield (Event(at, "crash", admin),)
            for hold_s in (SHORT_HOLD_S, LONG_HOLD_S):
                yield (Event(at, "hold", admin), Event(at + hold_s, "release", admin))
            if run.startswith("run-"):
                yield (Event(at, "interrupt", run),)
            for part in touched:
                if part.startswith("kvm-"):
                    yield from _link_faults(at, admin, part)
    if STORE in touched:
        yield from _store_faults(at, touched)
    if STORAGE in touched:
        yield (Event(at, "storage", "down"),)
    for part in touched:
        if part.startswith("kvm-"):
            yield from _host_faults(at, part, label)
    if "Fence" in effect:
        for part in sorted(touched):
            if part.startswith("kvm-") and part != SUSPECT:
                yield (Event(at, "cut", f"{part} - {SUSPECT}"),)
                yield (Event(at, "mend", f"{part} - {SUSPECT}"),)


def _link_faults(at: float, admin: str, host: str) -> Iterator[Fault]:
    yield (Event(at, "cut", f"{admin} - {host}"),)
    yield (Event(at, "cut", f"{host} > {admin}"),)
    yield (Event(at, "mend", f"{admin} - {host}"),)


def _store_faults(at: float, touched: set[str]) -> Iterator[Fault]:
    yield (Event(at, "store", "down"),)
    yield (Event(at, "store", "down"), Event(at + STORE_AWAY_S, "store", "up"))
    for admin in ADMINS:
        if admin in touched:
            yield (Event(at, "cut", f"store > {admin}"), Event(at + STORE_AWAY_S, "mend", f"store - {admin}"))


def _host_faults(at: float, host: str, label: str) -> Iterator[Fault]:
    yield (Event(at, "power_off", host),)
    yield (Event(at, "freeze", host),)
    yield (Event(at, "freeze", host), Event(at + LONG_HOLD_S, "unfreeze", host))
    yield (Event(at, "sshd", f"{host}=gone"),)
    yield (Event(at, "libvirtd", f"{host}=hung"),)
    yield (Event(at, "slow", f"{host}=40"),)
    yield (Event(at, "cut", f"{host} - storage"),)
    yield (Event(at, "mend", f"{host} - storage"),)
    if host == SUSPECT:
        for verb in ("power_on", "thaw", "unfreeze"):
            yield (Event(at, verb, host),)
        yield (Event(at, "mend", f"{host} - *"),)
        yield (Event(at, "bmc", f"{host}=gone"),)
    elif "Start" in label or "start" in label or "libvirtd" in label:
        for how in ("fails", "dies", "slow"):
            yield (Event(at, "starts", f"{host}={how}"),)
