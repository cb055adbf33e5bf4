"""Small worlds for the tests of core: hosts, looks and inventories in one line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hafence.core.attempts import Attempt, Reading
from hafence.core.decision import Case, SilencePolicy
from hafence.core.evidence import CutOff, Evidence, NotSeen, WitnessReport
from hafence.core.looks import HostLook, Libvirt, Silence
from hafence.core.model import Cluster, Host, HostName, HostState, Inventory, Settings, Unreachable, Uuid, Vm
from hafence.core.second_level import FenceTried
from hafence.core.troubles import Trouble


def uuid(number: int) -> Uuid:
    return Uuid(f"6d6f6a5a-0000-4000-8000-{number:012d}")


def host(name: str, **more: object) -> Host:
    return Host(HostName(name), more.pop("cluster", "prod"), f"10.0.0.{int(name[-2:])}", **more)  # type: ignore[arg-type]


def look(name: str, *vms: Uuid, **more: object) -> HostLook:
    more.setdefault("memory_total_mib", 8192)
    more.setdefault("memory_free_mib", 4096)
    return HostLook(
        host=HostName(name),
        at=100.0,
        clock_offset_s=0.0,
        machine_id=more.pop("machine_id", name.encode().hex().zfill(32)),  # type: ignore[arg-type]
        boot_id=more.pop("boot_id", f"boot of {name}"),  # type: ignore[arg-type]
        libvirt=more.pop("libvirt", Libvirt.OK),  # type: ignore[arg-type]
        copies=dict.fromkeys(vms, 1),
        active=frozenset(vms),
        **more,  # type: ignore[arg-type]
    )


def silence(name: str, trouble: Trouble = Trouble.TIMED_OUT) -> Silence:
    return Silence(HostName(name), 100.0, trouble)


def behind(sibling: str, name: str, *vms: Uuid, **more: object) -> Silence:
    """A host that is silent to the admin node, and was looked into through a sibling."""
    return replace(silence(name), seen=look(name, *vms, through=HostName(sibling), **more))


def vm(number: int, **more: object) -> Vm:
    name = str(more.pop("name", f"vm-{number:02d}"))
    home = HostName(str(more.pop("host", "kvm-01")))
    return Vm(uuid(number), name, home, **more)  # type: ignore[arg-type]


def case(
    *readings: Reading,
    policy: Unreachable = Unreachable.CONFIRM,
    reports: Sequence[WitnessReport] = (),
    evidence: Sequence[Evidence] = (),
    second_level: tuple[FenceTried, ...] = (),
    cluster_siblings: int = 3,
    cut_off: str = "",
    unseen: tuple[HostName, ...] = (),
) -> Case:
    """Of three siblings, as many have tried as there are readings, and nothing else is known."""
    proxies = [HostName(name) for name in ("kvm-02", "kvm-03", "kvm-04")]
    attempts = [Attempt(proxy, reading, 0.4, 100.0) for proxy, reading in zip(proxies, readings, strict=False)]
    observer: list[Evidence] = [CutOff(100.0, cut_off)] if cut_off else []
    observer += [NotSeen(100.0, unseen)] if unseen else []
    seen: tuple[Evidence, ...] = (*attempts, *reports, *second_level, *evidence, *observer)
    return Case(HostName("kvm-01"), SilencePolicy(policy, cluster_siblings), seen)


def inventory(hosts: list[Host] | None = None, vms: list[Vm] | None = None, **settings: object) -> Inventory:
    hosts = hosts or [host(f"kvm-{n:02d}") for n in range(1, 5)]
    vms = [vm(1, domain_xml="/x.xml")] if vms is None else vms
    return Inventory(
        path="inventory.yaml",
        clusters={h.cluster: Cluster(h.cluster) for h in hosts},
        hosts={h.name: h for h in hosts},
        vms={v.uuid: v for v in vms},
        settings=Settings(**settings),  # type: ignore[arg-type]
    )


__all__ = ["HostState", "case", "host", "inventory", "look", "silence", "uuid", "vm"]
