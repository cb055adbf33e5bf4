"""Other programs that run the look's script on all hosts at once, for `audit.py --peers`.

`FOLDER` is a virtual environment with ansible-core, parallel-ssh and pyinfra: `pip install ansible-core parallel-ssh
pyinfra`. Each logs in on every host, 32 at a time, and runs there the script that lies in a file. All but parallel-ssh
check the host's key.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

AT_ONCE = 32
_PSSH = """
import sys
from pssh.clients import ParallelSSHClient
user, port, identity, at_once, script, *hosts = sys.argv[1:]
client = ParallelSSHClient(
    hosts, user=user, port=int(port), pkey=identity, pool_size=int(at_once), allow_agent=False
)
told = client.run_command("sh " + script)
client.join(told)
sys.exit(any(each.exit_code for each in told))
"""


class Hosts(NamedTuple):
    """Where the script is run: `addresses`, all with the same login. `folder` is ours to write to."""

    addresses: Sequence[str]
    user: str
    port: int
    identity: Path
    known: Path
    folder: Path


class Peer(NamedTuple):
    """One of them: `times` is by how much a look of hafence's at all hosts should be faster."""

    name: str
    times: float
    seconds: float


def peers(programs: Path, hosts: Hosts, script: str) -> Iterator[Peer]:
    """Each in turn. Raises CalledProcessError, with what it said, where one does not come to its end."""
    place = hosts.folder / "look.sh"
    place.write_text(script)
    yield Peer("ansible -m raw", 5.0, _seconds(_ansible(programs, hosts, place), hosts.folder))
    yield Peer("parallel-ssh", 3.0, _seconds(_pssh(programs, hosts, place), hosts.folder))
    yield Peer("pyinfra", 1.3, _seconds(_pyinfra(programs, hosts, place), hosts.folder))


def _ansible(programs: Path, hosts: Hosts, script: Path) -> list[str]:
    listed = hosts.folder / "hosts"
    listed.write_text("".join(f"{address}\n" for address in hosts.addresses))
    login = [f"--user={hosts.user}", f"--private-key={hosts.identity}", "-e", f"ansible_port={hosts.port}"]
    options = (
        f"--ssh-common-args=-o UserKnownHostsFile={hosts.known} -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"
    )
    asked = ["-f", str(AT_ONCE), "-m", "raw", "-a", f"sh {script}"]
    return [str(programs / "bin/ansible"), "-i", str(listed), "all", *login, options, *asked]


def _pssh(programs: Path, hosts: Hosts, script: Path) -> list[str]:
    login = [hosts.user, str(hosts.port), str(hosts.identity)]
    return [str(programs / "bin/python"), "-c", _PSSH, *login, str(AT_ONCE), str(script), *hosts.addresses]


def _pyinfra(programs: Path, hosts: Hosts, script: Path) -> list[str]:
    login = {
        "ssh_user": hosts.user,
        "ssh_port": hosts.port,
        "ssh_key": str(hosts.identity),
        "ssh_known_hosts_file": str(hosts.known),
        "ssh_strict_host_key_checking": "yes",
    }
    listed = hosts.folder / "listed.py"
    listed.write_text(f"hosts = {[(address, login) for address in hosts.addresses]!r}\n")
    words = ["-y", "--parallel", str(AT_ONCE), str(listed), "exec", "--", f"sh {script}"]
    return [str(programs / "bin/pyinfra"), *words]


def _seconds(argv: Sequence[str], home: Path) -> float:
    begun = time.monotonic()
    subprocess.run(argv, env=os.environ | {"HOME": str(home)}, cwd=home, capture_output=True, text=True, check=True)
    return time.monotonic() - begun
