"""The starts of an evacuation: what those before have shown, where they are, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafence.core.batch import Ground, Wanted
from hafence.core.decision import Allowed
from hafence.core.looks import Look
from hafence.core.model import HostName, Uuid
from hafence.core.outcome import Decision, Exit, Outcome
from hafence.core.placement import Placement
from hafence.core.reasons import Reason
from hafence.core.record import record_of
from hafence.effects import Parallel, Start
from hafence.workflows.batch_run import Batch
from hafence.workflows.batch_starts import Going, start_all
from hafence.workflows.fencing_state import Observed
from hafence.workflows.vm_run import VmRun, conclude
from tests.core.make import host, look, silence, vm

from . import stage
from .drive import EMPTY, Desk
from .stage import DB, K1, K2, K3, WEB, book

SAME = vm(6, name="same-01", memory_mib=100, domain_xml="/same.xml")
DEAD = Allowed(Reason.CONFIRMED_DEAD, "dead on kvm-01")
SILENT = Allowed(Reason.UNREACHABLE_CONFIRMED, "silent")
LOOKS: dict[HostName, Look] = {K1: look("kvm-01"), K2: look("kvm-02"), K3: look("kvm-03")}

SILENCE, WELL, OTHER = silence("kvm-02"), look("kvm-02"), look("kvm-02", memory_free_mib=1)


def placed(*targets: HostName) -> Placement:
    return Placement(targets, (), {})


def going(looks: dict[HostName, Look], allowed: dict[Uuid, Allowed] | None = None) -> Going:
    """Three VMs, of which two are to start on kvm-02, and one on kvm-03."""
    vms = (WEB, DB, SAME)
    it = book(*vms, hosts=(host("kvm-01"), host("kvm-02"), host("kvm-03")))
    run = stage.run(it)
    vm_runs = {each.uuid: VmRun(run, each, record_of(each, {}), one_of_many=True) for each in vms}
    wanted = [Wanted(each, each.memory_mib) for each in vms]
    plan = {WEB.uuid: placed(K2, K3), DB.uuid: placed(K2, K3), SAME.uuid: placed(K3, K2)}
    batch = Batch(run, it.hosts[K1], vm_runs, {}, wanted=wanted, plan=plan)
    ground = Ground(K1, tuple(it.hosts.values()), it.vms, {}, {}, looks)
    return Going(batch, ground, Observed(EMPTY, looks), allowed or dict.fromkeys(vm_runs, DEAD))


def ended(vm_run: VmRun, on: HostName | None) -> Outcome:
    return replace(conclude(vm_run, Decision.STARTED, Reason.CONFIRMED_DEAD, "runs"), host=on)


def test_where_they_are_or_will_be_is_told_by_host_and_follows_what_comes_of_them() -> None:
    it = going(LOOKS)
    web, db, same = it.batch.wanted
    assert it.there() == {K2: [web, db], K3: [same]}
    runs = it.batch.vm_runs
    it.batch.end(runs[WEB.uuid], ended(runs[WEB.uuid], K3))
    it.land(web)
    assert it.there() == {K2: [db], K3: [web, same]}
    it.batch.end(runs[DB.uuid], ended(runs[DB.uuid], None))
    it.land(db)
    assert it.there() == {K3: [web, same]}
    assert going(LOOKS, {DB.uuid: DEAD}).there() == {K2: [db]}, "what may not start takes no place"


@pytest.mark.parametrize(
    ("known", "seen", "anew", "then"),
    [
        (SILENCE, SILENCE, False, SILENCE),
        (SILENCE, WELL, True, WELL),
        (WELL, SILENCE, True, WELL),
        (WELL, OTHER, False, WELL),
        (None, WELL, False, WELL),
        (None, SILENCE, False, SILENCE),
    ],
)
def test_a_host_that_has_shown_life_is_silent_no_more_and_one_that_was_seen_stays_as_it_was(
    known: Look | None, seen: Look, anew: bool, then: Look
) -> None:
    beside = {K3: look("kvm-03")}
    it = going({**beside, **({} if known is None else {K2: known})})
    it.learn({K2: seen})
    assert (it.anew, it.view.looks) == (anew, {**beside, K2: then})
    assert it.view.memory is EMPTY
    it.learn(beside)
    assert it.anew == anew, "what has changed once has changed"


def test_on_silence_each_starts_alone_and_those_with_a_proof_together() -> None:
    mixed = going(LOOKS, {WEB.uuid: DEAD, DB.uuid: SILENT, SAME.uuid: DEAD})
    web, db, same = mixed.batch.wanted
    assert mixed.together([web, db, same]) == [web, same]
    assert mixed.together([db, same]) == [db]
    assert mixed.together([]) == []


def test_one_whose_place_is_taken_is_told_so_with_the_reason_of_every_host() -> None:
    it = going({K1: look("kvm-01"), K2: look("kvm-02", memory_free_mib=5), K3: look("kvm-03", memory_free_mib=6)})
    big = replace(it.batch.wanted[0], memory_mib=4096)
    it.batch.wanted = [big]
    desk = Desk(it.batch.run.inventory, [{}])
    desk.run(start_all(it.batch, it.ground, it.view, {WEB.uuid: DEAD}))
    outcome = it.batch.ended[WEB.uuid]
    assert (outcome.decision, outcome.reason, outcome.exit) == (
        Decision.FAILED,
        Reason.START_FAILED,
        Exit.START_FAILED,
    )
    assert outcome.says.startswith(
        "web-01 was fenced, and its place was taken meanwhile: no host can take it (kvm-01 is the suspect;"
        " kvm-02 has 5 MiB free, the VM needs 4096; kvm-03 has 6 MiB free, the VM needs 4096). It is recorded as"
    )
    assert not [effect for effect in desk.asked if isinstance(effect, Start | Parallel)]
