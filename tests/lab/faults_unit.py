"""A VM that a systemd unit runs, on hosts whose first process is not systemd.

The cgroup is a real one under systemd's name, in which the VM's process lies alone; what stands in for systemd are a
loop that starts the process again, as `Restart=always` does, and a `systemctl` that ends the loop.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from .fault import Fault, if_on
from .proc import CannotHere, kill_all, wait_until
from .vm import LabVm, qemu_arguments

if TYPE_CHECKING:
    from .cluster import Lab

VERSION_2 = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
INSIDE = Path("/sys/fs/cgroup")
SYSTEMCTL = """#!/bin/sh
case "$*" in
*stop*)
    : >/run/lab/unit-stopped
    for pid in $(cat {group}/cgroup.procs); do kill "$pid"; done
    ;;
*show*) if [ -e /run/lab/unit-stopped ]; then echo ActiveState=inactive; else echo ActiveState=active; fi ;;
esac
"""
LOOP = "until [ -e /run/lab/unit-stopped ]; do sh -c {start}; sleep {pause_s}; done; exec sleep 3600"


def systemd_unit(lab: Lab, host: str, vm: LabVm, pause_s: float = 5.0) -> Fault:
    """The unit NAME.service of a host runs the VM, and starts it again so long after its death until it is stopped."""
    there = [folder for folder in VERSION_2 if (folder / "cgroup.controllers").exists()]
    if not there:
        raise CannotHere("cgroups of version 2 are not mounted")
    on = lab.hosts[host]
    path = f"{on.namespace}-lab.slice/{vm.name}.service"
    group = there[0] / path
    group.mkdir(parents=True)
    on.exec(["mount", "-t", "cgroup2", "none", str(INSIDE)])  # a lab host has a /sys of its own
    on.path("/run/lab/sbin").mkdir()
    program = on.path("/run/lab/sbin/systemctl")
    program.write_text(SYSTEMCTL.format(group=INSIDE / path))
    program.chmod(0o755)
    on.exec(["mount", "--bind", "/run/lab/sbin", "/usr/local/sbin"])
    start = shlex.quote(f"echo 0 >{INSIDE / path}/cgroup.procs; exec {shlex.join(qemu_arguments(vm.name, vm.uuid))}")
    loop = on.spawn(["/bin/sh", "-c", LOOP.format(start=start, pause_s=pause_s)])
    lab.wait_copies(vm.uuid, 1)

    def forget() -> None:
        on.exec(["umount", "-l", "/usr/local/sbin", str(INSIDE)])
        on.exec(["rm", "-rf", "/run/lab/sbin", "/run/lab/unit-stopped"])

    def stop() -> None:
        kill_all([loop], "the unit's loop")
        lab.kill_qemu(vm)
        if_on(on, forget)()
        wait_until(lambda: not (group / "cgroup.procs").read_text(), f"{group} is empty")
        group.rmdir()
        group.parent.rmdir()

    return Fault(lab, f"a unit on {host} runs {vm.name}", stop)
