"""The worlds that cases begin in, and the inventories that they are played with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ..core.model import (
    CephSettings,
    Cluster,
    Host,
    HostName,
    Inventory,
    PowerDevice,
    Settings,
    Unreachable,
    Vm,
    parse_uuid,
)
from .events import Event

VM = "web-01"
VM_UUID = parse_uuid("6d6f6a5a-0000-4000-8000-000000000001")
SUSPECT = HostName("kvm-01")
TARGET = HostName("kvm-02")
"""The host that is tried first."""
CLUSTER = "prod-a"
ADMINS = ("admin-1", "admin-2")


@dataclass(frozen=True, slots=True, order=True)
class Means:
    """What a cluster has against silence: the policy, and its second-level fences."""

    policy: str = "confirm"
    storage: bool = False
    power: bool = False
    guard: bool = False
    """Whether each host's libvirt refuses what hafence has not started there (contrib/guard)."""

    @property
    def words(self) -> str:
        """The fences of the second level, for people."""
        fences = [name for name, there in (("storage", self.storage), ("power", self.power)) if there]
        return f"{' and '.join(fences) or 'no'} fence{', guarded' if self.guard else ''}"


@cache
def inventory(means: Means, hosts: int = 4) -> Inventory:
    """A cluster of so many hosts with one VM on the first."""
    power = ((PowerDevice("fence_ipmilan"),),) if means.power else ()
    names = [HostName(f"kvm-{n:02}") for n in range(1, hosts + 1)]
    return Inventory(
        path="simulated",
        clusters={CLUSTER: Cluster(CLUSTER, ceph=CephSettings() if means.storage else None)},
        hosts={name: Host(name, CLUSTER, f"10.0.0.{10 + n}", power=power) for n, name in enumerate(names, 1)},
        vms={VM_UUID: Vm(VM_UUID, VM, SUSPECT, domain_xml=f"domains/{VM}.xml")},
        settings=Settings(unreachable=Unreachable(means.policy)),
    )


RUN_AT_S = 40.0
"""When the run that is searched begins: late enough that a watcher without packets has been evicted, and for an earlier
run to have ended."""
PLAIN = f"start-vm {VM} --yes"


def _at_first(*said: str) -> tuple[Event, ...]:
    """What is the case when the world begins, each as `VERB ARGUMENT`; or later, as `@SECONDS VERB ARGUMENT`."""
    events = []
    for text in said:
        at, said_then = text[1:].split(" ", 1) if text.startswith("@") else ("0", text)
        verb, _, what = said_then.partition(" ")
        events.append(Event(float(at), verb, what))
    return tuple(events)


def _cut(host: str, *others: str) -> tuple[str, ...]:
    return tuple(f"cut {host} - {other}" for other in others)


_OTHERS = ("kvm-02", "kvm-03", "kvm-04")
_UNSEEN = _cut(SUSPECT, *ADMINS)
"""The admin nodes can't see the suspect, its siblings can."""
_ISOLATED = _cut(SUSPECT, *_OTHERS, *ADMINS, "store")
"""Nobody can see the suspect, and it reaches the storage."""

SITUATIONS: dict[str, tuple[Event, ...]] = {
    "healthy": _at_first(),
    "vm-gone": _at_first(f"qemu {VM} {SUSPECT} dies"),
    "host-dead": _at_first(f"power_off {SUSPECT}"),
    "host-dead-bmc-too": _at_first(f"power_off {SUSPECT}", f"bmc {SUSPECT}=gone"),
    "isolated": _at_first(*_ISOLATED),
    "isolated-storage-too": _at_first(f"cut {SUSPECT} - *"),
    "isolated-bmc-ignores": _at_first(*_ISOLATED, f"bmc {SUSPECT}=ignores"),
    "admin-cannot-see": _at_first(*_UNSEEN),
    "one-sibling-sees": _at_first(*_cut(SUSPECT, "kvm-02", "kvm-03", *ADMINS)),
    "firewalled": _at_first(f"firewall {SUSPECT}=drop"),
    "sshd-gone": _at_first(f"sshd {SUSPECT}=gone"),
    "out-of-memory": _at_first(f"freeze {SUSPECT}", f"cut {SUSPECT} - storage"),
    "storage-evicted": _at_first(f"cut {SUSPECT} - storage", *_UNSEEN),
    "unkillable": _at_first(f"qemu {VM} {SUSPECT} unkillable"),
    "zombie-leader": _at_first(f"qemu {VM} {SUSPECT} zombie-leader"),
    "respawns": _at_first(f"qemu {VM} {SUSPECT} respawns 0.4"),
    "respawns-meanwhile": _at_first(f"qemu {VM} {SUSPECT} respawns 2"),
    "respawns-late": _at_first(f"qemu {VM} {SUSPECT} respawns 30"),
    "isolated-respawns-late": _at_first(*_ISOLATED, f"qemu {VM} {SUSPECT} respawns 30"),
    "autostarts": _at_first(f"qemu {VM} {SUSPECT} autostarts"),
    "host-dead-autostarts": _at_first(f"qemu {VM} {SUSPECT} autostarts", f"power_off {SUSPECT}"),
    "isolated-autostarts": _at_first(f"qemu {VM} {SUSPECT} autostarts", *_ISOLATED),
    "libvirt-hung": _at_first(f"libvirtd {SUSPECT}=hung"),
    "half-open": _at_first(*(f"cut {SUSPECT} > {other}" for other in (*_OTHERS, *ADMINS))),
    "wrong-statement": _at_first(*_ISOLATED, f"state {SUSPECT}"),
    "half-the-cluster-silent": _at_first("power_off kvm-01", "power_off kvm-03", "power_off kvm-04"),
}
"""How the world is when a case begins. `state` is a person's word, true or not."""

_MOVED = (f"qemu {VM} {SUSPECT} dies", f"qemu {VM} kvm-03 begins")
_CRASHED_START = ("starts kvm-02=slow", f"@10 run admin-1: {PLAIN}", "@14 crash admin-1")
"""An earlier run has died with its start under way on kvm-02, which will bring the VM up at about 58 s."""
_SHUT_OUT = (f"qemu {VM} {SUSPECT} unkillable", f"@10 run admin-1: {PLAIN}")
"""With a storage fence: an earlier run has started the VM on kvm-02, and its old process lives on and can't write."""

_CAPTURED = f"@10 run admin-2: capture {VM}"

_QUEUED = (f"qemu {VM} {SUSPECT} leaves queue", f"cut {SUSPECT} - storage", f"@70 mend {SUSPECT} - storage")
"""The suspect's way to the storage is cut while its VM writes, and comes back some time after the run began."""

COMBINED: dict[str, tuple[Event, ...]] = {
    "unit-starts-it-again": _at_first(f"qemu {VM} {SUSPECT} unit 2"),
    "run-by-another-manager": _at_first(f"qemu {VM} {SUSPECT} managed 30"),
    "started-there-slowly": _at_first(f"qemu {VM} {SUSPECT} dies", f"qemu {VM} {SUSPECT} starts-slowly"),
    "under-another-name": _at_first(f"qemu {VM} {SUSPECT} hidden"),
    "storage-forbids": _at_first("storage forbids", f"qemu {VM} {SUSPECT} unkillable"),
    "isolated-storage-forbids": _at_first(*_ISOLATED, "storage forbids"),
    "its-disk-is-held": _at_first(f"qemu {VM} {SUSPECT} dies", f"qemu {VM} {SUSPECT} holds"),
    "unkillable-unseen": _at_first(*_UNSEEN, f"qemu {VM} {SUSPECT} unkillable"),
    "unkillable-let-in-by-one": _at_first(
        *_UNSEEN, "sshd kvm-02=noforward", "sshd kvm-03=noforward", f"qemu {VM} {SUSPECT} unkillable"
    ),
    "unkillable-isolated": _at_first(*_ISOLATED, f"qemu {VM} {SUSPECT} unkillable"),
    "unkillable-firewalled": _at_first(f"firewall {SUSPECT}=drop", f"qemu {VM} {SUSPECT} unkillable"),
    "unkillable-sibling-lost": _at_first(*_UNSEEN, f"qemu {VM} {SUSPECT} unkillable", f"cut {SUSPECT} - kvm-02"),
    "unkillable-uncovered": _at_first(f"qemu {VM} {SUSPECT} unkillable", f"disks {VM}=uncovered"),
    "isolated-uncovered": _at_first(*_ISOLATED, f"disks {VM}=uncovered"),
    "respawns-unseen": _at_first(*_UNSEEN, f"qemu {VM} {SUSPECT} respawns 0.4"),
    "respawns-meanwhile-unseen": _at_first(*_UNSEEN, f"qemu {VM} {SUSPECT} respawns 2"),
    "half-open-respawns": _at_first(
        *(f"cut {SUSPECT} > {other}" for other in (*_OTHERS, *ADMINS)), f"qemu {VM} {SUSPECT} respawns 0.4"
    ),
    "frozen": _at_first(f"freeze {SUSPECT}"),
    "frozen-isolated": _at_first(f"freeze {SUSPECT}", *_ISOLATED),
    "frozen-unseen": _at_first(f"freeze {SUSPECT}", *_UNSEEN),
    "slow-unseen": _at_first(f"slow {SUSPECT}=40", *_UNSEEN),
    "login-refused-unseen": _at_first(f"sshd {SUSPECT}=login", *_UNSEEN),
    "other-key-unseen": _at_first(f"sshd {SUSPECT}=key", *_UNSEEN),
    "runs-nothing-unseen": _at_first(f"sshd {SUSPECT}=forced", *_UNSEEN),
    "firewall-rejects": _at_first(f"firewall {SUSPECT}=reject"),
    "firewall-rejects-net": _at_first(f"firewall {SUSPECT}=reject-net"),
    "firewall-rejects-port": _at_first(f"firewall {SUSPECT}=reject-port"),
    "firewall-lets-ping": _at_first(f"firewall {SUSPECT}=drop-tcp"),
    "firewalled-one-sibling-blind": _at_first(f"firewall {SUSPECT}=drop-tcp", "lacks kvm-02=ping", "lacks kvm-03=ping"),
    "isolated-witnesses-blind": _at_first(*_ISOLATED, "lacks kvm-02=ping", "lacks kvm-03=ping"),
    "isolated-witnesses-closed": _at_first(*_ISOLATED, "sshd kvm-02=forced", "sshd kvm-03=forced"),
    "isolated-one-sibling-left": _at_first(*_ISOLATED, "power_off kvm-03", "sshd kvm-04=noforward"),
    "only-the-last-sibling-sees": _at_first(*_cut(SUSPECT, "kvm-02", "kvm-03", *ADMINS), "lacks kvm-04=ping"),
    "sibling-cut-off-itself": _at_first(*_UNSEEN, *_cut("kvm-02", SUSPECT, "kvm-03", "kvm-04")),
    "siblings-cut-off-themselves": _at_first(
        *_UNSEEN, *_cut("kvm-02", SUSPECT, "kvm-03", "kvm-04"), *_cut("kvm-03", SUSPECT, "kvm-04"), "power_off kvm-04"
    ),
    "cluster-parted": _at_first(
        *(cut for host in (SUSPECT, "kvm-03", "kvm-04") for cut in _cut(host, "kvm-02", *ADMINS, "store"))
    ),
    "two-hosts-silent": _at_first(*_ISOLATED, "cut kvm-04 - *"),
    "two-hosts-dead": _at_first(f"power_off {SUSPECT}", "power_off kvm-02"),
    "statement-one-sibling-sees": _at_first(*_cut(SUSPECT, "kvm-02", "kvm-03", *ADMINS), f"state {SUSPECT}"),
    "statement-refuted": _at_first(f"state {SUSPECT}", f"qemu {VM} {SUSPECT} unkillable"),
    "statement-uncovered": _at_first(*_ISOLATED, f"state {SUSPECT}", f"disks {VM}=uncovered"),
    "statement-expired": _at_first(*_ISOLATED, f"state {SUSPECT}", "clock admin-1=4000"),
    "moved": _at_first(*_MOVED),
    "moved-unseen": _at_first(*_MOVED, *_cut("kvm-03", *ADMINS)),
    "moved-where-nobody-may-look": _at_first(*_MOVED, "sshd kvm-03=forced"),
    "moved-and-suspect-silent": _at_first(*_MOVED, *_ISOLATED),
    "runs-twice": _at_first(f"qemu {VM} kvm-03 begins"),
    "address-taken-over": _at_first(*_ISOLATED, f"clone kvm-03={SUSPECT}", f"take_over {SUSPECT}=kvm-03"),
    "targets-fail": _at_first("starts kvm-02=fails", "starts kvm-03=fails"),
    "isolated-targets-slow": _at_first(*_ISOLATED, "starts kvm-02=slow", "starts kvm-03=slow"),
    "target-slow": _at_first("starts kvm-02=slow"),
    "target-lets-it-die": _at_first("starts kvm-02=dies"),
    "start-left-behind": _at_first(*_CRASHED_START),
    "start-left-behind-unseen": _at_first(*_CRASHED_START, *(f"@20 {cut}" for cut in _cut("kvm-02", *ADMINS))),
    "start-left-behind-fenced": _at_first(*_CRASHED_START, f"@15 run admin-2: fence {VM} --host kvm-02 --yes"),
    "start-left-behind-unseen-fenced": _at_first(
        *_CRASHED_START,
        *(f"@20 {cut}" for cut in _cut("kvm-02", SUSPECT, "kvm-03", "kvm-04", *ADMINS)),
        f"@21 run admin-2: fence {VM} --host kvm-02 --yes",
    ),
    "shut-out": _at_first(*_SHUT_OUT),
    "shut-out-then-the-next-dies": _at_first(*_SHUT_OUT, "@30 power_off kvm-02"),
    "shut-out-then-the-next-silent": _at_first(
        *_SHUT_OUT, *(f"@30 {cut}" for cut in _cut("kvm-02", *_OTHERS[1:], *ADMINS))
    ),
    "shut-out-and-rejoined": _at_first(*_SHUT_OUT, f"@35 run admin-2: rejoin {SUSPECT} --yes"),
    "isolated-shut-out-and-rejoined": _at_first(
        *_ISOLATED, *_SHUT_OUT[1:], "@34 mend kvm-01 - *", f"@35 run admin-2: rejoin {SUSPECT} --yes"
    ),
    "host-dead-autostarts-guarded": _at_first(
        f"guard {SUSPECT}=on", f"qemu {VM} {SUSPECT} autostarts", f"power_off {SUSPECT}"
    ),
    "newer-disks": _at_first(f"qemu {VM} {SUSPECT} differs"),
    "newer-disks-unseen": _at_first(*_UNSEEN, f"qemu {VM} {SUSPECT} differs"),
    "newer-disks-captured": _at_first(f"qemu {VM} {SUSPECT} differs", _CAPTURED),
    "newer-disks-captured-isolated": _at_first(
        f"qemu {VM} {SUSPECT} differs", _CAPTURED, *(f"@20 {cut}" for cut in _ISOLATED)
    ),
    "target-pauses": _at_first("starts kvm-02=pauses"),
    "target-with-a-disk-of-its-own": _at_first("own_disk kvm-02=on"),
    "bytes-queued": _at_first(*_QUEUED),
    "bytes-queued-unseen": _at_first(*_UNSEEN, *_QUEUED),
    "bytes-queued-without-ss": _at_first(f"lacks {SUSPECT}=ss", *_QUEUED),
    "bytes-queued-by-one-that-is-gone": _at_first(*_QUEUED[:2], f"qemu {VM} {SUSPECT} dies", *_QUEUED[2:]),
    "path-hangs": _at_first(f"qemu {VM} {SUSPECT} leaves request", *_QUEUED[1:]),
    "cache-outlives": _at_first(f"qemu {VM} {SUSPECT} leaves cache", f"libvirtd {SUSPECT}=hung"),
    "saved": _at_first(f"qemu {VM} {SUSPECT} saved"),
    "bytes-queued-isolated": _at_first(*_ISOLATED, *_QUEUED),
    "disarmed": _at_first(f"disarm {CLUSTER}"),
    "disarmed-start-left-behind": _at_first(*_CRASHED_START, f"@15 disarm {CLUSTER}"),
    "suspect-at-work": _at_first(f"maintenance {SUSPECT}=on"),
    "target-at-work": _at_first(f"maintenance {TARGET}=on"),
    "isolated-siblings-at-work": _at_first(*_ISOLATED, "maintenance kvm-02=on", "maintenance kvm-03=on"),
    "saved-isolated": _at_first(f"qemu {VM} {SUSPECT} saved", *_ISOLATED),
}
"""Several things at once, where one guard is left that must hold, and what other managers do; searched with one run
(and its fault) at a time."""

SITUATIONS |= COMBINED
