"""The second look at a silent suspect, in the lab: four hosts, one of them off the network. As root.

    python benchmarks/second_look.py [--rounds 3] [--connect-timeout 3]

All siblings and the admin node look at once, beside the first attempt through a sibling: so it costs one connect
time-out, not one per sibling. Exit status 1 where it costs two.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.lab import faults
from tests.lab.cluster import Lab

HAFENCE = [sys.executable, "-m", "hafence"]
MOST = 2.0
"""Time-outs: one for the look itself; with the login to the siblings it stays below two."""


def run_json(*words: str) -> dict[str, Any]:
    """The document that a command prints."""
    done = subprocess.run([*HAFENCE, *words, "--json"], capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def second_look_s(inventory: str, vm: str) -> float:
    """Seconds of the round of witnesses."""
    run = run_json("-i", inventory, "fence", vm, "--yes")["run"]
    steps = run_json("-i", inventory, "explain", run)["steps"]
    [took] = [step["data"]["seconds"] for step in steps if step["kind"] == "witness" and "seconds" in step["data"]]
    return float(took)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connect-timeout", type=int, default=3)
    options = parser.parse_args()
    with Lab(prefix="hfbench") as lab:
        vm = lab.start_vm("kvm-01", "bench-01")
        faults.link_down(lab, "kvm-01")
        took = []
        for _ in range(options.rounds):
            inventory = str(lab.inventory(fencing={"connect_timeout": options.connect_timeout}))
            took.append(second_look_s(inventory, vm.name))
    ratio = statistics.median(took) / options.connect_timeout
    print(f"second look, three siblings and the admin node: {statistics.median(took):.2f} s")
    print(f"  against one connect time-out: {ratio:.2f} x (below {MOST:g} x){'' if ratio < MOST else '   MISSED'}")
    return 0 if ratio < MOST else 1


if __name__ == "__main__":
    sys.exit(main())
