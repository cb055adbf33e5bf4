"""From which definition a run starts its VMs is looked up once: what was judged is what is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from hafence.core.captures import Capture, Origin
from hafence.core.model import HostName, Inventory, Uuid
from hafence.effects import StoreError
from hafence.inventory.domains import definition_of, digest_beside
from hafence.inventory.yaml_tree import read_inventory
from hafence.runner import definitions
from hafence.runner.definitions import Definitions
from hafence.stores.memory.store import MemoryStore
from hafence.stores.unreadable import unreadable

VMS = tuple(Uuid(f"6d6f6a5a-0000-4000-8000-{number:012d}") for number in range(5))


def xml(vm: Uuid, disk: str) -> str:
    source = f"<disk type='file'><source file='{disk}'/><target dev='vda'/></disk>"
    return f"<domain><name>n</name><uuid>{vm}</uuid><devices>{source}</devices></domain>"


@pytest.fixture
def book(tmp_path: Path) -> Inventory:
    definition_of.cache_clear()
    lines = []
    for number, vm in enumerate(VMS):
        (tmp_path / f"{number}.xml").write_text(xml(vm, "/old"))
        lines.append(f"  vm-{number}: {{uuid: {vm}, host: kvm-01, domain_xml: {number}.xml}}")
    (tmp_path / "inventory.yaml").write_text(
        "clusters: {prod: {}}\nhosts: {kvm-01: {cluster: prod, address: 10.0.0.1}}\nstore: sqlite:state.db\nvms:\n"
        + "\n".join(lines)
    )
    return read_inventory(str(tmp_path / "inventory.yaml"))


def capture(book: Inventory, vm: Uuid, disk: str) -> Capture:
    return Capture(vm, HostName("kvm-01"), 1.0, digest_beside(book.vms[vm]), xml(vm, disk))


def disk_of(found: Definitions, book: Inventory, vm: Uuid) -> str:
    domain = found.readable(book.vms[vm])
    assert domain is not None
    return domain.disks[0].source


def test_what_is_captured_while_a_run_goes_on_changes_nothing_for_it(book: Inventory) -> None:
    store = MemoryStore()
    store.keep_capture(capture(book, VMS[0], "/new"))
    run = Definitions(book, store)
    assert (disk_of(run, book, VMS[0]), disk_of(run, book, VMS[1])) == ("/new", "/old")
    store.keep_capture(capture(book, VMS[0], "/newer"))
    store.keep_capture(capture(book, VMS[1], "/newer"))
    assert (disk_of(run, book, VMS[0]), disk_of(run, book, VMS[1])) == ("/new", "/old")
    assert run.source(book.vms[VMS[0]]).origin is Origin.CAPTURE
    assert disk_of(Definitions(book, store), book, VMS[0]) == "/newer"


def test_of_more_than_are_read_at_once_each_has_its_own(book: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "AT_ONCE", 2)
    monkeypatch.setattr(definitions, "MOST_KEPT", 2)
    store = MemoryStore()
    for number, vm in enumerate(VMS):
        store.keep_capture(capture(book, vm, f"/{number}"))
    run = Definitions(book, store)
    for order in (VMS, reversed(VMS)):
        assert all(disk_of(run, book, vm) == f"/{VMS.index(vm)}" for vm in order)


def test_without_a_store_nobody_knows_and_nothing_is_taken_for_the_newest(book: Inventory) -> None:
    run = Definitions(book, unreadable(StoreError("no right")))
    with pytest.raises(StoreError, match="no right"):
        run.readable(book.vms[VMS[0]])
