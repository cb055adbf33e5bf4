"""What a lab host's disk holds: its own /etc, libvirt folders, keys and users, made before it first boots.

The files survive a power cycle, as a host's disk does. Nothing of this machine's own keys or passwords is copied.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from .proc import run

SUDO_USER, SUDO_UID = "fencer", 61234
"""A user of the hosts who is not root and has `sudo -n`."""

SUDO_RULE = f"{SUDO_USER} ALL=(ALL) NOPASSWD: ALL\n"

SSHD_CONFIG = """\
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys/%u
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
LogLevel VERBOSE
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
"""

QEMU_CONF = """\
security_driver = "none"
cgroup_controllers = []
user = "root"
group = "root"
namespaces = []
stdio_handler = "file"
"""
# "file": qemu's log without virtlogd, one daemon less for each host.

HOOK = """\
#!/bin/sh
# libvirt looks for this file only when it starts, so it is always there. What it does to a VM's start is said by
# files: /run/lab/hold-OPERATION holds it while the file exists, /run/lab/fail-OPERATION makes it fail, and
# /run/lab/pause-OPERATION has it paused as soon as libvirt can be asked for that, which is when its start has ended.
operation=$2
while [ -e "/run/lab/hold-$operation" ]; do sleep 0.02; done
if [ -e "/run/lab/fail-$operation" ]; then
    cat "/run/lab/fail-$operation" >&2
    exit 1
fi
if [ -e "/run/lab/pause-$operation" ]; then
    again='until virsh -c qemu:///system suspend "$1"; do sleep 0.01; done'
    setsid sh -c "$again" pause "$1" >/dev/null 2>&1 </dev/null &
fi
exit 0
"""


@dataclass(frozen=True, slots=True)
class Keys:
    """The admin's key pair."""

    private: Path
    public: Path

    @property
    def public_line(self) -> str:
        """The line for an authorized_keys file."""
        return self.public.read_text()


def make_key(path: Path, comment: str) -> Keys:
    """A new ed25519 key pair without a passphrase."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return Keys(path, path.with_name(path.name + ".pub"))


def make_template(folder: Path, keys: Keys, addresses: dict[str, str]) -> None:
    """The /etc that all hosts have in common. `addresses` are the hosts', by name."""
    run(["cp", "-a", "/etc", str(folder)])
    for secret in [*folder.glob("ssh/ssh_host_*"), *folder.glob("*shadow*"), *folder.glob("ssl/private/*")]:
        secret.unlink()
    _write_users(folder)
    _write_ssh(folder, keys)
    _write_libvirt(folder)
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
    _replace(folder / "hosts", "\n".join(lines) + "\n")


def make_disk(folder: Path, template: Path, name: str, cache: Path | None) -> None:
    """One host's disk: `etc`, `lib`, `log` and `cache`, which host.sh mounts where they belong.

    `cache` is what libvirt has learned of qemu already: to ask qemu again takes it a second.
    """
    folder.mkdir(parents=True)
    etc = folder / "etc"
    run(["cp", "-a", str(template), str(etc)])
    identity = uuid.uuid4()
    _replace(etc / "hostname", f"{name}\n")
    _replace(etc / "machine-id", f"{identity.hex}\n")
    with (etc / "libvirt/libvirtd.conf").open("a") as conf:
        conf.write(f'host_uuid = "{identity}"\n')
    make_key(etc / "ssh/ssh_host_ed25519_key", f"host {name}")
    if Path("/var/lib/libvirt").is_dir():
        run(["cp", "-a", "/var/lib/libvirt", str(folder / "lib")])
    (folder / "lib/qemu").mkdir(parents=True, exist_ok=True)
    for leftover in (folder / "lib/qemu").glob("domain-*"):
        shutil.rmtree(leftover)
    (folder / "log/libvirt/qemu").mkdir(parents=True)
    if cache is not None:
        run(["cp", "-a", str(cache), str(folder / "cache")])
    (folder / "cache").mkdir(exist_ok=True)


def _replace(path: Path, text: str) -> None:
    """Write a file anew: /etc may hold a symbolic link there, which would lead out of the copy."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_users(etc: Path) -> None:
    users = [line for line in (etc / "passwd").read_text().splitlines() if not line.startswith(f"{SUDO_USER}:")]
    users.append(f"{SUDO_USER}:x:{SUDO_UID}:{SUDO_UID}::/run/home/{SUDO_USER}:/bin/bash")
    _replace(etc / "passwd", "\n".join(users) + "\n")
    names = [line.split(":")[0] for line in users if ":" in line]
    _replace(etc / "shadow", "".join(f"{name}:*:19000:0:99999:7:::\n" for name in names))
    (etc / "shadow").chmod(0o600)
    with (etc / "group").open("a") as group:
        group.write(f"{SUDO_USER}:x:{SUDO_UID}:\n")
    rule = etc / "sudoers.d/lab"
    _replace(rule, SUDO_RULE)
    rule.chmod(0o440)


def _write_ssh(etc: Path, keys: Keys) -> None:
    _replace(etc / "ssh/sshd_config", SSHD_CONFIG)
    for user in ("root", SUDO_USER):
        _replace(etc / "ssh/authorized_keys" / user, keys.public_line)


def _write_libvirt(etc: Path) -> None:
    shutil.rmtree(etc / "libvirt/qemu", ignore_errors=True)
    for name, text in (("qemu.conf", QEMU_CONF), ("libvirtd.conf", 'auth_unix_rw = "none"\n')):
        with (etc / "libvirt" / name).open("a") as conf:
            conf.write(text)
    hook = etc / "libvirt/hooks/qemu"
    _replace(hook, HOOK)
    hook.chmod(0o755)
