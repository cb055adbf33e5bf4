"""The storage fence of a VM with ten volumes, in the lab with a real Ceph cluster. As root.

    python benchmarks/storage_fence.py [--rounds 5] [--volumes 10]

storage fence  of a silent host's VM through a sibling, every client of its ten volumes, against one `ceph` call of its
               kind (`ceph osd blocklist add`) on that sibling

Both sides are taken in turns in one run. Exit status 1 where the bound is missed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hafence.adapters.hosts.program import Program
from hafence.adapters.ssh.connections import Hosts
from hafence.core.model import HostName
from hafence.core.storage.registry import storage_fence_of
from hafence.inventory.yaml_tree import read_inventory
from hafence.workflows.storage_fence import StorageOrder, fence_storage
from tests.lab.ceph import Ceph
from tests.lab.cluster import Lab
from tests.lab.proc import wait_until
from tests.playing import play

SUSPECT, SIBLING = HostName("kvm-01"), HostName("kvm-02")
MOST = 3.0
"""The bound: one storage fence against one `ceph` call."""


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--volumes", type=int, default=10)
    options = parser.parse_args()
    with Lab() as lab, Ceph(lab) as ceph:
        fences, calls = measure(lab, ceph, options.rounds, options.volumes)
    fence_s, call_s = statistics.median(fences), statistics.median(calls)
    print(f"storage fence of {options.volumes} volumes {fence_s:.2f} s, one 'ceph osd blocklist add' {call_s:.2f} s")
    good = fence_s <= MOST * call_s
    print(f"  fence / call: {fence_s / call_s:.2f} x (at most {MOST:g} x){'' if good else '   MISSED'}")
    return 0 if good else 1


def measure(lab: Lab, ceph: Ceph, rounds: int, volumes: int) -> tuple[list[float], list[float]]:
    """Seconds of each fence and of each call. The connection to the sibling is open, as it is when a run fences."""
    disks = tuple(ceph.create_image(guest=False) for _ in range(volumes))
    vm = lab.start_vm(SUSPECT, "bench-01", disk=disks)
    inventory = read_inventory(str(lab.inventory(clusters={"lab": {"ceph": ceph.settings()}})))
    suspect, fence = inventory.hosts[SUSPECT], storage_fence_of(inventory.clusters["lab"])
    assert fence is not None, "the lab has Ceph"
    hosts = Hosts(inventory.hosts, 5.0)
    hosts.run(inventory.hosts[SIBLING], Program("exit\n"), within_s=10)
    fences: list[float] = []
    calls: list[float] = []
    for number in range(rounds):
        begun = time.perf_counter()
        lab.hosts[SIBLING].exec(["ceph", "osd", "blocklist", "add", f"192.0.2.{number + 1}:0/1"])
        calls.append(time.perf_counter() - begun)
        order = StorageOrder(suspect, tuple(inventory.vms), (SIBLING,), math.inf, 60.0, rehearse=False, alone=False)
        begun = time.perf_counter()
        [reply] = play(inventory, fence_storage(inventory, fence, order, {}), hosts).values()
        fences.append(time.perf_counter() - begun)
        assert reply.done, reply
        assert len(ceph.blocklist()) == volumes + 1, reply
        ceph.unblock_all()
        lab.hosts[SUSPECT].virsh(f"destroy {vm.name}")
        lab.hosts[SUSPECT].virsh(f"start {vm.name}")
        wait_until(lambda: all(ceph.watchers(disk.image) for disk in disks), "every volume is watched", 60)
    hosts.close()
    return fences, calls


if __name__ == "__main__":
    sys.exit(main())
