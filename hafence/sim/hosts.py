"""A simulated host: its kernel, its sshd, its libvirtd, its qemu processes, and what scripts have left there."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..core.model import HostName, Uuid
from .kernel import Owner

NORMAL, UNKILLABLE, ZOMBIE_LEADER = "S", "D", "Z"
"""How a qemu is: killable; in uninterruptible sleep; its leader dead while another thread lives (and is killable)."""


class Qemu:
    """One process of a VM. It can write to the VM's disks while it lives and reaches them."""

    __slots__ = (
        "alive",
        "born_at",
        "by",
        "disks",
        "halted",
        "hidden",
        "host",
        "idle_s",
        "incoming",
        "kill_pending",
        "leaves",
        "manager",
        "moved",
        "pid",
        "respawns_after_s",
        "state",
        "stray",
        "vm",
    )

    def __init__(self, vm: Uuid, host: SimHost, pid: int, born_at: float, by: str) -> None:
        self.vm = vm
        self.host = host
        self.pid = pid
        self.born_at = born_at
        self.by = by
        """The run whose start brought it, or '' where it was there before or a manager brought it."""
        self.alive = True
        self.stray = False
        """Whether libvirt knows nothing of it: a manager, or a failed migration, left it there."""
        self.idle_s = 0.0
        """How long the VM had had no process here when this one was born, or one whose place it has taken."""
        self.state = NORMAL
        self.kill_pending = False
        self.respawns_after_s: float | None = None
        """A manager starts it again so long after its death, or None."""
        self.manager = ""
        """Who runs it where that can be seen and is not libvirt: unit | managed (managers.py), or ''."""
        self.moved = False
        """Whether it came by a live migration."""
        self.incoming = False
        """The copy of a migration that has not taken over: it does not write yet."""
        self.disks = 0
        """The generation of the disks that it writes to: a snapshot, a pivot or a hot-plug makes the next one."""
        self.halted = ""
        """'' | i-o-error: why libvirt has paused it. It holds its disks and may be resumed."""
        self.leaves = ""
        """'' | queue | request | cache: what it has under way when it dies (late_writes.py)."""
        self.hidden = ""
        """'' | uuid | disk: no search knows it for the VM's. It bears the UUID under another program's name, and nobody
        can say what it is; or it is another program, which has a disk of the VM open for writing."""

    @property
    def locks_its_images(self) -> bool:
        """Whether the storage shuts it out when the next copy opens them: what it has sent could not be written."""
        return self.leaves != "queue"


class Job:
    """A start in libvirtd's hands. `lock` is the lock that virsh holds on when its script has given up on it."""

    __slots__ = ("disks", "lock", "slow")

    def __init__(self, slow: bool, disks: int) -> None:
        self.disks = disks
        """The generation of the disks that its definition names."""
        self.lock: object | None = None
        self.slow = slow
        """Held in a hook, with the domain's lock: it can't be destroyed, and `virsh list` waits for it."""


class SimHost(Owner):
    """One host. Fields are what is the case; faults change them, scripts and looks read them."""

    __slots__ = (
        "answers_for",
        "aside",
        "autostart",
        "bmc",
        "boot",
        "clock_offset_s",
        "defined",
        "firewall",
        "guard",
        "jobs",
        "lacks",
        "libvirtd",
        "locks",
        "machine_id",
        "marks",
        "memory_free_mib",
        "memory_total_mib",
        "off_at",
        "own_disk",
        "permits",
        "qemus",
        "saved",
        "serial",
        "slow_s",
        "sshd",
        "start_fault",
        "switches",
        "tickets",
        "up",
        "wants",
    )

    def __init__(self, name: HostName, machine_id: str) -> None:
        super().__init__(name)
        self.machine_id = machine_id
        self.serial = int(machine_id, 16)
        """What no other machine has: a clone has the same machine-id, and boots of its own."""
        self.answers_for: SimHost = self
        """The machine that answers at this host's address: another one, where that has taken it over."""
        self.boot = 1
        self.up = True
        self.off_at = -math.inf
        """When it was last without power, if it is up again."""
        self.sshd = "ok"
        """ok | gone | hung (no banner) | login (refused) | key (another one) | unknown (its key, to the admin) |
        forced (nobody may look, tunnels pass) | nosession (the same, by MaxSessions) | noforward."""
        self.libvirtd = "ok"
        """ok | hung | gone (its VMs live) | absent (no virsh either)."""
        self.lacks = ""
        """'' | ping | flock | virsh | ss: a program that is not installed."""
        self.firewall = ""
        """'' | drop | drop-tcp | drop-ping | reject | reject-net | reject-port: what it does with what comes from
        outside; it answers ARP all the same."""
        self.wants = ""
        """'' | disk | network: what the VMs' definitions name and this host does not have."""
        self.own_disk = "off"
        """on | off: whether a copy of its own lies here under the path of the VMs' disks."""
        self.slow_s = 0.0
        """How much later than sent a script begins (a host that pages)."""
        self.start_fault = ""
        """'' | fails | dies (right after) | pauses (on an I/O error) | slow: what becomes of a start here."""
        self.bmc = "ok"
        """ok | ignores (accepts 'off' and does nothing) | gone (or can't tell on from off: no agent then sends one)."""
        self.switches: SimHost = self
        """The machine whose power its BMC switches: another one's, where the inventory has confused the two."""
        self.clock_offset_s = 0.0
        self.memory_total_mib = 65536
        self.memory_free_mib = 32768
        self.qemus: list[Qemu] = []
        self.jobs: dict[Uuid, Job] = {}
        """Starts in libvirtd's hands: active in its eyes, without a process yet."""
        self.locks: dict[Uuid, object] = {}
        """VMs whose start lock is held, and by which script."""
        self.tickets: dict[Uuid, tuple[int, str]] = {}
        """The highest ticket seen of each VM, and whether a start or a settle bore it. A reboot forgets it."""
        self.marks: dict[Uuid, tuple[str, str, float]] = {}
        """Which store and run were last at each VM, and when (the world's time). A reboot forgets it."""
        self.guard = "off"
        """on | off: whether libvirt refuses here to start what hafence has not started (contrib/guard)."""
        self.permits: set[Uuid] = set()
        """VMs that a start of hafence's was at here in this boot, and no fence and no settling since."""
        self.defined: set[Uuid] = set()
        self.aside: set[Uuid] = set()
        """VMs whose definition a fence has set aside."""
        self.autostart: set[Uuid] = set()
        self.saved: set[Uuid] = set()
        """VMs that libvirt-guests has saved, and resumes when the host boots."""

    def refuses(self, vm: Uuid) -> bool:
        """Whether the guard keeps libvirt from starting a VM here."""
        return self.guard == "on" and vm not in self.permits

    @property
    def boot_id(self) -> str:
        """The id of its boot."""
        return f"{self.serial:08x}-{self.boot:04x}"

    def living(self, vm: Uuid) -> list[Qemu]:
        """The VM's processes here that have a living task."""
        return [qemu for qemu in self.qemus if qemu.alive and qemu.vm == vm]

    def found(self, vm: Uuid) -> list[Qemu]:
        """Those of them that a search knows to be the VM's."""
        return [qemu for qemu in self.living(vm) if not qemu.hidden]

    def is_in_doubt(self, vm: Uuid) -> bool:
        """Whether a process lives here that may be the VM's."""
        return any(qemu.hidden == "uuid" for qemu in self.living(vm))

    def is_held(self, vm: Uuid) -> bool:
        """Whether another program here writes to the VM's disks."""
        return any(qemu.hidden == "disk" for qemu in self.living(vm))

    def all_living(self) -> Iterator[Qemu]:
        """Every living qemu here."""
        return (qemu for qemu in self.qemus if qemu.alive)
