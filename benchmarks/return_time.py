"""How long a VM is away once somebody types `start-vm`: five lab hosts, default settings, the whole command. As root.

    python benchmarks/return_time.py [--rounds 3]

answers         the suspect answers the admin node, and the VM's leftover lives there
silent here     the suspect is cut off from the admin node only: a sibling reaches it
dead            the suspect has no power, and nobody knows its hardware address any more: a connection ends after some
                3 s with "no route"; policy `confirm`
dead just now   the same where its address is still known, so that a connection takes its whole time-out (5 s)
dead beside     another host of the cluster has no power either
disabled beside a host that is `disabled` in the inventory has no power, and the suspect answers, or is dead: this may
                cost nothing

Each beside its bound, most of which are of another row of the same run. Below them the times to recover that others
publish: these include the time until a host's death is noticed, which for hafence is whoever calls it. Exit status 1
where a bound is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fencing import HAFENCE, again, timed, where_time_went

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.fault import Fault
from tests.lab.look import ping
from tests.lab.vm import LabVm

SUSPECT, BESIDE = "kvm-01", "kvm-05"
ANSWERS_S, SILENT_S, DEAD_S, BESIDE_S = 2.5, 1.5, 5.0, 1.0
"""At most: where the suspect answers; more than that where a sibling reaches it, and (one connect time-out) where it is
dead; more than dead where another one is."""
NOTHING = 1.05
"""A host out of service may cost nothing: what differs by less is noise."""

PEERS = (
    ("vSphere HA", "30 to 60 s"),
    ("Proxmox VE", "1 to 4 min"),
    ("oVirt", "2.5 min"),
    ("CloudStack", "2.5 to 8 min"),
    ("Harvester", "1 to 5 min"),
)
"""As their projects and their users state them; not measured here."""


@dataclass(frozen=True, slots=True)
class Row:
    """A situation: what is broken in it, and what is laid on the inventory."""

    name: str
    breaks: tuple[Callable[[Lab], Fault], ...] = ()
    overrides: tuple[tuple[str, Any], ...] = ()
    just_now: bool = False
    """Whether the others still know the suspect's hardware address."""


def _off(name: str) -> Callable[[Lab], Fault]:
    return lambda lab: faults.power_off(lab, name)


_DISABLED = (("hosts", {BESIDE: {"state": "disabled"}}),)
ROWS = (
    Row("answers"),
    Row("silent here", (lambda lab: faults.cut(lab, faults.ADMIN, SUSPECT),)),
    Row("dead", (_off(SUSPECT),)),
    Row("dead just now", (_off(SUSPECT),), just_now=True),
    Row("dead, dead beside", (_off(SUSPECT), _off(BESIDE))),
    Row("answers, disabled beside", (_off(BESIDE),), _DISABLED),
    Row("dead, disabled beside", (_off(SUSPECT), _off(BESIDE)), _DISABLED),
)


def bounds(took: dict[str, float]) -> dict[str, float]:
    """The bound of each row, in seconds, most by what another row took."""
    answers, dead = took["answers"], took["dead"]
    return {
        "answers": ANSWERS_S,
        "silent here": answers + SILENT_S,
        "dead": answers + DEAD_S,
        "dead just now": answers + DEAD_S,
        "dead, dead beside": dead + BESIDE_S,
        "answers, disabled beside": answers * NOTHING,
        "dead, disabled beside": dead * NOTHING,
    }


@contextlib.contextmanager
def broken(lab: Lab, row: Row) -> Iterator[None]:
    """While this lasts it is so."""
    with contextlib.ExitStack() as stack:
        if row.just_now:
            for watcher in (None, *lab.hosts.values()):
                ping(watcher, lab.hosts[SUSPECT].address)
        for each in row.breaks:
            stack.enter_context(each(lab))
        if not row.just_now:
            lab.forget_neighbours()
        yield


def one(lab: Lab, vm: LabVm, row: Row) -> tuple[float, dict[str, float]]:
    """Seconds of the whole command, and of its phases."""
    again(lab, vm, SUSPECT)
    inventory = str(lab.inventory(**dict(row.overrides)))
    with broken(lab, row):
        seconds, output = timed([*HAFENCE, "-i", inventory, "start-vm", vm.name, "--yes", "--json"])
        phases = where_time_went(inventory, json.loads(output)["run"])
    return seconds, phases


def tell(row: Row, times: Sequence[float], phases: Sequence[dict[str, float]], most_s: float) -> bool:
    """Print a row; whether it is within its bound."""
    median = statistics.median(times)
    good = median <= most_s
    names = {name for each in phases for name in each}
    typical = {name: statistics.median(each.get(name, 0.0) for each in phases) for name in names}
    longest = sorted(typical.items(), key=lambda phase: -phase[1])[:4]
    told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in longest if seconds >= 0.05)
    span = f"{min(times):.1f} to {max(times):.1f}"
    print(f"{row.name:<26} {median:5.2f} s  ({span})  at most {most_s:5.2f} s{'' if good else '   MISSED'}")
    print(f"{'':<26} {told}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {row.name: [] for row in ROWS}
    phases: dict[str, list[dict[str, float]]] = {row.name: [] for row in ROWS}
    with Lab(size=5, prefix=os.environ.get("HAFENCE_LAB_PREFIX", "hfbench")) as lab:
        vm = lab.start_vm(SUSPECT, "bench-01")
        for _ in range(rounds):
            for row in ROWS:
                seconds, where = one(lab, vm, row)
                times[row.name].append(seconds)
                phases[row.name].append(where)
    most = bounds({name: statistics.median(taken) for name, taken in times.items()})
    good = [tell(row, times[row.name], phases[row.name], most[row.name]) for row in ROWS]
    print("what others publish, detection included (not measured here):")
    for peer, published in PEERS:
        print(f"  {peer:<24} {published}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
