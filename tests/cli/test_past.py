"""status, history and explain read what runs have written: a real store, the real command."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from hafence.cli.show.times import timestamp
from hafence.core.attempts import Facts, FenceOrder, FenceReport, Reading, Verdict
from hafence.core.model import HostName, Uuid
from hafence.core.owners import Owner, RunBy, UnitStop
from hafence.core.reasons import Reason
from hafence.core.record import VmRecord, VmState
from hafence.core.stored import Lease
from hafence.effects import Fence
from hafence.runner.journal import StoreJournal
from hafence.stores import open_store
from hafence.stores.holder import Holder
from hafence.stores.port import RunRow, StepRow, Store
from tests.cli.conftest import DB, WEB, Desk

KVM_01 = HostName("kvm-01")
REFUSED: Mapping[str, Any] = {
    "run": "r1",
    "vm": {"uuid": WEB, "name": "web-01"},
    "suspect": "kvm-01",
    "decision": "refused",
    "verdict": "still_alive",
    "reason": "still_alive",
    "message": "the VM is still alive on kvm-01",
    "host": None,
    "dry_run": False,
    "attempts": [{"proxy": "kvm-02", "verdict": "still_alive", "detail": "a task of the VM lives", "seconds": 1.5}],
    "residual_risk": [],
    "ways_out": ["log in to kvm-01"],
    "notes": ["sibling kvm-03 not asked: is in quarantine"],
    "exit": 3,
}


def store_of(desk: Desk) -> Store:
    return open_store(f"sqlite://{desk.folder / 'state.db'}")


def write_refusal(store: Store, run: str, at: float) -> None:
    store.begin_run(RunRow(run, at, "ann@admin", "start-vm", (Uuid(WEB),), {"vms": {WEB: "web-01"}, "yes": True}))
    order = {"suspect": "kvm-01", "proxy": "kvm-02"}
    store.add_step(run, StepRow(at + 1, "intent_fence", Uuid(WEB), {"effect": {"order": order}}))
    answer = {"trouble": None, "exit_status": 10}
    data = {"effect": {"order": order}, "answer": answer, "seconds": 1.5}
    store.add_step(run, StepRow(at + 2.5, "fence", Uuid(WEB), data))
    evidence = {
        "kind": "fence",
        "source": "through kvm-02",
        "at": timestamp(at + 2.5),
        "says": "a task of the VM lives",
        "proves": "vm_alive",
    }
    store.end_run(run, at + 4, 3, {**REFUSED, "run": run, "evidence": [evidence]})


def test_nothing_yet(desk: Desk) -> None:
    assert desk.type("history").out.startswith("no run yet in ")
    assert "no run yet in" in desk.type("status").out
    assert desk.type("history", "--json").document["runs"] == []
    assert desk.type("explain").code == 2
    assert not (desk.folder / "state.db").exists()


def test_status_shows_what_is_recorded_and_what_is_only_the_inventorys_word(desk: Desk) -> None:
    store, now = store_of(desk), time.time()
    lease = store.take_lease(Uuid(WEB), Holder.of_this_process("r1"), 60, now)
    assert isinstance(lease, Lease)
    stopped = VmRecord(Uuid(WEB), VmState.STOPPED, None, KVM_01, run="r1", grounds=Reason.CONFIRMED_DEAD)
    store.write_record(stopped, lease, now)
    store.quarantine(KVM_01, "web-01 was fenced there", "r1", now)
    store.state(HostName("kvm-02"), "ann@admin", "both cords pulled", now, now + 3600)
    text = desk.type("status").out
    assert "web-01  stopped (last on kvm-01)" in text
    assert "db-01   running on kvm-02 (the inventory's word: no run has touched it), no HA" in text
    assert "web-01 was fenced there" in text
    assert "ann@admin stated that it is off (both cords pulled)" in text
    assert "lease on web-01: " in text

    document = desk.type("status", "--json").document
    vms = {vm["name"]: vm for vm in document["vms"]}
    assert (vms["web-01"]["state"], vms["web-01"]["host"], vms["web-01"]["last_host"]) == ("stopped", None, "kvm-01")
    assert (vms["web-01"]["recorded"], vms["db-01"]["recorded"]) == (True, False)
    hosts = {host["name"]: host for host in document["hosts"]}
    assert hosts["kvm-01"]["quarantine"]["why"] == "web-01 was fenced there"
    assert hosts["kvm-02"]["statement"]["reason"] == "both cords pulled"
    assert hosts["far-01"]["quarantine"] is None
    assert [row["vm"]["name"] for row in document["leases"]] == ["web-01"]
    store.close()


def test_history_is_newest_first_and_can_be_of_one_vm(desk: Desk) -> None:
    store = store_of(desk)
    write_refusal(store, "20261122T100000-aaaaaa", 1763800000)
    store.begin_run(RunRow("20261122T110000-bbbbbb", 1763803600, "bob@admin", "fence", (Uuid(DB),)))
    store.close()
    lines = desk.type("history").out.splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", "20261122T110000-bbbbbb", "20261122T100000-aaaaaa"]
    assert "goes on, or was killed" in lines[1]
    assert lines[2].split(maxsplit=3)[3].endswith("3     refused: still_alive")
    assert len(desk.type("history", "-n", "1").out.splitlines()) == 2
    (run,) = desk.type("history", "web-01", "--json").document["runs"]
    assert (run["run"], run["who"], run["exit"], run["decision"], run["reason"]) == (
        "20261122T100000-aaaaaa",
        "ann@admin",
        3,
        "refused",
        "still_alive",
    )
    assert run["vms"] == [{"uuid": WEB, "name": "web-01"}]


def test_explain_prints_the_chain_the_rule_and_the_way_out(desk: Desk) -> None:
    store = store_of(desk)
    write_refusal(store, "20261122T100000-aaaaaa", 1763800000)
    store.close()
    for words in ((), ("last",), ("20261122T1",), ("20261122T100000-aaaaaa",)):
        text = desk.type("explain", *words).out
        assert "start-vm web-01" in text
        assert "asked by ann@admin" in text
        assert "fence of web-01 on kvm-01 through kvm-02: a reply, exit status 10 (1.50 s)" in text
        assert "rule      the VM was seen alive" in text
        assert "[fence, through kvm-02, 1.5 s old at the decision; proves vm_alive]" in text
        assert "way out   log in to kvm-01" in text
        assert "intent" not in text
    assert "intent fence" in desk.type("explain", "-v").out

    document = desk.type("explain", "--json").document
    assert [step["kind"] for step in document["steps"]] == ["intent_fence", "fence"]
    (outcome,) = document["outcomes"]
    assert outcome["evidence"][0]["age_s"] == 1.5
    assert outcome["rule"].startswith("the VM was seen alive")


def test_the_age_of_evidence_is_its_age_at_the_decision_and_not_at_the_end(desk: Desk) -> None:
    store, at = store_of(desk), 1763800000.0
    store.begin_run(RunRow("r1", at, "ann@admin", "start-vm", (Uuid(WEB),), {"vms": {WEB: "web-01"}}))
    for second, state in ((3.0, "stopped"), (4.0, "starting"), (9.0, "running")):
        effect = {"record": {"uuid": WEB, "state": state}}
        store.add_step("r1", StepRow(at + second, "write_record", Uuid(WEB), {"effect": effect}))
    seen = {"kind": "fence", "source": "through kvm-02", "at": timestamp(at + 2.5), "says": "dead", "proves": "vm_dead"}
    store.end_run("r1", at + 10, 0, {**REFUSED, "run": "r1", "decision": "started", "exit": 0, "evidence": [seen]})
    store.close()
    (outcome,) = desk.type("explain", "--json").document["outcomes"]
    assert outcome["evidence"][0]["age_s"] == 0.5
    assert "0.5 s old at the decision" in desk.type("explain").out


def test_explain_shows_what_was_begun_and_never_ended(desk: Desk) -> None:
    store = store_of(desk)
    write_refusal(store, "r1", 1763800000)
    store.begin_run(RunRow("r2", 1763800100, "ann@admin", "start-vm", (Uuid(WEB),), {"vms": {WEB: "web-01"}}))
    data = {"effect": {"order": {"suspect": "kvm-01", "proxy": "kvm-02"}}}
    store.add_step("r2", StepRow(1763800101, "intent_fence", Uuid(WEB), data))
    store.close()
    words = "fence of web-01 on kvm-01 through kvm-02: begun; how it ended is not known"
    assert words in desk.type("explain", "r2").out
    assert words not in desk.type("explain", "r1").out


def test_explain_of_a_run_that_was_killed_after_its_fence_knows_the_verdict(desk: Desk) -> None:
    store = store_of(desk)
    details = {"vms": {WEB: "web-01"}, "format": 2, "hafence": "0.1.0"}
    store.begin_run(RunRow("r1", 1763800000, "ann@admin", "start-vm", (Uuid(WEB),), details))
    order = FenceOrder(KVM_01, HostName("kvm-02"), (Uuid(WEB),), 20.0, 1.0, 1763800100.0)
    unit = Owner(RunBy.UNIT, "web-01.service", stop=UnitStop.STOPPED)
    effect, reading = Fence(order), Reading(Verdict.CONFIRMED_DEAD, Facts(found=1, killed=1, owner=unit))
    journal = StoreJournal(store, "r1")
    journal.intends(effect)
    journal.records(effect, FenceReport({Uuid(WEB): reading}, 1.5, 1763800002.0), 1.5)
    store.add_step("r1", StepRow(1763800003, "of_a_later_version", None, {"a": 1}))
    store.add_step("r1", StepRow(1763800003, "look_at", None, {"hosts": "odd"}))
    store.close()
    text = desk.type("explain").out
    assert "fence of web-01 on kvm-01 through kvm-02: confirmed_dead: 1 leftover killed; " in text
    assert "it was run by the systemd unit web-01.service, which was stopped" in text
    assert "it goes on, or it was killed" in text
    assert "asked by ann@admin at 2025-11-22T08:26:40.000Z, hafence 0.1.0" in text
    assert "of a later version" in text
    assert "look_at: what is recorded of it is not known to this version" in text
    document = desk.type("explain", "--json").document
    assert (document["format"], document["hafence"]) == (2, "0.1.0")
    assert document["steps"][1]["data"]["readings"][WEB]["verdict"] == "confirmed_dead"


def test_explain_of_a_run_that_was_killed_says_so(desk: Desk) -> None:
    store = store_of(desk)
    store.begin_run(RunRow("r1", 1763800000, "ann@admin", "start-vm", (Uuid(WEB),)))
    store.close()
    assert "it goes on, or it was killed" in desk.type("explain").out


def test_reading_changes_nothing(desk: Desk) -> None:
    store = store_of(desk)
    write_refusal(store, "r1", 1763800000)
    store.close()
    before = {path.name: path.read_bytes() for path in desk.folder.iterdir() if path.is_file()}
    for words in ("status", "history", "explain", "store check", "inventory check"):
        assert desk.type(*words.split()).code == 0
    assert {path.name: path.read_bytes() for path in desk.folder.iterdir() if path.is_file()} == before


def test_a_whole_store_is_ok(desk: Desk) -> None:
    store = store_of(desk)
    write_refusal(store, "r1", 1763800000)
    store.close()
    assert desk.type("store", "check").out.startswith("OK: ")
    document = desk.type("store", "check", "--json").document
    assert (document["valid"], document["problems"]) == (True, [])
