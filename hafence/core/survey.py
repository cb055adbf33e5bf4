"""All that an audit has looked at, as values: what findings (core/audit.py) are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from .attempts import Reading
from .captures import Capture
from .drift import Drift
from .looks import HostLook, Look, copies_of
from .model import HostName, Inventory, Uuid, Vm
from .needs import Need
from .power import DeviceId, PowerSeen
from .record import VmRecord, record_of
from .rotation import Paths
from .storage.port import Unanswered
from .storage.rehearsal import Rehearsal
from .storage.results import HowLong
from .stored import Planned


class Severity(IntEnum):
    """The monitoring plugins' scale, which is also the audit's exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Code(StrEnum):
    """What a finding is, in a stable word: monitoring and scripts go by it. Each is in hafence(1)."""

    AUTOSTART = "autostart"
    CLOCK_OFF = "clock_off"
    CLONE = "clone"
    DAMAGED = "damaged"
    """The store, as are `history_broken`, `row` and `schema` (stores/port.py, Problem)."""
    DISARMED = "disarmed"
    DEFINITION_DRIFT = "definition_drift"
    FENCED_LEFTOVER = "fenced_leftover"
    FEW_FENCE_PATHS = "few_fence_paths"
    HISTORY_BROKEN = "history_broken"
    HOST_BLIND = "host_blind"
    HOST_SILENT = "host_silent"
    LIBVIRT_DOWN = "libvirt_down"
    MAINTENANCE = "maintenance"
    MANAGED_SAVE = "managed_save"
    NO_FENCE_PATH = "no_fence_path"
    NO_ROOM = "no_room"
    ONE_HOST_ONLY = "one_host_only"
    POWER_UNUSABLE = "power_unusable"
    PROGRAM_MISSING = "program_missing"
    QUARANTINED = "quarantined"
    RESUMES_AT_BOOT = "resumes_at_boot"
    ROW = "row"
    SCHEMA = "schema"
    SHARED_DISK = "shared_disk"
    SPLIT_BRAIN = "split_brain"
    STALE_DEFINITION = "stale_definition"
    START_UNSETTLED = "start_unsettled"
    STORAGE_FENCE_ENDS = "storage_fence_ends"
    STORAGE_FENCE_UNUSABLE = "storage_fence_unusable"
    STORE_UNREADABLE = "store_unreadable"
    TWO_STORES = "two_stores"
    VM_DOWN = "vm_down"
    VM_ELSEWHERE = "vm_elsewhere"
    VM_GONE = "vm_gone"
    VM_STOPPED = "vm_stopped"
    VM_UNKNOWN = "vm_unknown"
    WOULD_NOT_START = "would_not_start"
    WRONG_POWER = "wrong_power"
    XML_MISSING = "xml_missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: what, how bad, about whom, what was seen, what to do."""

    code: Code
    severity: Severity
    subject: str
    saw: str
    do: str


@dataclass(frozen=True, slots=True)
class SharedDisk:
    """A writable disk that several VMs of a cluster name, by its source."""

    source: str
    vms: tuple[str, ...]

    @property
    def says(self) -> str:
        """In words."""
        return (
            f"{' and '.join(self.vms)} have one writable disk, {self.source}, which none of them marks as <shareable/>"
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """All that an audit has looked at."""

    inventory: Inventory
    records: Mapping[Uuid, VmRecord]
    quarantine: Mapping[HostName, str]
    looks: Mapping[HostName, Look]
    """What was seen of the hosts, save what VMs need and hosts lack."""
    paths: Mapping[HostName, Mapping[HostName, Reading]]
    """For each suspect-to-be and each sibling that was asked: what the rehearsal of the fence through it came to."""
    at: float
    """When, in seconds since the epoch."""
    path_seconds: Mapping[HostName, Mapping[HostName, float]] = field(default_factory=dict)
    """How long those rehearsals took."""
    earlier: Paths = field(default_factory=dict)
    """What earlier audits have seen of paths, those of this one among them."""
    store_problems: tuple[tuple[Code, str], ...] = ()
    """What the store says of itself, a sentence each."""
    memory_mib: Mapping[Uuid, int | None] = field(default_factory=dict)
    needs: Mapping[Uuid, frozenset[Need]] = field(default_factory=dict)
    """What VMs need of a target, by their definitions."""
    told: Mapping[HostName, HostLook] = field(default_factory=dict)
    """The looks of those hosts that told of something that some VM needs."""
    not_startable: Mapping[Uuid, str] = field(default_factory=dict)
    """Why a VM's definition is none that it could be started from, in words; '' or absent where it is."""
    captures: Mapping[Uuid, Capture] = field(default_factory=dict)
    """The definitions of running VMs, as their hosts have just given them."""
    captured: frozenset[Uuid] = frozenset()
    """VMs that would be started from what was captured of them before, or of which that is all there is."""
    drifts: Mapping[Uuid, tuple[Drift, ...]] = field(default_factory=dict)
    """In what running VMs differ from what they would be started from."""
    storage_fences: Mapping[HostName, HowLong] = field(default_factory=dict)
    """How long the storage fence of each quarantined host lasts."""
    rehearsed_storages: Mapping[str, Mapping[str, Rehearsal | Unanswered]] = field(default_factory=dict)
    """Whether the storage fence of a cluster could be made, by the cluster and by who was asked, in words."""
    power: Mapping[DeviceId, PowerSeen] = field(default_factory=dict)
    """What each power device says of its host."""
    shared_keys: tuple[tuple[HostName, ...], ...] = ()
    """Groups of hosts for which known_hosts has the same key."""
    shared_disks: tuple[SharedDisk, ...] = ()
    remembered: bool = True
    """Whether the store could be read: without it nobody knows where a VM should be."""
    store_id: str = ""
    """Which store it is; '' where it has no id yet or could not be read."""
    planned: Planned = field(default_factory=Planned)
    """The planned work that holds. By it, too, the hosts of `inventory` are in maintenance."""

    def has_definition(self, vm: Vm) -> bool:
        """Whether there is anything from which the VM could be started: of its own, captured, or the cluster's."""
        started_otherwise = bool(self.inventory.cluster_of(vm.host).start_command)
        return started_otherwise or vm.domain_xml is not None or vm.uuid in self.captured

    def record(self, vm: Vm) -> VmRecord:
        """The VM's record, or what the inventory says."""
        return record_of(vm, self.records)

    def looks_for(self, vm: Vm) -> dict[HostName, Look]:
        """What was seen of the VM's cluster, with what its hosts lack of what this VM needs."""
        needs = self.needs.get(vm.uuid, frozenset())
        seen: dict[HostName, Look] = {}
        for host in self.inventory.members(self.inventory.cluster_of(vm.host).name):
            told = self.told.get(host.name)
            if told is not None:
                seen[host.name] = told.of_needs(needs)
            elif host.name in self.looks:
                seen[host.name] = self.looks[host.name]
        return seen

    def copies(self, vm: Uuid) -> dict[HostName, int]:
        """Hosts on which a copy was seen, each with the number of processes."""
        return copies_of(vm, self.looks)
