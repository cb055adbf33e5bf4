"""The main job in the lab: four real hosts in network namespaces, real sshd, libvirt and qemu. As root.

    python benchmarks/fencing.py [--rounds 5] [--vms 50]

fence      `hafence fence` of one live qemu through a sibling, whole process, less the settle second, against the same
           kill by hand (`ssh -J sibling suspect virsh destroy`) and against `fence_virsh -o off`
many       `hafence fence --host` with 50 VMs against 50 single fences
start      `hafence start-vm`, whole, with a live leftover; where its time goes; its peak memory

Both sides of each figure are taken in turns in one run. Exit status 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.lab.cluster import Lab
from tests.lab.vm import FileDisk, LabVm

SETTLE_S = 1.0
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Where this is set each command compiles all of its modules anew, which no installed one does."""
HAFENCE = [sys.executable, "-m", "hafence"]


def timed(argv: Sequence[str], env: dict[str, str] | None = None, codes: tuple[int, ...] = (0,)) -> tuple[float, str]:
    """Wall time and output of one whole process."""
    begun = time.perf_counter()
    inherited = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    done = subprocess.run(argv, capture_output=True, text=True, env={**inherited, **(env or {})}, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode not in codes:
        raise SystemExit(f"{argv[:4]}… ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return seconds, done.stdout


def again(lab: Lab, vm: LabVm, host: str) -> None:
    """The VM runs on a host as if nothing had happened."""
    lab.kill_qemu(vm)
    lab.wait_copies(vm.uuid, 0)
    for name in lab.hosts:
        lab.hosts[name].virsh(f"undefine {vm.uuid}", check=False)
    forget_marks(lab)
    lab.hosts[host].virsh(f"define {vm.xml}; start {vm.name}")


def forget_marks(lab: Lab) -> None:
    """Each round has a store of its own, and no other store's run was there."""
    for host in lab.hosts.values():
        host.shell("rm -f /run/hafence/*.mark")


def bound(name: str, value: float, most: float, unit: str = "x") -> bool:
    """Print a figure beside its bound."""
    good = value <= most
    print(f"  {name}: {value:.2f} {unit} (at most {most:g} {unit}){'' if good else '   MISSED'}")
    return good


def fence(lab: Lab, rounds: int) -> bool:
    """One live qemu through a sibling."""
    disk = lab.folder / "vms" / "bench-01.raw"
    disk.write_bytes(bytes(1 << 20))
    vm = lab.start_vm("kvm-01", "bench-01", disk=FileDisk(disk))
    ours, by_hand, agent, flushed = [], [], [], []
    for _ in range(rounds):
        again(lab, vm, "kvm-01")
        inventory = str(lab.inventory())
        argv = [*HAFENCE, "-i", inventory, "-q", "fence", vm.name, "--sibling", "kvm-02", "--yes", "--json"]
        seconds, output = timed(argv)
        ours.append(seconds - SETTLE_S)
        flushed.append(waited_for_writes(inventory, json.loads(output)["run"]))
        again(lab, vm, "kvm-01")
        by_hand.append(timed([*lab.ssh("kvm-01", through="kvm-02"), f"virsh destroy {vm.uuid}"])[0])
        if shutil.which("fence_virsh"):
            again(lab, vm, "kvm-01")
            agent.append(timed(fence_virsh(lab, vm))[0])
    mine, hand = statistics.median(ours), statistics.median(by_hand)
    print(f"fence of one live qemu: hafence {mine:.2f} s without the settle second, ssh -J by hand {hand:.2f} s")
    good = bound("hafence / ssh -J by hand", mine / hand, 1.3)
    print(f"  of this, waiting for its last writes: {statistics.median(flushed):.3f} s")
    if agent:
        theirs = statistics.median(agent)
        print(f"  fence_virsh -o off {theirs:.2f} s")
        good &= bound("hafence / fence_virsh", mine / theirs, 1.0)
    lab.kill_qemu(vm)
    return good


def waited_for_writes(inventory: str, run: str) -> float:
    """Seconds that a fence waited for its flush beyond the settle second (`flush=MS` in its reply)."""
    story = timed([*HAFENCE, "-i", inventory, "explain", run, "--json"])[1]
    return max((int(ms) / 1000 for ms in re.findall(r'"flush": "([0-9]+)"', story)), default=0.0)


def fence_virsh(lab: Lab, vm: LabVm) -> list[str]:
    """Debian's agent, straight to the host, for it knows no sibling."""
    shell = "-t '/bin/bash -c \"PS1=\\[EXPECT\\]# /bin/bash --noprofile --norc\"'"
    options = f"--ssh-options=-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -F none {shell}"
    key = str(lab.keys.private)
    return [
        "fence_virsh",
        "-a",
        lab.hosts["kvm-01"].address,
        "-l",
        "root",
        "-k",
        key,
        "-n",
        vm.name,
        "-o",
        "off",
        "-x",
        options,
    ]


def many(lab: Lab, count: int) -> bool:
    """All VMs of a host in one order, against one by one."""
    vms = [lab.start_vm("kvm-02", f"many-{number:02d}") for number in range(count)]
    forget_marks(lab)
    inventory = str(lab.inventory())
    together = timed([*HAFENCE, "-i", inventory, "-q", "fence", "--host", "kvm-02", "--yes"])[0]
    for vm in vms:
        again(lab, vm, "kvm-02")
    inventory = str(lab.inventory())
    single = sum(timed([*HAFENCE, "-i", inventory, "-q", "fence", vm.name, "--yes"])[0] for vm in vms)
    for vm in vms:
        lab.kill_qemu(vm)
        lab.vms.pop(vm.name)
    print(f"fence --host with {count} VMs {together:.2f} s, {count} single fences {single:.2f} s")
    return bound("together / single", together / single, 0.1)


def start(lab: Lab, rounds: int) -> bool:
    """The whole HA start."""
    vm = lab.vms["bench-01"]
    whole, steps = [], []
    for _ in range(rounds):
        again(lab, vm, "kvm-01")
        inventory = str(lab.inventory())
        seconds, output = timed([*HAFENCE, "-i", inventory, "start-vm", vm.name, "--yes", "--json"])
        whole.append(seconds)
        steps.append(where_time_went(inventory, json.loads(output)["run"]))
    median = statistics.median(whole)
    print(f"start-vm, whole: {median:.2f} s (of which {SETTLE_S:.0f} s settle)")
    for name in steps[0]:
        print(f"    {name:<22} {statistics.median(step[name] for step in steps):.2f} s")
    inside = statistics.median(sum(step.values()) for step in steps)
    print(f"    {'process, store, rest':<22} {median - inside:.2f} s")
    again(lab, vm, "kvm-01")
    peak = peak_of([*HAFENCE, "-i", str(lab.inventory()), "-q", "start-vm", vm.name, "--yes"])
    return bound("start-vm", median, 2.5, "s") & bound("peak memory of start-vm", peak, 80, "MB")


def where_time_went(inventory: str, run: str) -> dict[str, float]:
    """Seconds of each effect, from the run's own history."""
    story = json.loads(timed([*HAFENCE, "-i", inventory, "explain", run, "--json"])[1])
    took: dict[str, float] = {}
    for step in story["steps"]:
        if "seconds" in step.get("data", {}):
            name = step["kind"]
            name = f"{name} after" if name == "look_at" and "start" in took else name
            took[name] = took.get(name, 0.0) + step["data"]["seconds"]
    return took


def peak_of(argv: Sequence[str]) -> float:
    """Peak resident memory of one process in MB, by GNU time's own accounting."""
    code = (
        "import os,resource,subprocess,sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    return int(re.sub(r"\D", "", timed([sys.executable, "-c", code, *argv])[1])) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--vms", type=int, default=50)
    options = parser.parse_args()
    with Lab(prefix="hfbench") as lab:
        good = fence(lab, options.rounds)
        good &= start(lab, options.rounds)
        good &= many(lab, options.vms)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
