"""Small inventories, written and read as an admin's are."""

from __future__ import annotations

from pathlib import Path

import pytest

from hafence.core.model import Inventory
from hafence.inventory.faults import InventoryError, Mistake
from hafence.inventory.yaml_tree import read_inventory

UUID = "6d6f6a5a-0000-4000-8000-000000000001"
OTHER_UUID = "6d6f6a5a-0000-4000-8000-000000000002"

CLUSTER = "prod: {hypervisor: kvm}"
HOST = "kvm-01: {cluster: prod, address: 10.0.0.11}"
VM = f"web-01: {{uuid: {UUID}, host: kvm-01}}"


def text(cluster: str = CLUSTER, host: str = HOST, vm: str = VM, more: str = "") -> str:
    """Valid but for what is given: the cluster stands on line 2, the host on line 4, the VM on 6, `more` from 7."""
    return f"clusters:\n  {cluster}\nhosts:\n  {host}\nvms:\n  {vm}\n{more}\n"


def read(folder: Path, content: str | bytes) -> Inventory:
    file = folder / "inventory.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_inventory(str(file))


def faults(folder: Path, content: str | bytes) -> tuple[Mistake, ...]:
    with pytest.raises(InventoryError) as caught:
        read(folder, content)
    return caught.value.faults
