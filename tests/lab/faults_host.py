"""Faults of a host: its power, its daemons, its sshd's rules, its memory, its programs, libvirt's starts."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .fault import Fault, if_on
from .image import SUDO_RULE, SUDO_USER, make_key
from .proc import CannotHere, LabError, identity, kill, task_states, wait_until

if TYPE_CHECKING:
    from .cluster import Lab
    from .host import LabHost

IDENTITY = ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub")
"""By what a host is known, beside its boot."""

# ---------------------------------------------------------------- power and daemons


def power_off(lab: Lab, name: str) -> Fault:
    """A host without power. Healed, it has booted: its disk as it was, its VMs gone (but for autostart)."""
    host = lab.hosts[name]
    lab.freezer.thaw_all()
    host.power_off()

    def power_on() -> None:
        host.power_on()
        lab.forget_neighbours()

    return Fault(lab, f"{name} without power", power_on)


def reboot(lab: Lab, name: str) -> None:
    """Power off and on again."""
    power_off(lab, name).heal()


def sshd_gone(lab: Lab, name: str) -> Fault:
    """No sshd listens, the kernel lives: connection refused."""
    host = lab.hosts[name]
    host.stop_sshd()
    return Fault(lab, f"{name} without sshd", if_on(host, host.start_sshd))


def sshd_hung(lab: Lab, name: str) -> Fault:
    """The sshd that listens is stopped, as on a host short of memory: TCP connects, no banner comes."""
    return _stopped(lab, lab.hosts[name], lab.hosts[name].sshd_pid(), "sshd")


def cloned(lab: Lab, name: str, of: str) -> Fault:
    """A host whose disk was cut from another one's: the same host key and machine-id, and boots of its own."""
    host, source = lab.hosts[name], lab.hosts[of]
    own = {inside: host.path(inside).read_bytes() for inside in IDENTITY}

    def become(identity: Mapping[str, bytes]) -> None:
        for inside, content in identity.items():
            host.path(inside).write_bytes(content)
        host.stop_sshd()
        host.start_sshd()

    become({inside: source.path(inside).read_bytes() for inside in IDENTITY})
    return Fault(lab, f"{name} is a clone of {of}", if_on(host, lambda: become(own)))


def libvirtd_hung(lab: Lab, name: str) -> Fault:
    """libvirtd is stopped: every virsh call blocks."""
    return _stopped(lab, lab.hosts[name], lab.hosts[name].libvirtd_pid(), "libvirtd")


def libvirtd_gone(lab: Lab, name: str) -> Fault:
    """libvirtd is dead, its VMs live."""
    host = lab.hosts[name]
    host.stop_libvirtd()
    return Fault(lab, f"{name} without libvirtd", if_on(host, host.start_libvirtd))


def frozen_host(lab: Lab, name: str) -> Fault:
    """Every process of a host is frozen; its kernel still answers ping and TCP, and open sessions stay silent."""
    group = lab.freezer.freeze(lab.hosts[name].processes())
    return Fault(lab, f"{name} frozen", lambda: lab.freezer.thaw(group))


def _stopped(lab: Lab, host: LabHost, pid: int, what: str) -> Fault:
    who = identity(pid) if pid else None
    if who is None:
        raise LabError(f"{host.name}: no {what} to stop")
    kill(who, signal.SIGSTOP)
    wait_until(lambda: set(task_states(pid)) == {"T"}, f"{what} of {host.name} is stopped")
    return Fault(lab, f"{host.name}: {what} hung", lambda: kill(who, signal.SIGCONT))


# ---------------------------------------------------------------- sshd's rules


def sshd_options(lab: Lab, name: str, options: str) -> Fault:
    """sshd with these lines of sshd_config before its own."""
    host = lab.hosts[name]
    host.configure_sshd(options)
    return Fault(lab, f"{name}: sshd with {options!r}", lambda: _plain_sshd(host))


def _plain_sshd(host: LabHost) -> None:
    host.write_sshd_config("")
    if host.is_on():
        host.configure_sshd("")


def no_sessions(lab: Lab, name: str) -> Fault:
    """Logins succeed, sessions are refused (MaxSessions); forwarding works."""
    return sshd_options(lab, name, "MaxSessions 0")


def no_forwarding(lab: Lab, name: str) -> Fault:
    """A sibling that forbids forwarding."""
    return sshd_options(lab, name, "AllowTcpForwarding no")


def forced_command(lab: Lab, name: str, command: str) -> Fault:
    """Whatever is asked for, this runs instead."""
    return sshd_options(lab, name, f"ForceCommand {command}")


def login_refused(lab: Lab, name: str) -> Fault:
    """The admin's key is not known there."""
    return sshd_options(lab, name, "AuthorizedKeysFile none")


def login_stalls(lab: Lab, name: str) -> Fault:
    """The banner comes, the login never ends: the key is looked up by a program that hangs."""
    script = lab.hosts[name].path("/run/lab/stall")
    script.write_text("#!/bin/sh\nexec sleep 3600\n")
    script.chmod(0o755)
    keys = "AuthorizedKeysFile none\nAuthorizedKeysCommand /run/lab/stall\nAuthorizedKeysCommandUser root"
    return sshd_options(lab, name, keys)


def hardened(lab: Lab, name: str, suspects: Sequence[str], command: str = "/bin/false") -> Fault:
    """A sibling whose authorized_keys allows nothing but a tunnel to these hosts' SSH port."""
    opens = ",".join(f'permitopen="{lab.hosts[suspect].address}:22"' for suspect in suspects)
    line = f'restrict,port-forwarding,{opens},command="{command}" {lab.keys.public_line}'
    return _authorized_keys(lab, name, line, "hardened")


def _authorized_keys(lab: Lab, name: str, text: str, what: str) -> Fault:
    folder = lab.hosts[name].folder / "etc/ssh/authorized_keys"
    for user in ("root", SUDO_USER):
        (folder / user).write_text(text)

    def restore() -> None:
        for user in ("root", SUDO_USER):
            (folder / user).write_text(lab.keys.public_line)

    return Fault(lab, f"{name} {what}", restore)


def host_key_changed(lab: Lab, name: str) -> Fault:
    """The host answers with a key that known_hosts does not have for it. Write the inventory first."""
    host = lab.hosts[name]
    ssh = host.folder / "etc/ssh"
    other = make_key(ssh / "other_key", "another machine")
    fault = sshd_options(lab, name, "HostKey /etc/ssh/other_key")

    def restore() -> None:
        fault.heal()
        other.private.unlink()
        other.public.unlink()

    return Fault(lab, f"{name} with another host key", restore)


def noisy_login(lab: Lab, name: str, says: str = "Welcome to this machine!") -> Fault:
    """root's .bashrc prints something, for ssh commands too."""
    host = lab.hosts[name]
    host.path("/root/.bashrc").write_text(f"echo '{says}'\n")
    return Fault(lab, f"{name} greets", if_on(host, lambda: host.path("/root/.bashrc").unlink(missing_ok=True)))


# ---------------------------------------------------------------- rights, programs, memory


def sudo_wants_password(lab: Lab, name: str) -> Fault:
    """`sudo -n` fails: a password is required."""
    return _sudo_rule(lab, name, f"{SUDO_USER} ALL=(ALL) ALL\n", "wants a password")


def sudo_forbidden(lab: Lab, name: str) -> Fault:
    """The user is not in sudoers."""
    return _sudo_rule(lab, name, "", "not allowed")


def _sudo_rule(lab: Lab, name: str, rule: str, what: str) -> Fault:
    path = lab.hosts[name].folder / "etc/sudoers.d/lab"
    path.write_text(rule)
    return Fault(lab, f"{name}: sudo {what}", lambda: _write(path, SUDO_RULE))


def _write(path: os.PathLike[str], text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def missing_program(lab: Lab, name: str, *programs: str) -> Fault:
    """Programs that are not installed on a host: an overlay of its own lacks them."""
    host = lab.hosts[name]
    paths = [host.exec(["sh", "-c", f"readlink -f $(command -v {program})"]).stdout.strip() for program in programs]
    folders = sorted({os.path.dirname(path) for path in paths})
    for folder in folders:
        layers = f"/run/lab-missing{folder}"
        options = f"lowerdir={folder},upperdir={layers}/upper,workdir={layers}/work"
        host.exec(["mkdir", "-p", f"{layers}/upper", f"{layers}/work"])
        mounted = host.exec(["mount", "-t", "overlay", "overlay", "-o", options, folder], check=False)
        if mounted.returncode != 0:
            raise CannotHere(f"a program cannot be taken away from one host: {mounted.stderr.strip()}")
    host.exec(["rm", *paths])

    def install() -> None:
        for folder in folders:
            host.exec(["umount", "-l", folder])
        host.exec(["rm", "-rf", "/run/lab-missing"])

    return Fault(lab, f"{name} lacks {', '.join(programs)}", if_on(host, install))


def short_of_memory(lab: Lab, name: str, free_mib: int) -> Fault:
    """A host that says, in /proc/meminfo and of each NUMA node, that only so much memory is free."""
    host = lab.hosts[name]
    listed = host.shell("ls -d /proc/meminfo /sys/devices/system/node/node*/meminfo 2>/dev/null", check=False)
    paths = listed.stdout.split()
    for index, path in enumerate(paths):
        text = host.exec(["cat", path]).stdout
        text = re.sub(r"((?:MemFree|MemAvailable|Cached|Buffers|FilePages):\s+)\d+", r"\g<1>0", text)
        text = re.sub(r"((?:MemFree|MemAvailable):\s+)\d+", rf"\g<1>{free_mib * 1024}", text)
        host.path(f"/run/meminfo-{index}").write_text(text)
        host.exec(["mount", "--bind", f"/run/meminfo-{index}", path])

    def restore() -> None:
        for path in paths:
            host.exec(["umount", path])

    return Fault(lab, f"{name} has {free_mib} MiB free", if_on(host, restore))


# ---------------------------------------------------------------- libvirt's starts


def slow_start(lab: Lab, name: str, operation: str = "prepare") -> Fault:
    """Every VM start on a host waits in libvirt's hook (prepare: before qemu runs; started: after) until healed."""
    host = lab.hosts[name]
    host.path(f"/run/lab/hold-{operation}").touch()
    return Fault(
        lab,
        f"{name}: starts wait",
        if_on(host, lambda: host.path(f"/run/lab/hold-{operation}").unlink(missing_ok=True)),
    )


def pausing_start(lab: Lab, name: str) -> Fault:
    """Every VM that is started on a host is paused as soon as its start has ended."""
    host = lab.hosts[name]
    path = host.path("/run/lab/pause-started")
    path.write_text("")
    return Fault(lab, f"{name}: starts are paused", if_on(host, lambda: path.unlink(missing_ok=True)))


def failing_start(lab: Lab, name: str, says: str = "the hook says no", operation: str = "prepare") -> Fault:
    """Every VM start on a host fails."""
    host = lab.hosts[name]
    path = f"/run/lab/fail-{operation}"
    host.path(path).write_text(says + "\n")
    return Fault(lab, f"{name}: starts fail", if_on(host, lambda: host.path(path).unlink(missing_ok=True)))
