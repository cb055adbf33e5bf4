"""The process that the demo's cluster lives in, and that leaves nothing behind: `python -m hafence.demo.keeper`.

It makes the folder, serves the hosts, applies the faults that lie in FOLDER/faults, and is the adoptive
parent of every process of the cluster. It ends when its standard input closes (so also when the demo that
started it is killed), when it is told to by a signal, or when the folder is removed; with FOLDER/keep it
outlives its input for some hours. However it ends, it first kills its descendants, then removes the folder.
Even if it is itself killed, the stand-ins for qemu see that and end; the folder goes with the next demo.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from .furnish import FurnishError, boot, environment_of, furnish, write_inventory
from .host import Spawned, SshHost, make_key
from .layout import FAULTS, HOSTS, PREFIX, VMS, DemoHost, fault_file, root_of, status_file
from .processes import adopt_orphans, descendants, kill_all, of_host, reap

TICK_S = 0.03
KEEP_S = 8 * 3600.0


class Reply:
    """A signal handler that remembers."""

    def __init__(self) -> None:
        self.to_end = False

    def __call__(self, number: int, frame: object) -> None:
        """The signal came."""
        self.to_end = True


class Keeper:
    """The cluster in one process."""

    def __init__(self, folder: Path, told: Reply) -> None:
        self.folder = folder
        self.told = told
        self.spawned = Spawned()
        self.input_closed = False
        self.end_at = time.monotonic() + KEEP_S
        self.hosts = {host.name: SshHost(host, environment_of(folder, host), self.spawned) for host in HOSTS}
        self.shown: dict[str, frozenset[str]] = {host.name: frozenset() for host in HOSTS}
        self.respawners: dict[str, asyncio.subprocess.Process] = {}

    async def live(self) -> None:
        """Switch the cluster on, say so, and keep it until it is time to end."""
        await self.switch_on()
        asyncio.get_running_loop().add_reader(0, self.hear)
        sys.stdout.write(f"ready {self.folder}\n")
        sys.stdout.flush()
        log = os.open(self.folder / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number in (1, 2):
            os.dup2(log, number)
        while not self.shall_end():
            self.bury()
            for host in HOSTS:
                await self.apply(host)
            await asyncio.sleep(TICK_S)

    def shall_end(self) -> bool:
        """Whether nobody wants the cluster any longer."""
        if self.told.to_end or not (self.folder / "inventory.yaml").exists():
            return True
        kept = (self.folder / "keep").exists() and time.monotonic() < self.end_at
        return self.input_closed and not kept

    def hear(self) -> None:
        """Standard input says nothing; that it closes says that the demo has ended."""
        if not os.read(0, 1024):
            self.input_closed = True
            asyncio.get_running_loop().remove_reader(0)

    async def switch_on(self) -> None:
        """Keys, inventory, SSH servers, VMs."""
        public = make_key(self.folder / "id_ed25519")
        authorized = self.folder / "id_ed25519.pub"
        authorized.write_text(f"{public}\n")
        known = []
        for name, host in self.hosts.items():
            key = make_key(root_of(self.folder, name) / "etc" / "ssh_host_ed25519_key")
            known.append(f"[{host.host.address}]:{host.port} {key}\n")
            host.peers = {(other.host.address, other.port) for other in self.hosts.values()}
            await host.open(root_of(self.folder, name) / "etc" / "ssh_host_ed25519_key", authorized)
        (self.folder / "known_hosts").write_text("".join(known))
        write_inventory(self.folder, {name: host.port for name, host in self.hosts.items()})
        starts = []
        for vm in VMS:
            definition = self.folder / "domains" / f"{vm.name}.xml"
            starts.append(self.virsh(vm.host, f"define {definition}; start {vm.name}; autostart {vm.name}"))
        if any(await asyncio.gather(*starts)):
            raise FurnishError(
                f"the stand-ins for qemu did not start: perhaps {self.folder.parent} does not allow programs"
                " (noexec); set TMPDIR to a folder that does"
            )

    async def spawn(self, host: str, *words: str) -> asyncio.subprocess.Process:
        """A process on a host, without an ear or a voice."""
        null = asyncio.subprocess.DEVNULL
        self.spawned.under_way += 1
        try:
            program = str(root_of(self.folder, host) / "bin" / words[0])
            process = await asyncio.create_subprocess_exec(
                program, *words[1:], env=self.hosts[host].environment, stdin=null, stdout=null, start_new_session=True
            )
            self.spawned.pids.add(process.pid)
        finally:
            self.spawned.under_way -= 1
        return process

    async def virsh(self, host: str, command: str) -> int:
        """Virsh commands on a host; the answer is the exit status."""
        process = await self.spawn(host, "virsh", "-q", command)
        status = await process.wait()
        self.spawned.pids.discard(process.pid)
        return status

    def bury(self) -> None:
        """Take the processes that ended out of their host's /proc, as a kernel does."""
        if not self.spawned.under_way:
            reap(self.spawned.pids, self.forget)

    def forget(self, pid: int) -> None:
        """A process number is about to be free again."""
        for host in HOSTS:
            (root_of(self.folder, host.name) / "proc" / str(pid)).unlink(missing_ok=True)

    async def apply(self, host: DemoHost) -> None:
        """Show the faults that somebody has made, heal those that are made no longer, and say so."""
        wanted = frozenset(fault for fault in FAULTS if fault_file(self.folder, host.name, fault).exists())
        shown = self.shown[host.name]
        if wanted == shown:
            return
        self.shown[host.name] = wanted
        if ("off" in wanted) != ("off" in shown):
            await (self.power_off(host) if "off" in wanted else self.power_on(host))
        self.hosts[host.name].cut = "cut" in wanted
        if "cut" not in wanted:
            self.hosts[host.name].release()
        await self.respawn(host, "respawn" in wanted and "off" not in wanted)
        if self.folder.exists():
            status_file(self.folder, host.name).write_text(" ".join(sorted(wanted)))

    async def power_off(self, host: DemoHost) -> None:
        """All processes die at once, and the address falls silent."""
        root = root_of(self.folder, host.name)
        kill_all(lambda: of_host(root))
        await self.hosts[host.name].power_off()

    async def power_on(self, host: DemoHost) -> None:
        """The host boots: libvirt starts what is marked for autostart."""
        root = root_of(self.folder, host.name)
        self.bury()
        for left in (root / "run" / "libvirt" / "qemu").iterdir():
            left.unlink()
        boot(root)
        self.hosts[host.name].power_on()
        for link in sorted((root / "etc" / "libvirt" / "qemu" / "autostart").iterdir()):
            await self.virsh(host.name, f"start {link.stem}")

    async def respawn(self, host: DemoHost, on: bool) -> None:
        """Start or end the other manager."""
        running = self.respawners.get(host.name)
        if on and running is None:
            self.respawners[host.name] = await self.spawn(host.name, "respawn")
        elif not on and running is not None:
            del self.respawners[host.name]
            with contextlib.suppress(ProcessLookupError):
                running.kill()
            await running.wait()
            self.spawned.pids.discard(running.pid)


def sweep(place: Path) -> None:
    """Remove the folders of keepers that were themselves killed. A living keeper holds a lock in its own."""
    for folder in place.glob(f"{PREFIX}*"):
        try:
            with (folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if folder.lstat().st_uid == os.getuid():
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def leave_nothing(folder: Path) -> None:
    """End every process of the cluster, then remove its folder, also if a late writer still writes into it."""
    kill_all(lambda: descendants(os.getpid()))
    give_up_at = time.monotonic() + 5.0
    while folder.exists() and time.monotonic() < give_up_at:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.01)


def main() -> int:
    """The life of a keeper. What goes wrong before `ready` is told on stdout, later in FOLDER/keeper.log."""
    os.umask(0o077)
    told = Reply()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, told)
    place = Path(tempfile.gettempdir())
    sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            adopt_orphans()
            furnish(folder)
            asyncio.run(Keeper(folder, told).live())
    except (FurnishError, OSError) as error:
        sys.stdout.write(f"{error}\n")
        return 1
    finally:
        leave_nothing(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
