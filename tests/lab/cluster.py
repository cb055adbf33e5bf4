"""A cluster of real KVM hosts on this machine: `with Lab() as lab:` and there are four.

Each host is a set of namespaces with a real sshd and a real libvirtd, which starts real qemu; this machine's root
namespace is the admin node. Needs root and Debian's packages (see `require.HOST_PROGRAMS`).
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import time
import uuid as uuid_module
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from . import cleaning, image, inventory, net
from .faults import Fault
from .freezer import Freezer
from .host import LabHost
from .proc import (
    Identity,
    LabError,
    all_pids,
    arguments,
    identity,
    is_living,
    kill_all,
    namespaces_around,
    pid_namespace,
    wait_until,
)
from .vm import EMULATOR, Disk, FileDisk, LabVm, Qemu, domain_xml, qemu_arguments, uuid_of
from .writer import SECTOR, SECTORS, boot_sectors, read_told

T = TypeVar("T")
FIRST_HOST = 11
WRITERS_DISK = ".writer.raw"


class Lab:
    """A cluster, up between `up()` and `down()` or within a `with`.

    size    hosts, named kvm-01, kvm-02, … unless `names` says otherwise
    prefix  of every namespace, interface and cgroup; None takes the first free of hf, hf2, hf3, …
    folder  where its files are; made by `up`, removed by `down`
    """

    def __init__(self, size: int = 4, prefix: str | None = None, folder: Path | None = None) -> None:
        self.size = size
        self.hosts: dict[str, LabHost] = {}
        self.vms: dict[str, LabVm] = {}
        self.faults: list[Fault] = []
        self.is_up = False
        self.kept = False
        self._wanted = prefix, folder
        self._claims: list[socket.socket] = []
        self._inventories = 0
        self._judges: dict[str, Callable[[], bytes]] = {}

    def __enter__(self) -> Lab:
        return self.up()

    def __exit__(self, *_: object) -> None:
        self.down()

    # ------------------------------------------------------------ up and down

    def up(self) -> Lab:
        """Clean what an earlier lab of this prefix left, then bring up the hosts."""
        cleaning.clean_abandoned()
        prefix, claim = cleaning.claim_prefix(self._wanted[0])
        self._claims.append(claim)
        self._settle(prefix)
        cleaning.clean(self.prefix, self.folder)
        atexit.register(self._down_unless_kept)
        self.is_up = True
        try:
            self._build()
        except BaseException:
            self.down()
            raise
        return self

    def _settle(self, prefix: str) -> None:
        self.prefix = prefix
        self.folder = self._wanted[1] or cleaning.default_folder(prefix)
        self.freezer = Freezer(prefix, self.folder / "freezer")

    def _build(self) -> None:
        cleaning.make_folder(self.folder)
        (self.folder / "vms").mkdir()
        subnet, claim = net.claim_subnet()
        self._claims.append(claim)
        self.network = net.Network(self.prefix, subnet)
        self.network.create()
        self.keys = image.make_key(self.folder / "id_ed25519", "hafence lab")
        for index in range(self.size):
            name = f"kvm-{index + 1:02}"
            folder = self.folder / "hosts" / name
            self.hosts[name] = LabHost(self.network, folder, name, FIRST_HOST + index, ("sshd", "libvirtd"))
        addresses = {host.name: host.address for host in self.hosts.values()}
        template = self.folder / "template"
        image.make_template(template, self.keys, addresses)
        first, *others = self.hosts.values()
        first.install(template, cleaning.qemu_knowledge())
        first.boot()
        self.on_all(lambda host: host.install(template, None), others)
        first.wait_ready()
        for host in others:
            shutil.copytree(first.folder / "cache", host.folder / "cache", dirs_exist_ok=True)
            host.boot()
        for host in others:
            host.wait_ready()

    def down(self) -> None:
        """Everything ends and nothing is left: processes, namespaces, cables, cgroups, mounts, files."""
        self.freezer.thaw_all()
        cleaning.clean(self.prefix, self.folder)
        for host in self.hosts.values():
            host.reap()
        self.hosts, self.vms, self.faults = {}, {}, []
        while self._claims:
            self._claims.pop().close()
        self.is_up = False
        atexit.unregister(self._down_unless_kept)

    def _down_unless_kept(self) -> None:
        if self.is_up and not self.kept:
            self.down()

    def keep(self) -> None:
        """Leave it up when this process ends. `attach` finds it again, `attach(…).down()` ends it."""
        state = {
            "subnet": self.network.subnet,
            "hosts": {host.name: asdict(identity(host.pid) or Identity(0, 0)) for host in self.hosts.values()},
            "vms": {vm.name: [vm.uuid, vm.host] for vm in self.vms.values()},
        }
        (self.folder / cleaning.STATE_FILE).write_text(json.dumps(state, indent=1))
        self.kept = True

    @classmethod
    def attach(cls, prefix: str) -> Lab:
        """A lab that another process brought up and kept. Raises LabError when there is none."""
        lab = cls(prefix=prefix)
        lab._settle(prefix)
        state_file = lab.folder / cleaning.STATE_FILE
        if not state_file.exists():
            raise LabError(f"no lab with the prefix {prefix!r} is up")
        state = json.loads(state_file.read_text())
        lab.network = net.Network(prefix, state["subnet"])
        lab.keys = image.Keys(lab.folder / "id_ed25519", lab.folder / "id_ed25519.pub")
        for index, (name, who) in enumerate(state["hosts"].items()):
            host = LabHost(lab.network, lab.folder / "hosts" / name, name, FIRST_HOST + index, ("sshd", "libvirtd"))
            host.attach(who["pid"] if identity(who["pid"]) == Identity(**who) else 0)
            lab.hosts[name] = host
        for name, (uuid, where) in state["vms"].items():
            lab.vms[name] = LabVm(uuid, name, where, lab.folder / "vms" / f"{name}.xml")
        lab.is_up = lab.kept = True
        return lab

    # ------------------------------------------------------------ between tests

    def reset(self) -> None:
        """As if it had just come up: faults healed, every VM and stray process gone, daemons well, hosts on."""
        for fault in reversed(list(self.faults)):
            fault.heal()
        self.freezer.thaw_all()
        self.vms.clear()
        self.on_all(cleaning.reset_host)
        self._judges.clear()
        for path in (self.folder / "vms").glob(f"*{WRITERS_DISK}"):
            path.unlink()
        self.forget_neighbours()

    def forget_neighbours(self) -> None:
        """Everybody forgets who was where, so that a host that is back is found at once."""
        self.network.flush_neighbours([host.namespace for host in self.hosts.values()])

    def rebuild(self) -> None:
        """Every host gets a new disk and boots: heals what another process has done to them."""
        self.freezer.thaw_all()
        self.on_all(LabHost.power_off)
        net.remove_namespaces(self.prefix)
        shutil.rmtree(self.folder / "hosts")
        self.network.create()
        for host in self.hosts.values():
            host.install(self.folder / "template", cleaning.qemu_knowledge())
        self.on_all(LabHost.power_on)

    def on_all(self, do: Callable[[LabHost], T], hosts: Iterable[LabHost] | None = None) -> list[T]:
        """Do something with every host at once."""
        which = list(self.hosts.values() if hosts is None else hosts)
        with ThreadPoolExecutor(max_workers=max(1, len(which))) as pool:
            return list(pool.map(do, which))

    def add_machine(self, name: str, number: int) -> LabHost:
        """A machine on the lab's network that is no KVM host: nothing runs on it but what is started there."""
        machine = LabHost(self.network, self.folder / "machines" / name, name, number, ())
        machine.install(self.folder / "template", None)
        machine.power_on()
        return machine

    def remove_machine(self, machine: LabHost) -> None:
        """End what `add_machine` began."""
        machine.power_off()
        machine.unplug()
        shutil.rmtree(machine.folder)

    # ------------------------------------------------------------ VMs

    def start_vm(
        self,
        host: str,
        name: str,
        uuid: str | None = None,
        persistent: bool = True,
        disk: Disk | tuple[Disk, ...] | None = None,
        autostart: bool = False,
        memory_mib: int = 32,
    ) -> LabVm:
        """Define (or, not persistent, create) and start a VM with libvirt, and note it for `inventory()`."""
        vm = self.define_vm(host, name, uuid, disk, memory_mib)
        commands = f"define {vm.xml}; start {name}" if persistent else f"create {vm.xml}"
        if autostart:
            commands += f"; autostart {name}"
        self.hosts[host].virsh(commands)
        if not self.qemus(vm.uuid):
            raise LabError(f"libvirt started {name} on {host}, yet no qemu lives")
        return vm

    def define_vm(
        self,
        host: str,
        name: str,
        uuid: str | None = None,
        disk: Disk | tuple[Disk, ...] | None = None,
        memory_mib: int = 32,
        emulator: str = "",
    ) -> LabVm:
        """Write a VM's definition and note it for `inventory()`; libvirt is not told.

        Without a disk it gets one with a guest that writes, the judge of `late_writers`; () gives it none.
        """
        uuid = uuid or str(uuid_module.uuid4())
        disks = disk if isinstance(disk, tuple) else (disk or self._writers_disk(uuid),)
        path = self.folder / "vms" / f"{name}.xml"
        path.write_text(domain_xml(name, uuid, disks, memory_mib, emulator))
        vm = LabVm(uuid, name, host, path, disks)
        self.vms[name] = vm
        return vm

    def _writers_disk(self, uuid: str) -> Disk:
        path = self.folder / "vms" / f"{uuid}{WRITERS_DISK}"
        if not path.exists():
            self.write_guest(path)
        return FileDisk(path, shareable=True)

    def write_guest(self, path: Path, size: int = 1 << 20) -> Path:
        """A new file with a guest that writes, a judge of this test."""
        path.write_bytes(boot_sectors().ljust(size, b"\0"))
        self.judge(path.name.removesuffix(WRITERS_DISK), lambda: _begin_of(path))
        return path

    def judge(self, disk: str, read: Callable[[], bytes]) -> None:
        """From now on a guest's disk is a judge of this test: how it is read, behind every qemu's back."""
        self._judges[disk] = read

    def late_writers(self) -> list[str]:
        """The disks to which an older copy has written after a newer one had begun: names, or VMs' UUIDs."""
        return sorted(disk for disk, read in self._judges.items() if read_told(read()).is_late)

    def wait_told(self, timeout_s: float = 6.0) -> None:
        """Give two copies of a VM the time to tell on its disk: a guest needs a second or two to begin.

        Where no VM has two, what the disks tell is the end of it. Nothing is waited for beyond the time: one of the two
        may be held up for good, by a storage that has shut it out or by whoever has stopped it.
        """
        end = time.monotonic() + timeout_s
        while self._is_anyone_twice() and not self.late_writers() and time.monotonic() < end:
            time.sleep(0.1)

    def _is_anyone_twice(self) -> bool:
        """Whether two copies with a disk live; the strays of `start_stray` have none."""
        with_disk = [uuid_of(words) for qemu in self.qemus() if "-blockdev" in (words := arguments(qemu.pid))]
        return len(with_disk) > len(set(with_disk))

    def another_emulator(self, host: str) -> str:
        """Lay qemu under another name on a host, as a distribution, a vendor or a wrapper does. Returns its path."""
        folder = self.hosts[host].path(EMULATOR).parent
        if not folder.exists():
            folder.mkdir(parents=True)
            shutil.copy(os.path.realpath(shutil.which("qemu-system-x86_64") or ""), folder / Path(EMULATOR).name)
            for name in ("share", "lib"):  # it looks for its firmware beside itself
                (folder.parent / name).symlink_to(f"/usr/{name}")
        return EMULATOR

    def start_stray(self, host: str, vm: LabVm) -> int:
        """A second qemu of a VM that libvirt does not know of, as a failed migration leaves one. Returns its PID."""
        return self.hosts[host].spawn(qemu_arguments(vm.name, vm.uuid))

    def qemus(self, uuid: str | None = None) -> list[Qemu]:
        """The living qemu processes of a VM (or of all), on whichever host, by the kernel's word alone."""
        hosts = {pid_namespace(host.pid): host.name for host in self.hosts.values() if host.pid}
        found = []
        for pid in all_pids():
            named = uuid_of(arguments(pid))
            if not named or (uuid is not None and named != uuid):
                continue
            where = next((hosts[name] for name in namespaces_around(pid) if name in hosts), None)
            if where and is_living(pid):
                found.append(Qemu(where, pid))
        return sorted(found)

    def qemu(self, vm: LabVm) -> Qemu:
        """The one qemu of a VM. Raises LabError when there is none, or more than one."""
        found = self.qemus(vm.uuid)
        if len(found) != 1:
            raise LabError(f"{vm.name}: not one qemu but {found}")
        return found[0]

    def copies(self, uuid: str) -> int:
        """How many living processes of a VM there are. More than one is what must never be."""
        return len(self.qemus(uuid))

    def kill_qemu(self, vm: LabVm) -> None:
        """SIGKILL every process of a VM, wherever."""
        kill_all([found.pid for found in self.qemus(vm.uuid)], f"qemu of {vm.name}")

    def wait_copies(self, uuid: str, count: int, timeout_s: float = 15.0) -> None:
        """Wait until so many copies live."""
        wait_until(lambda: self.copies(uuid) == count, f"{count} living copies of {uuid}", timeout_s)

    # ------------------------------------------------------------ for the command under test

    def inventory(self, *, folder: Path | None = None, **overrides: Mapping[str, Any] | Any) -> Path:
        """Write an inventory of the lab and of the VMs it has started. Returns the path of its inventory.yaml.

        A new folder each time unless `folder` is given, so that each has a store of its own. `overrides` are laid on
        the content, mappings merged, None removing a key: `inventory(fencing={"unreachable": "prove"})`.
        """
        self._inventories += 1
        where = folder or self.folder / "inventories" / str(self._inventories)
        return inventory.write_inventory(where, self.hosts.values(), self.vms.values(), self.keys, overrides)

    def ssh(self, host: str, *, through: str | None = None, user: str = "root") -> list[str]:
        """An OpenSSH command line from the admin node to a host, keys strict; append the remote command."""
        known = self.folder / "known_hosts"
        known.write_text(inventory.known_hosts(self.hosts.values()))
        options = ["-F", "none", "-i", str(self.keys.private)]
        for option in ("IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=5"):
            options += ["-o", option]
        options += ["-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=/dev/null"]
        jump: list[str] = []
        if through is not None:
            proxy = ["ssh", *options, "-W", "%h:%p", f"{user}@{self.hosts[through].address}"]
            jump = ["-o", "ProxyCommand=" + " ".join(proxy)]
        return ["ssh", *options, *jump, f"{user}@{self.hosts[host].address}"]


def _begin_of(path: Path) -> bytes:
    with path.open("rb") as disk:
        return disk.read(SECTORS * SECTOR)
