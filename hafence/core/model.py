"""Who and what: hosts, clusters, VMs, and the names by which they are known.

Everything here has been checked when it exists: a `Host` has a valid name and address, a `Vm` a
valid UUID. The border (the inventory reader) calls the `parse_…` functions below; nobody else has to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType

Uuid = NewType("Uuid", str)
"""A VM's UUID as libvirt prints it: 36 characters, dashed, lower case."""

HostName = NewType("HostName", str)
"""A host's name in the inventory."""

DUMP = "virsh dumpxml --security-info --migratable"
"""What prints a definition from which a VM can be started elsewhere: a plain dump leaves out the passwords of consoles,
and holds what libvirt has filled in for the running process."""

NAME_RULE = "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 128"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_HEX32 = re.compile(r"[0-9a-f]{32}\Z")


def parse_uuid(text: str) -> Uuid:
    """Normalise a UUID, dashed or not, in any case.

    Managers store 32 hex digits, libvirt prints dashed lower case; comparing them unnormalised has
    declared living VMs dead. Raises ValueError when `text` is not a UUID.
    """
    digits = text.lower()
    if len(digits) == 36:
        if any(digits[i] != "-" for i in (8, 13, 18, 23)):
            raise ValueError(f"not a UUID: {text!r}")
        digits = digits.replace("-", "")
    if not _HEX32.match(digits):
        raise ValueError(f"not a UUID: {text!r}")
    return Uuid("-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])))


def is_name(text: str) -> bool:
    """Whether `text` may name a host, a cluster or a VM (see NAME_RULE): nothing that a shell could read."""
    return bool(_NAME.match(text))


class HostState(Enum):
    """What the inventory says of a host."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    MAINTENANCE = "maintenance"


class Unreachable(Enum):
    """The policy for a suspect that no sibling can reach."""

    PROCEED = "proceed"
    CONFIRM = "confirm"
    PROVE = "prove"


class PidNamespace(Enum):
    """Which process list of a host proves that nothing of a VM is there."""

    INITIAL = "initial"
    """The machine's own: hafence's login is in the PID namespace that the kernel booted with."""
    ANY = "any"
    """Whichever the login finds: hosts that are containers with every VM of theirs inside, as in a lab."""


class StartMode(Enum):
    """How a VM is started on its target."""

    PERSISTENT = "persistent"
    TRANSIENT = "transient"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How a host is reached. Paths are absolute by the time they are here."""

    user: str = "root"
    port: int = 22
    identity_file: str | None = None
    known_hosts: str | None = None
    agent: bool = False
    """Whether an ssh-agent may be asked. Off by default: a stale SSH_AUTH_SOCK hangs for ever."""
    sudo: bool | None = None
    """Whether scripts run under `sudo -n`; None: exactly when `user` is not root."""


@dataclass(frozen=True, slots=True)
class PowerDevice:
    """One fence agent of the ClusterLabs collection and the options that go to its stdin.

    A secret is not here: `options` holds where it comes from (`password_file`, `password_env`,
    `password_command`), and the adapter reads it when the agent is run.
    """

    agent: str
    options: tuple[tuple[str, str | tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class CephSettings:
    """Where the cluster's Ceph is configured, on the host (or admin node) that is asked."""

    conf: str = "/etc/ceph/ceph.conf"
    user: str = "admin"
    keyring: str | None = None
    mirrors: tuple[str, ...] = ()
    """IP addresses of rbd-mirror daemons, backup hosts and other known clients that are no hypervisors."""
    expire_s: float = 30 * 86400.0
    """How long a blocklist entry lasts. The audit finds one that ends while its host is in quarantine."""

    @property
    def lasting_s(self) -> float:
        """How long an entry must last to be counted on, and may be."""
        return self.expire_s / 2


@dataclass(frozen=True, slots=True)
class Cluster:
    """Hosts that can start each other's VMs."""

    name: str
    hypervisor: str = "kvm"
    start: StartMode = StartMode.PERSISTENT
    start_command: tuple[str, ...] = ()
    ceph: CephSettings | None = None

    @property
    def is_kvm(self) -> bool:
        """Whether hafence can look into the hosts of this cluster and fence there."""
        return self.hypervisor == "kvm"


@dataclass(frozen=True, slots=True)
class Host:
    """A hypervisor host. `work`: who is at work on it now by the store's word, why and until when, in words."""

    name: HostName
    cluster: str
    address: str
    state: HostState = HostState.ENABLED
    uuid: str | None = None
    memory_mib: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    ssh: SshSettings = SshSettings()
    power: tuple[tuple[PowerDevice, ...], ...] = ()
    storage_address: str | None = None
    """The host's IP address on the storage network, where it is not `address`."""
    root: str = ""
    """A folder that stands for `/` where the host's processes, locks and libvirt files are looked up.
    Empty on a real host; the demo's hosts, which share one machine, each have their own."""
    work: str = ""

    @property
    def out_of_service(self) -> str:
        """Why no host that is not enabled is asked or given anything, in words; '' for one that is enabled."""
        if self.state is HostState.ENABLED:
            return ""
        return self.work or f"is {self.state.value} in the inventory"

    @property
    def way_back(self) -> str:
        """The command that puts it back into service; '' where none does."""
        return f"'hafence maintenance {self.name} --end'" if self.work else ""


@dataclass(frozen=True, slots=True)
class Ready:
    """When a VM serves, and does not only run: what has to answer, and how long lower priorities wait for that."""

    tcp: int | None = None
    """The port on one of its addresses that has to accept a connection; None where its guest agent has to answer."""
    within_s: float = 120.0
    """How long it may take, from when it was seen running."""

    @property
    def says(self) -> str:
        """What has to answer, in words."""
        return "its guest agent" if self.tcp is None else f"its TCP port {self.tcp}"


@dataclass(frozen=True, slots=True)
class Vm:
    """A virtual machine as its owner describes it. Where it runs is in its `VmRecord`, not here."""

    uuid: Uuid
    name: str
    host: HostName
    domain_xml: str | None = None
    ha: bool = True
    priority: int = 0
    memory_mib: int | None = None
    anti_affinity: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()
    """Volumes that the domain XML does not name, as `rbd:POOL/IMAGE` or a path."""
    ready: Ready | None = None
    """None where it serves as soon as it runs, as far as anybody has said."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The `fencing:` section: times in seconds."""

    ssh_timeout_s: float = 20.0
    """The whole fence on the suspect."""
    connect_timeout_s: float = 5.0
    """One TCP connection and SSH banner."""
    start_timeout_s: float = 30.0
    """One start on a target, its queueing for the target's lock included."""
    power_timeout_s: float = 60.0
    """One power fence with all its levels, or one storage fence."""
    settle_s: float = 1.0
    """Time between the two scans that must both find nothing. A respawned qemu shows in between."""
    lease_s: float = 120.0
    """How long a lease lasts without being renewed, and so how late a script of a lost run may act."""
    evidence_age_s: float = 60.0
    """Evidence older than this is taken anew before a VM is started on it."""
    quiet_time_s: float = 180.0
    """A VM that a run started so recently and that is seen running is left alone."""
    statement_age_s: float = 3600.0
    """How long a `confirm-dead` holds."""
    boot_grace_s: float = 0.0
    """How long after the boot of hafence's own machine an unreachable host is not believed dead."""
    storm_share: float = 0.5
    """More than this share of a cluster silent means that the observer is cut off."""
    max_hosts: int = 1
    """So many hosts may be evacuated within `per`."""
    per_s: float = 3600.0
    max_starts: int = 4
    """So many VMs an evacuation starts on one target at once."""
    max_starts_in_all: int = 12
    unreachable: Unreachable = Unreachable.CONFIRM
    pre_fence: bool = True
    ask_on_silence: bool = True
    """Whether a person at a terminal is asked before a start on mere silence."""
    set_aside: bool = True
    """Whether a VM's definition is set aside where it was fenced, so that nobody starts it there through libvirt."""
    libvirt_timeout_s: float = 5.0
    """How long libvirt on a host may take for an answer before it counts as none; whole seconds."""
    pid_namespace: PidNamespace = PidNamespace.INITIAL
    paths: int = 3
    """Through how many siblings an audit rehearses the fence of each host; all of them in turn."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that people have written down, cross-checked: every VM's host and every host's cluster exist."""

    path: str
    clusters: Mapping[str, Cluster]
    hosts: Mapping[HostName, Host]
    vms: Mapping[Uuid, Vm]
    settings: Settings
    store: str = "sqlite:///var/lib/hafence/state.db"
    hooks: str | None = None
    """Folder of before-start hooks, or None."""
    notify: str | None = None
    """The program that is told of runs that have ended, or None."""
    _by_name: dict[str, Uuid] = field(default_factory=dict, init=False, repr=False, compare=False)
    _members: dict[str, tuple[Host, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def cluster_of(self, host: HostName) -> Cluster:
        """The cluster of a known host."""
        return self.clusters[self.hosts[host].cluster]

    def sets_aside(self, host: HostName) -> bool:
        """Whether definitions are set aside on a host. Where a cluster's own command starts VMs, they are its."""
        return self.settings.set_aside and self.cluster_of(host).start is not StartMode.COMMAND

    def members(self, cluster: str) -> tuple[Host, ...]:
        """The hosts of a cluster, by name: every order that follows is deterministic."""
        if cluster not in self._members:
            hosts = sorted((h for h in self.hosts.values() if h.cluster == cluster), key=lambda h: h.name)
            self._members[cluster] = tuple(hosts)
        return self._members[cluster]

    def find_vm(self, text: str) -> Vm:
        """The VM meant by a UUID (dashed or not, any case), a name, or a unique UUID prefix.

        Raises LookupError with a sentence for the person who typed it.
        """
        try:
            return self.vms[parse_uuid(text)]
        except (ValueError, KeyError):
            pass
        named = self.named(text)
        if named is not None:
            return self.vms[named]
        digits = text.lower().replace("-", "")
        hits = [vm for vm in self.vms.values() if digits and vm.uuid.replace("-", "").startswith(digits)]
        if len(hits) == 1:
            return hits[0]
        if hits:
            names = ", ".join(sorted(f"{vm.name} ({vm.uuid})" for vm in hits[:5]))
            raise LookupError(f"{text!r} is the beginning of {len(hits)} UUIDs: {names}")
        raise LookupError(f"no VM {text!r} in {self.path}: give a UUID, a name, or the unique beginning of a UUID")

    def named(self, name: str) -> Uuid | None:
        """The VM of exactly this name."""
        return self._names().get(name)

    def _names(self) -> dict[str, Uuid]:
        if not self._by_name:
            self._by_name.update((vm.name, vm.uuid) for vm in self.vms.values())
        return self._by_name

    def find_host(self, text: str) -> Host:
        """The host of that name. Raises LookupError with a sentence for the person who typed it."""
        try:
            return self.hosts[HostName(text)]
        except KeyError:
            raise LookupError(f"no host {text!r} in {self.path}") from None
