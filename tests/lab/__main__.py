"""`python -m tests.lab up|status|exec|run|fault|down`: a lab to try things in, left up until `down`.

up [--hosts N] [--vms N]     bring it up with VMs web-01, web-02, … and an inventory; cleans what an earlier one left
status                       hosts, VMs and their living qemu processes, by the kernel's word
run COMMAND…                 run a command on the admin node with HAFENCE_INVENTORY set
exec HOST COMMAND…           run a command on a host, out of band
fault NAME HOST|VM [ARG…]    make a fault of faults.py and leave it: `fault firewall kvm-01`, `fault cut kvm-01 kvm-02`,
                             `fault unkillable web-01`; `fault` alone lists them
heal                         every host boots anew with its disk as `up` made it: no fault, no VM is left
down                         end it and leave nothing
"""

from __future__ import annotations

import argparse
import inspect
import os
import signal
import subprocess
import sys

from . import faults
from .cluster import Lab
from .host import LabHost
from .inventory import known_hosts
from .proc import LabError
from .require import HOST_PROGRAMS, missing

DEFAULT_PREFIX = "hfup"
OF_A_PROCESS = ("unkillable", "zombie_leader", "stopped")
LISTED = [name for name in faults.__all__ if callable(getattr(faults, name)) and name not in ("Fault", "reboot")]


def main(argv: list[str] | None = None) -> int:
    """Do one command. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prefix", default=os.environ.get("HAFENCE_LAB_PREFIX", DEFAULT_PREFIX))
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up")
    up.add_argument("--hosts", type=int, default=4)
    up.add_argument("--vms", type=int, default=2)
    for name in ("status", "down", "heal"):
        commands.add_parser(name)
    commands.add_parser("run").add_argument("words", nargs=argparse.REMAINDER)
    for name in ("exec", "fault"):
        commands.add_parser(name).add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    if lacks := missing(HOST_PROGRAMS):
        print("the lab needs " + ", ".join(lacks), file=sys.stderr)
        return 1
    try:
        if options.command == "up":
            return _up(options.prefix, options.hosts, options.vms)
        return _with_lab(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _up(prefix: str, hosts: int, vms: int) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lab = Lab(size=hosts, prefix=prefix).up()
    names = list(lab.hosts)
    for index in range(vms):
        lab.start_vm(names[index % hosts], f"web-{index + 1:02}")
    inventory = lab.inventory(folder=lab.folder / "inventory")
    lab.keep()
    _status(lab)
    print(f"\ninventory: {inventory}\n")
    print(f"  export HAFENCE_INVENTORY={inventory}")
    print("  hafence start-vm web-01 --yes")
    print(f"  python -m tests.lab --prefix {prefix} status | exec kvm-01 virsh list | fault firewall kvm-01 | down")
    return 0


def _with_lab(options: argparse.Namespace) -> int:
    lab = Lab.attach(options.prefix)
    if options.command == "status":
        return _status(lab)
    if options.command == "run":
        return _run(lab, options.words or ["sh"])
    if options.command == "exec":
        name, *words = options.words or [""]
        return subprocess.run(_host(lab, name).inside(words or ["bash"]), check=False).returncode
    if options.command == "fault":
        return _fault(lab, options.words)
    if options.command == "heal":
        lab.rebuild()
        (lab.folder / "inventory/known_hosts").write_text(known_hosts(lab.hosts.values()))
        lab.keep()
        return _status(lab)
    lab.down()
    return 0


def _run(lab: Lab, words: list[str]) -> int:
    """A command with the lab's inventory, and with this Python's own programs (hafence) in its PATH."""
    own = os.path.dirname(sys.executable)
    environment = {
        **os.environ,
        "PATH": f"{own}:{os.environ.get('PATH', os.defpath)}",
        "HAFENCE_INVENTORY": str(lab.folder / "inventory/inventory.yaml"),
    }
    try:
        return subprocess.run(["/usr/bin/env", *words], env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 130


def _host(lab: Lab, name: str) -> LabHost:
    if name not in lab.hosts:
        raise LabError(f"no host {name!r}: there are {', '.join(lab.hosts)}")
    return lab.hosts[name]


def _fault(lab: Lab, words: list[str]) -> int:
    if not words or words[0] not in LISTED:
        for name in LISTED:
            signature = ", ".join(list(inspect.signature(getattr(faults, name)).parameters)[1:])
            print(f"{name}({signature})")
        return 0 if not words else 2
    name, *arguments = words
    if name in OF_A_PROCESS:
        arguments = [lab.qemu(lab.vms[vm]).pid for vm in arguments]  # type: ignore[misc]
    print(getattr(faults, name)(lab, *arguments).name)
    lab.keep()
    return 0


def _status(lab: Lab) -> int:
    qemus = lab.qemus()
    for host in lab.hosts.values():
        pids = [str(found.pid) for found in qemus if found.host == host.name]
        print(f"{host.name}  {host.address}  {'on' if host.is_on() else 'off':3}  qemu: {' '.join(pids) or '-'}")
    for vm in lab.vms.values():
        where = [f"{found.host} ({found.pid})" for found in lab.qemus(vm.uuid)]
        print(f"{vm.name}  {vm.uuid}  runs on {', '.join(where) or 'no host'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
