"""libvirt-guests as Debian delivers it, told to save what runs when the host goes down, and to resume it at boot."""

from __future__ import annotations

from .host import LabHost

SCRIPT = "/usr/lib/libvirt/libvirt-guests.sh"
SETTINGS = "/etc/default/libvirt-guests"
LIST = "/var/lib/libvirt/libvirt-guests"
SAVES = "/var/lib/libvirt/qemu/save"


def goes_down(host: LabHost) -> None:
    """What the service does when its host is shut down: every VM is saved, and listed for the next boot."""
    host.path(SETTINGS).write_text("ON_BOOT=start\nON_SHUTDOWN=suspend\nURIS=qemu:///system\n")
    _run(host, "start")
    _run(host, "stop")


def comes_up(host: LabHost) -> str:
    """What it does when its host has booted: what is listed is started, from its image where there is one."""
    return _run(host, "start")


def _run(host: LabHost, what: str) -> str:
    return host.shell(f"mkdir -p /run/lock; sh {SCRIPT} {what}", timeout_s=120).stdout
