"""A whole host in the lab: four hosts, real sshd, libvirt and qemu. As root.

    python benchmarks/evacuate.py [--fenced 100] [--agents 5] [--started 50] [--rounds 2]

fence    `hafence fence --host` of so many living qemu in one session through a sibling, against the fence of one of
         them, and against `fence_virsh -o off` for each: that is run for a few (`--agents`) and multiplied
starts   `hafence evacuate` of so many VMs to three targets, from the first start that is sent to the end of the last,
         against the same `virsh define` and `virsh start` by hand, as many at once, over SSH connections that are open
logins   of that evacuation, as each host's sshd counts them

The VMs are idle: their disks hold nothing to boot. All sides are taken in one run. Exit status 1 where a bound is
missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fencing import HAFENCE, bound, fence_virsh, forget_marks, timed

from hafence.core.model import Settings
from tests.lab.cluster import Lab
from tests.lab.host import LabHost
from tests.lab.proc import kill_all, wait_until
from tests.lab.vm import FileDisk, LabVm

SUSPECT, SIBLING, TARGETS = "kvm-01", "kvm-02", ("kvm-02", "kvm-03", "kvm-04")
AT_ONCE = 4
"""Starts side by side on one target: hafence's own default."""
SINGLES, AGENTS, BY_HAND, LOGINS = 3.0, 1 / 30, 1.2, 1
"""The bounds: of one fence of all against a single one, and against the agent for each; of the starts against those by
hand; of logins on any host."""

PATIENT = {"ssh_timeout": 100}
"""For the fence of all: what takes longer than hafence waits by default is measured, too, and is a miss."""
Steps = list[dict[str, Any]]


def define(lab: Lab, count: int) -> list[LabVm]:
    """Definitions of idle VMs. None runs yet."""
    vms = []
    for number in range(1, count + 1):
        disk = lab.folder / "vms" / f"many-{number:03}.raw"
        disk.write_bytes(bytes(1 << 20))
        vms.append(lab.define_vm(SUSPECT, f"many-{number:03}", disk=FileDisk(disk)))
    return vms


def run_on_suspect(lab: Lab, vms: Sequence[LabVm]) -> None:
    """These VMs run on the suspect and nowhere else, and no run of an earlier store has been at them."""
    clear(lab)
    begin(lab, vms)


def begin(lab: Lab, vms: Sequence[LabVm]) -> None:
    """Start VMs on the suspect, two at a time."""
    forget_marks(lab)
    host = lab.hosts[SUSPECT]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda vm: host.virsh(f"define {vm.xml}; start {vm.name}"), vms))


def clear(lab: Lab) -> None:
    """No VM runs, and no host knows one."""
    kill_all([each.pid for each in lab.qemus()], "all qemu")
    wait_until(lambda: not lab.qemus(), "no qemu lives", 60)
    for host in lab.hosts.values():
        wait_until(partial(_runs_none, host), f"{host.name} knows of it", 60)
        names = host.virsh("list --all --name").split()
        if names:
            host.virsh("; ".join(f"undefine {name}" for name in names))


def _runs_none(host: LabHost) -> bool:
    return not host.virsh("list --name").split()


# ---------------------------------------------------------------- the fence


def fence(lab: Lab, count: int, agents: int, rounds: int) -> bool:
    """All of a host in one session, one of them, and by the agent one after the other."""
    vms = define(lab, count)
    run_on_suspect(lab, vms)
    some, one = vms[1 : agents + 1], vms[0]
    by_agent = [_agent(lab, vm) for vm in some]
    begin(lab, some)
    singles = []
    for _ in range(rounds):
        words = ["fence", one.name, "--sibling", SIBLING, "--yes"]
        singles.append(timed([*HAFENCE, "-i", str(lab.inventory()), "-q", *words])[0])
        begin(lab, [one])
    words = ["fence", "--host", SUSPECT, "--sibling", SIBLING, "--yes", "--json"]
    inventory = str(lab.inventory(fencing=PATIENT))
    with logins(lab) as counted:
        whole, output = timed([*HAFENCE, "-i", inventory, "-q", *words], codes=(0, 3))
    left = len(lab.qemus())
    single, each = statistics.median(singles), statistics.median(by_agent)
    steps = steps_of(inventory, json.loads(output)["run"])
    print(f"fence of {count} qemu on one host: {whole:.2f} s, {left} are left; of one of them {single:.2f} s;")
    print(f"  fence_virsh {each:.2f} s each: {each * count:.0f} s for {count} ({len(some)} measured, multiplied)")
    print(f"  {told(steps)}; logins: {counted}")
    good = left == 0 and bound("the fence itself", longest(steps, "fence"), Settings().ssh_timeout_s, "s")
    good &= bound("all / one", whole / single, SINGLES)
    return bound("all / the agent for each", whole / (each * count), AGENTS) & good


def _agent(lab: Lab, vm: LabVm) -> float:
    return timed(fence_virsh(lab, vm))[0]


# ---------------------------------------------------------------- the starts


def starts(lab: Lab, count: int, rounds: int) -> bool:
    """The evacuation of a whole host, and the same starts by hand."""
    lab.vms.clear()
    vms = define(lab, count)
    ours, whole, by_hand, most, phases = [], [], [], 0, ""
    for _ in range(rounds):
        run_on_suspect(lab, vms)
        inventory = str(lab.inventory())
        with logins(lab) as counted:
            seconds, output = timed([*HAFENCE, "-i", inventory, "evacuate", SUSPECT, "--yes", "--json"])
        document = json.loads(output)
        where = {each["vm"]["name"]: each["host"] for each in document["vms"]}
        whole.append(seconds)
        steps = steps_of(inventory, document["run"])
        ours.append(time_of_starts(steps))
        most, phases = max(most, *counted.values()), told(steps)
        clear(lab)
        by_hand.append(start_by_hand(lab, vms, where))
    mine, hand = statistics.median(ours), statistics.median(by_hand)
    print(f"evacuation of {count} VMs: {statistics.median(whole):.2f} s, of it the starts {mine:.2f} s")
    print(f"  by hand, {AT_ONCE} at once on each of {len(TARGETS)} targets: {hand:.2f} s")
    print(f"  {phases}")
    good = bound("starts / by hand", mine / hand, BY_HAND)
    print(f"  logins: {counted}")
    return bound("logins on one host", most, LOGINS, "") & good


def start_by_hand(lab: Lab, vms: Sequence[LabVm], where: dict[str, str]) -> float:
    """Seconds from the first call to the end of the last. The connections are open before."""
    masters = {target: _master(lab, target) for target in TARGETS}
    for ssh in masters.values():
        subprocess.run([*ssh, "true"], check=True)

    def start(vm: LabVm) -> None:
        calls = f"virsh -q define {vm.xml} && virsh -q start {vm.name}"
        subprocess.run([*masters[where[vm.name]], calls], check=True, capture_output=True)

    begun = time.perf_counter()
    pools = {target: ThreadPoolExecutor(AT_ONCE) for target in TARGETS}
    going = [pools[where[vm.name]].submit(start, vm) for vm in vms]
    for each in going:
        each.result()
    seconds = time.perf_counter() - begun
    for target, ssh in masters.items():
        pools[target].shutdown()
        subprocess.run([*ssh[:-1], "-O", "exit", ssh[-1]], check=True, capture_output=True)
    return seconds


def _master(lab: Lab, target: str) -> list[str]:
    """An OpenSSH command line whose connection stays open for the next ones."""
    *ssh, login = lab.ssh(target)
    control = str(lab.folder / f"master-{target}")
    return [*ssh, "-o", "ControlMaster=auto", "-o", f"ControlPath={control}", "-o", "ControlPersist=600", login]


# ---------------------------------------------------------------- what a run says of itself


def steps_of(inventory: str, run: str) -> Steps:
    """The steps of a run, from its own history."""
    steps: Steps = json.loads(timed([*HAFENCE, "-i", inventory, "explain", run, "--json"])[1])["steps"]
    return steps


def time_of_starts(steps: Steps) -> float:
    """Seconds from the first start that was sent to the end of the last."""
    sent = [_at(step) for step in steps if step["kind"] == "intent_start"]
    ended = [_at(step) for step in steps if step["kind"] == "start"]
    return max(ended) - min(sent)


def _at(step: dict[str, Any]) -> float:
    return datetime.fromisoformat(step["at"]).timestamp()


def longest(steps: Steps, kind: str) -> float:
    """Seconds of the longest step of a kind."""
    return float(max(step["data"]["seconds"] for step in steps if step["kind"] == kind))


def told(steps: Steps) -> str:
    """What each kind of step took in all. Those side by side count each for itself."""
    took: dict[str, list[float]] = {}
    for step in steps:
        if "seconds" in step["data"]:
            took.setdefault(step["kind"], []).append(step["data"]["seconds"])
    by_time = sorted(took.items(), key=lambda kind: -sum(kind[1]))
    return "steps: " + ", ".join(f"{len(times)} x {kind} {sum(times):.1f} s" for kind, times in by_time)


@contextmanager
def logins(lab: Lab) -> Iterator[dict[str, int]]:
    """How many logins each host sees while this lasts; filled at the end."""
    logs = {name: host.folder / "log/sshd.log" for name, host in lab.hosts.items()}
    before = {name: _accepted(log) for name, log in logs.items()}
    counted: dict[str, int] = {}
    yield counted
    counted.update({name: _accepted(log) - before[name] for name, log in logs.items()})


def _accepted(log: Path) -> int:
    return log.read_text().count("Accepted publickey")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fenced", type=int, default=100)
    parser.add_argument("--agents", type=int, default=5)
    parser.add_argument("--started", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with Lab(prefix=os.environ.get("HAFENCE_LAB_PREFIX", "hfbench")) as lab:
        good = fence(lab, options.fenced, options.agents, options.rounds)
        good &= starts(lab, options.started, options.rounds)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
