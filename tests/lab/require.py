"""What a real-part test needs of this machine; said by name where it is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterable

import pytest

PACKAGE_OF = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "libvirtd": "libvirt-daemon-system",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "qemu-io": "qemu-utils",
    "qemu-nbd": "qemu-utils",
    "ip": "iproute2",
    "iptables": "iptables",
    "ps": "procps",
    "ping": "iputils-ping",
    "tini": "tini",
    "sudo": "sudo",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "ceph": "ceph-common",
    "rbd": "ceph-common",
    "ceph-mon": "ceph-mon",
    "ceph-mgr": "ceph-mgr",
    "ceph-osd": "ceph-osd",
    "etcd": "etcd-server",
    "etcdctl": "etcd-client",
    "fence_ipmilan": "fence-agents",
    "fence_redfish": "fence-agents",
    "fence_virsh": "fence-agents",
    "ipmitool": "ipmitool",
    "openssl": "openssl",
    "tgtd": "tgt",
    "tgtadm": "tgt",
}
"""The Debian package that brings a program."""

HOST_PROGRAMS = (
    *("sshd", "ssh", "ssh-keygen", "libvirtd", "virsh", "qemu-system-x86_64", "qemu-img"),
    *("ip", "iptables", "ps", "ping", "tini", "sudo", "nsenter", "unshare"),
)
"""What a cluster of hosts cannot do without."""

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def on_ci() -> bool:
    """Whether this is a CI run, where a real part that is missing is a failure."""
    return os.environ.get("CI", "").lower() in ("true", "1", "yes")


def find_program(name: str) -> str | None:
    """A program's path; /usr/sbin is searched too, which is not in everyone's PATH."""
    return shutil.which(name) or shutil.which(name, path=":".join(SBIN))


def missing(programs: Iterable[str] = (), modules: Iterable[str] = (), files: Iterable[str] = ()) -> list[str]:
    """What of this is not here, each with what brings it."""
    lacks = [] if os.geteuid() == 0 else ["root"]
    for name in programs:
        if find_program(name) is None:
            lacks.append(f"{name} (Debian package {PACKAGE_OF.get(name, name)})")
    for name in modules:
        if importlib.util.find_spec(name) is None:
            lacks.append(f"Python module {name} (pip install 'hafence[test]')")
    lacks += [f"the file {path}" for path in files if not os.path.exists(path)]
    return lacks


def require(*programs: str, modules: Iterable[str] = (), files: Iterable[str] = ()) -> None:
    """Skip the test, naming what is missing: root, Debian packages, Python modules. On CI (CI=true) fail instead."""
    lacks = missing(programs, modules, files)
    if lacks:
        lack("needs " + ", ".join(lacks))


def lack(reason: str) -> None:
    """This machine cannot bring what the test needs: skip by name; on CI fail, so that no skip hides there."""
    if on_ci():
        pytest.fail(f"{reason}; on CI a real part that is missing is a failure", pytrace=False)
    pytest.skip(reason)
