"""What an audit finds, finding by finding, and that a well cluster is silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafence.core.attempts import Reading, Verdict
from hafence.core.audit import find_all, worst
from hafence.core.backing import FileBacking
from hafence.core.looks import Blind, Libvirt, Look
from hafence.core.marks import Mark
from hafence.core.model import HostName, Uuid
from hafence.core.needs import Lack, Lacking, Need, NeedKind
from hafence.core.reasons import Reason
from hafence.core.record import mark_running, mark_starting, mark_stopped, unseen
from hafence.core.survey import Code, Finding, Severity, SharedDisk, Survey
from hafence.core.troubles import Trouble

from .make import HostState, host, inventory, look, silence, uuid, vm

DEAD = Reading(Verdict.CONFIRMED_DEAD)
BAD = Reading(Verdict.AMBIGUOUS, trouble=Trouble.LOGIN_FAILED)
K1, K2, K3 = (HostName(f"kvm-0{n}") for n in (1, 2, 3))
NAMES = [HostName(f"kvm-0{n}") for n in (1, 2, 3, 4)]


def scene(**more: object) -> Survey:
    looks: dict[HostName, Look] = {name: look(name, *([uuid(1)] if name == K1 else [])) for name in NAMES}
    looks.update(more.pop("looks", {}))  # type: ignore[call-overload]
    paths = {a: {b: DEAD for b in NAMES if a != b} for a in NAMES}
    paths.update(more.pop("paths", {}))  # type: ignore[call-overload]
    more.setdefault("at", 100.0)
    return Survey(
        inventory=more.pop("inventory", inventory()),  # type: ignore[arg-type]
        records=more.pop("records", {}),  # type: ignore[arg-type]
        quarantine=more.pop("quarantine", {}),  # type: ignore[arg-type]
        looks=looks,
        paths=paths,
        **more,  # type: ignore[arg-type]
    )


def codes(it: Survey) -> dict[str, Severity]:
    return {reading.code: reading.severity for reading in find_all(it)}


def test_a_well_cluster_has_no_findings() -> None:
    assert find_all(scene()) == ()
    assert worst(()) is Severity.OK


def test_two_living_copies_come_first_and_loudest() -> None:
    found = find_all(scene(looks={K2: look("kvm-02", uuid(1)), K3: silence("kvm-03")}))
    assert found[0].code == "split_brain"
    assert found[0].severity is Severity.CRITICAL
    assert "kvm-01 and kvm-02" in found[0].saw


def test_two_processes_on_one_host_are_two_copies() -> None:
    twice = replace(look("kvm-01", uuid(1)), copies={uuid(1): 2})
    assert codes(scene(looks={K1: twice})) == {"split_brain": Severity.CRITICAL}


def test_a_vm_elsewhere_and_a_vm_gone() -> None:
    assert codes(scene(looks={K1: look("kvm-01"), K2: look("kvm-02", uuid(1))})) == {"vm_elsewhere": Severity.CRITICAL}
    assert codes(scene(looks={K1: look("kvm-01")})) == {"vm_gone": Severity.CRITICAL}
    not_ha = inventory(vms=[vm(1, ha=False)])
    assert codes(scene(looks={K1: look("kvm-01")}, inventory=not_ha)) == {"vm_gone": Severity.WARNING}


def test_a_stopped_ha_vm_is_named_and_one_being_started_is() -> None:
    stopped = mark_stopped(unseen(uuid(1), K1), "r1", Reason.CONFIRMED_DEAD)
    down = {"looks": {K1: look("kvm-01")}, "records": {uuid(1): stopped}}
    assert codes(scene(**down)) == {"vm_stopped": Severity.WARNING}
    assert codes(scene(**down, inventory=inventory(vms=[vm(1, ha=False)]))) == {}
    starting = mark_starting(stopped, K2, "r1", 1)
    assert codes(scene(looks={K1: look("kvm-01")}, records={uuid(1): starting})) == {
        "start_unsettled": Severity.WARNING
    }


def test_a_leftover_that_a_storage_fence_keeps_from_the_disks_is_no_split_brain_while_it_lasts() -> None:
    stopped = mark_stopped(unseen(uuid(1), K1), "r1", Reason.STORAGE_FENCED, 100.0)
    running = mark_running(mark_starting(stopped, K2, "r1", 7), K2, "r1", 5.0)
    looks: dict[HostName, Look] = {K2: look("kvm-02", uuid(1))}
    seen = {"records": {uuid(1): running}, "looks": looks}
    fenced = {"quarantined": Severity.WARNING, "fenced_leftover": Severity.WARNING}
    assert codes(scene(**seen, quarantine={K1: "fenced"}, at=99.0)) == fenced
    split = {"split_brain": Severity.CRITICAL}
    assert codes(scene(**seen, quarantine={K1: "fenced"}, at=100.0)) == {**split, "quarantined": Severity.WARNING}
    assert codes(scene(**seen, at=99.0)) == split
    third: dict[HostName, Look] = {**looks, K3: look("kvm-03", uuid(1))}
    found = find_all(scene(records={uuid(1): running}, looks=third, quarantine={K1: "fenced"}, at=99.0))
    assert found[0].code == "split_brain"


def test_without_the_store_nobody_knows_where_a_vm_should_be_and_two_copies_are_two_copies() -> None:
    lost = {"store_problems": ((Code.STORE_UNREADABLE, "state.db: permission denied"),), "remembered": False}
    assert codes(scene(**lost)) == {"store_unreadable": Severity.UNKNOWN}
    assert codes(scene(**lost, looks={K1: look("kvm-01"), K2: look("kvm-02", uuid(1))})) == {
        "store_unreadable": Severity.UNKNOWN
    }
    twice = find_all(scene(**lost, looks={K2: look("kvm-02", uuid(1))}))
    assert [reading.code for reading in twice] == ["split_brain", "store_unreadable"]
    assert worst(twice) is Severity.CRITICAL


def test_a_silent_host_is_critical_when_vms_are_recorded_there() -> None:
    assert codes(scene(looks={K1: silence("kvm-01")}))["host_silent"] is Severity.CRITICAL
    assert codes(scene(looks={K2: silence("kvm-02")}))["host_silent"] is Severity.WARNING


@pytest.mark.parametrize("state", [HostState.DISABLED, HostState.MAINTENANCE])
def test_a_host_that_people_have_taken_out_may_be_silent(state: HostState) -> None:
    hosts = [host(name, state=state if name == "kvm-04" else HostState.ENABLED) for name in NAMES]
    assert codes(scene(inventory=inventory(hosts), looks={HostName("kvm-04"): silence("kvm-04")})) == {}


def test_hosts_that_answer_badly_are_named() -> None:
    blind = Blind(K2, 1.0, "a forced command")
    assert codes(scene(looks={K2: blind})) == {"host_blind": Severity.WARNING}
    assert codes(scene(looks={K2: look("kvm-02", libvirt=Libvirt.HUNG)})) == {"libvirt_down": Severity.WARNING}
    assert codes(scene(looks={K2: look("kvm-02", missing=("flock",))})) == {"program_missing": Severity.WARNING}
    assert codes(scene(looks={K2: replace(look("kvm-02"), clock_offset_s=-9.0)})) == {"clock_off": Severity.WARNING}


def test_fence_paths_none_and_few() -> None:
    assert codes(scene(paths={K1: dict.fromkeys(NAMES[1:], BAD)})) == {"no_fence_path": Severity.CRITICAL}
    few = {K2: DEAD, K3: BAD, HostName("kvm-04"): BAD}
    found = find_all(scene(paths={K1: few}))
    assert [f.code for f in found] == ["few_fence_paths"]
    assert "refused the login" in found[0].saw


def test_a_definition_left_behind_is_worse_with_autostart() -> None:
    left = replace(look("kvm-02"), defined=frozenset({uuid(1)}))
    assert codes(scene(looks={K2: left})) == {"stale_definition": Severity.WARNING}
    armed = replace(left, autostart=frozenset({uuid(1)}))
    assert codes(scene(looks={K2: armed})) == {"stale_definition": Severity.CRITICAL}
    at_home = replace(look("kvm-01", uuid(1)), defined=frozenset({uuid(1)}), autostart=frozenset({uuid(1)}))
    assert codes(scene(looks={K1: at_home})) == {"autostart": Severity.WARNING}


DISK = Need(NeedKind.WRITE, "/srv/a.img", is_written=True)
PROD = Need(NeedKind.NETWORK, "prod")


def found_of(needs: dict[Uuid, frozenset[Need]], **lacking: Need) -> list[Finding]:
    """With hosts (k2=…) that lack something."""
    told = {
        HostName(f"kvm-0{key[1:]}"): look(f"kvm-0{key[1:]}", lacking=(Lack(need, Lacking.MISSING),))
        for key, need in lacking.items()
    }
    return [each for each in find_all(scene(needs=needs, told=told)) if each.code not in (Code.NO_FENCE_PATH,)]


def test_a_vm_that_one_host_alone_could_take() -> None:
    needs = {uuid(1): frozenset({DISK, PROD})}
    (finding,) = found_of(needs, k2=DISK, k3=PROD)
    assert (finding.code, finding.severity, finding.subject) == ("one_host_only", Severity.WARNING, "vm-01")
    assert finding.saw == "only kvm-04 could take it: kvm-02 lacks the disk /srv/a.img; kvm-03 lacks the network prod"
    assert finding.do == (
        "kvm-02: give it the disk /srv/a.img, which the VM's definition names;"
        " kvm-03: give it the network prod, which the VM's definition names"
    )
    assert found_of(needs, k2=DISK) == [], "two are left"
    assert found_of({uuid(1): frozenset({PROD})}, k2=DISK, k3=DISK) == [], "it is another VM that needs it"
    assert found_of({}, k2=DISK, k3=DISK) == []


def test_where_one_host_is_left_for_other_reasons_nothing_is_said_of_it() -> None:
    it = scene(looks={K2: silence("kvm-02"), K3: silence("kvm-03")}, needs={uuid(1): frozenset({DISK})})
    assert "one_host_only" not in codes(it)


def test_a_vm_that_no_host_could_begin() -> None:
    (finding,) = found_of({uuid(1): frozenset({DISK})}, k2=DISK, k3=DISK, k4=DISK)
    assert (finding.code, finding.severity) == (Code.WOULD_NOT_START, Severity.WARNING)
    assert "kvm-02 lacks the disk /srv/a.img" in finding.saw


def test_a_vm_whose_disk_is_another_on_every_host() -> None:
    backing = FileBacking("xfs", "1", 7)
    told = {name: look(name, backings={DISK: replace(backing, inode=n)}) for n, name in enumerate(NAMES)}
    it = scene(needs={uuid(1): frozenset({DISK})}, told=told)
    assert codes(it) == {"would_not_start": Severity.WARNING}
    assert "kvm-02 has another disk /srv/a.img than kvm-01" in find_all(it)[0].saw
    same = {name: look(name, backings={DISK: backing}) for name in NAMES}
    assert codes(scene(needs={uuid(1): frozenset({DISK})}, told=same)) == {}


def test_a_saved_image_left_behind_is_worse_where_libvirt_guests_resumes_it() -> None:
    left = replace(look("kvm-02"), saved=frozenset({uuid(1)}))
    assert codes(scene(looks={K2: left})) == {"managed_save": Severity.WARNING}
    both = {"resumes_at_boot": Severity.CRITICAL, "managed_save": Severity.WARNING}
    assert codes(scene(looks={K2: replace(left, listed=left.saved)})) == both
    listed = replace(look("kvm-02"), listed=left.saved)
    assert codes(scene(looks={K2: listed})) == {"resumes_at_boot": Severity.CRITICAL}
    assert codes(scene(looks={K1: replace(look("kvm-01", uuid(1)), saved=left.saved)})) == {}


def test_a_vm_that_could_not_be_started_is_named() -> None:
    assert codes(scene(inventory=inventory(vms=[vm(1)]))) == {"xml_missing": Severity.WARNING}
    big = inventory(vms=[vm(1, domain_xml="/x", memory_mib=99999)])
    assert codes(scene(inventory=big)) == {"no_room": Severity.WARNING}
    alone = inventory([host("kvm-01")])
    found = codes(Survey(alone, {}, {}, {K1: look("kvm-01", uuid(1))}, {K1: {}}, at=100.0))
    assert found == {"would_not_start": Severity.WARNING, "no_fence_path": Severity.CRITICAL}


def test_strangers_quarantine_and_the_stores_own_troubles() -> None:
    assert codes(scene(looks={K2: look("kvm-02", uuid(9))})) == {"vm_unknown": Severity.WARNING}
    assert codes(scene(quarantine={K2: "fenced"})) == {"quarantined": Severity.WARNING}
    broken = scene(store_problems=((Code.HISTORY_BROKEN, "step 4 was changed"),))
    assert codes(broken) == {"history_broken": Severity.CRITICAL}


def test_what_is_certain_outranks_what_is_unknown() -> None:
    unlooked = scene(quarantine={K2: "fenced"})
    del unlooked.looks[K3]  # type: ignore[attr-defined]
    assert worst(find_all(unlooked)) is Severity.UNKNOWN
    unlooked.looks[K1] = look("kvm-01")  # type: ignore[index]
    assert worst(find_all(unlooked)) is Severity.CRITICAL


def test_hosts_that_are_one_machine_or_can_not_be_told_apart_are_named() -> None:
    one = scene(looks={K2: look(K2, boot_id="b-1"), K3: look(K3, boot_id="b-1")})
    assert [(f.code, f.severity, f.subject) for f in find_all(one) if f.code is Code.CLONE] == [
        (Code.CLONE, Severity.CRITICAL, K2)
    ]
    cloned = scene(looks={K2: look(K2, machine_id="f" * 32, boot_id="b-1"), K3: look(K3, machine_id="f" * 32)})
    (found,) = [f for f in find_all(cloned) if f.code is Code.CLONE]
    assert (found.severity, found.subject) == (Severity.WARNING, K2)
    assert "has the machine-id of kvm-03" in found.saw
    keys = scene(shared_keys=((K2, K3),))
    (found,) = [f for f in find_all(keys) if f.code is Code.CLONE]
    assert "shows the same SSH host key as kvm-03" in found.saw
    unnamed = scene(looks={K2: replace(look(K2), machine_id=None), K3: replace(look(K3), machine_id=None)})
    assert not [f for f in find_all(unnamed) if f.code is Code.CLONE]


def test_a_disk_that_two_vms_would_write_to_is_named() -> None:
    (found,) = find_all(scene(shared_disks=(SharedDisk("/d/1.raw", ("db-01", "web-01")),)))
    assert (found.code, found.severity, found.subject) == (Code.SHARED_DISK, Severity.CRITICAL, "db-01")
    assert "db-01 and web-01 have one writable disk, /d/1.raw" in found.saw


class TestTwoStores:
    OURS, THEIRS, OLD = "a" * 16, "b" * 16, "c" * 16

    def found(self, store_id: str, **marks: tuple[Mark, ...]) -> list[Finding]:
        looks = {name: look(name, marks=marks.get(name[-2:].replace("0", "k"), ())) for name in (K1, K2, K3)}
        return [f for f in find_all(scene(looks=looks, store_id=store_id)) if f.code is Code.TWO_STORES]

    def test_a_mark_of_another_store_names_both_and_their_runs(self) -> None:
        (finding,) = self.found(
            self.OURS,
            k1=(Mark(self.OURS, "run-1", 30.0), Mark(self.THEIRS, "run-old", 900.0)),
            k2=(Mark(self.THEIRS, "run-9", 40.0, 2), Mark(self.OURS, "run-0", 90.0)),
        )
        assert (finding.severity, finding.subject) == (Severity.WARNING, K2)
        assert finding.saw == (
            f"run run-9 was at a VM on kvm-02 40 s ago, by store {self.THEIRS}; this admin node's is {self.OURS}, whose"
            " run run-1 was at a VM on kvm-01 30 s ago"
        )

    def test_a_store_that_has_no_mark_yet_is_one_too(self) -> None:
        (finding,) = self.found(self.OURS, k3=(Mark(self.THEIRS, "run-9", 40.0),))
        assert finding.saw.endswith(f"this admin node's is {self.OURS}")

    def test_without_a_store_the_others_are_compared(self) -> None:
        (finding,) = self.found("", k1=(Mark(self.OURS, "run-1", 30.0), Mark(self.THEIRS, "run-9", 40.0)))
        assert f"by store {self.THEIRS}; the other is {self.OURS}, whose run run-1" in finding.saw

    def test_one_store_is_no_finding_and_neither_is_one_that_was_given_up(self) -> None:
        week_s = 7 * 86400.0
        assert not self.found("", k1=(Mark(self.OURS, "run-1", 30.0),))
        assert not self.found(self.OURS, k1=(Mark(self.OURS, "run-1", 30.0), Mark(self.OLD, "run-0", week_s + 1)))
        assert len(self.found(self.OURS, k1=(Mark(self.OLD, "run-0", week_s),))) == 1
        assert not self.found("")
        assert not self.found(self.OURS)
