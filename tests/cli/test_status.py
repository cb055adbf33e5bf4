"""`status` of some VMs, of one host, in other forms, and with a look into the hosts."""

from __future__ import annotations

import time

import pytest

from hafence.core.incidents import claim_on
from hafence.core.model import HostName, Uuid
from hafence.core.reasons import Reason
from hafence.core.record import VmRecord, VmState
from hafence.core.stored import Lease
from hafence.stores import open_store
from hafence.stores.holder import Holder
from hafence.stores.port import RunRow, Store
from tests.cli.conftest import DB, WEB, Desk


@pytest.fixture
def store(desk: Desk) -> Store:
    """web-01 is stopped, last on kvm-01, and its lease is held; a later run was about db-01."""
    store, now = open_store(f"sqlite://{desk.folder / 'state.db'}"), time.time()
    lease = store.take_lease(Uuid(WEB), Holder.of_this_process("r1"), 60, now)
    assert isinstance(lease, Lease)
    record = VmRecord(Uuid(WEB), VmState.STOPPED, None, HostName("kvm-01"), run="r1", grounds=Reason.CONFIRMED_DEAD)
    store.write_record(record, lease, now)
    store.begin_run(RunRow("r1", now - 9, "ann@admin", "start-vm", (Uuid(WEB),)))
    store.begin_run(RunRow("r2", now - 5, "ann@admin", "fence", (Uuid(DB),)))
    return store


def test_named_vms_come_with_their_hosts_leases_and_the_last_run_of_one(desk: Desk, store: Store) -> None:
    web = desk.type("status", "web-01", "--json").document
    assert [vm["name"] for vm in web["vms"]] == ["web-01"]
    assert [host["name"] for host in web["hosts"]] == ["kvm-01"]
    assert [lease["vm"]["name"] for lease in web["leases"]] == ["web-01"]
    assert web["last_run"]["run"] == "r1"
    db = desk.type("status", "db-01", "--json").document
    assert ([host["name"] for host in db["hosts"]], db["leases"]) == (["kvm-02"], [])
    both = desk.type("status", "web-01", "db-01", "--json").document
    assert [vm["name"] for vm in both["vms"]] == ["db-01", "web-01"]
    assert both["last_run"]["run"] == "r2"
    assert desk.type("status", "web-1").code == 2


def test_the_lease_on_a_hosts_evacuation_is_told_by_the_hosts_name(desk: Desk, store: Store) -> None:
    store.take_lease(claim_on(HostName("kvm-01")), Holder.of_this_process("r9"), 60, time.time())
    names = {lease["vm"]["name"] for lease in desk.type("status", "--json").document["leases"]}
    assert names == {"web-01", "the evacuation of kvm-01"}
    assert "lease on the evacuation of kvm-01: " in desk.type("status").out


def test_a_host_comes_with_the_vms_that_are_or_were_on_it(desk: Desk, store: Store) -> None:
    one = desk.type("status", "--host", "kvm-01", "--json").document
    assert [host["name"] for host in one["hosts"]] == ["kvm-01"]
    assert [vm["name"] for vm in one["vms"]] == ["web-01"]
    assert len(one["leases"]) == 1
    none = desk.type("status", "--host", "far-01", "--json").document
    assert (none["vms"], none["leases"]) == ([], [])
    assert "far-01" in desk.type("status", "--host", "far-01").out
    assert "did you mean far-01?" in desk.type("status", "--host", "far-1").err
    assert desk.type("status", "db-01", "--host", "kvm-01", "--json").document["vms"] == []


def test_each_form(desk: Desk) -> None:
    table, wide, as_json, names = (desk.type("status", "-o", form) for form in ("table", "wide", "json", "name"))
    assert table.out == desk.type("status").out
    assert WEB not in table.out
    assert wide.out == desk.type("status", "-v").out
    assert f"web-01  {WEB}" in wide.out
    assert "127.0.0.2" in wide.out
    assert as_json.document == desk.type("status", "--json").document
    assert names.out == "db-01\nweb-01\n"
    assert desk.type("status", "--host", "kvm-01", "-o", "name").out == "web-01\n"
    assert desk.type("status", "-o", "yaml").code == 2
    assert desk.type("status", "-o", "name", HAFENCE_OUTPUT="wide").out == names.out


def test_what_is_not_looked_at_is_told_so(desk: Desk) -> None:
    document = desk.type("status", "--json").document
    assert document["looked_at"] is None
    assert {row["live"] for row in [*document["vms"], *document["hosts"]]} == {None}
    assert "SEEN" not in desk.type("status").out


def test_live_begins_with_what_nobody_could_see(desk: Desk) -> None:
    said = desk.type("status", "--live")
    lines = said.out.splitlines()
    assert (said.code, said.err) == (0, "")
    assert lines[0].startswith("✘ db-01   not seen   recorded on kvm-02, which does not answer: ")
    assert lines[1].strip() == "see after kvm-02"
    assert lines[2].startswith("✘ web-01  not seen   recorded on kvm-01, which does not answer: ")
    assert lines[3].strip() == "hafence start-vm web-01"
    assert lines[5].split() == ["VM", "SEEN", "RECORD"]
    assert any(line.split()[:3] == ["kvm-01", "prod-a", "silent"] for line in lines)
    document = desk.type("status", "--live", "--json").document
    assert document["looked_at"]
    assert {vm["live"]["seen"] for vm in document["vms"]} == {"not_seen"}
    assert {host["live"]["seen"] for host in document["hosts"]} == {"silent"}
    assert not (desk.folder / "state.db").exists()


def test_marks_are_told_in_letters_that_are_there(desk: Desk) -> None:
    said = desk.type("status", "--live", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert said.out.startswith("x db-01   not seen")


def test_a_store_that_is_misspelt_is_told_before_a_host_is_asked(desk: Desk) -> None:
    assert desk.type("--store", "sqlite:nowhere.db", "status", "--live", "--json").code == 7
