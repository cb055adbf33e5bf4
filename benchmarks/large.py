"""`start-vm` beside an inventory of 1,000 hosts and 50,000 VMs, against the same beside 10 hosts and 20 VMs. No lab.

    python benchmarks/large.py [--hosts 1000] [--vms 50000] [--rounds 3]

large    the whole command: reading the inventory, the looks, the record; nobody answers at the hosts' addresses (it is
         loopback, which refuses at once), so that it ends with a refusal, and hardly any of its time is the network's
small    the same on 10 hosts and 20 VMs
yaml     `yaml.CSafeLoader` alone on the large file

first    the first run on an inventory; again: those after it, with the same store. Peak memory is that of the process.
Exit status 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from fencing import HAFENCE, NO_BYTECODE, bound
from inventory import YAML, fields_of

from tests.lab.vm import domain_xml

IN_A_CLUSTER = 10
FIRST, AGAIN, FIRST_MB, AGAIN_MB = 1 / 3, 2.0, 400, 100
"""The bounds: the first run against CSafeLoader alone, those after it against the same on the small one, and MB."""
REFUSED = 3
VM = "web-00000"


class Cost(NamedTuple):
    """What one process took: wall time, and peak resident memory."""

    seconds: float
    peak_mb: float


def write(folder: Path, hosts: int, vms: int) -> Path:
    """The inventory, a VM a line; only one VM has its domain XML."""
    chance = random.Random(1)
    (folder / "domains").mkdir(parents=True)
    (folder / "known_hosts").touch()
    (folder / "id_ed25519").touch(mode=0o600)
    lines = [
        "ssh: {user: root, port: 1, identity_file: id_ed25519, known_hosts: known_hosts}",
        "store: sqlite:state.db",
    ]
    lines += ["clusters:", *(f"  prod-{number:03}: {{hypervisor: kvm}}" for number in range(hosts // IN_A_CLUSTER))]
    lines.append("hosts:")
    for number in range(hosts):
        where = f"cluster: prod-{number // IN_A_CLUSTER:03}, address: 127.1.{number // 250}.{number % 250 + 1}"
        lines.append(f"  kvm-{number:04}: {{{where}, memory_mib: 262144, labels: {{rack: r{number % 40}}}}}")
    lines.append("vms:")
    for number in range(vms):
        fields = {**fields_of(number, chance), "host": f"kvm-{number % hosts:04}"}
        lines.append(f"  web-{number:05}: {{{', '.join(f'{key}: {value}' for key, value in fields.items())}}}")
        if number == 0:
            (folder / fields["domain_xml"]).write_text(domain_xml(VM, fields["uuid"]))
    path = folder / "inventory.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def cost(argv: list[str], codes: tuple[int, ...]) -> Cost:
    """Run a process to its end."""
    inherited = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    begun = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=inherited) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    if process.returncode not in codes:
        raise SystemExit(f"{argv[:4]}… ended with {process.returncode}\n{said.decode()}")
    return Cost(seconds, used.ru_maxrss / 1024)


def start_vm(inventory: Path) -> Cost:
    """The whole command."""
    return cost([*HAFENCE, "-i", str(inventory), "-q", "start-vm", VM, "--yes"], (REFUSED,))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--vms", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hafence-benchmark-") as name:
        large = write(Path(name) / "large", options.hosts, options.vms)
        small = write(Path(name) / "small", 10, 20)
        start_vm(small)
        first = start_vm(large)
        rounds = [(start_vm(large), start_vm(small)) for _ in range(options.rounds)]
        alone = cost([sys.executable, "-c", YAML.format(before=""), str(large)], (0,))
        size = large.stat().st_size / 1e6
    again = [each for each, _ in rounds]
    again_s, small_s = (statistics.median(each.seconds for each in side) for side in zip(*rounds, strict=True))
    print(
        f"{options.hosts} hosts, {options.vms} VMs, {size:.1f} MB: first {first.seconds:.2f} s, again {again_s:.2f} s"
    )
    print(f"10 hosts, 20 VMs: {small_s:.2f} s; CSafeLoader alone on the large one {alone.seconds:.2f} s")
    good = bound("first / CSafeLoader", first.seconds / alone.seconds, FIRST)
    good &= bound("again / small", again_s / small_s, AGAIN)
    good &= bound("peak memory, first", first.peak_mb, FIRST_MB, "MB")
    good &= bound("peak memory, again", max(each.peak_mb for each in again), AGAIN_MB, "MB")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
