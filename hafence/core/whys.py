"""What a script on a host means by the one word with which it says why it could not tell (`why=`, `blind`).

The word travels; the sentence is made here. It says what was seen and what helps. The man page lists the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import last_writes

ANOTHER_STORE = "another-store-is-at-it"
DISKS_DIFFER = "disks-differ"
BARRING = frozenset({ANOTHER_STORE, "mark-unreadable"})
"""Another store's run may be at it: what it does elsewhere meanwhile, no fence of this run can prevent."""
NOTHING: Mapping[str, str] = MappingProxyType({})
_UNTOLD = {"differs": "a file", "program": "a program", "pid": "?", "store": "?", "run": "?", "age": "?"}
_WHO = "{program} (process {pid})"

SENTENCES: Mapping[str, str] = {
    "being-started": (
        "libvirt says that the VM runs, and there is no process of it: it is being started there;"
        " see by whom, and run the command again when that start has ended"
    ),
    "libvirt-is-busy-with-it": (
        "libvirt answers, and not for this VM: something is under way with it, a start perhaps;"
        " see what (libvirt's hooks, its storage), and run the command again when that has ended"
    ),
    "libvirt-does-not-answer": (
        "no process of it was found, and libvirt does not answer, which may have a start of it in its hands;"
        " mend libvirtd there, or give it more time (fencing: libvirt_timeout)"
    ),
    "libvirt-cannot-be-asked": (
        "a daemon of libvirt runs there, which may have a start of it in its hands, and virsh is missing to ask it;"
        " install libvirt's clients there"
    ),
    "libvirt-may-still-start-it": (
        "its process is dead, and libvirt does not answer: somebody is connected to it who may have asked for a start,"
        " or 'ss' is missing to see that; restart libvirtd there, which drops what it was asked"
    ),
    "respawned": ("it respawned: it was killed there, and something has started it anew since"),
    "a-program-bears-its-uuid": (
        f"{_WHO} bears its UUID as an argument and may be its process under another name;"
        " end it, or wait until it has ended"
    ),
    "another-program-writes-to-its-disk": f"{_WHO} has a disk of it open for writing; end it there",
    DISKS_DIFFER: (
        "its process writes to {differs}, which its definition in the inventory does not name: a start elsewhere would"
        " go on from an older disk"
    ),
    "the-kernel-holds-its-disk": (
        "{program} holds a disk of it there: a loop device, a mapping or a mount on it; release that"
    ),
    "its-disks-cannot-be-looked-at": "the files of its disks can't be looked at there: does their file system hang?",
    "a-file-system-that-hangs": "who has its disks open can't be seen there: does a file system hang?",
    "lacks-grep-r": "who has its disks open can't be seen there: grep knows no -r, or was ended",
    "not-initial-pid-namespace": (
        "the login there sees a container's processes and not the machine's; let hafence log in to the machine itself,"
        " or write 'fencing: {{pid_namespace: any}}' if all its VMs run inside"
    ),
    ANOTHER_STORE: (
        "run {run} of another store ({store}) was at it there {age} s ago, and nothing was done;"
        " have every admin node use one store ('store: etcd://…'), or wait until that run has ended and its mark is old"
    ),
    "mark-unreadable": (
        "the mark of whose run was last at it there can't be read, and nothing was done; see that no other admin node"
        " is at it, and remove its file .mark there (/run/hafence)"
    ),
    "mark-not-left": "the mark that this run is at it could not be left in /run/hafence there: is /run full?",
    "marks-are-locked": (
        "another run has held the lock on marks there for 2 s (/run/hafence/marks.lock); see which process has it"
    ),
    "no-lock-folder": "/run/hafence can't be made or written there",
    "no-clock": "its clock can't be read there",
    "proc-hides-processes": "/proc hides processes from the login there (hidepid, or it is no whole /proc)",
    **last_writes.WORDS,
}
"""Words that want more than their own letters. Any other word is its own sentence."""


def sentence(why: str, about: Mapping[str, str] = NOTHING) -> str:
    """The reason in words; '' without one. `about` tells who is in the way, where somebody is: program, pid, store, run
    and age."""
    words = SENTENCES.get(why)
    if words is None:
        return why.replace("-", " ")
    return words.format_map({**_UNTOLD, **{key: value for key, value in about.items() if value}})


def another_store(about: Mapping[str, str]) -> str:
    """That another store's run was at it, where that kept nobody from anything: ' (…)'; '' where none was."""
    if not about.get("store"):
        return ""
    return " (run {run} of another store, {store}, was at it there {age} s ago)".format_map({**_UNTOLD, **about})
