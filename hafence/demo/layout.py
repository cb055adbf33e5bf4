"""What the demo's cluster consists of, and where each thing lies in its folder.

FOLDER/inventory.yaml, id_ed25519, known_hosts, state.db, domains/, storage/   what an admin has
FOLDER/admin/bin/                stand-ins for ping and ip as the admin node sees the network
FOLDER/hosts/NAME/               the root of a host: bin/, etc/, proc/, run/
FOLDER/faults/NAME.FAULT         a fault that somebody made (an empty file); removing it heals it
FOLDER/status/NAME               the faults that the host shows by now, or nothing
FOLDER/keep                      the cluster outlives the command that made it
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

PREFIX = "hafence-demo-"
CLUSTER = "demo"
ADMIN_ADDRESS = "127.0.0.1"
USER = "demo"
"""The name for the login. What runs on a host has the rights of whoever runs the demo, whatever the name."""
QEMU = "qemu-system-x86_64"
HOST_MEMORY_MIB = 4096
VM_MEMORY_MIB = 512
BEAT_S = 0.1
"""Time between two heartbeats of a stand-in qemu."""

FAULTS = {
    "off": "the host loses its power: its processes die and its address is silent",
    "cut": "the admin node's logins get no answer; the siblings' do",
    "respawn": "another manager on the host starts every VM again that ends there",
}


@dataclass(frozen=True, slots=True)
class DemoHost:
    """A host of the demo. All of 127/8 is loopback on Linux, so each host has an address of its own."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class DemoVm:
    """A VM of the demo and where it runs at first."""

    name: str
    host: str
    deaf: bool = False
    """Its qemu ignores SIGTERM, so that only SIGKILL ends it."""

    @property
    def uuid(self) -> str:
        """The same in every demo, so that it can be typed."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.name}.demo.hafence"))


HOSTS = tuple(DemoHost(f"kvm-0{n}", f"127.77.0.{10 + n}") for n in range(1, 5))
VMS = (
    DemoVm("web-01", "kvm-01"),
    DemoVm("db-01", "kvm-02", deaf=True),
    DemoVm("web-02", "kvm-02"),
    DemoVm("mail-01", "kvm-04"),
)


def root_of(folder: Path, host: str) -> Path:
    """The folder that stands for `/` on a host."""
    return folder / "hosts" / host


def disk_of(folder: Path, vm: str) -> Path:
    """The VM's disk on the storage that all hosts share: each heartbeat of a writer is a line in it."""
    return folder / "storage" / f"{vm}.img"


def fault_file(folder: Path, host: str, fault: str) -> Path:
    """The file whose existence is the fault."""
    return folder / "faults" / f"{host}.{fault}"


def status_file(folder: Path, host: str) -> Path:
    """Where the keeper says which faults a host shows by now."""
    return folder / "status" / host
