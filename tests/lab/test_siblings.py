"""Siblings that are no help, with the real `hafence start-vm`: the next one is asked, and no trouble is a verdict."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lab import faults
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_started, never_twice
from tests.lab.striking import SIBLING, SUSPECT, refused, started_once

NEXT: dict[str, Callable[[Lab], object]] = {
    "is-cut-off-from-the-suspect": lambda lab: faults.cut(lab, SUSPECT, SIBLING),
    "rejects-its-own-packets": lambda lab: faults.reject_outgoing(lab, SIBLING, SUSPECT),
}


@pytest.mark.parametrize("cause", NEXT.values(), ids=NEXT)
def test_the_suspect_is_fenced_by_another_when_the_first_sibling(lab: Lab, cause: Callable[[Lab], object]) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    cause(lab)
    ended = started_once(lab, vm, admin)
    assert ended.proxies == [(SIBLING, "unreachable"), ("kvm-03", "confirmed_dead")], ended


def test_siblings_that_cannot_forward_are_no_verdict_and_the_next_is_asked(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    faults.no_forwarding(lab, "kvm-02")
    faults.unreachable_route(lab, "kvm-03", SUSPECT)
    ended = started_once(lab, vm, admin)
    assert ended.proxies == [("kvm-02", "ambiguous"), ("kvm-03", "ambiguous"), ("kvm-04", "confirmed_dead")], ended
    first, second, _ = (each["detail"] for each in ended["attempts"])
    assert "forbids forwarding" in first
    assert "no route of its own" in second


LEFT_OUT: dict[str, tuple[Callable[[Lab, str], object], Callable[[Lab, str], object]]] = {
    "sshd-gone-or-hung": (faults.sshd_gone, faults.sshd_hung),
    "frozen-or-login-refused": (faults.frozen_host, faults.login_refused),
    "host-key-changed-or-power-off": (faults.host_key_changed, faults.power_off),
}


@pytest.mark.parametrize("causes", LEFT_OUT.values(), ids=LEFT_OUT)
def test_siblings_that_do_not_answer_are_not_asked_even_if_named(
    lab: Lab, causes: tuple[Callable[[Lab, str], object], ...]
) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    for cause, name in zip(causes, ("kvm-02", "kvm-03"), strict=True):
        cause(lab, name)
    with never_twice(lab):
        ended = admin.start_vm(vm.name, "--sibling", "kvm-02", "--sibling", "kvm-03")
    assert_started(admin, vm, ended, on="kvm-04")
    assert ended.proxies == [("kvm-04", "confirmed_dead")]
    for name in ("kvm-02", "kvm-03"):
        assert any(note.startswith(f"sibling {name} not asked: does not answer") for note in ended["notes"]), ended


def test_siblings_that_can_only_forward_fence_when_they_are_named(lab: Lab) -> None:
    first, second = lab.start_vm("kvm-01", "web-01"), lab.start_vm("kvm-04", "web-04")
    admin = AdminNode(lab)
    faults.hardened(lab, "kvm-02", ["kvm-01"])
    faults.no_sessions(lab, "kvm-03")
    for vm, sibling in ((first, "kvm-02"), (second, "kvm-03")):
        ended = admin.run_json("fence", vm.name, "--sibling", sibling, "--yes")
        told = ended.vms[vm.name]
        assert (ended.code, told["verdict"]) == (0, "confirmed_dead"), ended
        assert [each["proxy"] for each in told["attempts"]] == [sibling], ended
        assert lab.copies(vm.uuid) == 0


def test_a_suspect_cut_off_from_all_but_the_last_sibling_is_fenced_by_that_one(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    for name in (faults.ADMIN, "kvm-02", "kvm-03"):
        faults.cut(lab, name, SUSPECT)
    with never_twice(lab):
        ended = admin.run_json("start-vm", vm.name)  # nobody answers the admin node there, so nobody is asked
    assert_started(admin, vm, ended)
    assert lab.copies(vm.uuid) == 1
    assert ended.proxies[-1] == ("kvm-04", "confirmed_dead")


def test_a_sibling_that_freezes_under_the_fence_is_no_verdict_and_the_next_is_asked(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab, fencing={"ssh_timeout": 3})
    faults.libvirtd_hung(lab, SUSPECT)  # so that the fence takes a while
    with never_twice(lab):
        going = admin.begin("start-vm", vm.name, "--yes", "--json")
        admin.wait_step("intent_fence", going)
        faults.frozen_host(lab, SIBLING)
        ended = going.wait()
        first, second = ended.proxies
        assert first == (SIBLING, "ambiguous"), ended
        assert second[0] == "kvm-03", ended
        assert "sibling" in ended["attempts"][0]["detail"], ended
        if "somebody is connected to it" in ended["message"]:  # the first order's own virsh, which hangs until its end
            assert ended.code == 3, ended
            ended = admin.start_vm(vm.name)
    assert_started(admin, vm, ended)


def test_where_every_sibling_forbids_forwarding_there_is_no_sibling(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    for name in ("kvm-02", "kvm-03", "kvm-04"):
        faults.no_forwarding(lab, name)
    ended = refused(lab, vm, admin, "no_sibling", None, lab.qemus(vm.uuid))
    assert [proxy for proxy, _ in ended.proxies] == ["kvm-02", "kvm-03", "kvm-04"]
    assert "permitopen" in ended["message"], ended


def test_siblings_are_asked_in_the_order_they_are_named_and_then_by_name(lab: Lab) -> None:
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = AdminNode(lab)
    for name in ("kvm-03", "kvm-04"):
        faults.no_forwarding(lab, name)
    ended = admin.start_vm(vm.name, "--sibling", "kvm-04", "--sibling", "kvm-03", "--dry-run")
    assert (ended.code, ended["decision"]) == (0, "started"), ended
    assert [proxy for proxy, _ in ended.proxies] == ["kvm-04", "kvm-03", "kvm-02"]
