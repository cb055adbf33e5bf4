"""The simulated world: what is really the case, whatever anybody believes.

The world knows nothing of decisions. Scripts, looks and faults read and change it; the oracle watches it.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.model import HostName, Inventory, Uuid
from ..stores.holder import Holder
from .grounds import Excuse, Writer, excuse_of
from .hosts import Qemu, SimHost
from .kernel import Agenda, Owner
from .late_writes import LateWrite, leave, lose, ways_are_free
from .network import STORAGE, STORE, Network
from .notes import Notes
from .storage import SimStorage
from .store import SimStore

EPOCH = 1_763_824_000.0
"""The admin nodes' clocks when the world begins: 2025-11-22 15:06:40 UTC."""

BOOT_S = 60.0
"""From power on to a host that answers."""


class Admin(Owner):
    """A node on which people run hafence. Its clock is the world's, plus its offset."""

    __slots__ = ("booted_at", "clock_offset_s", "held_since", "same_segment", "store")

    def __init__(self, name: str, store: SimStore) -> None:
        super().__init__(name)
        self.store = store
        """The one that all share, or one of its own, in a file of its own."""
        self.clock_offset_s = 0.0
        self.booted_at = -1e6
        self.held_since = 0.0
        self.same_segment = False
        """Whether it sees the hosts' ARP. One behind a router sees one sign of life less."""


class Split:
    """A moment at which two processes of a VM could write, or a dead one's write landed after a newer one began."""

    __slots__ = ("at", "excuse", "vm", "writers")

    def __init__(self, at: float, vm: Uuid, writers: tuple[Writer, ...], excuse: Excuse | None) -> None:
        self.at = at
        self.vm = vm
        self.writers = writers
        self.excuse = excuse
        """Why that is no broken promise, or None."""

    @property
    def words(self) -> str:
        """The writers for people."""
        return " and ".join(writer.words for writer in self.writers)


class World:
    """Everything that is the case. `name_of` and `log` are for people."""

    __slots__ = (
        "admins",
        "agenda",
        "begun",
        "death_seen",
        "hook_errors",
        "hosts",
        "inventory",
        "late",
        "log",
        "lost",
        "named",
        "network",
        "next_pid",
        "notes",
        "operator",
        "qemus",
        "runs_gone",
        "serves_after",
        "splits",
        "storage",
        "store",
        "uncovered",
        "unstartable",
    )

    def __init__(self, inventory: Inventory, admins: tuple[str, ...] = ("admin-1",)) -> None:
        self.inventory = inventory
        self.agenda = Agenda()
        self.store = SimStore(self._is_gone)
        """The store that all admin nodes share, but those that have one of their own."""
        self.admins = {name: Admin(name, self.store) for name in admins}
        self.hosts = {name: SimHost(name, f"{n:032x}") for n, name in enumerate(inventory.hosts, 1)}
        self.network = Network((*admins, *inventory.hosts, STORAGE, STORE))
        self.storage = SimStorage()
        self.qemus: dict[Uuid, list[Qemu]] = {}
        self.begun: dict[Uuid, list[Qemu]] = {}
        """Every process of each VM there ever was."""
        self.late: list[LateWrite] = []
        """What dead processes have under way to the disks."""
        self.next_pid = 1000
        self.hook_errors: tuple[str, ...] = ()
        self.operator = "nobody"
        """What a person answers when asked: yes | no | nobody."""
        self.death_seen = True
        """Whether a run can see that another run's process is gone (it can, on the same machine)."""
        self.uncovered: frozenset[Uuid] = frozenset()
        """VMs with a writable disk that the storage fence does not cover."""
        self.unstartable: dict[Uuid, str] = {}
        """VMs that no host could start, and why."""
        self.named: dict[Uuid, int] = {}
        """The generation of disks that each VM's definition in the inventory names, where it is not the first."""
        self.serves_after: dict[Uuid, float] = {}
        """How long after its process is born each VM serves, in seconds, where that is not at once; inf is never."""
        self.runs_gone: set[str] = set()
        self.notes = Notes()
        """What was the case while runs asked and acted, for the oracle alone."""
        self.splits: list[Split] = []
        self.lost: dict[tuple[Uuid, str], float] = {}
        """When each VM last lost a process on each host."""
        self.log: Callable[[float, str, str], None] | None = None

    # ---------------------------------------------------------------- time and talk

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        return self.agenda.now

    def touch(self, part: str) -> None:
        """Note that a part of the world was looked at or changed in this step."""
        if self.agenda.touched is not None:
            self.agenda.touched.add(part)

    def say(self, who: str, text: str) -> None:
        """Put a line into the log, where somebody reads one."""
        if self.log is not None:
            self.log(self.agenda.now, who, text)

    def _is_gone(self, holder: Holder) -> bool:
        return self.death_seen and holder.run in self.runs_gone

    @property
    def stores(self) -> list[SimStore]:
        """Every store there is, the shared one first."""
        return list(dict.fromkeys((self.store, *(admin.store for admin in self.admins.values()))))

    def give_store(self, admin: Admin) -> None:
        """From now on an admin node goes by an empty store of its own."""
        admin.store = SimStore(self._is_gone, len(self.stores) + 1)
        self.say(admin.name, f"goes by a store of its own ({admin.store.store_id()})")

    # ---------------------------------------------------------------- processes

    def begin_qemu(
        self,
        vm: Uuid,
        host: SimHost,
        by: str = "",
        stray: bool = False,
        incoming: bool = False,
        after: Qemu | None = None,
    ) -> Qemu:
        """A qemu comes to life; a `stray` one behind libvirt's back, an `incoming` one that is to take over.

        `after`: the one in whose place a manager has started it. Who brings it back after a long pause brings it back
        again: the longest pause counts.
        """
        self.next_pid += 1
        qemu = Qemu(vm, host, self.next_pid, self.now, by)
        qemu.stray = stray
        qemu.incoming = qemu.moved = incoming
        qemu.disks = self.named.get(vm, 0)
        qemu.idle_s = self.now - self.lost.get((vm, host.name), 0.0)
        if after is not None:
            qemu.manager, qemu.idle_s = after.manager, max(qemu.idle_s, after.idle_s)
        host.qemus.append(qemu)
        self.qemus.setdefault(vm, []).append(qemu)
        self.begun.setdefault(vm, []).append(qemu)
        if not incoming:
            self.storage.begins(qemu, self.network, self.now)
        self.say(host.name, f"qemu {qemu.pid} of {self.name_of(vm)} begins")
        self.watch(vm)
        return qemu

    def end_qemu(self, qemu: Qemu, clean: bool = False) -> None:
        """A qemu dies, `clean` where it could close its images. One that a manager looks after comes back."""
        if not qemu.alive:
            return
        qemu.alive = False
        self.lost[qemu.vm, qemu.host.name] = self.now
        self.storage.ends(qemu, clean, self.now)
        qemu.host.qemus.remove(qemu)
        self.qemus[qemu.vm].remove(qemu)
        self.say(qemu.host.name, f"qemu {qemu.pid} of {self.name_of(qemu.vm)} ends")
        if qemu.leaves:
            leave(self, qemu, clean)
        if qemu.respawns_after_s is not None and qemu.host.up:
            life, host = qemu.host.life, qemu.host
            self.agenda.call_at(self.now + qemu.respawns_after_s, lambda: self._respawn(qemu, host, life))

    def kill(self, qemu: Qemu, by_libvirt: bool = False) -> None:
        """SIGKILL, which a process in state D takes when it wakes. libvirt sends SIGTERM first, which a qemu obeys."""
        if qemu.state == "D":
            qemu.kill_pending = True
        else:
            self.end_qemu(qemu, clean=by_libvirt and qemu.state == "S")

    def thaw(self, host: SimHost) -> None:
        """Processes in state D wake, and die of a pending kill."""
        for qemu in list(host.qemus):
            if qemu.state == "D":
                qemu.state = "S"
                if qemu.kill_pending:
                    self.end_qemu(qemu)

    def _respawn(self, qemu: Qemu, host: SimHost, life: int) -> None:
        """Whoever ran it starts it again: through libvirt, unless it was known for running it behind libvirt's back."""
        if host.life != life or not host.up:
            return
        if not qemu.stray and host.refuses(qemu.vm):
            self.say(host.name, f"the guard refuses the start of {self.name_of(qemu.vm)}")
        elif qemu.stray or host.libvirtd == "ok":
            self.begin_qemu(qemu.vm, host, stray=qemu.stray, after=qemu)

    def name_of(self, vm: Uuid) -> str:
        """A VM's name."""
        known = self.inventory.vms.get(vm)
        return known.name if known else vm

    # ---------------------------------------------------------------- writers

    def writers(self, vm: Uuid) -> list[Qemu]:
        """The processes that could write to the VM's disks now. The blocklist covers no disk that is not in Ceph."""
        storage = self.storage
        return [
            qemu
            for qemu in self.qemus.get(vm, ())
            if storage.reaches(qemu, self.network) and not qemu.incoming and not self.keeps_out(qemu)
        ]

    def keeps_out(self, qemu: Qemu) -> bool:
        """Whether the storage refuses what a process writes, living or dead."""
        return qemu.vm not in self.uncovered and self.storage.keeps_out(qemu, self.now)

    def watch(self, vm: Uuid) -> None:
        """Note a split-brain, if this moment is one. Called whenever a writer may have been added."""
        if len(self.qemus.get(vm, ())) < 2:
            return
        writers = self.writers(vm)
        if len(writers) >= 2:
            self.note_split(writers, "can write")

    def note_split(self, writers: list[Qemu], how: str) -> None:
        """Two copies write to one disk, or have, the older one last: a split-brain if hafence has started one."""
        if not any(qemu.by for qemu in writers):
            return
        vm = writers[0].vm
        found = tuple(
            Writer(
                host=HostName(q.host.name),
                pid=q.pid,
                by=q.by,
                born_at=q.born_at,
                idle_s=q.idle_s,
                lapsed=self.storage.lapsed(q, self.now),
                is_beside=bool(q.manager),
                is_moved=q.moved,
            )
            for q in writers
        )
        if any(split.writers == found for split in self.splits):
            return
        split = Split(self.now, vm, found, excuse_of(self.inventory, self.notes, vm, found))
        self.splits.append(split)
        excuse = "WHICH NOTHING EXCUSES" if split.excuse is None else f"excused: {split.excuse.value}"
        self.say("world", f"SPLIT-BRAIN of {self.name_of(vm)}: {split.words} {how}, {excuse}")

    def watch_all(self) -> None:
        """Look at every VM: a link was mended, an entry ended, a host came back."""
        ways_are_free(self)
        for vm in self.qemus:
            self.watch(vm)

    # ---------------------------------------------------------------- power

    def power_off(self, host: SimHost, why: str) -> None:
        """A host loses power, and with it everything that ran there."""
        if not host.up:
            return
        host.up = False
        host.life += 1
        host.held = False
        host.waiting.clear()
        host.jobs.clear()
        host.locks.clear()
        host.tickets.clear()
        host.marks.clear()
        host.permits.clear()
        for qemu in list(host.qemus):
            self.end_qemu(qemu)
        lose(self, host)
        self.say(host.name, f"is without power ({why})")

    def power_on(self, host: SimHost) -> None:
        """A host boots, and libvirt starts what it starts by itself."""
        if host.up:
            return
        host.up = True
        host.off_at = self.now
        host.boot += 1
        host.sshd = host.libvirtd = "ok"
        host.slow_s = 0.0
        self.say(host.name, "has booted")
        for vm in sorted(host.autostart | host.saved):
            if host.refuses(vm):
                self.say(host.name, f"the guard refuses the start of {self.name_of(vm)}")
            else:
                self.begin_qemu(vm, host)
        host.saved.clear()  # each image is used up, and libvirt-guests has removed its list

    def host(self, name: HostName | str) -> SimHost:
        """A host by its name."""
        return self.hosts[HostName(name)]
