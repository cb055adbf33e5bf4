"""A VM that serves: Debian's kernel, busybox and QEMU guest agent in an initial ram disk, made here.

The lab's usual guest is a boot sector: it has no network stack and no agent. This one boots for real, in some ten
seconds, has an address of its own on its host, and begins to serve its port and to run its agent then. Nothing of
libvirt, of the network or of the agent is played.

`.ci/packages` unpacks Debian's kernel and agent for it; HAFENCE_GUEST_ROOT is where they are, if elsewhere. Without
them the tests that want it are skipped by name.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .cluster import Lab
from .require import lack
from .vm import LabVm

ROOT = Path(os.environ.get("HAFENCE_GUEST_ROOT", "/usr/local/share/hafence-lab/guest"))
PORT = 389
ADDRESS, GATEWAY = "192.168.77.2", "192.168.77.1"
"""Of the guest, and of whichever host it is on, on the wire between them."""
MEMORY_MIB = 192
CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
_WIRE = (
    f"<interface type='ethernet'><source><ip address='{GATEWAY}' family='ipv4' prefix='24'/></source>"
    "<model type='virtio'/></interface>"
)
_MODULES = (
    *("drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_legacy_dev"),
    *("drivers/virtio/virtio_pci_modern_dev", "drivers/virtio/virtio_pci", "drivers/char/virtio_console"),
    *("net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net"),
)
_INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in {" ".join(Path(name).name for name in _MODULES)}; do insmod /modules/$module.ko; done
until [ -e /sys/class/net/eth0 ] && [ -e /dev/vport*p1 ]; do sleep 0.1; done
ip link set lo up
ip addr add {ADDRESS}/24 dev eth0
ip link set eth0 up
qemu-ga --method=virtio-serial --path=$(echo /dev/vport*p1) --statedir=/run &
while :; do nc -l -p {PORT} </dev/null >/dev/null; done
"""


@dataclass(frozen=True)
class Parts:
    """Where the guest's programs are."""

    kernel: Path
    modules: Path
    agent: Path
    busybox: Path


def find_parts() -> Parts | None:
    """What is there of it; None where something is missing."""
    for kernel in sorted(ROOT.glob("boot/vmlinuz-*-cloud-amd64")):
        modules = ROOT / "lib/modules" / kernel.name.removeprefix("vmlinuz-") / "kernel"
        agent, busybox = ROOT / "usr/sbin/qemu-ga", Path(shutil.which("busybox") or "/nowhere")
        if modules.exists() and agent.exists() and busybox.exists():
            return Parts(kernel, modules, agent, busybox)
    return None


def deaf_vm(lab: Lab, host: str, name: str) -> LabVm:
    """Start a VM of the lab's usual kind, which serves nothing, with an agent's channel at which nobody is."""
    vm = lab.define_vm(host, name)
    vm.xml.write_text(vm.xml.read_text().replace("</devices>", f"{CHANNEL}</devices>"))
    lab.hosts[host].virsh(f"define {vm.xml}; start {name}")
    return vm


def serving_vm(lab: Lab, host: str, name: str) -> LabVm:
    """Start a VM with this guest. Skips the test where it can't be made."""
    parts = find_parts()
    if parts is None:
        lack(f"needs a guest that boots in {ROOT} (.ci/packages unpacks it), and busybox")
    assert parts is not None, "said above"
    vm = lab.define_vm(host, name, disk=(), memory_mib=MEMORY_MIB)
    kernel, initrd = vm.xml.with_suffix(".kernel"), vm.xml.with_suffix(".initrd")
    shutil.copy(parts.kernel, kernel)
    initrd.write_bytes(gzip.compress(_archive(parts, vm.xml.with_suffix(".root")), 1))
    boot = f"<kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>quiet panic=-1</cmdline></os>"
    text = vm.xml.read_text().replace("</os>", boot).replace("</devices>", f"{_WIRE}{CHANNEL}</devices>")
    vm.xml.write_text(text)
    lab.hosts[host].virsh(f"define {vm.xml}; start {name}")
    return vm


def _archive(parts: Parts, root: Path) -> bytes:
    """The initial ram disk, as the kernel unpacks it."""
    for folder in ("bin", "proc", "sys", "dev", "run", "modules"):
        (root / folder).mkdir(parents=True)
    for program in (parts.busybox, parts.agent):
        _copy(program, root / "bin" / program.name)
        for library in _libraries(program):
            _copy(library, root / library.relative_to("/"))
    for module in _MODULES:
        shutil.copy(parts.modules / f"{module}.ko", root / "modules")
    (root / "init").write_text(_INIT)
    (root / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    packed = subprocess.run(
        [parts.busybox, "cpio", "-o", "-H", "newc"], cwd=root, input=names.encode(), capture_output=True, check=True
    )
    shutil.rmtree(root)
    return packed.stdout


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _libraries(program: Path) -> Iterator[Path]:
    """The shared libraries of a program, and its loader."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for word in said.split():
        if word.startswith("/"):
            yield Path(word)
