"""From which definition a VM is started: the inventory's, or what was captured since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hafence.core.captures import Capture, Origin, digest_of
from hafence.core.model import HostName, Inventory, Uuid
from hafence.inventory.domain_xml import DomainError
from hafence.inventory.domains import definition_of, digest_beside, read_capture, source_of
from hafence.inventory.yaml_tree import read_inventory

ONE, TWO = (Uuid(f"6d6f6a5a-0000-4000-8000-00000000000{n}") for n in (1, 2))
HOST = HostName("kvm-01")


def xml(disk: str, uuid: str = ONE, console: str = "") -> str:
    source = f"<disk type='file'><source file='{disk}'/><target dev='vda'/></disk>"
    return f"<domain><name>web-01</name><uuid>{uuid}</uuid><devices>{source}{console}</devices></domain>"


def book(folder: Path, definition: str | None, start: str = "") -> Inventory:
    definition_of.cache_clear()
    named = ""
    if definition is not None:
        (folder / "web.xml").write_text(definition)
        named = ", domain_xml: web.xml"
    (folder / "inventory.yaml").write_text(
        f"clusters: {{prod: {{{start}}}}}\nhosts: {{kvm-01: {{cluster: prod, address: 10.0.0.1}}}}\n"
        f"store: sqlite:state.db\nvms:\n  web-01: {{uuid: {ONE}, host: kvm-01{named}}}\n"
    )
    return read_inventory(str(folder / "inventory.yaml"))


def taken(inventory: Inventory, document: str = xml("/newer.qcow2")) -> Capture:
    return Capture(ONE, HOST, 1.0, digest_beside(inventory.vms[ONE]), document)


def test_a_capture_counts_until_the_inventory_is_edited(tmp_path: Path) -> None:
    inventory = book(tmp_path, xml("/first.qcow2"))
    capture = taken(inventory)
    source, domain = source_of(inventory, inventory.vms[ONE], capture)
    assert (source.origin, source.why_not) == (Origin.CAPTURE, "")
    assert domain is not None
    assert [disk.source for disk in domain.disks] == ["/newer.qcow2"]
    edited = book(tmp_path, xml("/third.qcow2"))
    source, domain = source_of(edited, edited.vms[ONE], capture)
    assert (source.origin, source.other_disks) == (Origin.INVENTORY, True)
    assert domain is not None
    assert [disk.source for disk in domain.disks] == ["/third.qcow2"]


def test_an_edit_that_has_to_do_with_no_disk_is_no_doubt(tmp_path: Path) -> None:
    capture = taken(book(tmp_path, xml("/first.qcow2")), xml("/same.qcow2"))
    edited = book(tmp_path, xml("/same.qcow2", console="<sound/>"))
    source, _ = source_of(edited, edited.vms[ONE], capture)
    assert (source.origin, source.other_disks) == (Origin.INVENTORY, False)
    assert source_of(edited, edited.vms[ONE], replace(capture, xml="<domain>"))[0].other_disks


def test_without_one_in_the_inventory_the_capture_is_all_there_is(tmp_path: Path) -> None:
    inventory = book(tmp_path, None)
    assert digest_beside(inventory.vms[ONE]) == ""
    assert source_of(inventory, inventory.vms[ONE], None)[0].why_not
    source, domain = source_of(inventory, inventory.vms[ONE], taken(inventory))
    assert (source.is_capture, source.why_not, domain is None) == (True, "", False)


def test_a_definition_that_can_not_be_read_is_not_passed_over(tmp_path: Path) -> None:
    inventory = book(tmp_path, "<domain>")
    assert digest_beside(inventory.vms[ONE]) == ""
    source, domain = source_of(inventory, inventory.vms[ONE], taken(inventory))
    assert "not well-formed" in source.why_not
    assert domain is None


@pytest.mark.parametrize("document", [xml("/a", TWO), "<domain>", "x"])
def test_a_capture_is_read_as_any_input_is(tmp_path: Path, document: str) -> None:
    inventory = book(tmp_path, xml("/first.qcow2"))
    source, domain = source_of(inventory, inventory.vms[ONE], taken(inventory, document))
    assert "captured on kvm-01" in source.why_not
    assert domain is None
    with pytest.raises(DomainError):
        read_capture(inventory.vms[ONE], document.encode())


def test_the_password_of_the_inventory_comes_with_the_capture(tmp_path: Path) -> None:
    console = "<graphics type='vnc' listen='0.0.0.0'{}/>"
    inventory = book(tmp_path, xml("/a", console=console.format(" passwd='s3cret'")))
    kept = read_capture(inventory.vms[ONE], xml("/b", console=console.format(" passwd='s3cret'")).encode())
    assert "s3cret" not in kept.xml
    _, domain = source_of(inventory, inventory.vms[ONE], taken(inventory, kept.xml))
    assert domain is not None
    assert 'passwd="s3cret"' in domain.xml
    assert "/b" in domain.xml


def test_a_site_that_starts_by_its_own_command_needs_none(tmp_path: Path) -> None:
    inventory = book(tmp_path, None, "start: {command: [true]}")
    source, domain = source_of(inventory, inventory.vms[ONE], None)
    assert (source.why_not, domain) == ("", None)


def test_the_digest_is_of_what_is_sent(tmp_path: Path) -> None:
    inventory = book(tmp_path, "<?xml version='1.0' encoding='utf-8'?>" + xml("/a"))
    assert digest_beside(inventory.vms[ONE]) == digest_of(xml("/a"))
