"""By which names a host's scripts know a VM beside its UUID."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hafence.adapters.hosts.program import Program, ProgramResult
from hafence.adapters.hosts.talk import name_list
from hafence.adapters.ssh.connections import Hosts
from hafence.core.attempts import FenceOrder
from hafence.core.model import Host, HostName, Uuid
from hafence.core.troubles import Trouble
from hafence.effects import Fence
from hafence.inventory.yaml_tree import read_inventory
from hafence.runner.definitions import Definitions
from hafence.runner.perform_hosts import HostPerformer
from hafence.stores.memory.store import MemoryStore

ONE, TWO = Uuid("6d6f6a5a-0000-4000-8000-000000000001"), Uuid("6d6f6a5a-0000-4000-8000-000000000002")


def test_a_name_that_could_be_read_as_anything_else_is_left_out() -> None:
    names = {ONE: ("web-01", "web-01", "Windows (SQL)", "__clone"), TWO: ("J\u00e4ger",)}
    assert name_list((ONE, TWO), names) == f"{ONE}=web-01"
    assert name_list((ONE,), {ONE: ("web-01", "web-old")}) == f"{ONE}=web-01 {ONE}=web-old"
    assert name_list((TWO,), {}) == ""


class NoWay(Hosts):
    """Hosts that nobody reaches; what would have been sent is kept."""

    sent = ""

    def run(self, host: Host, program: Program, *, via: Host | None = None, within_s: float) -> ProgramResult:
        self.sent = program.text
        return ProgramResult(Trouble.TIMED_OUT, "", None, "", "", 0.0)


@pytest.mark.parametrize(
    ("definition", "names"),
    [
        ("web-01", f"{ONE}=web-01"),
        ("web-old", f"{ONE}=web-01 {ONE}=web-old"),
        ("Windows Server 2019 (SQL)", f"{ONE}=web-01"),
        ("db-01", f"{ONE}=web-01"),  # another VM's in the inventory
        ("a/b", f"{ONE}=web-01"),  # can't be read
    ],
)
def test_a_fence_knows_a_vm_by_the_names_of_inventory_and_definition(
    tmp_path: Path, definition: str, names: str
) -> None:
    (tmp_path / "web.xml").write_text(f"<domain><name>{definition}</name><uuid>{ONE}</uuid></domain>")
    (tmp_path / "inventory.yaml").write_text(
        "clusters: {prod: {}}\nhosts: {kvm-01: {cluster: prod, address: 10.0.0.1}}\nstore: sqlite:state.db\n"
        f"vms:\n  web-01: {{uuid: {ONE}, host: kvm-01, domain_xml: web.xml}}\n  db-01: {{uuid: {TWO}, host: kvm-01}}\n"
    )
    inventory = read_inventory(str(tmp_path / "inventory.yaml"))
    hosts = NoWay(inventory.hosts, 1.0)
    performer = HostPerformer(inventory, hosts, "run", Definitions(inventory, MemoryStore()))
    order = FenceOrder(HostName("kvm-01"), None, (ONE,), 5.0, 0.1, 2e9, rehearse=True)
    performer.fence(Fence(order))
    sent = re.search(r"^NAMES=(?:'([^']*)'|(.*))$", hosts.sent, re.MULTILINE)
    assert sent is not None
    assert (sent[1] or sent[2]) == names
