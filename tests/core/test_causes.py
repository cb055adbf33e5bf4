"""What an audit says on a terminal: each cause once, the worst first, with what to type."""

from __future__ import annotations

from dataclasses import replace

from hafence.core.attempts import Facts, Reading, Verdict
from hafence.core.audit import find_all
from hafence.core.audit_paths import paths_seen
from hafence.core.causes import KINDS, all_well, by_cause
from hafence.core.survey import Code, Finding, Severity, Survey
from hafence.core.wire import Faulty, ReplyFault

from .make import host, inventory, look, silence, uuid, vm
from .telling import assert_told
from .test_findings_told import BAD, FENCED_OFF, K1, K2, K3, K4, NAMES, SCENES, STARTING, STOPPED, foreign, scene

DOWN = inventory(
    vms=[
        vm(1, domain_xml="/x", priority=50),
        vm(2, domain_xml="/x", priority=100),
        vm(3, domain_xml="/x", host="kvm-02", ha=False),
    ]
)
"""vm-01 and vm-02 belong on kvm-01, vm-03 on kvm-02."""

MORE: dict[str, Survey] = {
    "two hosts silent, one without HA VMs": scene({K1: silence("kvm-01"), K2: silence("kvm-02")}, book=DOWN),
    "many VMs gone": scene({K1: look("kvm-01")}, book=inventory(vms=[vm(n, domain_xml="/x") for n in range(1, 10)])),
    "every host in quarantine answers": scene(quarantine=dict.fromkeys(NAMES, "fenced")),
    "nobody can be fenced": scene(paths={a: {b: BAD for b in NAMES if a != b} for a in NAMES}),
    "several stale definitions and an autostart": scene(
        {
            K1: replace(look("kvm-01", uuid(1)), autostart=frozenset({uuid(1)})),
            K2: replace(look("kvm-02"), defined=frozenset({uuid(1)})),
            K3: replace(look("kvm-03"), defined=frozenset({uuid(1)})),
        }
    ),
}


def lines(survey: Survey) -> list[str]:
    said = []
    for cause in by_cause(survey, find_all(survey)):
        said.append(f"{cause.severity.name} {cause.kind}: {', '.join(cause.names) or '-'}")
        said += [f"    {cause.says}", *(f"    do: {do}" for do in cause.do)]
    well = all_well(survey)
    said.append(f"well: hosts {well.hosts}, VMs {well.vms}, store {well.store_whole}, clocks {well.clocks_s}")
    return said


def test_what_is_said_of_each_scene() -> None:
    assert_told("causes", {name: lines(survey) for name, survey in {**SCENES, **MORE}.items()})


def test_the_worst_comes_first() -> None:
    kinds = [kind for kind, _ in KINDS]
    asked = ["two copies", "unsettled", "VMs down", "elsewhere", "no fence", "quarantine"]
    assert [kind for kind in kinds if kind in asked] == asked
    everything = scene(
        {K1: look("kvm-01", uuid(3)), K2: look("kvm-02", uuid(4)), K3: look("kvm-03", uuid(3)), K4: silence("kvm-04")},
        paths={K1: {K2: BAD, K3: BAD}},
        book=inventory(
            vms=[
                vm(1, host="kvm-04", domain_xml="/x"),
                vm(2, domain_xml="/x"),
                vm(3, domain_xml="/x"),
                vm(4, domain_xml="/x"),
            ]
        ),
        records=(replace(STARTING, uuid=uuid(2)),),
        quarantine={K3: "fenced"},
    )
    said = [cause.kind for cause in by_cause(everything, find_all(everything))]
    assert list(dict.fromkeys(said))[:5] == ["two copies", "unsettled", "VMs down", "elsewhere", "no fence"]
    assert said[-1] == "quarantine"


def test_each_code_belongs_to_one_cause() -> None:
    codes = [code for _, of in KINDS for code in of]
    assert len(codes) == len(set(codes))
    assert Code.AUTOSTART not in codes


def test_a_silent_host_is_told_once() -> None:
    silent = scene({K1: silence("kvm-01")}, paths={K1: {K2: BAD, K3: BAD, K4: BAD}})
    [cause] = by_cause(silent, find_all(silent))
    assert (cause.kind, cause.names, cause.do) == ("VMs down", ("vm-01",), ("hafence evacuate kvm-01 --dry-run",))
    assert {"host_silent", "no_fence_path", "vm_down"} <= {finding.code for finding in find_all(silent)}


def test_what_is_well_is_counted_by_what_was_seen() -> None:
    assert all_well(scene(dict.fromkeys(NAMES))).clocks_s is None
    assert all_well(scene(remembered=False)).vms == (0, 1)
    assert all_well(scene(records=(STOPPED,), looks={K1: look("kvm-01")})).vms == (0, 1)
    idle = scene({K1: look("kvm-01")}, records=(STOPPED,), book=inventory(vms=[vm(1, ha=False)]))
    assert all_well(idle).vms == (1, 1)
    assert all_well(scene(records=(FENCED_OFF,), looks={K1: look("kvm-01"), K2: look("kvm-02", uuid(1))})).vms == (1, 1)
    assert all_well(scene(book=foreign(inventory([host("kvm-01")])))).vms == (0, 0)


def test_what_is_kept_of_a_path_has_the_word_of_what_was_in_the_way() -> None:
    asks = Reading(Verdict.AMBIGUOUS, fault=Faulty(ReplyFault.SUDO_PASSWORD))
    could_not = Reading(Verdict.AMBIGUOUS, facts=Facts(why="proc"))
    kept = paths_seen(scene(paths={K1: {K2: asks, K3: BAD, K4: could_not}}))[K1]
    assert [kept[name].word for name in (K2, K3, K4)] == ["sudo_password", "login_failed", "proc"]
    assert not any(path.good for path in kept.values())


def test_what_keeps_a_vm_from_a_start_is_one_kind() -> None:
    of_no_start = dict(KINDS)["no start"]
    wanted = ("no_room", "would_not_start", "one_host_only", "xml_missing", "shared_disk")
    assert {code.value for code in of_no_start} == set(wanted)
    found = [Finding(code, Severity.WARNING, f"vm-{n}", "saw", "do") for n in (1, 2) for code in of_no_start]
    assert {cause.kind for cause in by_cause(scene(), found)} == {"no start"}
    alone = [Finding(Code.ONE_HOST_ONLY, Severity.WARNING, f"vm-{n}", "saw", "do") for n in (1, 2)]
    (cause,) = by_cause(scene(), alone)
    assert cause.says.startswith("only one host could take it")
