"""Scripts run for real on this machine, in both shells, against real processes."""

from __future__ import annotations

import fcntl
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hafence.adapters.hosts import kvm
from hafence.adapters.hosts.program import Program, ProgramResult
from hafence.adapters.local.here import run_here
from hafence.core.attempts import FenceOrder, Reading, Reply
from hafence.core.marks import Claim
from hafence.core.model import Host, HostName, PidNamespace, Settings, Uuid
from hafence.core.replies import interpret

from ..lab.cluster import Lab
from .processes import Zoo

NONCE = "00112233445566778899aabbccddeeff"
HERE = Host(HostName("here"), "lab", "127.0.0.1")
ANYWHERE = Settings(pid_namespace=PidNamespace.ANY)
"""The lab's hosts are namespaces, and these tests may themselves run in a container."""


@dataclass(frozen=True)
class Shell:
    """One shell, and the scripts in it."""

    command: tuple[str, ...]
    root: str = ""
    settings: Settings = ANYWHERE

    def run(self, program: Program, within_s: float = 30.0) -> ProgramResult:
        return run_here(Program(program.text, program.on_line, self.command), within_s)

    @property
    def boot_id(self) -> str:
        """The boot in which the host is."""
        words = "cat /proc/sys/kernel/random/boot_id"
        done = subprocess.run(self.command, input=words, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    @property
    def host(self) -> Host:
        return Host(HERE.name, HERE.cluster, HERE.address, root=self.root)

    def order(
        self,
        *vms: str,
        rehearse: bool = False,
        settle_s: float = 0.1,
        within_s: float = 10.0,
        claim: Claim | None = None,
    ) -> FenceOrder:
        uuids = tuple(Uuid(vm) for vm in vms)
        return FenceOrder(HERE.name, None, uuids, within_s, settle_s, time.time() + 60, rehearse, claim=claim)

    def fence_program(self, order: FenceOrder, names: Mapping[Uuid, tuple[str, ...]] | None = None) -> Program:
        return kvm.fence_program(order, names or {}, NONCE, self.host, time.time, settings=self.settings)

    def fence_all(self, order: FenceOrder, names: Mapping[str, str] | None = None) -> Mapping[Uuid, Reading]:
        """Fence and read the reply as hafence does. `names` holds those of the VMs that it knows by name."""
        known = {Uuid(vm): (name,) for vm, name in (names or {}).items()}
        run = self.run(self.fence_program(order, known))
        reply = Reply(NONCE, run.trouble, run.exit_status, run.stdout, run.seconds, time.time())
        return interpret(order, reply).readings

    def fence(self, vm: str, **settings: float) -> Reading:
        return self.fence_all(self.order(vm, **settings))[Uuid(vm)]  # type: ignore[arg-type]

    def fence_named(self, vm: str, name: str) -> Reading:
        return self.fence_all(self.order(vm), {vm: name})[Uuid(vm)]

    def rehearse(self, vm: str, name: str | None = None) -> Reading:
        return self.fence_all(self.order(vm, rehearse=True), {vm: name} if name else {})[Uuid(vm)]

    def at(self, root: Path) -> Shell:
        """The same shell on a host whose processes and files are looked up under a folder."""
        return Shell(self.command, str(root))


@pytest.fixture(params=["dash", "bash"])
def shell(request: pytest.FixtureRequest) -> Shell:
    return Shell((f"/bin/{request.param}", "-s"))


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    zoo = Zoo(tmp_path / "zoo")
    yield zoo
    zoo.close()


@pytest.fixture
def vm() -> str:
    return str(uuid.uuid4())


@pytest.fixture(autouse=True)
def _machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The machine is one: a program that is called libvirtd is seen by every script on it. Who starts one is alone."""
    alone = request.path.name == "test_absence.py"
    with (tmp_path_factory.getbasetemp().parent / "machine.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that stands for "/" of a host, with the machine's own processes."""
    root = tmp_path / "root"
    for folder in ("run/libvirt/qemu", "etc/libvirt/qemu/autostart", "bin"):
        (root / folder).mkdir(parents=True)
    (root / "proc").symlink_to("/proc")
    return root


@pytest.fixture
def inside(lab: Lab, shell: Shell) -> Shell:
    """A shell on the lab's first host."""
    return Shell(tuple(lab.hosts["kvm-01"].inside(shell.command)))
