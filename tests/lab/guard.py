"""The guard of contrib/, laid on a lab host as its README says."""

from __future__ import annotations

from pathlib import Path

from .host import LabHost

HERE = Path(__file__).parents[2] / "contrib/guard"
HOOK, CONF = "/etc/libvirt/hooks/qemu.d/hafence-guard", "/etc/hafence-guard.conf"


def install(host: LabHost, conf: str = "VMS=all\n") -> None:
    """From the next start of its libvirtd on: a lab host has a hook already, so libvirt looks for this one at once."""
    hook = host.path(HOOK)
    hook.parent.mkdir(exist_ok=True)
    hook.write_bytes((HERE / "hafence-guard").read_bytes())
    hook.chmod(0o755)
    host.path(CONF).write_text(conf)
