"""`capture`, effect by effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hafence.core.captures import Capture, FetchFault, NotFetched
from hafence.core.capturing import Captured, Why
from hafence.core.drift import Drift, DriftKind
from hafence.core.looks import Look
from hafence.core.model import Inventory
from hafence.core.record import ShutOut, VmRecord, VmState
from hafence.effects import FetchDefinitions, KeepCapture, LookAt
from hafence.workflows import capture as capture_module
from hafence.workflows.audit import audit, with_captured
from hafence.workflows.capture import capture, keep
from tests.core.make import look, silence, uuid, vm

from . import stage
from .drive import EMPTY, Desk
from .stage import DB, K1, K2, WEB, book, memory, seen

MORE = Drift(DriftKind.MEMORY, "64 MiB", "32 MiB")


def played(
    looks: dict[str, Look], answers: dict[type[Any], Any] | None = None, inventory: Inventory | None = None, **more: Any
) -> tuple[Desk, tuple[Captured, ...]]:
    inventory = inventory or book(DB, WEB)
    desk = Desk(inventory, [looks], more.pop("memory", EMPTY), answers or {})
    return desk, desk.run(capture(stage.run(inventory), inventory.vms.values()))


def asked(desk: Desk, kind: type[Any]) -> list[Any]:
    return [effect for effect in desk.asked if isinstance(effect, kind)]


def test_each_vm_that_runs_is_fetched_from_its_host_and_kept() -> None:
    desk, done = played(seen(k1=(WEB,), k2=()))
    assert [(each.name, each.why) for each in done] == [("db-01", Why.NOT_RUNNING), ("web-01", None)]
    assert asked(desk, FetchDefinitions) == [FetchDefinitions(K1, (WEB.uuid,))]
    (kept,) = asked(desk, KeepCapture)
    assert kept.capture == done[1].capture == Capture(WEB.uuid, K1, 100.0, "", "<domain/>")


def test_what_can_not_be_fetched_is_not_kept_and_keeps_nobody_else_from_it() -> None:
    def fetched(effect: FetchDefinitions) -> Any:
        kept = Capture(WEB.uuid, K1, 100.0, "", "<domain/>")
        return {DB.uuid: NotFetched(FetchFault.REFUSED, "has no <uuid>"), WEB.uuid: kept}

    desk, done = played(seen(k1=(DB, WEB)), {FetchDefinitions: fetched})
    assert [(each.name, each.why) for each in done] == [("db-01", Why.NOT_FETCHED), ("web-01", None)]
    assert done[0].says == "not captured: kvm-01 gave a definition that can't be used: it has no <uuid>"
    assert [effect.capture.vm for effect in asked(desk, KeepCapture)] == [WEB.uuid]


def test_all_hosts_are_asked_at_once_and_each_in_parts(monkeypatch: Any) -> None:
    monkeypatch.setattr(capture_module, "AT_ONCE", 1)
    third = vm(3, name="third", host="kvm-02")
    desk, done = played(seen(k1=(DB, WEB), k2=(third,)), inventory=book(DB, WEB, third))
    assert all(each.capture for each in done)
    rounds = [line for line in desk.log if line.startswith("Together")]
    assert rounds == [
        "Together(effects=[FetchDefinitions(host=kvm-01, vms=[vm-02]), FetchDefinitions(host=kvm-02, vms=[vm-03])])",
        "Together(effects=[FetchDefinitions(host=kvm-01, vms=[vm-01])])",
    ]


def test_a_leftover_that_is_kept_from_the_disks_is_passed_over() -> None:
    record = VmRecord(uuid(1), VmState.RUNNING, K2, K1, 3, shut_out=(ShutOut(K1, 1e9),))
    looks = seen(k1=look("kvm-01", WEB.uuid), k2=(WEB,))
    _, done = played(looks, memory=memory(record, quarantine={K1: "fenced"}))
    assert done[1].capture is not None
    assert done[1].capture.host == K2
    _, done = played(looks, memory=memory(replace(record, shut_out=())))
    assert done[1].why is Why.TWO_COPIES


def test_a_silent_host_keeps_its_vms_from_being_captured() -> None:
    _, done = played(seen(k1=silence("kvm-01")))
    assert [each.why for each in done] == [Why.SILENT, Why.SILENT]
    assert all(each.is_bad for each in done)


def test_what_an_audit_keeps_is_no_drift_any_more() -> None:
    inventory = book(DB, WEB)
    desk = Desk(inventory, [seen(k1=(DB, WEB))], EMPTY, {})
    scene = desk.run(audit(stage.run(inventory)))
    assert set(scene.captures) == {DB.uuid, WEB.uuid}
    drifted = replace(scene, drifts={DB.uuid: (MORE,), WEB.uuid: (MORE,)})
    after = with_captured(drifted, [WEB.uuid])
    assert after.drifts == {DB.uuid: (MORE,)}
    assert after.captured == {WEB.uuid}
    desk.run(keep(scene.captures.values()))
    assert [effect.capture for effect in asked(desk, KeepCapture)] == list(scene.captures.values())


def test_other_hypervisors_are_left_out_and_nothing_is_looked_at_for_nobody() -> None:
    desk, done = played(seen(), inventory=stage.foreign(book(WEB)))
    assert done == ()
    assert asked(desk, LookAt) == []
