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
ADMINS = ("admin-1", "admin-2")


@dataclass(frozen=True, slots=True, order=True)
class Means:
    """What a cluster has against silence: the policy, and its second-level fences."""

    policy: str = "confirm"
    storage: bool = False
    power: bool = False

    @property
    def words(self) -> str:
        """The fences of the second level, for people."""
        fences = [name for name, there in (("storage", self.storage), ("power", self.power)) if there]
        return f"{' and '.join(fences) or 'no'} fence"


@cache
def inventory(means: Means, hosts: int = 4) -> Inventory:
    """A cluster of so many hosts with one VM on the first."""
    power = ((PowerDevice("fence_ipmilan"),),) if means.power else ()
    names = [HostName(f"kvm-{n:02}") for n in range(1, hosts + 1)]
    return Inventory(
        path="simulated",
        clusters={"prod-a": Cluster("prod-a", ceph=CephSettings() if means.storage else None)},
        hosts={name: Host(name, "prod-a", f"10.0.0.{10 + n}", power=power) for n, name in enumerate(names, 1)},
        vms={VM_UUID: Vm(VM_UUID, VM, SUSPECT, domain_xml=f"domains/{VM}.xml")},
        settings=Settings(unreachable=Unreachable(means.policy)),
    )


def _at_first(*said: str) -> tuple[Event, ...]:
    events = []
    for text in said:
        verb, _, what = text.partition(" ")
        events.append(Event(0.0, verb, what))
    return tuple(events)


SITUATIONS: dict[str, tuple[Event, ...]] = {
    "healthy": _at_first(),
    "vm-gone": _at_first(f"qemu {VM} {SUSPECT} dies"),
    "host-dead": _at_first(f"power_off {SUSPECT}"),
    "host-dead-bmc-too": _at_first(f"power_off {SUSPECT}", f"bmc {SUSPECT}=gone"),
    "isolated": _at_first(*(f"cut {SUSPECT} - {other}" for other in ("kvm-02", "kvm-03", "kvm-04", *ADMINS, "store"))),
    "isolated-storage-too": _at_first(f"cut {SUSPECT} - *"),
    "isolated-bmc-ignores": _at_first(
        *(f"cut {SUSPECT} - {other}" for other in ("kvm-02", "kvm-03", "kvm-04", *ADMINS, "store")),
        f"bmc {SUSPECT}=ignores",
    ),
    "admin-cannot-see": _at_first(*(f"cut {SUSPECT} - {other}" for other in ADMINS)),
    "one-sibling-sees": _at_first(*(f"cut {SUSPECT} - {other}" for other in ("kvm-02", "kvm-03", *ADMINS))),
    "firewalled": _at_first(f"firewall {SUSPECT}=drop"),
    "sshd-gone": _at_first(f"sshd {SUSPECT}=gone"),
    "out-of-memory": _at_first(f"freeze {SUSPECT}", f"cut {SUSPECT} - storage"),
    "storage-evicted": _at_first(f"cut {SUSPECT} - storage", *(f"cut {SUSPECT} - {other}" for other in ADMINS)),
    "unkillable": _at_first(f"qemu {VM} {SUSPECT} unkillable"),
    "zombie-leader": _at_first(f"qemu {VM} {SUSPECT} zombie-leader"),
    "respawns": _at_first(f"qemu {VM} {SUSPECT} respawns 0.4"),
    "respawns-meanwhile": _at_first(f"qemu {VM} {SUSPECT} respawns 2"),
    "respawns-late": _at_first(f"qemu {VM} {SUSPECT} respawns 30"),
    "unit-starts-it-again": _at_first(f"qemu {VM} {SUSPECT} unit 2"),
    "run-by-another-manager": _at_first(f"qemu {VM} {SUSPECT} managed 30"),
    "started-there-slowly": _at_first(f"qemu {VM} {SUSPECT} dies", f"qemu {VM} {SUSPECT} starts-slowly"),
    "under-another-name": _at_first(f"qemu {VM} {SUSPECT} hidden"),
    "isolated-respawns-late": _at_first(
        *(f"cut {SUSPECT} - {other}" for other in ("kvm-02", "kvm-03", "kvm-04", *ADMINS, "store")),
        f"qemu {VM} {SUSPECT} respawns 30",
    ),
    "autostarts": _at_first(f"qemu {VM} {SUSPECT} autostarts"),
    "host-dead-autostarts": _at_first(f"qemu {VM} {SUSPECT} autostarts", f"power_off {SUSPECT}"),
    "isolated-autostarts": _at_first(
        f"qemu {VM} {SUSPECT} autostarts",
        *(f"cut {SUSPECT} - {other}" for other in ("kvm-02", "kvm-03", "kvm-04", *ADMINS, "store")),
    ),
    "libvirt-hung": _at_first(f"libvirtd {SUSPECT}=hung"),
    "half-open": _at_first(*(f"cut {SUSPECT} > {other}" for other in ("kvm-02", "kvm-03", "kvm-04", *ADMINS))),
    "wrong-statement": _at_first(
        *(f"cut {SUSPECT} - {other}" for other in ("kvm-02", "kvm-03", "kvm-04", *ADMINS, "store")),
        f"state {SUSPECT}",
    ),
    "half-the-cluster-silent": _at_first("power_off kvm-01", "power_off kvm-03", "power_off kvm-04"),
}
"""How the world is when a case begins. `state` is a person's word, true or not."""
