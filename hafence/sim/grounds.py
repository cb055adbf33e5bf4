"""What a start stood on, and whether that excuses a second writer: policy and proof, by what was the case (notes.py).

A start stands on the grounds that its record names. Those hold only if the world was so, while the run was asking:

- confirmed dead: the script on the suspect looked last at a host on which nothing of the VM lived;
- powered off: the suspect was without power; storage fenced: no process of the VM there could write;
- a person's statement: it held, and nobody who was asked could have seen a sign of the suspect's life;
- silence: the policy was met to the letter (hafence(1), POLICY), nobody who was asked could have seen a sign of life,
  and the observers were not the ones who were cut off;
- no fencing: the inventory asks for none.

What a start has left unproved is so still at the next one, whatever that one proves of hosts that came after.

All of it no longer before the start than `evidence_age`. A start that stood on less excuses nothing. One that stood on
its grounds excuses what could not have been known: see `Excuse`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import combinations
from typing import NamedTuple, TypeVar

from ..core.model import HostName, HostState, Inventory, Unreachable, Uuid
from ..core.reasons import Reason
from .notes import Attempt, Looks, Notes, Scan, Sent, Watch

Noted = TypeVar("Noted", Attempt, Watch, Scan)


class Excuse(Enum):
    """Why two living writers are no broken promise: stable words."""

    SILENCE = "silence"
    """The suspect was silent to everybody who had to be asked."""
    STATEMENT = "statement"
    """A person had stated that the suspect is powered off."""
    ANEW = "anew"
    """The other one was started anew on a host that had been fenced by its power or its storage."""
    LAPSED = "lapsed"
    """The entry that had kept the other one from the disks has ended by itself: the audit is there to renew it."""
    UNBIDDEN = "unbidden"
    """libvirt brought it back (autostart, libvirt-guests, somebody's `virsh start`), dead there for longer than
    `settle`."""
    BESIDE = "beside"
    """The same by one that runs VMs behind libvirt's back, where no guard of libvirt's reaches it."""
    MOVED = "moved"
    """The same by a live migration of one that lived on unseen."""
    UNSEEN = "unseen"
    """Nobody could look into the host of the other one, on which hafence had never started it."""
    TWIN = "twin"
    """A clone of the suspect, into which nobody had looked, answered at its address with its key and machine-id."""
    UNFENCED = "unfenced"
    """The inventory asks for no fencing."""


class Writer(NamedTuple):
    """A process that could write to a VM's disks, and how it came about."""

    host: HostName
    pid: int
    by: str
    """The run whose start brought it, or ''."""
    born_at: float
    idle_s: float
    """How long the VM had had no process on this host when this one was born."""
    lapsed: bool
    """Whether an entry on the blocklist that had kept it out has ended by itself."""
    is_beside: bool = False
    """Whether another manager runs it behind libvirt's back, as anybody can see who looks."""
    is_moved: bool = False
    """Whether it came by a live migration."""

    @property
    def words(self) -> str:
        """The process for people."""
        return f"{self.host}/{self.pid}"


# ---------------------------------------------------------------- a second writer


def excuse_of(inventory: Inventory, notes: Notes, vm: Uuid, writers: Iterable[Writer]) -> Excuse | None:
    """What excuses that all of these can write at once; None where nothing does for some two of them."""
    excuses = []
    for two in combinations(sorted(writers, key=lambda writer: writer.born_at), 2):
        started = [writer for writer in two if writer.by]
        if not started:
            continue  # both are other people's
        # Of two that hafence started the later start answers: a process may come long after its start was sent.
        start = max(started, key=lambda writer: _sent_at(notes, vm, writer))
        other = two[0] if start is two[1] else two[1]
        excuse = _excuse(inventory, notes, _start_of(notes, vm, start), other)
        if excuse is None:
            return None
        excuses.append(excuse)
    return Excuse.UNBIDDEN if Excuse.UNBIDDEN in excuses else excuses[0]


def _start_of(notes: Notes, vm: Uuid, writer: Writer) -> Sent:
    """The start that brought a process of hafence's."""
    return next(sent for sent in reversed(notes.sent) if _brought(sent, vm, writer))


def _sent_at(notes: Notes, vm: Uuid, writer: Writer) -> float:
    return max((sent.at for sent in notes.sent if _brought(sent, vm, writer)), default=-math.inf)


def _brought(sent: Sent, vm: Uuid, writer: Writer) -> bool:
    return (sent.run, sent.vm, sent.target) == (writer.by, vm, writer.host) and sent.at <= writer.born_at


def _excuse(inventory: Inventory, notes: Notes, sent: Sent, other: Writer) -> Excuse | None:
    """What excuses a start towards another writer."""
    if lacks(inventory, notes, sent):
        return None
    if other.host != sent.suspect:
        return _elsewhere(inventory, notes, sent, other)
    unbidden = not other.by and other.idle_s > inventory.settings.settle_s
    match sent.grounds:
        case Reason.CONFIRMED_DEAD:
            scan = _last(notes.scans, sent)
            assert scan is not None, "or the start lacks its ground"
            if scan.machine != scan.host:
                return Excuse.TWIN
            return _bidden_by(other) if other.born_at > scan.at and unbidden else None
        case Reason.POWERED_OFF:
            return Excuse.ANEW if other.born_at >= sent.off_at and not other.by else None
        case Reason.STORAGE_FENCED:
            anew = other.born_at > sent.at and not other.by
            return Excuse.LAPSED if other.lapsed else Excuse.ANEW if anew else None
        case Reason.UNREACHABLE_CONFIRMED:
            return Excuse.SILENCE
        case Reason.OPERATOR_CONFIRMED:
            return Excuse.STATEMENT
    return Excuse.UNFENCED


def _elsewhere(inventory: Inventory, notes: Notes, sent: Sent, other: Writer) -> Excuse | None:
    """Of a copy on a host that was not the suspect, which hafence has not started: whether a fresh look shows it."""
    if other.by:
        return _given_up(inventory, notes, sent, other)
    looks = _looked(notes, sent, other.host)
    if looks is None or _is_old(inventory, sent, looks.at):
        return None
    if other.host not in looks.seen:
        return Excuse.UNSEEN
    return _bidden_by(other) if other.born_at > looks.at and other.idle_s > inventory.settings.settle_s else None


def _bidden_by(other: Writer) -> Excuse:
    if other.is_moved:
        return Excuse.MOVED
    return Excuse.BESIDE if other.is_beside else Excuse.UNBIDDEN


def _given_up(inventory: Inventory, notes: Notes, sent: Sent, other: Writer) -> Excuse | None:
    """Of a copy that hafence has started, and taken for gone from a silent host at a start between then and now: what
    excused that start excuses this one, where its run names that host, too."""
    looks = _looked(notes, sent, other.host)
    if other.host not in sent.named or (looks is not None and other.host in looks.seen):
        return None
    began = _start_of(notes, sent.vm, other)
    for between in notes.sent:
        given_up = (between.vm, between.suspect) == (sent.vm, other.host) and began.at < between.at <= sent.at
        if given_up and between.grounds in _WITHOUT_PROOF and not lacks(inventory, notes, between):
            return _WITHOUT_PROOF[between.grounds]
    return None


_WITHOUT_PROOF = {Reason.UNREACHABLE_CONFIRMED: Excuse.SILENCE, Reason.OPERATOR_CONFIRMED: Excuse.STATEMENT}


# ---------------------------------------------------------------- the grounds of a start


def lacks(inventory: Inventory, notes: Notes, sent: Sent) -> str:
    """What the grounds of a start lacked, in words; '' where they held."""
    mine = [scan for scan in notes.scans if (scan.run, scan.host) == (sent.run, sent.suspect)]
    if any(scan.disks.get(sent.vm, sent.disks) != sent.disks for scan in mine):
        return "it was from an older disk than the one that its process had written to, where the run had looked"
    if sent.own_disk and all(_was_seen(notes, sent, host) for host in (sent.suspect, sent.target)):
        return "it was from a disk of its target's own, and the run had looked at both"
    match sent.grounds:
        case Reason.CONFIRMED_DEAD:
            scan = _last(notes.scans, sent)
            if scan is None or sent.vm in scan.living:
                return "no script saw the VM dead"
            looks = _looked(notes, sent, scan.machine)
            if scan.machine != scan.host and looks is not None and scan.machine in looks.seen:
                return "another machine answered, into which the run had looked"
            return "it was seen dead too long ago" if _is_old(inventory, sent, scan.at) else ""
        case Reason.POWERED_OFF:
            return "" if not _is_old(inventory, sent, sent.off_at) else "the suspect had power"
        case Reason.STORAGE_FENCED:
            return "" if sent.shut_out else "a process there could have written"
        case Reason.UNREACHABLE_CONFIRMED:
            return _of_silence(inventory, notes, sent)
        case Reason.OPERATOR_CONFIRMED:
            return _life(notes, sent) if sent.stated else "no statement held"
        case Reason.NOT_KVM:
            kvm = sent.suspect is None or inventory.cluster_of(sent.suspect).is_kvm
            return "hafence can look into the cluster" if kvm else ""
        case Reason.PRE_FENCE_OFF:
            return "the inventory asks for fencing" if inventory.settings.pre_fence else ""
    return "no grounds stand in the record"


def _life(notes: Notes, sent: Sent) -> str:
    """Who could have told of the suspect's life since the run last looked into the cluster, in words."""
    looks = _looked(notes, sent, sent.suspect)
    since = looks.at if looks is not None else 0.0
    seen = [s for s in notes.signs if (s.run, s.host) == (sent.run, sent.suspect) and since <= s.at <= sent.at]
    return f"{seen[0].to} could tell that {sent.suspect} lives" if seen else ""


def _was_seen(notes: Notes, sent: Sent, host: HostName | None) -> bool:
    """Whether the run could look into the host when it last asked it."""
    looks = _looked(notes, sent, host) if host is not None else None
    return looks is not None and host in looks.seen


def _of_silence(inventory: Inventory, notes: Notes, sent: Sent) -> str:
    if life := _life(notes, sent):
        return life
    match inventory.settings.unreachable:
        case Unreachable.PROVE:
            return "the policy 'prove' takes no silence"
        case Unreachable.CONFIRM:
            lacking = _of_confirm(inventory, notes, sent)
        case Unreachable.PROCEED:
            lacking = _of_proceed(inventory, notes, sent)
    return lacking or _cut_off(inventory, notes, sent)


def _of_proceed(inventory: Inventory, notes: Notes, sent: Sent) -> str:
    """One sibling that could not reach the suspect, by a connection or as a witness."""
    attempt, watch = _last(notes.attempts, sent), _last(notes.watches, sent)
    met_at = [attempt.at] if attempt is not None else []
    met_at += [watch.at] if watch is not None and watch.saw_nothing - {None} else []
    return "" if any(not _is_old(inventory, sent, at) for at in met_at) else "no sibling has just met silence"


def _of_confirm(inventory: Inventory, notes: Notes, sent: Sent) -> str:
    """Every sibling that could be asked, at least two where the cluster has them, the admin node, and every fence."""
    assert sent.suspect is not None, "a record with grounds names a suspect"
    watch = _last(notes.watches, sent)
    if watch is None or _is_old(inventory, sent, watch.at):
        return "no witness has just looked"
    if None not in watch.saw_nothing:
        return "the admin node has not looked"
    looks = _looked(notes, sent, sent.suspect)
    could = watch.could_look & (looks.seen if looks is not None else frozenset())
    siblings = _counted(inventory, notes, sent) - {sent.suspect}
    if not watch.saw_nothing >= could & siblings:
        return "not every sibling that could look has looked"
    if len(watch.saw_nothing - {None}) < max(1, min(2, len(_enabled(inventory, notes, sent)) - 1)):
        return "too few siblings have looked"
    if inventory.hosts[sent.suspect].power and _is_old(inventory, sent, sent.off_at):
        return "a power fence is configured, and the suspect had power"
    if inventory.cluster_of(sent.suspect).ceph is not None and not sent.shut_out:
        return "a storage fence is configured, and a process there could have written"
    return ""


def _cut_off(inventory: Inventory, notes: Notes, sent: Sent) -> str:
    """An observer to whom more than `storm_share` of the cluster is silent is the one who is cut off.

    Of the cluster as it was when the run looked: people who come to a host after that take no answer of its back.
    """
    counted = _counted(inventory, notes, sent._replace(at_work=frozenset()))
    most = inventory.settings.storm_share * len(counted)
    looks, watch = _looked(notes, sent, sent.suspect), _last(notes.watches, sent)
    silent_to: list[tuple[str, frozenset[HostName]]] = [*watch.silent_to.items()] if watch is not None else []
    silent_to.append(("the admin node", looks.silent if looks is not None else frozenset()))
    cut_off = [name for name, silent in silent_to if len(silent & counted) > most]
    return f"{cut_off[0]} was the one who was cut off" if cut_off else ""


def _enabled(inventory: Inventory, notes: Notes, sent: Sent) -> frozenset[HostName]:
    """The suspect, and the hosts of its cluster that are enabled, and on which nobody was at work."""
    suspect = sent.suspect
    assert suspect is not None, "a record with grounds names a suspect"
    members = inventory.members(inventory.hosts[suspect].cluster)
    looks = _looked(notes, sent, suspect)
    at_work = sent.at_work | (looks.at_work if looks is not None else frozenset())
    enabled = frozenset(host.name for host in members if host.state is HostState.ENABLED)
    return (enabled - at_work) | {suspect}


def _counted(inventory: Inventory, notes: Notes, sent: Sent) -> frozenset[HostName]:
    """The hosts of the suspect's cluster that ought to have answered."""
    assert sent.suspect is not None, "a record with grounds names a suspect"
    looks = _looked(notes, sent, sent.suspect)
    return _enabled(inventory, notes, sent) - (looks.quarantined if looks is not None else frozenset())


def _looked(notes: Notes, sent: Sent, host: HostName | None) -> Looks | None:
    """The last round of looks before a start in which its run asked a host, and whoever else it asked then."""
    rounds = (looks for looks in reversed(notes.looks) if looks.run == sent.run and looks.at <= sent.at)
    return next((looks for looks in rounds if host in looks.asked), None)


def _last(notes: Sequence[Noted], sent: Sent) -> Noted | None:
    """The last note that the run of a start had taken by then of its suspect."""
    for note in reversed(notes):
        host = note.host if isinstance(note, Scan) else note.suspect
        if note.run == sent.run and note.at <= sent.at and host == sent.suspect:
            return note
    return None


def _is_old(inventory: Inventory, sent: Sent, at: float) -> bool:
    return sent.at - at > inventory.settings.evidence_age_s
