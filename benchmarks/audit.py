"""An audit of many hosts, all of them one sshd on loopback, against bare Fabric in threads. Needs openssh-server.

    python benchmarks/audit.py [--hosts 32] [--rounds 1] [--peers FOLDER]

In turns, in one run: Fabric logs in on every host and runs there the very script of a look, 32 at a time; `hafence
status --live` looks into every host; `hafence audit` looks and rehearses the fence of each through three siblings. All
hosts are this machine, so that their scripts cost both sides alike. Then the audit again with half as many hosts: its
time must grow with them, and not with their square. With `--peers` others run the look's script on all hosts, too
(look_peers.py). Exit status 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import os
import pwd
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fabric import Connection
from look_peers import AT_ONCE, Hosts, peers

from hafence.adapters.hosts import kvm
from hafence.core.model import Host, HostName
from tests.ssh.servers import Server, make_key

LOOK_X, PATH_X, LINEAR_X, MEMORY_MB = 1.2, 2.2, 2.5, 300


def addresses(count: int) -> list[str]:
    return [f"127.0.{1 + n // 200}.{1 + n % 200}" for n in range(count)]


def inventory(folder: Path, server: Server, count: int) -> Path:
    place = folder / f"{count}.yaml"
    user = pwd.getpwuid(os.getuid()).pw_name
    hosts = "".join(f"  h-{n:04d}: {{cluster: c, address: {each}}}\n" for n, each in enumerate(addresses(count)))
    place.write_text(
        f"ssh: {{user: {user}, port: {server.port}, identity_file: {server.identity}, known_hosts: {folder}/known,"
        f" sudo: false}}\nstore: sqlite:{count}.db\nclusters: {{c: }}\nhosts:\n{hosts}vms: {{}}\n"
    )
    return place


def hafence(*words: str, cache: Path) -> tuple[float, int]:
    """Seconds, and peak memory in MB."""
    env = os.environ | {"XDG_CACHE_HOME": str(cache)}
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "hafence", *words], env=env, stdout=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    return time.monotonic() - begun, used.ru_maxrss // 1024


def look_script() -> str:
    return kvm.look_program("0" * 16, Host(HostName("h"), "c", "127.0.0.1"), (), ()).text


def bare_s(server: Server, count: int) -> float:
    """The look's script on every host with Fabric, as a program of an hour would: seconds for all."""
    script = look_script()

    def login(address: str) -> None:
        options = {"key_filename": str(server.identity), "look_for_keys": False, "allow_agent": False}
        with Connection(address, pwd.getpwuid(os.getuid()).pw_name, server.port, connect_kwargs=options) as line:
            line.run(f"sh -c {shlex.quote(script)}", hide=True, in_stream=False, warn=True)

    begun = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(login, addresses(count)))
    return time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="a virtual environment with the other programs")
    options = parser.parse_args()
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        server = Server(folder / "sshd", make_key(folder / "id"), "all", settings=("MaxStartups 500",))
        try:
            server.start(everywhere=True)
            return measure(server, folder, options)
        finally:
            server.kill()


def measure(server: Server, folder: Path, options: argparse.Namespace) -> int:
    count, rounds = options.hosts, options.rounds
    key = (server.folder / "host_ed25519.pub").read_text().split()
    known = "".join(f"[{each}]:{server.port} {key[0]} {key[1]}\n" for each in addresses(count))
    (folder / "known").write_text(known)
    whole, half = (str(inventory(folder, server, each)) for each in (count, count // 2))
    bare, look, audit, less, memory = [], [], [], [], 0
    for number in range(rounds):
        cache = folder / f"cache{number}"
        bare.append(bare_s(server, count))
        look.append(hafence("-i", whole, "status", "--live", cache=cache)[0])
        took, used = hafence("-i", whole, "audit", cache=cache)
        audit.append(took)
        memory = max(memory, used)
        less.append(hafence("-i", half, "audit", cache=cache)[0])
    fabric, looked, audited, halved = (statistics.median(each) for each in (bare, look, audit, less))
    paths = count * min(3, count - 1)
    path_ms, bare_ms = 1000 * (audited - looked) / paths, 1000 * fabric / count
    print(f"{count} hosts: bare Fabric {fabric:.1f} s, status --live {looked:.1f} s")
    print(f"audit, {paths} paths: {audited:.1f} s")
    print(f"{count // 2} hosts: audit {halved:.1f} s")
    missed = [
        _bound("a look at all, against bare Fabric", looked / fabric, LOOK_X),
        _bound(f"a path ({path_ms:.0f} ms), against a bare look ({bare_ms:.0f} ms)", path_ms / bare_ms, PATH_X),
        _bound("the audit, against that of half as many", audited / halved, LINEAR_X),
        _bound("its memory, in MB", memory, MEMORY_MB),
    ]
    if options.peers:
        missed += [*against_peers(options.peers.resolve(), server, folder, count, looked)]
    return 1 if any(missed) else 0


def against_peers(programs: Path, server: Server, folder: Path, count: int, looked: float) -> Iterator[bool]:
    user = pwd.getpwuid(os.getuid()).pw_name
    hosts = Hosts(addresses(count), user, server.port, server.identity, folder / "known", folder)
    for peer in peers(programs, hosts, look_script()):
        faster = peer.seconds / looked
        words = f"{faster:.2f} x (wanted {peer.times:g} x){'' if faster >= peer.times else '   MISSED'}"
        print(f"  {peer.name}: {peer.seconds:.1f} s; the look at all is faster by {words}")
        yield faster < peer.times


def _bound(what: str, is_: float, most: float) -> bool:
    print(f"  {what}: {is_:.2f} (at most {most:g}){'' if is_ <= most else '   MISSED'}")
    return is_ > most


if __name__ == "__main__":
    sys.exit(main())
