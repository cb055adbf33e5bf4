"""`hafence --version` against `python -c pass`: the median of both, taken in turns, and their ratio.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 40
AT_MOST = 2.5


def seconds(command: list[str]) -> float:
    """The wall time of one run of a command."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> int:
    hafence = Path(sys.executable).with_name("hafence")
    if not hafence.exists():
        print(f"no {hafence}: install hafence into this Python first", file=sys.stderr)
        return 2
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "hafence --version": [str(hafence), "--version"],
        "hafence --help": [str(hafence), "--help"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            taken[name].append(seconds(command))
    bare = statistics.median(taken["python -c pass"])
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name:<20} {median * 1000:6.1f} ms  {median / bare:4.2f} x")
    ratio = statistics.median(taken["hafence --version"]) / bare
    print(f"hafence --version / python -c pass: {ratio:.2f} (at most {AT_MOST})")
    return 0 if ratio <= AT_MOST else 1


if __name__ == "__main__":
    sys.exit(main())
