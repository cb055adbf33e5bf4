"""A VM that a systemd unit runs: a real systemd, the first process of a PID namespace inside a host.

The machine's first process is not systemd, and neither is a lab host's. It gets a cgroup of its own, as a container's
does. It listens to nobody whose PID it can't see, so the host's `systemctl` is one that steps into its namespace.
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
    from .host import LabHost

SYSTEMD = Path("/lib/systemd/systemd")
VERSION_2 = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
INSIDE = Path("/sys/fs/cgroup")
PROGRAMS = "/run/lab/sbin"
UNITS = "/run/systemd/system"
START = """#!/bin/sh
echo 0 >{group}/cgroup.procs
exec unshare --pid --fork --kill-child --mount --cgroup --ipc /bin/sh -c '
    mount -t proc proc /proc
    umount {inside}
    mount -t cgroup2 none {inside}
    exec env -i PATH="$PATH" container=lab {systemd} --system --unit=lab.target'
"""
SYSTEMCTL = """#!/bin/sh
exec nsenter -t "$(pgrep -xo systemd)" --pid --mount --cgroup /usr/bin/systemctl "$@"
"""
TARGET = "[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\n"
SERVICE = """[Unit]
DefaultDependencies=no
StartLimitIntervalSec=0
[Service]
ExecStart={argv}
Restart=always
RestartSec={pause_s}
"""


def systemd_unit(lab: Lab, host: str, vm: LabVm, pause_s: float = 5.0) -> Fault:
    """The unit NAME.service of a host runs the VM, and starts it again so long after its death until it is stopped."""
    there = [folder for folder in VERSION_2 if (folder / "cgroup.controllers").exists()]
    if not there or not SYSTEMD.exists():
        raise CannotHere("no systemd, or cgroups of version 2 are not mounted")
    on = lab.hosts[host]
    group = there[0] / f"{on.namespace}-lab.slice"
    group.mkdir()
    on.exec(["mount", "-t", "cgroup2", "none", str(INSIDE)])  # a lab host has a /sys of its own
    _write_units(on, vm, pause_s)
    start = START.format(group=INSIDE / group.name, inside=INSIDE, systemd=SYSTEMD)
    program = on.path(f"{PROGRAMS}/systemctl")
    on.exec(["mkdir", "-p", PROGRAMS])
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    on.exec(["mount", "--bind", PROGRAMS, "/usr/local/sbin"])
    manager = on.spawn(["/bin/sh", "-c", start])
    wait_until(lambda: _systemctl(on, "is-active", "lab.target"), "systemd is up")
    on.exec(["systemctl", "start", f"{vm.name}.service"])
    lab.wait_copies(vm.uuid, 1)

    def forget() -> None:
        on.exec(["umount", "-l", "/usr/local/sbin", str(INSIDE)])
        on.exec(["rm", "-rf", PROGRAMS, "/run/systemd"])

    def stop() -> None:
        kill_all([manager], "systemd")  # and with the first process of its namespace all others
        lab.kill_qemu(vm)
        if_on(on, forget)()
        wait_until(lambda: _is_gone(group), f"{group} is empty")

    return Fault(lab, f"a unit on {host} runs {vm.name}", stop)


def _write_units(on: LabHost, vm: LabVm, pause_s: float) -> None:
    on.exec(["mkdir", "-p", UNITS])
    on.path(f"{UNITS}/lab.target").write_text(TARGET)
    argv = shlex.join(qemu_arguments(vm.name, vm.uuid))
    on.path(f"{UNITS}/{vm.name}.service").write_text(SERVICE.format(argv=argv, pause_s=pause_s))


def _systemctl(on: LabHost, *words: str) -> bool:
    return on.exec(["systemctl", "--quiet", *words], check=False).returncode == 0


def _is_gone(group: Path) -> bool:
    """Whether the cgroup and those below it could be removed: none of them has a process any more."""
    try:
        for folder in sorted(group.rglob("*/"), reverse=True):
            folder.rmdir()
        group.rmdir()
    except OSError:
        return False
    return True
