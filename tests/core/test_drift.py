"""In what a running VM differs from what it would be started from."""

from __future__ import annotations

import pytest

from hafence.core.drift import Drift, DriftKind, Outline, drift_between

WHOLE = Outline({"vda": "/a", "vdb": "rbd:p/b"}, ("network default", "bridge br0"), 1024, "pc-q35-7.2")


def test_what_is_the_same_is_no_drift() -> None:
    assert drift_between(WHOLE, WHOLE) == ()
    assert drift_between(Outline(), Outline()) == ()


@pytest.mark.parametrize(
    ("live", "start", "drift"),
    [
        (
            Outline({"vda": "/new", "vdb": "/b", "vdc": "/c"}),
            Outline({"vda": "/old", "vdb": "/b", "vdd": "/d"}),
            Drift(DriftKind.DISKS, "vda on /new, vdc on /c", "vda on /old, vdd on /d"),
        ),
        (Outline(memory_mib=64), Outline(memory_mib=32), Drift(DriftKind.MEMORY, "64 MiB", "32 MiB")),
        (Outline(machine="pc-q35-7.2"), Outline(machine="pc"), Drift(DriftKind.MACHINE, "pc-q35-7.2", "pc")),
        (Outline(machine="pc-q35-7.2"), Outline(machine="pc-q35-6.0"),
         Drift(DriftKind.MACHINE, "pc-q35-7.2", "pc-q35-6.0")),
        (Outline(networks=("network a",)), Outline(networks=("network b",)),
         Drift(DriftKind.NETWORK, "network a", "network b")),
        (Outline(networks=("network a", "bridge b")), Outline(networks=("network a",)),
         Drift(DriftKind.NETWORK, "network a, bridge b", "network a")),
        (Outline(), Outline(networks=("user",)), Drift(DriftKind.NETWORK, "", "user")),
    ],
    ids=["disks", "memory", "another family", "another version", "another network", "one more", "unplugged"],
)  # fmt: skip
def test_what_differs_is_told(live: Outline, start: Outline, drift: Drift) -> None:
    assert drift_between(live, start) == (drift,)


@pytest.mark.parametrize(
    ("live", "start"),
    [
        (Outline(memory_mib=64), Outline()),
        (Outline(machine="pc-i440fx-7.2"), Outline(machine="pc")),
        (Outline(machine="pc-q35-7.2"), Outline(machine="q35")),
        (Outline(machine="virt-7.2"), Outline(machine="virt")),
        (Outline(machine="pc-i440fx-7.2"), Outline()),
        (Outline(), Outline(machine="pc")),
        (Outline(networks=("bridge virbr0",)), Outline(networks=("network default",))),
    ],
    ids=["no memory", "pc", "q35", "another family's alias", "no machine", "none alive", "the bridge of a network"],
)
def test_what_libvirt_writes_otherwise_is_no_drift(live: Outline, start: Outline) -> None:
    assert drift_between(live, start) == ()
