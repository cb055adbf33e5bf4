"""Reading an inventory of 1,000 hosts and 20,000 VMs against `yaml.CSafeLoader` alone on the same file.

    python benchmarks/inventory.py [--repeats 5]

Ours is everything: reading, lines, all checks, a look whether each domain XML exists, the finished Inventory.
CSafeLoader's part is `yaml.load` of the bytes, nothing after it. Each reads in a process of its own, as a command
does, turn by turn; start and imports are not counted. The median of the processor times counts, so that other load
on the machine does not. The bound is a quarter; exit status 1 where it is missed.

Where both sides read again and again in one process, the ratio is higher, about 0.25: CSafeLoader's collections
get cheaper on a heap that has grown already. It is higher too where VMs have few keys, since CSafeLoader's time
grows faster than the file: the row `sparse` (three keys for each VM) shows it and is not held to the bound.

Ours switches Python's garbage collector off while it reads, CSafeLoader runs as it comes; what it takes with
the collector off is printed too.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

BOUND = 0.25
HOSTS = 1_000
VMS = 20_000

YAML = """
import gc, sys, time, yaml
{before}
begin = time.process_time()
with open(sys.argv[1], "rb") as file:
    tree = yaml.load(file.read(), Loader=yaml.CSafeLoader)
print(time.process_time() - begin)
"""
READERS = {
    "hafence": """
import sys, time
from hafence.inventory.yaml_tree import read_inventory
begin = time.process_time()
inventory = read_inventory(sys.argv[1])
print(time.process_time() - begin)
""",
    "CSafeLoader": YAML.format(before=""),
    "CSafeLoader without collector": YAML.format(before="gc.disable()"),
}
"""Each prints the processor time that it took to read the file."""


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
    """The inventory, with its VMs in block style (a key a line), in flow style (a VM a line) or sparse."""
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
        if style == "sparse":
            pairs = pairs[:3]
        if style == "flow":
            lines.append(f"  web-{number:05}: {{{', '.join(pairs)}}}")
        else:
            lines += [f"  web-{number:05}:", *(f"    {pair}" for pair in pairs)]
    path = folder / f"{style}.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def seconds(reader: str, path: Path) -> float:
    """The processor time of one reading in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", READERS[reader], str(path)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def compare(path: Path, repeats: int) -> float:
    """Both sides, turn by turn; prints the figures and gives back the ratio."""
    taken: dict[str, list[float]] = {reader: [] for reader in READERS}
    for _ in range(repeats):
        for reader, times in taken.items():
            times.append(seconds(reader, path))
    median = {reader: statistics.median(times) for reader, times in taken.items()}
    ratio = median["hafence"] / median["CSafeLoader"]
    figures = "  ".join(f"{reader} {time_s:.2f} s" for reader, time_s in median.items())
    print(f"{path.stem:6}  {path.stat().st_size / 1e6:.1f} MB  {figures}  ratio {ratio:.3f}")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print(f"bound of flow and block: {BOUND}")
    with tempfile.TemporaryDirectory(prefix="hafence-benchmark-") as name:
        folder = Path(name)
        (folder / "domains").mkdir()
        for number in range(VMS):
            (folder / "domains" / f"web-{number:05}.xml").touch()
        ratios = {style: compare(write(folder, style), repeats) for style in ("flow", "block", "sparse")}
    return 0 if max(ratios["flow"], ratios["block"]) <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
