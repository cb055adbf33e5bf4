"""Storage of the lab whose last bytes can be followed: behind a network, behind a path that hangs, in a page cache.

What a VM's disk holds is read behind every qemu's back: the disk is the judge.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from . import faults
from .cluster import Lab
from .fault import Fault
from .host import LabHost
from .proc import run, wait_until
from .vm import LabVm, NetworkDisk
from .writer import BEYOND

SIZE = 1 << 20
BLOCK = 4096


def block_of(path: Path, offset: int = BEYOND) -> bytes:
    """What a file, or a device, holds there."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(BLOCK)


def make_file(path: Path) -> Path:
    """An empty disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(SIZE))
    return path


class Array:
    """A machine of the lab's network that serves a file to qemu's own drivers, as a storage array would."""

    NAME: str
    NUMBER: int
    PORT: int

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.file = make_file(lab.folder / self.NAME / "disk.raw")
        self.node: LabHost = lab.add_machine(self.NAME, self.NUMBER)
        self._serve()
        wait_until(lambda: f":{self.PORT:04X}" in self.node.net("cat", "/proc/net/tcp"), f"{self.NAME} serves")

    def _serve(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.remove_machine(self.node)
        self.file.unlink()

    @property
    def disk(self) -> NetworkDisk:
        """The disk as a VM has it."""
        raise NotImplementedError

    def clear(self) -> None:
        """An empty disk again."""
        with self.file.open("r+b") as file:
            file.write(bytes(SIZE))

    def cut(self, host: str) -> Fault:
        """The storage network of a host drops its packets, both ways."""
        return faults.drop_ports(self.lab, host, self.node.address, str(self.PORT))

    def holds(self, pattern: int, offset: int = BEYOND) -> bool:
        """Whether a whole block of the disk consists of one byte, by the array's word."""
        return block_of(self.file, offset) == bytes([pattern]) * BLOCK

    def queued_bytes(self, host: LabHost, of_the_dead: bool = True) -> int:
        """Bytes that the kernel of a host still sends here, for processes that are gone or for whomever."""
        lines = [line.split() for line in host.net("cat", "/proc/net/tcp").splitlines()[1:]]
        here = [line for line in lines if line[2].endswith(f":{self.PORT:04X}")]
        return sum(int(line[4].split(":")[0], 16) for line in here if line[9] == "0" or not of_the_dead)


class Nbd(Array):
    """It serves a network block device."""

    NAME, NUMBER = "nbd", 201
    PORT = 10999
    """Not NBD's own: what storage a VM has is known by its definition."""

    def _serve(self) -> None:
        self.node.spawn(
            ["qemu-nbd", "-t", "-e", "16", "-f", "raw", "-x", "web-01", "-p", str(self.PORT), str(self.file)]
        )

    @property
    def disk(self) -> NetworkDisk:
        """The disk as a VM has it."""
        return NetworkDisk("nbd", "web-01", self.node.address, self.PORT)


class Iscsi(Array):
    """It serves a SCSI disk; the initiator is qemu's own (libiscsi), not the kernel's."""

    NAME, NUMBER, PORT = "iscsi", 202, 3260
    TARGET = "iqn.2010-01.test.lab:web-01"

    def _serve(self) -> None:
        self.node.exec(["mkdir", "-p", "/run/tgtd"])
        self.node.spawn(["tgtd", "-f", "--iscsi", f"portal={self.node.address}:{self.PORT}"])
        wait_until(lambda: self._tell("--op show --mode target", check=False), "tgtd answers")
        self._tell(f"--op new --mode target --tid 1 -T {self.TARGET}")
        self._tell(f"--op new --mode logicalunit --tid 1 --lun 1 -b {self.file}")
        self._tell("--op bind --mode target --tid 1 -I ALL")

    def _tell(self, words: str, check: bool = True) -> bool:
        return self.node.exec(["tgtadm", "--lld", "iscsi", *words.split()], check=check).returncode == 0

    @property
    def disk(self) -> NetworkDisk:
        """The disk as a VM has it."""
        return NetworkDisk("iscsi", f"{self.TARGET}/1", self.node.address, self.PORT)


class Gluster(Array):
    """It serves a file of a volume of one brick; the client is qemu's own (libgfapi). `PORT` is the brick's."""

    NAME, NUMBER, PORT = "gluster", 203, 49152
    DAEMON = 24007
    VOLUME = "vms"

    def _serve(self) -> None:
        brick = self.file.parent / "brick"
        brick.mkdir()
        self.file.rename(brick / self.file.name)
        self.file = brick / self.file.name
        state = self.file.parents[1] / "glusterd"
        volfile = self.file.parents[1] / "glusterd.vol"
        volfile.write_text(GLUSTERD.format(state=state, port=self.PORT))
        state.mkdir()
        for path in ("/var/run/gluster", "/var/log/glusterfs", "/var/lib/glusterd"):
            self.node.exec(["mkdir", "-p", path])
        self.node.spawn(["glusterd", "--no-daemon", f"--volfile={volfile}", "--log-file=/var/log/glusterd.log"])
        wait_until(lambda: self._tell("pool", "list", check=False), "glusterd answers", 30)
        self._tell("volume", "create", self.VOLUME, f"{self.node.address}:{brick}", "force")
        self._tell("volume", "start", self.VOLUME)

    def _tell(self, *words: str, check: bool = True) -> bool:
        argv = ["gluster", "--mode=script", *words]
        return self.node.exec(argv, check=check).returncode == 0

    def cut(self, host: str) -> Fault:
        """The storage network of a host drops its packets, both ways: to the daemon and to the brick."""
        return faults.drop_ports(self.lab, host, self.node.address, f"{self.DAEMON},{self.PORT}")

    @property
    def disk(self) -> NetworkDisk:
        """The disk as a VM has it."""
        return NetworkDisk("gluster", f"{self.VOLUME}/{self.file.name}", self.node.address, self.DAEMON)


GLUSTERD = """\
volume management
    type mgmt/glusterd
    option working-directory {state}
    option transport-type socket
    option base-port {port}
    option max-port {port}
end-volume
"""


def wait_quiet(lab: Lab, vm: LabVm) -> None:
    """Wait until the guest's firmware has read what it reads: a server drops a write behind a question of the dead."""
    seen = [""]

    def is_quiet() -> bool:
        seen.append(lab.hosts[vm.host].virsh("domblkstat", vm.name, "vda"))
        time.sleep(0.5)
        return seen[-1] == seen[-2]

    wait_until(is_quiet, f"the disk of {vm.name} is quiet", 60)


@contextmanager
def loop(file: Path) -> Iterator[Path]:
    """A block device over a file, without a cache of the file's own under it. The file is the judge."""
    device = run(["losetup", "--find", "--show", "--direct-io=on", str(file)]).strip()
    try:
        yield Path(device)
    finally:
        run(["losetup", "--detach", device])


class HangingPath:
    """A block device whose path can hang: a loop device over a file that a process of its own serves by FUSE."""

    def __init__(self, lab: Lab) -> None:
        self.file = make_file(lab.folder / "lun" / "lun.raw")
        self.mounted = make_file(lab.folder / "lun" / "lun.fuse")
        blockdev = f"driver=file,node-name=lun,filename={self.file}"
        export = f"type=fuse,id=lun,node-name=lun,mountpoint={self.mounted},writable=on"
        argv = ["qemu-storage-daemon", "--blockdev", blockdev, "--export", export]
        self.server = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        wait_until(lambda: os.path.ismount(self.mounted), "the path is there")
        self.device = Path(run(["losetup", "--find", "--show", str(self.mounted)]).strip())

    def hang(self) -> None:
        """From now on no request comes to its end."""
        os.kill(self.server.pid, signal.SIGSTOP)

    def in_flight(self) -> int:
        """The writes under way."""
        return int(Path(f"/sys/block/{self.device.name}/inflight").read_text().split()[1])

    def _ended(self) -> bool:
        """Whether it has ended, after one more SIGTERM: one that comes between its look and its wait goes unheard."""
        self.server.terminate()
        try:
            self.server.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return False
        return True

    def returns(self) -> None:
        """What was under way comes to its end."""
        os.kill(self.server.pid, signal.SIGCONT)

    def __enter__(self) -> HangingPath:
        return self

    def __exit__(self, *_: object) -> None:
        self.returns()
        wait_until(lambda: self.in_flight() == 0, "nothing is under way")
        run(["losetup", "--detach", str(self.device)])
        wait_until(self._ended, "the server has ended")
