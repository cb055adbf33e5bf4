"""The acts of the demo: what has happened, what an admin types, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Act:
    """One act: what happens before, the command, and what must come of it.

    `host` is where the VM must write afterwards and nowhere else; None: anywhere but on `suspect`. `word` is the reason
    in the history, '' of a command that leaves no run there.
    """

    title: str
    tells: str
    command: tuple[str, ...]
    exit: int
    word: str
    vm: str
    suspect: str
    host: str | None
    explains: str
    fault: tuple[str, str] | None = None
    heals: tuple[str, str] | None = None
    guarded: tuple[str, bool] | None = None
    """On which host the guard of contrib/ is from now on, or is no longer."""
    twice: bool = False
    """The VM must write on the suspect, too: nothing has kept it from that."""


ACTS = (
    Act(
        title="A leftover is fenced, and the VM starts elsewhere",
        tells="kvm-01 no longer answers the admin node: connections open and nothing comes. Its VM web-01 still"
        " writes to its disk. Starting it elsewhere now would corrupt the disk.",
        fault=("kvm-01", "cut"),
        command=("start-vm", "web-01"),
        exit=0,
        word="confirmed_dead",
        vm="web-01",
        suspect="kvm-01",
        host=None,
        explains="A sibling reached kvm-01. The leftover was killed, seen dead in two scans, and only then did web-01"
        " start on another host.",
    ),
    Act(
        title="A refusal",
        tells="On kvm-02 another manager starts every VM again that ends there. The admin wants web-02 elsewhere;"
        " kvm-02 answers, so hafence would ask, and --yes is the answer.",
        fault=("kvm-02", "respawn"),
        command=("start-vm", "web-02", "--yes"),
        exit=3,
        word="still_alive",
        vm="web-02",
        suspect="kvm-02",
        host="kvm-02",
        explains="The leftover was killed and came back before the second scan. hafence does not guess: it refused"
        " (exit 3), started nothing, and named the ways out. web-02 writes on kvm-02 only.",
    ),
    Act(
        title="A dead host",
        tells="kvm-04 has lost its power, and mail-01 with it. No sibling can reach it, so no scan can prove a death.",
        fault=("kvm-04", "off"),
        command=("start-vm", "mail-01"),
        exit=0,
        word="unreachable_confirmed",
        vm="mail-01",
        suspect="kvm-04",
        host=None,
        explains="Silence alone is not death: by the policy 'confirm' two siblings and the admin node looked for signs"
        " of life and found none. What that can't prove is printed as the residual risk.",
    ),
    Act(
        title="The way out of the refusal",
        tells="The admin has ended the other manager on kvm-02 and runs the same command again.",
        heals=("kvm-02", "respawn"),
        command=("start-vm", "web-02", "--yes"),
        exit=0,
        word="confirmed_dead",
        vm="web-02",
        suspect="kvm-02",
        host=None,
        explains="This time it stayed dead, so web-02 was started elsewhere.",
    ),
    Act(
        title="A dead host comes back, with the guard of contrib/guard",
        tells="kvm-04 has its power back. When it boots, its libvirt starts mail-01, as it was told long ago: the risk"
        " that was named when mail-01 was started elsewhere. Its admin had put the guard there, a hook of libvirt's.",
        guarded=("kvm-04", True),
        heals=("kvm-04", "off"),
        command=("status", "--live", "mail-01"),
        exit=0,
        word="",
        vm="mail-01",
        suspect="kvm-04",
        host=None,
        explains="The guard has refused the start: in this boot of kvm-04 hafence has not started mail-01 there.",
    ),
    Act(
        title="The same without it",
        tells="Without the guard kvm-04 loses its power once more, and boots.",
        guarded=("kvm-04", False),
        fault=("kvm-04", "off"),
        heals=("kvm-04", "off"),
        command=("audit", "-q"),
        exit=2,
        word="",
        vm="mail-01",
        suspect="kvm-04",
        host=None,
        twice=True,
        explains="Two writers of one disk. Nobody could have fenced a host without power by SSH; a power or storage"
        " fence, or the guard, would have kept it from this. The audit names both copies, and what to type.",
    ),
    Act(
        title="The second copy is ended",
        tells="The admin types what the audit has said.",
        command=("fence", "mail-01", "--host", "kvm-04", "--yes"),
        exit=0,
        word="confirmed_dead",
        vm="mail-01",
        suspect="kvm-04",
        host=None,
        explains="One copy writes again. mail-01's definition on kvm-04 is set aside: libvirt starts it there no more.",
    ),
)
TWICE = frozenset(act.vm for act in ACTS if act.twice)
"""The VMs that must have had two writers, for the demo shows what comes of it."""
