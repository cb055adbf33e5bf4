"""A real Ceph cluster on the lab's network: one mon, one mgr, one OSD on memstore, with exclusive-lock images."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

from . import faults
from .cluster import Lab
from .fault import Fault
from .host import LabHost
from .proc import LabError, run, wait_until
from .vm import LabVm, RbdDisk
from .writer import BEYOND, SECTOR, SECTORS, boot_sectors

PROGRAMS = ("ceph", "rbd", "ceph-mon", "ceph-mgr", "ceph-osd", "qemu-io")
MODULES = ("/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so",)
NUMBER = 200
PORTS = "3300,6789,6800:7300"
POOL = "rbd"
BLOCK = 4096
IMAGE_SIZE = 4 << 20
FIRST_DISK = "/machine/peripheral/virtio-disk0/virtio-backend"

# The lease of a placement group outlives every freeze of the daemons: a lone OSD whose leases have run out meanwhile
# may stay "laggy" for good, and answers nothing any more. That is Ceph's own, and no test's matter.
CONF = """\
[global]
fsid = {fsid}
mon_host = [v2:{address}:3300,v1:{address}:6789]
public_network = {network}
keyring = {folder}/keyring
auth_client_required = cephx
auth_cluster_required = cephx
auth_service_required = cephx
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_pool_default_read_lease_ratio = 100
osd_client_watch_timeout = {watch_timeout_s}
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
auth_allow_insecure_global_id_reclaim = false
rbd_default_features = 61
run_dir = /run/ceph
admin_socket = /run/ceph/$cluster-$name.$pid.asok
log_file = {folder}/log/$name.log
mon_cluster_log_file = {folder}/log/cluster.log
err_to_stderr = true
[mon]
mon_data = {folder}/mon
[mgr]
mgr_data = {folder}/mgr
mgr_initial_modules =
[osd]
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 268435456
osd_memory_target = 268435456
"""

CAPABILITIES = {
    "mon.": ["mon", "allow *"],
    "client.admin": ["mon", "allow *", "mgr", "allow *", "osd", "allow *", "mds", "allow *"],
    "mgr.x": ["mon", "allow profile mgr", "osd", "allow *", "mds", "allow *"],
    "osd.0": ["mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"],
}


class Ceph:
    """A Ceph cluster in a machine of the lab's network. `conf` and `keyring` are the same on every host and here."""

    def __init__(self, lab: Lab, watch_timeout_s: int = 30) -> None:
        self.lab = lab
        self.watch_timeout_s = watch_timeout_s
        self.folder = lab.folder / "ceph"
        self.conf = self.folder / "ceph.conf"
        self.keyring = self.folder / "keyring"
        self.address = f"{lab.network.subnet}.{NUMBER}"

    def __enter__(self) -> Ceph:
        return self.up()

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> Ceph:
        """Start it and make the pool. Raises LabError, with the daemons' logs, when it does not come up."""
        self.node = self.lab.add_machine("ceph", NUMBER)
        try:
            self._write_files()
            self._start_mon()
            self._start_osd()
            self._attach_hosts()
        except LabError as error:
            logs = "".join(path.read_text()[-1500:] for path in self.folder.glob("log/*.log"))
            self.down()
            raise LabError(f"Ceph did not come up: {error}\n{logs}") from error
        return self

    def down(self) -> None:
        """Every daemon ends, and its files go."""
        self.lab.remove_machine(self.node)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------ coming up

    def _write_files(self) -> None:
        for name in ("mon", "mgr", "osd", "log"):
            (self.folder / name).mkdir(parents=True)
        self.fsid = str(uuid.uuid4())
        network = f"{self.lab.network.subnet}.0/24"
        self.conf.write_text(
            CONF.format(
                fsid=self.fsid,
                address=self.address,
                network=network,
                folder=self.folder,
                watch_timeout_s=self.watch_timeout_s,
            )
        )
        argv = ["ceph-authtool", str(self.keyring), "--create-keyring"]
        for name, capabilities in CAPABILITIES.items():
            pairs = zip(capabilities[::2], capabilities[1::2], strict=True)
            caps = [word for kind, caps in pairs for word in ("--cap", kind, caps)]
            run([*argv, "--gen-key", "-n", name, *caps])
            argv = argv[:2]

    def _start_mon(self) -> None:
        monmap = str(self.folder / "monmap")
        address = f"[v2:{self.address}:3300,v1:{self.address}:6789]"
        run(["monmaptool", "--create", "--addv", "a", address, "--fsid", self.fsid, monmap])
        conf = ["-c", str(self.conf)]
        inside = self.node.exec
        inside(["mkdir", "-p", "/run/ceph"])
        inside(["ceph-mon", *conf, "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", str(self.keyring)])
        inside(["ceph-mon", *conf, "-i", "a"])
        inside(["ceph-mgr", *conf, "-i", "x"])

    def _start_osd(self) -> None:
        identity = str(uuid.uuid4())
        self.ceph("osd", "new", identity, "0")
        conf = ["-c", str(self.conf)]
        self.node.exec(["ceph-osd", *conf, "-i", "0", "--mkfs", "--osd-uuid", identity])
        self.node.exec(["ceph-osd", *conf, "-i", "0"])
        wait_until(lambda: self.ceph("osd", "stat")["num_up_osds"] == 1, "the OSD is up", 60)
        self.ceph("osd", "pool", "create", POOL, "8")
        self.rbd("pool", "init", POOL)

    def _attach_hosts(self) -> None:
        """ceph.conf and the keyring in each host's /etc/ceph, as an admin installs them."""
        for host in self.lab.hosts.values():
            etc = host.folder / "etc/ceph"
            etc.mkdir(exist_ok=True)
            shutil.copy(self.conf, etc / "ceph.conf")
            shutil.copy(self.keyring, etc / "ceph.client.admin.keyring")

    # ------------------------------------------------------------ asking

    def ceph(self, *words: str) -> Any:
        """A `ceph` command from the admin node: its JSON answer, None for none."""
        argv = ["ceph", "-c", str(self.conf), "--connect-timeout", "30", *words, "--format", "json"]
        said = run(argv).strip()
        return json.JSONDecoder().raw_decode(said)[0] if said else None

    def rbd(self, *words: str) -> str:
        """An `rbd` command from the admin node: what it printed."""
        return run(["rbd", "-c", str(self.conf), *words])

    def settings(self) -> dict[str, str]:
        """A cluster's `ceph:` for the inventory; good on the admin node and on every host."""
        return {"conf": str(self.conf), "user": "admin", "keyring": str(self.keyring)}

    def watchers(self, image: str) -> list[str]:
        """The addresses (`10.77.100.11:0/123`) of an image's watchers, as `rbd status` names them."""
        status = json.loads(self.rbd("status", f"{POOL}/{image}", "--format", "json"))
        watchers = status["watchers"]
        listed = watchers.values() if isinstance(watchers, dict) else watchers
        return [watcher["address"] for watcher in listed]

    def blocklist(self) -> list[str]:
        """The addresses that are shut out, as `ceph osd blocklist ls` names them."""
        return [entry["addr"] for entry in self.ceph("osd", "blocklist", "ls")]

    def block(self, address: str, seconds: int = 3600) -> None:
        """Shut a client (`ADDRESS:0/NONCE`) or a whole address out."""
        self.ceph("osd", "blocklist", "add", address, str(seconds))

    def unblock_all(self) -> None:
        """Empty the blocklist."""
        for address in self.blocklist():
            self.ceph("osd", "blocklist", "rm", address)

    # ------------------------------------------------------------ images

    def create_image(self, name: str | None = None, feature: str = "exclusive-lock", guest: bool = True) -> RbdDisk:
        """A new image of 4 MiB, with a guest that writes or empty. As a disk it names the hosts' own ceph.conf."""
        name = name or f"image-{uuid.uuid4().hex[:8]}"
        file = self.folder / "guest.raw"
        file.write_bytes(boot_sectors() if guest else b"")
        os.truncate(file, IMAGE_SIZE)
        disk = self.import_image(file, feature, name)
        if guest:
            self.lab.judge(name, lambda: self.read(name, 0, SECTORS * SECTOR))
        return disk

    def import_image(self, file: Path, feature: str = "exclusive-lock", name: str | None = None) -> RbdDisk:
        """A new image that holds what a file does."""
        name = name or f"image-{uuid.uuid4().hex[:8]}"
        self.rbd("import", "--no-progress", "--image-feature", feature, str(file), f"{POOL}/{name}")
        return RbdDisk(POOL, name)

    def read(self, image: str, offset: int = BEYOND, length: int = BLOCK) -> bytes:
        """What the image holds there, by Ceph's word and not by any qemu's."""
        argv = ["rbd", "-c", str(self.conf), "export", "--no-progress", f"{POOL}/{image}", "-"]
        done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
        if done.returncode != 0:
            raise LabError(f"rbd export {image}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout[offset : offset + length]

    def holds(self, image: str, pattern: int, offset: int = BEYOND) -> bool:
        """Whether a whole block of the image consists of one byte."""
        return self.read(image, offset) == bytes([pattern]) * BLOCK

    def wait_evicted(self, image: str) -> None:
        """Wait until nobody watches the image any more; the qemu may live all the while."""
        wait_until(
            lambda: not self.watchers(image), f"the watcher of {image} is evicted", 3 * self.watch_timeout_s + 30
        )

    def wait_watched(self, image: str) -> None:
        """Wait until somebody watches the image."""
        wait_until(lambda: self.watchers(image), f"{image} is watched", 60)

    # ------------------------------------------------------------ faults

    def cut_storage(self, host: str) -> Fault:
        """A host's packets to the mon and the OSD are dropped: it evicts the watcher, and the qemu lives."""
        return faults.drop_ports(self.lab, host, self.address, PORTS)


def write_from_vm(
    lab: Lab, vm: LabVm, pattern: int, offset: int = BEYOND, host: str | None = None, timeout_s: float = 15
) -> str:
    """Let the running qemu itself write a block of one byte to its first disk: `ok`, or why it could not.

    No guest is needed: qemu's monitor does it, through the very block device that a guest would use. What became of
    it stands in qemu's log. A write that hangs (the storage does not answer) is `timeout`: it may happen later,
    and qemu's monitor is busy until then.
    """
    where = lab.hosts[host or vm.host]
    log = where.folder / f"log/libvirt/qemu/{vm.name}.log"
    before = len(log.read_bytes())
    try:
        said = _monitor(where, vm, f'"write -P {pattern:#x} {offset} {BLOCK}"', timeout_s)
    except LabError:
        return "timeout"
    text = log.read_bytes()[before:].decode(errors="replace")
    if f"wrote {BLOCK}/{BLOCK} bytes" in text:
        return "ok"
    failed = [line for line in text.splitlines() if "failed" in line]
    return failed[0] if failed else said or "no answer"


def queue_write(lab: Lab, vm: LabVm, pattern: int, offset: int = BEYOND, host: str | None = None) -> None:
    """As `write_from_vm`, without waiting: a write that is under way while the storage hangs, as a guest's would be."""
    _monitor(lab.hosts[host or vm.host], vm, f'"aio_write -P {pattern:#x} {offset} {BLOCK}"', 15)


def _monitor(host: LabHost, vm: LabVm, command: str, timeout_s: float) -> str:
    words = ["qemu-monitor-command", vm.name, "--hmp", f"qemu-io -d {FIRST_DISK} {command}"]
    done = host.exec(["virsh", "-q", "-c", "qemu:///system", *words], check=False, timeout_s=timeout_s)
    return (done.stdout + done.stderr).strip()
