"""The guard of contrib/ on a host of the demo: the very hook, run by the stand-in for virsh before each start."""

from __future__ import annotations

from pathlib import Path

from ..inventory.shipped import shipped
from .layout import root_of

CONF = "VMS=all\nON_DOUBT=refuse\n"


def install_guard(folder: Path, host: str) -> None:
    """From now on libvirt starts nothing there that hafence has not started. FileNotFoundError where the installation
    has left the guard out."""
    root = root_of(folder, host)
    hook = _hook(root)
    hook.parent.mkdir(parents=True, exist_ok=True)
    hook.write_bytes(shipped("contrib/guard/hafence-guard").read_bytes())
    hook.chmod(0o755)
    (root / "etc/hafence-guard.conf").write_text(CONF)


def remove_guard(folder: Path, host: str) -> None:
    """Libvirt starts there what it likes."""
    _hook(root_of(folder, host)).unlink(missing_ok=True)


def _hook(root: Path) -> Path:
    return root / "etc/libvirt/hooks/qemu"
