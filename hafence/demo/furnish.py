"""Everything that lies in the demo's folder before its hosts are switched on."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from . import virsh
from .layout import (
    ADMIN_ADDRESS,
    BEAT_S,
    CLUSTER,
    HOST_MEMORY_MIB,
    HOSTS,
    QEMU,
    USER,
    VM_MEMORY_MIB,
    VMS,
    DemoHost,
    DemoVm,
    disk_of,
    root_of,
)

BOOT_ID = "proc/sys/kernel/random/boot_id"
_FOLDERS = (
    "bin",
    "etc/libvirt/qemu/autostart",
    "proc",
    "run/libvirt/qemu",
    "run/lock",
    "tmp",
    "home",
)


SCRIPT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the scripts look for programs, after the host's own."""

_NEEDED = ("bash", "date", "flock", "grep", "readlink", "setsid", "sleep", "timeout", "tr")
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/-]+\Z")


class FurnishError(Exception):
    """This machine lacks something that the demo needs; the message says what."""


def furnish(folder: Path) -> None:
    """Make the hosts' roots, the storage and the domains. The keys and the inventory need ports and come later."""
    if not _PLAIN_PATH.match(str(folder)):
        raise FurnishError(
            f"{folder.parent} has letters that an inventory's 'root' may not have; set TMPDIR to another folder"
        )
    for name in ("domains", "storage", "faults", "status"):
        (folder / name).mkdir(parents=True)
    lacking = [name for name in _NEEDED if shutil.which(name, path=SCRIPT_PATH) is None]
    if lacking:
        raise FurnishError(f"hafence's scripts need {', '.join(lacking)} on a host, so this machine needs it too")
    shell = _shell()
    for host in HOSTS:
        _furnish_host(folder, host, shell)
    for vm in VMS:
        (folder / "domains" / f"{vm.name}.xml").write_text(domain_xml(folder, vm))
        disk_of(folder, vm.name).touch()


def _furnish_host(folder: Path, host: DemoHost, shell: Path) -> None:
    root = root_of(folder, host.name)
    for name in _FOLDERS:
        (root / name).mkdir(parents=True)
    (root / "etc" / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (root / "etc" / "hostname").write_text(f"{host.name}\n")
    (root / "proc" / "1").symlink_to(f"/proc/{os.getpid()}")
    boot(root)
    qemu = root / "bin" / QEMU
    shutil.copyfile(shell, qemu)
    qemu.chmod(0o755)
    settings = {
        "HAFENCE_DEMO_ROOT": str(root),
        "HAFENCE_DEMO_HOST": host.name,
        "HAFENCE_DEMO_KEEPER": str(os.getpid()),
        "HAFENCE_DEMO_BEAT": str(BEAT_S),
        "HAFENCE_DEMO_MEMORY_MIB": str(HOST_MEMORY_MIB),
    }
    words = [*(f"{key}={value}" for key, value in settings.items()), sys.executable, "-ES", virsh.__file__, str(root)]
    _program(root / "bin" / "virsh", f'exec env {shlex.join(words)} "$@"\n')
    _program(root / "bin" / "respawn", _RESPAWN)
    _network_eyes(folder, root / "bin")


def boot(root: Path) -> None:
    """A host is in another boot from now on: a start that was meant for the one before does nothing."""
    (root / BOOT_ID).parent.mkdir(parents=True, exist_ok=True)
    (root / BOOT_ID).write_text(f"{uuid.uuid4()}\n")


_RESPAWN = """\
# Another manager on this host: it starts every VM again that has ended.
while :; do
    for name in $(virsh list --inactive --name); do
        virsh -q start "$name"
    done
    sleep 0.1
done
"""


def environment_of(folder: Path, host: DemoHost) -> dict[str, str]:
    """What a command on a host finds in its environment. PATH shows it the host's own programs first."""
    root = root_of(folder, host.name)
    return {
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "tmp"),
        "USER": USER,
        "LOGNAME": USER,
        "SHELL": "/bin/sh",
        "PATH": f"{root / 'bin'}:{SCRIPT_PATH}",
        "HAFENCE_DEMO_ROOT": str(root),
    }


def _shell() -> Path:
    """A shell that still is a shell when it is called qemu: not busybox, which looks at its own name."""
    for name in ("dash", "bash", "sh"):
        found = shutil.which(name, path=SCRIPT_PATH)
        if found and "busybox" not in os.path.realpath(found):
            return Path(os.path.realpath(found))
    raise FurnishError("the stand-in for qemu is a copy of dash or bash: install one of them")


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _network_eyes(folder: Path, place: Path) -> None:
    """Stand-ins for ping and ip.

    Loopback answers every ping and knows no neighbours, so these two answer for the demo's network: a host
    that is switched off is silent, the others are not. (The TCP look needs no stand-in: see host.py.) The
    admin node looks with the programs of the suspect's root.
    """
    here = [f"{host.address}) host={host.name} address={host.address} ;;" for host in HOSTS]
    choose = "\n        ".join(here)
    words = {"folder": shlex.quote(str(folder)), "choose": choose, "admin": ADMIN_ADDRESS}
    _program(place / "ping", _PING.format(**words))
    _program(place / "ip", _IP.format(**words))


_PING = """\
# A stand-in for ping: a host of the demo answers unless it is switched off.
for word; do
    case "$word" in
        {choose}
    esac
    address="$word"
done
[ -n "$host" ] || {{ echo "ping: $address: the stand-in knows the hosts of the demo only" >&2; exit 2; }}
if [ -e {folder}/faults/"$host".off ]; then
    sleep 1
    echo "1 packets transmitted, 0 received, 100% packet loss"
    exit 1
fi
echo "64 bytes from $address: icmp_seq=1 ttl=64 time=0.05 ms"
echo "1 packets transmitted, 1 received, 0% packet loss"
"""

_IP = """\
# A stand-in for ip: the hosts of the demo are neighbours; one that is switched off has FAILED.
for word; do
    case "$word" in
        {choose}
    esac
done
[ -n "$host" ] || {{ echo "ip: the stand-in knows the hosts of the demo only" >&2; exit 2; }}
state="lladdr 02:00:00:00:00:0${{host##*0}} REACHABLE"
[ -e {folder}/faults/"$host".off ] && state=FAILED
case " $* " in
    *" route get "*) echo "$address dev demo0 src {admin} uid 0" ;;
    *" neigh show "*) echo "$address dev demo0 $state" ;;
    *" neigh "*) ;;
    *) exit 2 ;;
esac
"""


def domain_xml(folder: Path, vm: DemoVm) -> str:
    """What a VM is."""
    about = "a stand-in that ignores SIGTERM" if vm.deaf else "a stand-in"
    return f"""\
<domain type='kvm'>
  <name>{vm.name}</name>
  <uuid>{vm.uuid}</uuid>
  <description>{about}</description>
  <memory unit='KiB'>{VM_MEMORY_MIB * 1024}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{disk_of(folder, vm.name)}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


def write_inventory(folder: Path, ports: Mapping[str, int]) -> None:
    """The inventory, as an admin would write it, with short time-outs: loopback is quick."""
    lines = [
        "# The demo's inventory. 'root' is there only since its hosts share one machine.",
        "ssh:",
        f"  user: {USER}",
        "  identity_file: id_ed25519",
        "  known_hosts: known_hosts",
        "  sudo: false",
        "fencing: {ssh_timeout: 15, connect_timeout: 1, unreachable: confirm}",
        "store: sqlite:state.db",
        "clusters:",
        f"  {CLUSTER}: {{hypervisor: kvm}}",
        "hosts:",
    ]
    for host in HOSTS:
        root = _quoted(str(root_of(folder, host.name)))
        port = ports[host.name]
        lines.append(
            f"  {host.name}: {{cluster: {CLUSTER}, address: {host.address}, ssh: {{port: {port}}}, root: {root}}}"
        )
    lines.append("vms:")
    for vm in VMS:
        lines.append(f"  {vm.name}: {{uuid: {vm.uuid}, host: {vm.host}, domain_xml: domains/{vm.name}.xml}}")
    (folder / "inventory.yaml").write_text("\n".join(lines) + "\n")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
