"""An audit on a terminal of 80 columns: by cause, the worst first, and what is typed stands whole on a line."""

from __future__ import annotations

import pytest

from hafence.cli.show.audit import print_by_cause
from hafence.cli.show.matrix import matrix_object, print_matrix
from hafence.cli.show.output import out_folded
from hafence.core.audit import find_all
from hafence.core.model import HostName
from hafence.core.survey import Survey
from tests.core.make import host, inventory, look, silence, uuid, vm
from tests.core.test_findings_told import BAD, K1, K2, K3, K4, SCENES, scene
from tests.core.test_path_matrix import NIGHT as PATHS

from .test_screen import bare, terminal, usual_terminal

__all__ = ["usual_terminal"]

NIGHT = scene(
    {K2: look("kvm-02", uuid(1)), K3: silence("kvm-03")},
    paths={K3: {K1: BAD, K2: BAD, K4: BAD}},
    book=inventory(
        vms=[vm(1, domain_xml="/x"), *(vm(n, host="kvm-03", domain_xml="/x", priority=n) for n in range(2, 10))]
    ),
    quarantine={K2: "fenced by r1", K1: "fenced by r0"},
)


def shown_of(monkeypatch: pytest.MonkeyPatch, survey: Survey, verbose: bool = False, encoding: str = "utf-8") -> str:
    monkeypatch.setenv("COLUMNS", "80")
    with terminal(80, encoding) as (screen, shown):
        monkeypatch.setattr("sys.stdout", screen.stream)
        print_by_cause(survey, find_all(survey), 1.25, verbose)
    return bare(shown[0])


def test_the_worst_is_first_and_commands_stand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown_of(monkeypatch, NIGHT).splitlines() == [
        "CRITICAL: 4 hosts, 9 VMs, 1.2 s",
        "✘ two copies     vm-01  TWO LIVING COPIES: on kvm-01 and kvm-02; recorded as",
        "                 running on kvm-01",
        "                 unless it is being migrated:",
        "                 'hafence fence vm-01 --host kvm-02'",
        "✘ VMs down (8)   vm-09, vm-08, vm-07, vm-06, vm-05 and 3 more  recorded on",
        "                 kvm-03, which is silent",
        "                 hafence evacuate kvm-03 --dry-run",
        "✘ no fence       kvm-04  no sibling can fence it (kvm-01: is in quarantine;",
        "                 kvm-02: is in quarantine)",
        "                 'hafence rejoin kvm-01 kvm-02'; mend one path: without it",
        "                 hafence can only refuse, or rely on power and storage",
        "! hosts (2)      kvm-01, kvm-02  only one sibling can fence it",
        "                 'hafence rejoin kvm-02'; mend a second path",
        "                 'hafence rejoin kvm-01'; mend a second path",
        "! quarantine (2) kvm-01, kvm-02  they answer: 2 siblings to have back",
        "                 hafence rejoin --all",
        "· 2 of 4 hosts can be fenced through siblings (9 of 12 paths), 0 of 9 VMs where",
        "    recorded, store whole, clocks within 0.0 s",
    ]


def test_no_command_is_folded_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    for survey in (NIGHT, *SCENES.values()):
        said = shown_of(monkeypatch, survey, verbose=True)
        for line in said.splitlines():
            assert line.count("'hafence ") <= line.count("'") / 2, line
            assert len(line) < 80 or "virsh" in line, line


def test_all_well_is_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown_of(monkeypatch, SCENES["all is well"]).splitlines()
    assert lines[0] == "OK: 4 hosts, 1 VM, 1.2 s"
    assert lines[1].startswith("✔ 4 of 4 hosts can be fenced through siblings (12 of 12 paths)")
    assert len(lines) == 3


def test_each_finding_is_told_with_v(monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown_of(monkeypatch, NIGHT, verbose=True)
    for finding in find_all(NIGHT):
        assert f"{finding.severity.name} {finding.code} {finding.subject}:" in said


def test_marks_are_letters_where_the_terminal_has_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "x two copies" in shown_of(monkeypatch, NIGHT, encoding="ascii")


def test_more_commands_than_fit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    many = scene({K1: look("kvm-01")}, book=inventory(vms=[vm(n, domain_xml="/x") for n in range(1, 10)]))
    said = shown_of(monkeypatch, many)
    assert said.count("hafence start-vm vm-") == 6
    assert "and 3 more: hafence audit -v" in said


def test_a_quoted_command_is_not_folded_and_a_name_s_apostrophe_is_no_quote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with terminal(40) as (screen, shown):
        monkeypatch.setattr("sys.stdout", screen.stream)
        out_folded("see what hafence's user may do there, then 'hafence rejoin kvm-01 kvm-02' and look at kvm-03's log")
    lines = bare(shown[0]).splitlines()
    assert any("'hafence rejoin kvm-01 kvm-02'" in line for line in lines)
    assert len(lines) == 3


def test_the_matrix_says_who_can_be_fenced_through_whom(capsys: pytest.CaptureFixture[str]) -> None:
    print_matrix(PATHS)
    assert capsys.readouterr().out.splitlines() == [
        "",
        "FENCE in prod  kvm-01  kvm-02  kvm-03   kvm-04  POWER  STORAGE  CAN BE FENCED BY",
        "kvm-01         -       0.4s    0.5s 2h  quar    ok     none     ! 1 + power",
        "kvm-02         0.0s    -       key!     quar    none   none     ! 1 only",
        "kvm-03         t/o     t/o     -        quar    none   none     ✘ NO WAY",
        "kvm-04         0.0s    sudo!   away     -       none   none     ! 1 only",
        "key!    kvm-02 through kvm-03: the suspect's host key is not in known_hosts",
        "t/o     kvm-03 through kvm-01: the suspect did not answer before the time-out",
        "sudo!   kvm-04 through kvm-02: sudo wants a password there: no NOPASSWD rule lets this user become root",
        "quar    in quarantine: kvm-04: 'hafence rejoin kvm-04'",
        "away    not there to ask: silent, in maintenance or disabled",
        "weakest: kvm-03 (NO WAY). It has no HA VM.",
    ]
    rows = matrix_object(PATHS)
    assert len(rows) == 12
    assert {row["word"] for row in rows} >= {None, "timed_out", "sudo_password", "confirmed_dead"}


def test_of_many_hosts_the_paths_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"kvm-{n:02d}" for n in range(1, 15)]
    book = inventory([host(name) for name in names], [vm(1, domain_xml="/x")])
    looks = {HostName(name): look(name, *([uuid(1)] if name == "kvm-01" else [])) for name in names}
    print_matrix(scene(looks, book=book))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [
        "FENCE",
        "GOOD",
        "PATHS",
        "BAD",
        "NOT",
        "YET",
        "POWER",
        "STORAGE",
        "CAN",
        "BE",
        "FENCED",
        "BY",
    ]
    assert lines[2].split() == ["kvm-01", "3", "0", "10", "none", "none", "✔", "3"]
    assert "?       not rehearsed yet: each audit goes a few of the paths" in lines
    assert lines[-1].startswith("weakest: kvm-05 (NO WAY).")
