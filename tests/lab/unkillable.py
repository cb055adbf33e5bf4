"""`python -m tests.lab.unkillable`: the case in which every peer gives up, on real parts, to be watched.

A host is cut off from its storage, and the VM's qemu there is in uninterruptible sleep: SIGKILL does not end it. Ceph
drops its watch and says `Watchers: none`. hafence shuts the old process out of its disk, sees that it is, and starts
the VM elsewhere. docs/unkillable.md is a recording of this. As root, with the packages of `.ci/packages`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from . import faults
from .ceph import PROGRAMS, Ceph, write_from_vm
from .cluster import Lab
from .inventory import merge
from .proc import LabError, is_living, wait_until
from .require import HOST_PROGRAMS, missing
from .vm import LabVm

PREFIX = "hfwatch"
SUSPECT, VM, IMAGE = "kvm-01", "web-01", "web-01"
OLD, NEW = 0x01, 0x0A
"""The byte that the old process wrote, and the one that the new process writes."""


def main() -> int:
    """Play it once; 0 if it went as docs/unkillable.md says."""
    if lacks := missing((*HOST_PROGRAMS, *PROGRAMS)):
        print("this needs " + ", ".join(lacks), file=sys.stderr)
        return 1
    with Lab(size=3, prefix=PREFIX) as lab, Ceph(lab) as ceph:
        return _play(lab, ceph)


def _play(lab: Lab, ceph: Ceph) -> int:
    vm = lab.start_vm(SUSPECT, VM, disk=ceph.create_image(IMAGE))
    _expect(write_from_vm(lab, vm, OLD) == "ok", "the VM writes")
    settings = merge({"clusters": {"lab": {"ceph": ceph.settings()}}}, {"fencing": {"connect_timeout": 2}})
    inventory = str(lab.inventory(**settings))
    pid = lab.qemu(vm).pid
    with faults.unkillable(lab, pid), ceph.cut_storage(SUSPECT):
        _on(lab, SUSPECT, "pkill -9 qemu; sleep 1; ps -o stat,args -C qemu-system-x86_64 | cut -c 1-60")
        ceph.wait_evicted(IMAGE)
        _show(["rbd", "-c", str(ceph.conf), "status", f"rbd/{IMAGE}"], f"rbd status rbd/{IMAGE}")
        _hafence(inventory, "start-vm", VM, "--yes")
        _hafence(inventory, "explain")
        _expect(is_living(pid), "the old qemu lives on")
        new = _new(lab, vm)
        _expect(write_from_vm(lab, new, NEW, timeout_s=60) == "ok", "the new process writes")
    wait_until(lambda: not is_living(pid), "the old qemu ends when the kernel lets it go")
    _expect(ceph.holds(IMAGE, NEW), "the disk holds what the new process wrote")
    _show(["ceph", "-c", str(ceph.conf), "osd", "blocklist", "ls"], "ceph osd blocklist ls")
    _on(lab, SUSPECT, f"virsh -q undefine {VM}")
    _hafence(inventory, "rejoin", SUSPECT, "--yes")
    _show(["ceph", "-c", str(ceph.conf), "osd", "blocklist", "ls"], "ceph osd blocklist ls")
    return 0


def _new(lab: Lab, vm: LabVm) -> LabVm:
    """The copy that hafence has started."""
    hosts = [qemu.host for qemu in lab.qemus(vm.uuid) if qemu.host != SUSPECT]
    _expect(len(hosts) == 1, "one new copy runs")
    return LabVm(vm.uuid, vm.name, hosts[0], vm.xml, vm.disks)


def _expect(true: bool, what: str) -> None:
    if not true:
        raise LabError(f"not so: {what}")


def _on(lab: Lab, host: str, command: str) -> None:
    # virsh complains on stderr of the polkit that a lab host does not have
    _show(lab.hosts[host].inside(["sh", "-c", f"exec 2>/dev/null; {command}"]), command, host)


def _show(argv: list[str], shown: str, host: str = "admin") -> None:
    """Run a command, and let it be seen as it was typed and answered."""
    print(f"{host}$ {shown}", flush=True)
    subprocess.run(argv, check=False)
    print(flush=True)


def _hafence(inventory: str, *words: str) -> None:
    environment = os.environ | {"HAFENCE_INVENTORY": inventory}
    print(f"admin$ hafence {shlex.join(words)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "hafence", *words], env=environment, check=False)
    print(f"[exit {done.returncode}]\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
