"""Which definition a VM is started from, and from which host a running one may be captured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafence.core.captures import Capture, FetchFault, NotFetched, Origin, Source, digest_of, origin_of
from hafence.core.capturing import Captured, Why, captured, news, where_to_capture
from hafence.core.model import HostName
from hafence.core.reasons import Reason
from hafence.core.record import VmRecord, VmState, mark_starting, mark_stopped, unseen

from .make import look, silence, uuid
from .telling import assert_told

K1, K2 = HostName("kvm-01"), HostName("kvm-02")
VM = uuid(1)
THEN, EDITED = digest_of("<domain>then</domain>"), digest_of("<domain>edited</domain>")
TAKEN = Capture(VM, K1, 1_763_824_000.0, THEN, "<domain>live</domain>")
BESIDE_NOTHING = Capture(VM, K1, 1_763_824_000.0, "", "<domain>live</domain>")


@pytest.mark.parametrize(
    ("inventory", "capture", "origin"),
    [
        (THEN, None, Origin.INVENTORY),
        ("", None, Origin.INVENTORY),
        (THEN, TAKEN, Origin.CAPTURE),
        (EDITED, TAKEN, Origin.INVENTORY),
        ("", TAKEN, Origin.CAPTURE),
        ("", BESIDE_NOTHING, Origin.CAPTURE),
        (THEN, BESIDE_NOTHING, Origin.INVENTORY),
    ],
    ids=[
        *("never captured", "no definition at all", "captured since", "edited since it was captured"),
        *("taken away since", "has none", "given one since"),
    ],
)
def test_the_newer_definition_is_told_by_what_the_inventory_had_when_it_was_captured(
    inventory: str, capture: Capture | None, origin: Origin
) -> None:
    assert origin_of(inventory, capture) is origin


def test_a_capture_never_shows_what_stands_in_it() -> None:
    assert "live" not in repr(TAKEN)
    assert TAKEN.digest == digest_of("<domain>live</domain>")


STOPPED = mark_stopped(unseen(VM, K1), "run-1", Reason.CONFIRMED_DEAD)
HERE = unseen(VM, K1)
WHERE: dict[str, tuple[VmRecord, dict[HostName, object], object]] = {
    "where it should be": (HERE, {K1: look("kvm-01", VM), K2: look("kvm-02")}, K1),
    "moved without hafence": (HERE, {K1: look("kvm-01"), K2: look("kvm-02", VM)}, K2),
    "elsewhere, and its host is silent": (HERE, {K1: silence("kvm-01"), K2: look("kvm-02", VM)}, (Why.SILENT, K1)),
    "elsewhere, and its host was not looked at": (HERE, {K2: look("kvm-02", VM)}, (Why.SILENT, K1)),
    "its host is silent": (HERE, {K1: silence("kvm-01"), K2: look("kvm-02")}, (Why.SILENT, K1)),
    "twice": (HERE, {K1: look("kvm-01", VM), K2: look("kvm-02", VM)}, (Why.TWO_COPIES, "kvm-01 and kvm-02")),
    "nowhere": (HERE, {K1: look("kvm-01"), K2: look("kvm-02")}, (Why.NOT_RUNNING, "")),
    "recorded as stopped, and seen": (STOPPED, {K1: look("kvm-01"), K2: look("kvm-02", VM)}, K2),
    "being started": (mark_starting(STOPPED, K2, "run-2", 7), {K2: look("kvm-02", VM)}, (Why.STARTING, K2)),
}


@pytest.mark.parametrize("name", WHERE)
def test_only_the_one_copy_that_is_certainly_the_vm_is_captured(name: str) -> None:
    record, looks, where = WHERE[name]
    assert where_to_capture(record, looks, frozenset()) == where  # type: ignore[arg-type]


def test_two_processes_on_one_host_are_two_copies() -> None:
    twice = replace(look("kvm-01", VM), copies={VM: 2})
    assert where_to_capture(HERE, {K1: twice}, ()) == (Why.TWO_COPIES, "kvm-01")


def test_an_old_process_that_can_not_write_is_no_second_copy() -> None:
    record = VmRecord(VM, VmState.RUNNING, K2, K1)
    looks = {K1: look("kvm-01", VM), K2: look("kvm-02", VM)}
    assert where_to_capture(record, looks, frozenset({K1})) == K2


def test_what_is_said_of_captures() -> None:
    ends = [
        Captured(VM, "web-01", TAKEN),
        Captured(VM, "web-01", None, Why.NOT_RUNNING),
        Captured(VM, "web-01", None, Why.SILENT, "kvm-01"),
        Captured(VM, "web-01", None, Why.TWO_COPIES, "kvm-01 and kvm-02"),
        Captured(VM, "web-01", None, Why.STARTING, "kvm-02"),
        captured(VM, "web-01", K1, TAKEN),
        *(captured(VM, "web-01", K1, NotFetched(why, "said so")) for why in FetchFault),
    ]
    sources = [Source(), Source("", TAKEN, Origin.CAPTURE), Source("", TAKEN)]
    told = {
        "captures": [f"{each.name}: {each.says}{' (bad)' if each.is_bad else ''}" for each in ends],
        "definitions": [each.says for each in sources],
    }
    assert_told("captures", told)


def test_only_what_the_store_does_not_know_is_kept_again() -> None:
    moved = replace(TAKEN, host=K2, at=9.0)
    other = replace(TAKEN, xml="<domain>other</domain>")
    assert news([moved], [TAKEN]) == ()
    assert news([other], [TAKEN]) == (other,)
    assert news([TAKEN], [BESIDE_NOTHING]) == (TAKEN,)
    assert news([TAKEN], []) == (TAKEN,)
