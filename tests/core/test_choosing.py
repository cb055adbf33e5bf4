"""Who fences and where a VM starts: the order, and a reason for every exclusion."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafence.core.looks import Blind, HostLook, Libvirt, Look, copies_of, inside, shows_life, twin_of, whoever_saw
from hafence.core.model import Host, HostName, HostState, Vm
from hafence.core.placement import (
    Against,
    Placement,
    Room,
    Unfit,
    choose_targets,
    free_memory,
    keeps_apart,
    ways_to_targets,
)
from hafence.core.siblings import Candidates, choose_before_a_look, choose_siblings
from hafence.core.troubles import Trouble

from .make import behind, host, look, silence, uuid, vm

SUSPECT = host("kvm-01")


def siblings(*hosts: Host, named: tuple[str, ...] = (), quarantined: tuple[str, ...] = (), **looks: Look) -> Candidates:
    seen: dict[HostName, Look] = {h.name: look(h.name) for h in hosts}
    seen.update({HostName(name.replace("_", "-")): each for name, each in looks.items()})
    quarantine = {HostName(name): "fenced" for name in quarantined}
    return choose_siblings(SUSPECT, [SUSPECT, *hosts], [HostName(n) for n in named], quarantine, seen)


def test_siblings_are_asked_by_name() -> None:
    assert siblings(host("kvm-03"), host("kvm-02")).chosen == ("kvm-02", "kvm-03")


def test_those_that_the_admin_names_come_first_in_their_order() -> None:
    hosts = [host(f"kvm-0{n}") for n in (2, 3, 4)]
    assert siblings(*hosts, named=("kvm-04", "kvm-03")).chosen == ("kvm-04", "kvm-03", "kvm-02")


def test_the_one_that_was_let_look_into_the_suspect_is_asked_after_those_that_the_admin_names() -> None:
    hosts = [host(f"kvm-0{n}") for n in (2, 3, 4)]
    assert siblings(*hosts, kvm_01=behind("kvm-03", "kvm-01")).chosen == ("kvm-03", "kvm-02", "kvm-04")
    got = siblings(*hosts, named=("kvm-04",), kvm_01=behind("kvm-03", "kvm-01"))
    assert got.chosen == ("kvm-04", "kvm-03", "kvm-02")
    assert siblings(*hosts, kvm_01=look("kvm-01")).chosen == ("kvm-02", "kvm-03", "kvm-04")


def test_before_a_look_those_in_service_may_be_asked_and_those_that_the_admin_names_first() -> None:
    hosts = [SUSPECT, *(host(f"kvm-0{n}") for n in (5, 4, 2)), host("kvm-06", state=HostState.DISABLED)]
    hosts += [host("kvm-03"), host("kvm-07", cluster="far")]
    chosen = choose_before_a_look(SUSPECT, hosts, [HostName("kvm-04")], {HostName("kvm-03"): "fenced"})
    assert chosen == ("kvm-04", "kvm-02", "kvm-05")


def test_what_was_seen_through_a_sibling_is_a_sign_of_life_and_says_which_machine_it_is() -> None:
    there = behind("kvm-02", "kvm-01", uuid(1))
    assert shows_life(there)
    assert inside(there) is there.seen
    assert inside(look("kvm-01")) == look("kvm-01")
    assert inside(silence("kvm-01")) is inside(None) is None
    looks: dict[HostName, Look] = {SUSPECT.name: there, HostName("kvm-02"): silence("kvm-02")}
    assert whoever_saw(looks) == {SUSPECT.name: there.seen, "kvm-02": silence("kvm-02")}
    assert copies_of(uuid(1), whoever_saw(looks)) == {"kvm-01": 1}
    assert copies_of(uuid(1), {SUSPECT.name: there}) == {}
    twin = look("kvm-03", boot_id="boot of kvm-01")
    assert twin_of(SUSPECT.name, {SUSPECT.name: there, twin.host: twin}) == "kvm-03"
    assert twin_of(twin.host, {SUSPECT.name: there, twin.host: twin}) == "kvm-01"
    assert twin_of(SUSPECT.name, {SUSPECT.name: there, twin.host: look("kvm-03")}) is None
    assert twin_of(SUSPECT.name, {SUSPECT.name: silence("kvm-01"), twin.host: twin}) is None


def test_a_degraded_sibling_comes_after_the_healthy_ones() -> None:
    got = siblings(host("kvm-02"), host("kvm-03"), kvm_02=look("kvm-02", libvirt=Libvirt.HUNG))
    assert got.chosen == ("kvm-03", "kvm-02")


def test_a_hardened_sibling_that_lets_nobody_look_can_still_be_a_proxy() -> None:
    got = siblings(host("kvm-02"), kvm_02=Blind(HostName("kvm-02"), 1.0, "a forced command"))
    assert got.chosen == ("kvm-02",)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (host("kvm-02", cluster="other"), "another cluster"),
        (host("kvm-02", state=HostState.DISABLED), "disabled"),
        (host("kvm-02", state=HostState.MAINTENANCE), "maintenance"),
    ],
)
def test_the_inventory_excludes_a_sibling_with_its_reason(other: Host, says: str) -> None:
    got = siblings(other)
    assert got.chosen == ()
    assert says in dict(got.excluded)[other.name]


def test_what_would_bring_a_sibling_back_is_named_what_can_be_typed_now_first() -> None:
    hosts = [host(f"kvm-0{n}") for n in (2, 3, 4, 5)]
    no_login = silence("kvm-02", Trouble.LOGIN_FAILED)
    got = siblings(*hosts, quarantined=("kvm-03",), kvm_02=no_login, kvm_04=silence("kvm-04"), kvm_05=no_login)
    assert got.ways == (
        "'hafence rejoin kvm-03'",
        "kvm-02 and kvm-05: check the key and the user of this host: 'hafence audit' rehearses the login",
    )
    assert siblings(host("kvm-02")).ways == ()


def test_what_would_bring_a_target_back_is_named_what_can_be_typed_now_first() -> None:
    blind = Blind(HostName("kvm-02"), 1.0, "sudo wants a password", "write a rule")
    hosts = [host(f"kvm-0{n}") for n in (2, 3, 4)]
    got = targets(blind, look("kvm-03", libvirt=Libvirt.HUNG), look("kvm-04"), hosts=hosts, quarantined=("kvm-04",))
    assert got.targets == ()
    assert dict(got.excluded)[HostName("kvm-02")].says == "lets nobody look into it: sudo wants a password"
    assert ways_to_targets(got) == (
        "'hafence rejoin kvm-04'",
        "kvm-02: write a rule",
        "kvm-03: see why libvirt is slow there, or give it more time (fencing: libvirt_timeout)",
    )


def test_silent_quarantined_and_unlooked_hosts_are_excluded_with_their_reasons() -> None:
    hosts = [host("kvm-02"), host("kvm-03"), host("kvm-04")]
    got = siblings(*hosts, quarantined=("kvm-03",), kvm_02=silence("kvm-02"))
    assert got.chosen == ("kvm-04",)
    reasons = dict(got.excluded)
    assert "did not answer before the time-out" in reasons[HostName("kvm-02")]
    assert "rejoin" in reasons[HostName("kvm-03")]
    assert choose_siblings(SUSPECT, hosts, [], {}, {}).chosen == ()


def test_naming_the_suspect_excludes_it_with_its_reason() -> None:
    got = siblings(host("kvm-02"), named=("kvm-01",))
    assert got.chosen == ("kvm-02",)
    assert dict(got.excluded)[SUSPECT.name] == "is the suspect"


def targets(
    *looks: Look, wanted: Vm | None = None, to: str | None = None, quarantined: tuple[str, ...] = (), **more: object
) -> Placement:
    wanted = wanted or vm(1, memory_mib=1024)
    room = Room(wanted.memory_mib, more.pop("neighbours", {}), more.pop("placed", {}), vm=wanted)  # type: ignore[arg-type]
    hosts = [SUSPECT, *more.pop("hosts", [host(each.host) for each in looks])]  # type: ignore[misc]
    return choose_targets(
        SUSPECT.name,
        hosts,
        room,
        {HostName(q): "fenced" for q in quarantined},
        {each.host: each for each in looks},
        HostName(to) if to else None,
        bool(more.pop("looked", True)),
    )


def test_the_target_has_the_fewest_vms_then_the_first_name() -> None:
    got = targets(look("kvm-02", uuid(7)), look("kvm-04"), look("kvm-03"))
    assert got.targets == ("kvm-03", "kvm-04", "kvm-02")


def test_a_libvirt_that_is_busy_with_another_vm_excludes_no_target_and_comes_last() -> None:
    busy = look("kvm-02", libvirt=Libvirt.BUSY, memory_free_mib=None, memory_total_mib=None)
    assert targets(busy, look("kvm-03", uuid(7), uuid(8))).targets == ("kvm-03", "kvm-02")
    assert targets(busy, look("kvm-03"), to="kvm-02").targets == ("kvm-02",)
    small = look("kvm-02", libvirt=Libvirt.BUSY, memory_free_mib=100)
    assert dict(targets(small).excluded)[small.host].against is Against.MEMORY


def test_each_target_goes_with_what_was_seen_of_it() -> None:
    seen = look("kvm-02", boot_id="one"), look("kvm-03", boot_id="other"), silence("kvm-04")
    assert targets(*seen).looks == {"kvm-02": seen[0], "kvm-03": seen[1]}
    assert targets(looked=False, hosts=[host("kvm-02")]).looks == {}


def test_to_overrides_the_order_but_not_the_safety() -> None:
    assert targets(look("kvm-02"), look("kvm-03", uuid(7)), to="kvm-03").targets == ("kvm-03",)
    assert targets(look("kvm-02"), look("kvm-03"), to="kvm-01").targets == ()
    assert targets(look("kvm-02"), look("kvm-03"), to="kvm-02", quarantined=("kvm-02",)).targets == ()


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (silence("kvm-02"), "does not answer"),
        (Blind(HostName("kvm-02"), 1.0, "x"), "lets nobody look"),
        (look("kvm-02", libvirt=Libvirt.HUNG), "hung"),
        (look("kvm-02", libvirt=Libvirt.ABSENT), "absent"),
        (look("kvm-02", missing=("flock",)), "lacks flock"),
        (look("kvm-02", boot_id=None), "does not tell in which boot it is"),
        (look("kvm-02", memory_free_mib=1023), "1023 MiB free, the VM needs 1024"),
        (replace(look("kvm-02"), saved=frozenset({uuid(1)})), "holds a managed save image of the VM"),
    ],
)
def test_a_host_that_cannot_take_the_vm_is_excluded_with_its_reason(bad: Look, says: str) -> None:
    got = targets(bad, look("kvm-03"))
    assert got.targets == ("kvm-03",)
    assert says in dict(got.excluded)[HostName("kvm-02")].says


def test_another_vms_saved_image_is_no_reason_against_a_host_and_the_vms_own_names_what_sets_it_aside() -> None:
    others = replace(look("kvm-02"), saved=frozenset({uuid(7)}))
    assert targets(others).targets == ("kvm-02",)
    its = replace(look("kvm-02"), saved=frozenset({uuid(1)}))
    assert ways_to_targets(targets(its)) == ("kvm-02: 'hafence fence vm-01 --host kvm-02' sets it aside",)


def test_a_host_that_only_cannot_be_a_witness_can_take_a_vm() -> None:
    assert targets(look("kvm-02", missing=("ping", "ip"))).targets == ("kvm-02",)


def test_suspect_disabled_quarantined_and_unlooked_hosts_are_no_targets() -> None:
    hosts = [host("kvm-02", state=HostState.MAINTENANCE), host("kvm-03"), host("kvm-04")]
    got = targets(look("kvm-01"), look("kvm-02"), look("kvm-03"), hosts=hosts, quarantined=("kvm-03",))
    assert got.targets == ()
    assert {name: unfit.against for name, unfit in got.excluded} == {
        "kvm-01": Against.SUSPECT,
        "kvm-02": Against.STATE,
        "kvm-03": Against.QUARANTINE,
        "kvm-04": Against.NOT_LOOKED_AT,
    }


def test_anti_affinity_beats_load_and_two_that_need_each_others_absence_are_refused() -> None:
    a, b = vm(1, anti_affinity=("web",)), vm(2, anti_affinity=("web",))
    got = targets(look("kvm-02", b.uuid), look("kvm-03", uuid(7), uuid(8)), wanted=a, neighbours={b.uuid: b})
    assert got.targets == ("kvm-03",)
    assert "vm-02" in dict(got.excluded)[HostName("kvm-02")].says
    assert targets(look("kvm-02", b.uuid), wanted=a, neighbours={b.uuid: b}).targets == ()


def test_anti_affinity_is_a_shared_group_or_a_name_either_way() -> None:
    assert keeps_apart(vm(1, anti_affinity=("g",)), vm(2, anti_affinity=("h", "g")))
    assert keeps_apart(vm(1, anti_affinity=("vm-02",)), vm(2))
    assert keeps_apart(vm(2), vm(1, anti_affinity=("vm-02",)))
    assert not keeps_apart(vm(1, anti_affinity=("g",)), vm(2))
    assert not keeps_apart(vm(1, anti_affinity=("g",)), vm(1, anti_affinity=("g",)))


def test_memory_granted_by_the_inventory_bounds_what_libvirt_reports() -> None:
    assert free_memory(host("kvm-02"), look("kvm-02"), 9000) == 4096
    assert free_memory(host("kvm-02", memory_mib=6144), look("kvm-02"), 1000) == 4096
    assert free_memory(host("kvm-02", memory_mib=6144), look("kvm-02"), 4000) == 2144
    assert free_memory(host("kvm-02", memory_mib=1024), look("kvm-02")) == 1024
    assert free_memory(host("kvm-02", memory_mib=1024), look("kvm-02"), 2000) == 0
    assert free_memory(host("kvm-02", memory_mib=6144), look("kvm-02", memory_free_mib=None), 144) == 6000
    assert free_memory(host("kvm-02"), look("kvm-02", memory_free_mib=None), 144) is None


def test_the_vms_that_run_on_a_host_count_against_what_it_is_granted() -> None:
    granted = [host("kvm-02", memory_mib=2048)]
    busy: dict[HostName, Look] = {HostName("kvm-02"): look("kvm-02", uuid(5))}
    room = Room(1024, {}, {}, {uuid(5): 1024, uuid(6): 4096})
    assert choose_targets(HostName("kvm-01"), granted, room, {}, busy).targets == ("kvm-02",)
    more = Room(1024, {}, {HostName("kvm-02"): frozenset({uuid(6)})}, {uuid(5): 1024, uuid(6): 4096})
    got = choose_targets(HostName("kvm-01"), granted, more, {}, busy)
    assert got.excluded == (("kvm-02", Unfit(Against.MEMORY, "has 0 MiB free, the VM needs 1024")),)
    assert got.lacks_memory


def test_hosts_that_cannot_be_looked_into_are_chosen_by_the_records() -> None:
    placed = {HostName("kvm-02"): frozenset({uuid(5)})}
    got = targets(looked=False, hosts=[host("kvm-02"), host("kvm-03")], placed=placed)
    assert got.targets == ("kvm-03", "kvm-02")


@pytest.mark.parametrize("trouble", Trouble)
def test_any_answer_but_the_networks_silence_is_a_living_kernel(trouble: Trouble) -> None:
    mute = trouble in {Trouble.TIMED_OUT, Trouble.NO_ROUTE, Trouble.FAST_NO_ROUTE, Trouble.NAME_UNKNOWN}
    assert shows_life(silence("kvm-01", trouble)) == (not mute)
    assert shows_life(look("kvm-01"))


def test_a_look_sees_a_copy_with_either_eye() -> None:
    only_libvirt = HostLook(HostName("kvm-02"), 1.0, 0.0, None, None, Libvirt.OK, {}, frozenset({uuid(1)}))
    assert only_libvirt.runs(uuid(1))
    assert only_libvirt.load == 1
    assert not only_libvirt.runs(uuid(2))


ELSEWHERE = uuid(2)
HERE: dict[str, HostLook] = {
    "a process": look("kvm-02", uuid(1)),
    "libvirt's word": replace(look("kvm-02"), active=frozenset({uuid(1)})),
    "a start under way": replace(look("kvm-02"), starting=frozenset({uuid(1)})),
    "a doubt": replace(look("kvm-02"), doubtful={uuid(1): "kvm.real"}),
}


@pytest.mark.parametrize("name", HERE)
def test_whatever_speaks_for_a_copy_is_a_copy(name: str) -> None:
    seen = HERE[name]
    assert (seen.runs(uuid(1)), seen.lacks(uuid(1))) == (True, False)
    assert (seen.runs(ELSEWHERE), seen.lacks(ELSEWHERE)) == (False, True)
    assert copies_of(uuid(1), {seen.host: seen}) == {seen.host: 1}


@pytest.mark.parametrize("libvirt", Libvirt)
def test_nothing_found_is_no_proof_where_libvirt_could_not_be_asked(libvirt: Libvirt) -> None:
    seen = look("kvm-02", libvirt=libvirt)
    assert seen.lacks(uuid(1)) == (libvirt in (Libvirt.OK, Libvirt.DOWN, Libvirt.ABSENT))
    assert replace(seen, cleared=frozenset({uuid(1)})).lacks(uuid(1))
    assert not replace(seen, cleared=frozenset({uuid(1)}), copies={uuid(1): 1}).lacks(uuid(1))


def test_a_vm_that_is_being_started_takes_room() -> None:
    assert replace(look("kvm-02", uuid(1)), starting=frozenset({ELSEWHERE})).load == 2
