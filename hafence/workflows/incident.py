"""The claim on a host's evacuation: whoever types the same once more is told that it is under way, and by whom.

It guards no VM: each has its own lease, and those are what no run acts without. So a claim that is lost on the way, to
a clock that has jumped, ends nothing.
"""

from __future__ import annotations

from contextlib import suppress

from ..core.incidents import claim_on
from ..core.model import HostName
from ..core.outcome import Exit, Outcome
from ..core.parsing import moment_words
from ..core.reasons import Reason
from ..core.stored import Busy, Lease
from ..effects import DropLease, Interrupted, LeaseLost, RenewLease, StoreError, TakeLease, Workflow, do
from .vm_run import Request, VmRun, refuse

KEPT = 0.75
"""A lease of which less than this share is left is renewed before VMs are started: most of it is left meanwhile."""


def claim_incident(run: Request, host: HostName) -> Workflow[Lease | Busy | None]:
    """Take the claim, waiting as long as the admin agreed to. A dry run needs none."""
    if run.dry_run:
        return None
    return (yield from do(TakeLease(claim_on(host), run.wait_s)))


def keep_claim(claim: Lease | None, now: float, lease_s: float) -> Workflow[Lease | None]:
    """Renew it when less than KEPT of its time is left."""
    if claim is None or claim.expires_at - now >= lease_s * KEPT:
        return claim
    try:
        return (yield from do(RenewLease(claim)))
    except LeaseLost:
        return None


def drop_claim(claim: Lease | None) -> Workflow[None]:
    """Give it back. A store that fails now changes nothing: it expires by itself."""
    if claim is not None:
        with suppress(LeaseLost, StoreError, Interrupted):
            yield from do(DropLease(claim))


def under_way(vm_run: VmRun, host: HostName, other: Busy) -> Outcome:
    """Another run is at it."""
    message = f"{host} is being evacuated by {other.holder} since {moment_words(other.since)} (run {other.run})"
    return refuse(vm_run, Reason.BUSY, message, ("wait for it, or use --wait SECONDS",), exit=Exit.BUSY)
