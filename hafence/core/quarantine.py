"""Which host a start puts into quarantine, and in which words."""

from __future__ import annotations

from collections.abc import Iterable

from .attempts import Attempt, Verdict
from .looks import HostLook, Libvirt, Look
from .model import Uuid
from .reasons import PROOFS, Reason


def is_planned(vm: Uuid, look: Look | None, attempts: Iterable[Attempt]) -> bool:
    """Whether a VM was moved off a host that answers and is well: it was seen to run there, libvirt there works, and a
    fence found it and saw it dead. Such a host needs no quarantine, which would starve the cluster of siblings."""
    well = isinstance(look, HostLook) and look.libvirt is Libvirt.OK and look.runs(vm)
    readings = [attempt.reading for attempt in attempts]
    return well and any(r.verdict is Verdict.CONFIRMED_DEAD and r.found_something for r in readings)


def quarantine_words(vm: str, reason: Reason) -> str:
    """Why a host is in quarantine from now on. Silence is no fence."""
    if reason in PROOFS:
        return f"{vm} was fenced there ({reason.value})"
    return f"{vm} was started elsewhere, not seen dead there ({reason.value})"


def batch_words(reasons: Iterable[Reason]) -> str:
    """The same of several VMs that were fenced at once."""
    every = list(reasons)
    proven = sum(reason in PROOFS for reason in every)
    words = [f"{proven} VM(s) were fenced there"] if proven else []
    words += [f"{len(every) - proven} VM(s) were not seen dead there"] if len(every) > proven else []
    return ", ".join(words)
