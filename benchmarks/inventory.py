"""Reading an inventory of 1,000 hosts and 20,000 VMs against `yaml.CSafeLoader` alone on the same file.

    python benchmarks/inventory.py [--repeats 5]

Ours is everything: reading, lines, all checks, a look whether each domain XML exists, the finished Inventory.
CSafeLoader's part is `yaml.load` of the bytes, nothing after it. Both sides run in one process, turn by turn;
the least processor time of each counts, so that other load on the machine does not. The bound is a quarter; exit
status 1 where it is missed.

Ours switches Python's garbage collector off while it reads, CSafeLoader runs as it comes; what it takes with
the collector off is printed too.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import yaml

from hafence.adapters.inventory_yaml import read_inventory

BOUND = 0.25
HOSTS = 1_000
VMS = 20_000


def fields_of(number: int, chance: random.Random) -> dict[str, str]:
    """A VM with every key that there is: 235 bytes, as large as they get."""
    return {
        "uuid": str(uuid.UUID(int=chance.getrandbits(128))),
        "host": f"kvm-{number % HOSTS:04}",
        "domain_xml": f"domains/web-{number:05}.xml",
        "ha": "true",
        "priority": str(number % 100),
        "memory_mib": "4096",
        "anti_affinity": f"web-{number // 3}",
        "disks": f"[rbd:vms/web-{number:05}-data]",
    }


def write(folder: Path, style: str) -> Path:
    """The inventory, with its VMs in block style (a key a line) or in flow style (a VM a line)."""
    chance = random.Random(1)
    lines = ["ssh: {user: root, identity_file: id_ed25519, known_hosts: known_hosts}", "fencing: {ssh_timeout: 20s}"]
    lines += ["clusters:", *(f"  prod-{number:02}: {{hypervisor: kvm}}" for number in range(50)), "hosts:"]
    for number in range(HOSTS):
        address = f"10.{number // 250}.{number % 250}.11"
        more = f"memory_mib: 262144, labels: {{rack: r{number % 40}}}"
        lines.append(f"  kvm-{number:04}: {{cluster: prod-{number % 50:02}, address: {address}, {more}}}")
    lines.append("vms:")
    for number in range(VMS):
        pairs = [f"{key}: {value}" for key, value in fields_of(number, chance).items()]
        if style == "flow":
            lines.append(f"  web-{number:05}: {{{', '.join(pairs)}}}")
        else:
            lines += [f"  web-{number:05}:", *(f"    {pair}" for pair in pairs)]
    path = folder / f"{style}.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def seconds(call: Callable[[], object]) -> float:
    """The processor time that a call takes."""
    gc.collect()
    begin = time.process_time()
    call()
    return time.process_time() - begin


def without_collector(call: Callable[[], object]) -> float:
    gc.disable()
    try:
        return seconds(call)
    finally:
        gc.enable()


def compare(path: Path, repeats: int) -> float:
    """Both sides, turn by turn; prints the figures and gives back the ratio."""
    source = path.read_bytes()
    ours, theirs, uncollected = [], [], []
    for _ in range(repeats):
        ours.append(seconds(lambda: read_inventory(str(path))))
        theirs.append(seconds(lambda: yaml.load(source, Loader=yaml.CSafeLoader)))
        uncollected.append(without_collector(lambda: yaml.load(source, Loader=yaml.CSafeLoader)))
    ratio = min(ours) / min(theirs)
    print(
        f"{path.stem:5}  {len(source) / 1e6:.1f} MB  hafence {min(ours):.2f} s  CSafeLoader {min(theirs):.2f} s  "
        f"ratio {ratio:.3f} (at most {BOUND})  CSafeLoader without collector {min(uncollected):.2f} s"
    )
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory(prefix="hafence-benchmark-") as name:
        folder = Path(name)
        (folder / "domains").mkdir()
        for number in range(VMS):
            (folder / "domains" / f"web-{number:05}.xml").touch()
        ratios = [compare(write(folder, style), repeats) for style in ("flow", "block")]
    return 0 if max(ratios) <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
