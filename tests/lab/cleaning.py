"""Where a lab's things are, how they are taken away again, and how a host is set right between two tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from . import guard, guests, net
from .freezer import Freezer
from .host import KEEPER, LabHost
from .proc import Identity, LabError, arguments, identity, kill, kill_all, task_states, wait_until

BASE = Path("/tmp/hafence-lab")
STATE_FILE, CHILDREN_FILE = "lab.json", "children"
DEFAULT_PREFIXES = ("hf", *(f"hf{number}" for number in range(2, 20)))


def default_folder(prefix: str) -> Path:
    """A lab's folder, when none is given."""
    return BASE / prefix


def claim_prefix(prefix: str | None) -> tuple[str, socket.socket]:
    """Hold a prefix for this process. With None the first of the default ones that is free and was not kept up."""
    if prefix is not None:
        held = net.claim(net.check_prefix(prefix))
        if held is None:
            raise LabError(f"another process has a lab with the prefix {prefix!r}: choose another")
        return prefix, held
    for each in DEFAULT_PREFIXES:
        if (default_folder(each) / STATE_FILE).exists():
            continue
        held = net.claim(each)
        if held is not None:
            return each, held
    raise LabError("no free lab prefix")


def make_folder(folder: Path) -> None:
    """A folder of root's alone. Below /tmp somebody else may have made it first: then it is not used."""
    for each in (BASE, folder) if folder.is_relative_to(BASE) else (folder,):
        each.mkdir(mode=0o700, parents=each is not BASE, exist_ok=True)
        seen = each.lstat()
        if each.is_symlink() or seen.st_uid != os.getuid():
            raise LabError(f"{each} belongs to another user")


def qemu_knowledge() -> Path | None:
    """What this machine's own libvirtd, if one has run, has learned of qemu. libvirt checks that it still holds."""
    known = Path("/var/cache/libvirt")
    return known if (known / "qemu/capabilities").is_dir() else None


def note_child(folder: Path, pid: int) -> None:
    """Note a process outside the namespaces (a BMC), so that a killed run's is found by the next."""
    who = identity(pid)
    if who is not None:
        with (folder / CHILDREN_FILE).open("a") as file:
            file.write(f"{who.pid} {who.start_ticks}\n")


def clean(prefix: str, folder: Path) -> None:
    """Remove everything that bears a lab's name, whoever left it and however it ended."""
    freezer = Freezer(prefix, folder / "freezer")
    freezer.thaw_all()
    _kill_children(folder)
    net.remove_namespaces(prefix)
    freezer.thaw_all()
    if os.path.ismount(folder / "freezer"):
        subprocess.run(["umount", str(folder / "freezer")], check=True)
    if folder.exists():
        shutil.rmtree(folder)
    if BASE.is_dir() and not any(BASE.iterdir()):
        BASE.rmdir()


def clean_abandoned() -> None:
    """Remove what killed runs left under the default prefixes; a lab that lives, or was kept up, is let be."""
    named = net.names_in_use()
    for prefix in DEFAULT_PREFIXES:
        folder = default_folder(prefix)
        if (folder / STATE_FILE).exists() or not (folder.exists() or any(n.startswith(f"{prefix}-") for n in named)):
            continue
        held = net.claim(prefix)
        if held is not None:
            clean(prefix, folder)
            held.close()


def _kill_children(folder: Path) -> None:
    noted = folder / CHILDREN_FILE
    if not noted.exists():
        return
    for line in noted.read_text().splitlines():
        pid, ticks = line.split()
        kill(Identity(int(pid), int(ticks)))


# ---------------------------------------------------------------- between tests


def reset_host(host: LabHost) -> None:
    """Kill all but init and the daemons, forget every domain, flush the firewall, start what has stopped."""
    host.net("sh", "-c", "iptables -P INPUT ACCEPT; iptables -P OUTPUT ACCEPT; iptables -F")
    if not host.is_on():
        host.power_on()
    _kill_strangers(host)
    _forget_domains(host)
    host.start_sshd()
    if not host.libvirtd_pid():
        host.start_libvirtd()
    for left in (guests.LIST, guests.SETTINGS, guard.HOOK, guard.CONF):
        host.path(left).unlink(missing_ok=True)
    for inside in ("/run/hafence", "/run/lab", "/var/lib/libvirt/hafence", guests.SAVES):
        shutil.rmtree(host.path(inside), ignore_errors=True)
    host.path("/run/lab").mkdir()
    host.path(guests.SAVES).mkdir(parents=True)


def _kill_strangers(host: LabHost) -> None:
    keep = {host.pid, host.sshd_pid(), host.libvirtd_pid()}
    stopped = [pid for pid in keep if pid and "T" in task_states(pid)]
    kill_all(stopped, f"{host.name}: stopped daemons")
    strangers = [pid for pid in host.processes() if pid not in keep and arguments(pid) != list(KEEPER)]
    kill_all(strangers, f"{host.name}: stray processes")


def _forget_domains(host: LabHost) -> None:
    etc, run = host.path("/etc/libvirt/qemu"), host.path("/run/libvirt/qemu")
    if not any(etc.glob("*.xml")) and not any(run.glob("*.xml")):
        return
    if not host.libvirtd_pid():
        host.start_libvirtd()
    for vm in host.virsh("list", "--all", "--uuid").split():  # names may hold blanks
        host.virsh(f"destroy {vm}; undefine {vm} --managed-save --snapshots-metadata", check=False)
    wait_until(lambda: not host.virsh("list", "--all", "--uuid").split(), f"{host.name}: no domain is left")
