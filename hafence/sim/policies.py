"""Another way to read an ssh failure, to show what it costs. It lives here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.attempts import FenceOrder, Reply
from ..core.replies import STATUS_DEAD
from ..core.wire import PROTOCOL
from .run import Policy
from .situations import Means


class SshFailureIsDeath(Policy):
    """As published drafts do: an ssh exit status of 1, 137 or 255, or any exception, counts as 'the VM is dead'.

    The reply of an attempt that failed is replaced by one in which the script reports death, before the real
    `interpret()` reads it. A script that did run keeps its word.
    """

    name = "ssh-failure-counts-as-dead"

    def doctor(self, order: FenceOrder, reply: Reply) -> Reply:
        """A failure, told as a death."""
        if reply.trouble is None or order.rehearse:
            return reply
        lines = [f"{PROTOCOL} {reply.nonce} hello clock=0.0 machine=- host=-"]
        lines += [f"{PROTOCOL} {reply.nonce} vm {vm} dead found=0 killed=0" for vm in order.vms]
        lines.append(f"{PROTOCOL} {reply.nonce} end vms={len(order.vms)}\n")
        return replace(reply, trouble=None, exit_status=STATUS_DEAD, stdout="\n".join(lines))


@dataclass(frozen=True, slots=True)
class Arm:
    """One row of the comparison: a policy with its means."""

    name: str
    means: Means
    policy: Policy


def arms() -> tuple[Arm, ...]:
    """Every row: each policy with and without storage and power fences, the default one on hosts with the guard, and
    the published drafts' reading."""
    rows = [
        Arm(name, Means(name, storage, power), Policy())
        for name in ("proceed", "confirm", "prove")
        for storage in (False, True)
        for power in (False, True)
    ]
    guarded = Means("confirm", guard=True)
    drafts = SshFailureIsDeath()
    return (*rows, Arm(guarded.policy, guarded, Policy()), Arm(drafts.name, Means("proceed"), drafts))


POLICIES = ("proceed", "confirm", "prove", SshFailureIsDeath.name)
"""What `--policy` takes."""


def arm_of(name: str, storage: bool = False, power: bool = False) -> Arm:
    """The row for a policy's name and means. KeyError for a name that is not in POLICIES."""
    if name not in POLICIES:
        raise KeyError(name)
    if name == SshFailureIsDeath.name:
        return Arm(name, Means("proceed", storage, power), SshFailureIsDeath())
    return Arm(name, Means(name, storage, power), Policy())
