"""What a host keeps of a VM that is recorded elsewhere, beside its definition (audit.py): memory of it, and orders."""

from __future__ import annotations

from collections.abc import Iterator

from .looks import HostLook
from .model import Uuid, Vm
from .survey import Code, Finding, Severity, Survey


def undefine_command(vm: Uuid) -> str:
    """What takes a VM's definition from a host where it does not belong, whatever hangs on it: libvirt refuses plain
    `virsh undefine` where there is NVRAM, a snapshot, or was a saved image. What the VM writes to stays."""
    return f"virsh undefine --keep-nvram --managed-save --snapshots-metadata --checkpoints-metadata {vm}"


def guests_left_behind(scene: Survey, vm: Vm) -> Iterator[Finding]:
    """A managed save image of a VM that has run elsewhere since is the memory of a guest whose disks have changed
    under it."""
    record = scene.record(vm)
    home = record.host or record.last_host
    for name, look in sorted(scene.looks.items()):
        if name == home or not isinstance(look, HostLook) or look.runs(vm.uuid):
            continue
        do = f"'hafence fence {vm.name} --host {name}' sets it aside"
        if vm.uuid in look.listed:
            saw = f"libvirt-guests starts it with {name}, whatever runs elsewhere by then"
            yield Finding(Code.RESUMES_AT_BOOT, Severity.CRITICAL, vm.name, saw, do)
        if vm.uuid in look.saved:
            saw = f"a managed save image of it lies on {name}: a start there goes on from that memory, on other disks"
            yield Finding(Code.MANAGED_SAVE, Severity.WARNING, vm.name, saw, do)
