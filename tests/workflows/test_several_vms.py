"""What the other VMs mean for a command: whose leases it takes, what is left of whom, how much room they leave."""

from __future__ import annotations

from dataclasses import replace

from hafence.core.model import HostName
from hafence.core.reasons import Reason
from hafence.core.record import mark_running
from hafence.effects import LiftQuarantine, TakeLease
from hafence.workflows.host_status import rejoin
from hafence.workflows.start_vm import start_vm
from tests.core.make import host, uuid

from . import stage
from .drive import Desk
from .stage import DB, K1, K2, K3, RUNNING, STARTING, STOPPED, WEB, book, memory, seen

MOVED = mark_running(STARTING, K2, "run-0", 5.0)


def test_a_host_that_rejoins_needs_the_leases_of_all_vms_that_it_concerns_and_of_no_other() -> None:
    it = book(WEB, DB)
    desk = Desk(it, [seen()], memory(MOVED, replace(STOPPED, uuid=uuid(2)), quarantine={K1: "fenced"}))
    assert desk.run(rejoin(stage.run(it, yes=True), it.hosts[K1])).done
    assert desk.of(TakeLease) == [TakeLease(DB.uuid, 0.0)]


def test_a_vm_that_is_at_home_there_hides_no_leftover_of_another() -> None:
    it = book(WEB, DB)
    moved = replace(MOVED, uuid=uuid(2))
    desk = Desk(it, [seen(k1=(WEB, DB))], memory(RUNNING, moved, quarantine={K1: "fenced"}))
    outcome = desk.run(rejoin(stage.run(it, yes=True), it.hosts[K1]))
    assert (outcome.done, outcome.message) == (False, "kvm-01 still runs db-01, recorded elsewhere")
    assert desk.of(LiftQuarantine) == []


def test_what_the_inventory_grants_a_hosts_vms_is_shared_with_those_that_are_there() -> None:
    beside = replace(DB, host=K2, memory_mib=1500)
    it = book(WEB, beside, hosts=(host("kvm-02", memory_mib=2000),))
    desk = Desk(it, [seen(k1=(WEB,), k2=(beside,))])
    outcome = desk.run(start_vm(stage.run(it, yes=True, to=K2), WEB))
    assert outcome.reason is Reason.NO_TARGET
    assert "kvm-02 has 500 MiB free, the VM needs 1024" in outcome.message


# ---------------------------------------------------------------- targets

RECORDED = replace(DB, host=K2)


def test_where_no_host_is_looked_into_the_records_say_how_full_each_is() -> None:
    it = stage.foreign(book(WEB, RECORDED))
    assert Desk(it, [{}]).run(start_vm(stage.run(it), WEB)).host == K3
    emptied = memory(replace(RUNNING, uuid=uuid(2), host=K3))
    assert Desk(it, [{}], emptied).run(start_vm(stage.run(it), WEB)).host == K2


def test_where_no_host_is_looked_into_the_records_say_who_is_kept_apart_from_whom() -> None:
    apart = replace(WEB, anti_affinity=("db-01",))
    it = stage.foreign(book(apart, RECORDED))
    outcome = Desk(it, [{}]).run(start_vm(stage.run(it, to=K2), apart))
    assert outcome.reason is Reason.NO_TARGET
    assert "kvm-02 holds db-01, from which the VM is kept apart" in outcome.message


def test_a_target_of_another_cluster_is_refused_as_what_it_is() -> None:
    it = book(hosts=(host("kvm-08", cluster="far"),))
    desk = Desk(it, [seen(k1=(WEB,))])
    outcome = desk.run(start_vm(stage.run(it, yes=True, to=HostName("kvm-08")), WEB))
    assert outcome.reason is Reason.NO_TARGET
    assert "kvm-08 is not in the cluster of kvm-01" in outcome.message


def test_a_dry_run_that_finds_no_target_says_so() -> None:
    it = book()
    desk = Desk(it, [seen(k1=(WEB,))], memory(quarantine={K2: "fenced", K3: "fenced"}))
    assert "targets in order: none" in desk.run(start_vm(stage.run(it, dry_run=True), WEB)).notes
