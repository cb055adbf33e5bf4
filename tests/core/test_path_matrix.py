"""Who can be fenced through whom, as a table."""

from __future__ import annotations

from dataclasses import replace

from hafence.core.attempts import Facts, Reading, Verdict
from hafence.core.model import CephSettings, Cluster, HostName
from hafence.core.path_matrix import Row, matrix_of, troubles_of, weakest
from hafence.core.power import Power
from hafence.core.rotation import PathSeen
from hafence.core.storage.port import Unanswered
from hafence.core.storage.rehearsal import Hindrance, Rehearsal
from hafence.core.survey import Survey
from hafence.core.troubles import Trouble
from hafence.core.wire import Faulty, ReplyFault

from .make import silence
from .test_findings_told import DEAD, K1, K2, K3, K4, foreign, only, power, scene, with_power

KEY = Reading(Verdict.AMBIGUOUS, trouble=Trouble.HOST_KEY_UNKNOWN)
SUDO = Reading(Verdict.AMBIGUOUS, fault=Faulty(ReplyFault.SUDO_PASSWORD))
ODD = Reading(Verdict.AMBIGUOUS, facts=Facts(why="proc"))
OUT = Reading(Verdict.UNREACHABLE, trouble=Trouble.TIMED_OUT)
OLD = PathSeen(100.0 - 7300, True, "confirmed_dead", "", 0.51)

NIGHT = scene(
    {K3: silence("kvm-03")},
    paths={K1: {K2: DEAD}, K2: {K1: DEAD, K3: KEY}, K3: {K1: OUT, K2: OUT}, K4: {K1: DEAD, K2: SUDO}},
    earlier={K1: {K3: OLD}, K2: {K4: OLD}},
    path_seconds={K1: {K2: 0.42}},
    quarantine={K4: "fenced"},
    book=with_power(),
    power=power(Power.ON, Power.ON, Power.ERROR),
)


def rows(survey: Survey) -> dict[HostName, Row]:
    return {row.host: row for _, of in matrix_of(survey) for row in of}


def shorts(survey: Survey) -> dict[str, list[str]]:
    return {name: [cell.short for cell in row.cells] for name, row in rows(survey).items()}


def test_each_cell_says_what_was_seen() -> None:
    assert shorts(NIGHT) == {
        "kvm-01": ["0.4s", "0.5s", "quar"],
        "kvm-02": ["0.0s", "key!", "quar"],
        "kvm-03": ["t/o", "t/o", "quar"],
        "kvm-04": ["0.0s", "sudo!", "away"],
    }
    assert shorts(scene(paths={K1: {}}))["kvm-01"] == ["?", "?", "?"]
    assert shorts(scene(paths={K1: {K2: ODD}}))["kvm-01"][0] == "bad!"


def test_what_can_fence_it_is_counted_as_a_run_would_choose() -> None:
    told = {name: (row.siblings, row.power, row.storage, row.says) for name, row in rows(NIGHT).items()}
    assert told == {
        "kvm-01": (1, "ok", "none", "1 + power"),
        "kvm-02": (1, "none", "none", "1 only"),
        "kvm-03": (0, "none", "none", "NO WAY"),
        "kvm-04": (1, "none", "none", "1 only"),
    }
    broken = replace(NIGHT, power=power(Power.ERROR, Power.ON, Power.ERROR))
    assert rows(broken)[K1].power == "bad!"
    assert rows(replace(NIGHT, power={}))[K1].power == "bad!"


def test_a_storage_fence_is_well_where_somebody_could_make_it() -> None:
    survey = replace(NIGHT, inventory=replace(NIGHT.inventory, clusters={"prod": Cluster("prod", ceph=CephSettings())}))
    told: dict[str, Rehearsal | Unanswered] = {"kvm-02": Unanswered("no way"), "kvm-03": Rehearsal((), 100.0)}
    assert {row.storage for row in rows(replace(survey, rehearsed_storages={"prod": told})).values()} == {"ok"}
    told["kvm-03"] = Rehearsal((Hindrance.RIGHT,), 100.0)
    assert {row.storage for row in rows(replace(survey, rehearsed_storages={"prod": told})).values()} == {"bad!"}
    assert {row.storage for row in rows(survey).values()} == {"bad!"}


def test_power_alone_fences_what_no_sibling_reaches() -> None:
    alone = scene(paths={K1: {K2: OUT, K3: OUT, K4: OUT}}, book=with_power(), power=power(Power.ON, Power.ON))
    assert rows(alone)[K1].says == "power only"
    assert rows(scene())[K2].says == "3"


def test_the_weakest_is_the_one_that_fewest_can_fence() -> None:
    [(cluster, of)] = matrix_of(NIGHT)
    assert cluster == "prod"
    worst = weakest(of)
    assert worst is not None
    assert (worst.host, worst.vms) == (K3, (0, 0))
    assert of[0].vms == (1, 1)
    assert weakest(()) is None


def test_each_trouble_is_told_once_and_in_words() -> None:
    [(_, of)] = matrix_of(NIGHT)
    told = dict(troubles_of(of))
    assert list(told) == ["key!", "t/o", "sudo!"]
    assert told["t/o"] == f"kvm-03 through kvm-01: {Trouble.TIMED_OUT.says}"


def test_who_is_alone_or_not_to_be_looked_into() -> None:
    assert rows(scene(book=only(*list(NIGHT.inventory.hosts.values())[:1])))[K1].cells == ()
    assert matrix_of(scene(book=foreign(NIGHT.inventory))) == ()
