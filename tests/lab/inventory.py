"""An inventory of the lab, as an admin would write it: contract.md's file, domain XML, keys, known hosts, store."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from .host import LabHost
from .image import Keys
from .vm import LabVm


def merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: mappings are merged, anything else replaces, None removes the key."""
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def known_hosts(hosts: Iterable[LabHost]) -> str:
    """The lines of a known_hosts file."""
    return "".join(f"{host.address} {host.host_key}\n" for host in hosts)


def write_inventory(
    folder: Path, hosts: Iterable[LabHost], vms: Iterable[LabVm], keys: Keys, overrides: Mapping[str, Any]
) -> Path:
    """Write the folder and return the path of its inventory.yaml. Nothing in it points outside the folder."""
    domains = folder / "domains"
    domains.mkdir(parents=True, exist_ok=True)
    shutil.copy(keys.private, folder / "id_ed25519")
    shutil.copy(keys.public, folder / "id_ed25519.pub")
    (folder / "id_ed25519").chmod(0o600)
    hosts, vms = list(hosts), list(vms)
    (folder / "known_hosts").write_text(known_hosts(hosts))
    for vm in vms:
        shutil.copy(vm.xml, domains / f"{vm.name}.xml")
    content: dict[str, Any] = {
        "ssh": {"user": "root", "port": 22, "identity_file": "id_ed25519", "known_hosts": "known_hosts"},
        "fencing": {"pid_namespace": "any"},  # the hosts are namespaces of one machine
        "store": "sqlite:state.db",
        "clusters": {"lab": {"hypervisor": "kvm"}},
        "hosts": {host.name: {"cluster": "lab", "address": host.address} for host in hosts},
        "vms": {vm.name: {"uuid": vm.uuid, "host": vm.host, "domain_xml": f"domains/{vm.name}.xml"} for vm in vms},
    }
    path = folder / "inventory.yaml"
    path.write_text(yaml.safe_dump(merge(content, overrides), sort_keys=False))
    return path
