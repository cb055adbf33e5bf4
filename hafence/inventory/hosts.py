"""The `clusters` and `hosts` of an inventory."""

from __future__ import annotations

import re
from functools import partial

from ..core.model import Cluster, Host, HostName, HostState, SshSettings, StartMode, is_name, parse_uuid
from ..core.parsing import absolute, parse_address, parse_ip, parse_whole, shown
from .entry import Entry, place_of, plain_text
from .settings import SSH_KEYS, check_ceph, check_power, check_ssh, check_start

CLUSTER_KEYS = ("hypervisor", "start", "ceph")
HOST_KEYS = ("cluster", "address", "state", "uuid", "memory_mib", "labels", "ssh", "power", "storage_address", "root")
MAX_MEMORY_MIB = 1 << 30

_ROOT = re.compile(r"/[A-Za-z0-9._/-]*\Z")
_HYPERVISOR = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")
_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_CALLED_KVM = frozenset({"qemu", "qemu-kvm", "qemu-system", "libvirt", "kmv", "vkm"})


def check_cluster(name: str, entry: Entry) -> Cluster:
    """A cluster. Its hypervisor turns the fence on or off, so a word that may mean KVM is not passed over."""
    entry.only(CLUSTER_KEYS)
    hypervisor = entry.take("hypervisor", _hypervisor) or "kvm"
    mode, command = check_start(entry)
    if hypervisor != "kvm" and mode is not StartMode.COMMAND:
        says = f"hafence can't start VMs on {hypervisor} itself: write start: {{command: [PROGRAM, ARGUMENT, …]}}"
        entry.fault("start" if "start" in entry.node.values else "hypervisor", says)
    ceph = entry.child("ceph")
    return Cluster(name, hypervisor, mode, command, None if ceph is None else check_ceph(ceph))


def _hypervisor(text: str) -> str:
    word = text.lower()
    if word in _CALLED_KVM:
        raise ValueError(f"{shown(text)} may mean KVM: write kvm; any other word turns the fence off for this cluster")
    if not _HYPERVISOR.match(word):
        raise ValueError(f"{shown(text)} is no hypervisor: write kvm, or another one's name in letters and digits")
    return word


class HostCheck:
    """The hosts of an inventory, one after the other."""

    def __init__(self, ssh: SshSettings, clusters: frozenset[str] | None) -> None:
        self.hosts: dict[HostName, Host] = {}
        self._ssh = ssh
        self._clusters = clusters
        """The names that a host may refer to; None when they are not all known."""
        self._endpoints: dict[tuple[str, int], Entry] = {}
        self._uuids: dict[str, Entry] = {}
        self._entries: dict[HostName, Entry] = {}

    def add(self, name: str, entry: Entry) -> None:
        """Check a host and keep it."""
        entry.only(HOST_KEYS, _elsewhere)
        entry.need("cluster", "prod-a")
        entry.need("address", "10.0.0.11")
        ssh = entry.child("ssh")
        settings = self._ssh if ssh is None else check_ssh(ssh, self._ssh)
        host = Host(
            name=HostName(name),
            cluster=entry.take("cluster", partial(self._cluster, entry)) or "",
            address=entry.take("address", parse_address) or "",
            state=entry.take("state", _state) or HostState.ENABLED,
            uuid=entry.take("uuid", uuid_text),
            memory_mib=entry.take("memory_mib", partial(parse_whole, low=1, high=MAX_MEMORY_MIB)),
            labels=_labels(entry),
            ssh=settings,
            power=check_power(entry),
            storage_address=entry.take("storage_address", parse_ip),
            root=entry.take("root", partial(_root, entry)) or "",
        )
        if host.address:
            self._check_endpoint(host, entry)
        if host.uuid is not None and (other := self._uuids.setdefault(host.uuid, entry)) is not entry:
            entry.fault(
                "uuid", f"{host.uuid} is also the uuid of {place_of(other, entry, 'uuid')}: each host has its own"
            )
        self.hosts[host.name] = host
        self._entries[host.name] = entry

    def check_storage(self) -> None:
        """A storage fence shuts out an address: it must not be that of another host too."""
        first: dict[str, Entry] = {}
        addresses = {host.address: name for name, host in self.hosts.items()}
        for name, host in self.hosts.items():
            if host.storage_address is None:
                continue
            entry = self._entries[name]
            other = first.setdefault(host.storage_address, entry)
            key = "storage_address"
            if other is entry and addresses.get(host.storage_address, name) != name:
                other, key = self._entries[addresses[host.storage_address]], "address"
            if other is not entry:
                says = f"{host.storage_address} is also the address of {place_of(other, entry, key)}"
                entry.fault("storage_address", f"{says}: fencing one would shut out both; give each its own")

    def _cluster(self, entry: Entry, text: str) -> str:
        if self._clusters is not None and text not in self._clusters:
            hint = entry.faults.guess(text, self._clusters) or ": write it under clusters:"
            raise ValueError(f"no cluster {shown(text)} in the inventory{hint}")
        return text

    def _check_endpoint(self, host: Host, entry: Entry) -> None:
        endpoint = (host.address, host.ssh.port)
        other = self._endpoints.setdefault(endpoint, entry)
        if other is not entry:
            says = f"{host.address} port {host.ssh.port} is also the address of {place_of(other, entry, 'address')}"
            entry.fault("address", f"{says}: two hosts can't share one; give each its own address or ssh port")


def _elsewhere(key: str) -> str:
    return f"; write ssh: {{{key}: …}}" if key in SSH_KEYS else ""


def uuid_text(text: str) -> str:
    """A UUID, in the words of an inventory."""
    if _CANONICAL_UUID.match(text):
        return text
    try:
        return parse_uuid(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not a UUID: write 32 hex digits, with or without dashes") from None


def uuid_texts(texts: list[str]) -> list[str]:
    """Many UUIDs, nearly always all in their one form already."""
    return texts if all(map(_CANONICAL_UUID.match, texts)) else list(map(uuid_text, texts))


def _state(text: str) -> HostState:
    try:
        return HostState(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is no state: write enabled, disabled or maintenance") from None


def _root(entry: Entry, text: str) -> str:
    path = absolute(plain_text(text), entry.base)
    if not _ROOT.match(path):
        raise ValueError(
            f"{shown(text)} is no folder that scripts can use: write letters, digits, '.', '_', '-' and '/'"
        )
    return path.rstrip("/")


def _labels(host: Entry) -> tuple[tuple[str, str], ...]:
    entry = host.child("labels")
    if entry is None:
        return ()
    labels: list[tuple[str, str]] = []
    for key in entry.node.values:
        if not is_name(key):
            entry.fault(key, f"{shown(key)} can't be a label: write letters, digits, '.', '_' and '-'")
        value = entry.take(key, plain_text)
        if value is not None:
            labels.append((key, value))
    return tuple(labels)
