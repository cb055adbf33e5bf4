"""The lab's wires: a switch in a namespace of its own, a veth per host, and one to this machine, the admin node.

The bridge is not in the root namespace, where another's firewall (Docker's FORWARD policy, br_netfilter) would
reach it. Everything is named `PREFIX-…`, so that several labs stand side by side and each cleans its own.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess

from .proc import LabError, is_living, run, wait_until

PREFIX_RULE = re.compile(r"[a-z][a-z0-9]{0,7}\Z")
FIRST_SUBNET, LAST_SUBNET = 100, 250


def check_prefix(prefix: str) -> str:
    """A prefix fits into an interface's name and has no '-', so that none is the beginning of another's names."""
    if not PREFIX_RULE.match(prefix):
        raise LabError(f"lab prefix {prefix!r}: 1 to 8 lower-case letters and digits, beginning with a letter")
    return prefix


def claim(name: str) -> socket.socket | None:
    """Hold a name on this machine until this process ends or closes it; None when another holds it.

    An abstract socket: the kernel frees it even when its holder is killed, and no file is left over.
    """
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0hafence-lab/{name}")
    except OSError:
        holder.close()
        return None
    return holder


def _networks_in_use() -> str:
    return run(["ip", "-4", "-o", "addr", "show"]) + run(["ip", "-4", "route", "show", "table", "all"])


def claim_subnet() -> tuple[str, socket.socket]:
    """A free `10.77.N` and the claim on it."""
    for number in range(FIRST_SUBNET, LAST_SUBNET + 1):
        subnet = f"10.77.{number}"
        held = claim(f"net/{subnet}")
        if held is None:
            continue
        if f"{subnet}." not in _networks_in_use():
            return subnet, held
        held.close()
    raise LabError(f"no free network from 10.77.{FIRST_SUBNET}.0 to 10.77.{LAST_SUBNET}.0")


class Network:
    """One lab's network. `switch` is the namespace with the bridge, `admin_interface` this machine's end."""

    def __init__(self, prefix: str, subnet: str) -> None:
        self.prefix = check_prefix(prefix)
        self.subnet = subnet
        self.switch = f"{prefix}-switch"
        self.admin_interface = f"{prefix}-adm"
        self.admin_address = f"{subnet}.1"

    def create(self) -> None:
        """The switch, and this machine's own end."""
        run(["ip", "netns", "add", self.switch])
        run(
            ["ip", "-batch", "-"],
            stdin=f"link add {self.admin_interface} type veth peer name adm netns {self.switch}\n"
            f"addr add {self.admin_address}/24 dev {self.admin_interface}\n"
            f"link set {self.admin_interface} up\n",
        )
        lines = "link set lo up\nlink add br0 type bridge\nlink set br0 up\nlink set adm master br0 up\n"
        run(["ip", "-n", self.switch, "-batch", "-"], stdin=lines)

    def plug_in(self, namespace: str, port: str, address: str) -> None:
        """A namespace with an `eth0` on the switch; `port` is the switch's end of the cable."""
        run(["ip", "netns", "add", namespace])
        run(
            [
                "ip",
                "link",
                "add",
                port,
                "netns",
                self.switch,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                namespace,
            ]
        )
        run(["ip", "-n", self.switch, "link", "set", port, "master", "br0", "up"])
        lines = f"link set lo up\naddr add {address}/24 dev eth0\nlink set eth0 up\n"
        run(["ip", "-n", namespace, "-batch", "-"], stdin=lines)

    def set_port(self, port: str, *, up: bool) -> None:
        """Plug a cable in at the switch, or pull it."""
        run(["ip", "-n", self.switch, "link", "set", port, "up" if up else "down"])

    def flush_neighbours(self, namespaces: list[str]) -> None:
        """Everybody forgets who was where."""
        run(["ip", "neigh", "flush", "dev", self.admin_interface])
        for namespace in namespaces:
            run(["ip", "-n", namespace, "neigh", "flush", "all"])


def names_in_use() -> list[str]:
    """Every named network namespace of this machine."""
    return [line.split()[0] for line in run(["ip", "netns", "list"]).splitlines() if line.strip()]


def namespaces_of(prefix: str) -> list[str]:
    """The network namespaces that bear a lab's name."""
    return [name for name in names_in_use() if name.startswith(f"{prefix}-")]


def remove_namespaces(prefix: str) -> None:
    """Kill whoever lives in a lab's namespaces, then remove them and with them the cables."""
    names = namespaces_of(prefix)
    wait_until(lambda: not _kill_inhabitants(names), f"nobody lives in the namespaces of {prefix}", 30)
    for name in names:
        run(["ip", "netns", "del", name])
    subprocess.run(["ip", "link", "del", f"{prefix}-adm"], capture_output=True, check=False)


def _kill_inhabitants(names: list[str]) -> list[int]:
    living = []
    for name in names:
        for pid in run(["ip", "netns", "pids", name]).split():
            if int(pid) != os.getpid() and is_living(int(pid)):
                living.append(int(pid))
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    continue
    return living
