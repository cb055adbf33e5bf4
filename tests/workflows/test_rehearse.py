"""Which fence paths an audit goes in one run, and what it tries once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hafence.core.attempts import FenceReport
from hafence.core.audit import find_all
from hafence.core.audit_paths import paths_seen, ways_to_fence
from hafence.core.looks import HostLook, Look
from hafence.core.model import Host, HostName
from hafence.core.rotation import FRESH_S, PathSeen
from hafence.core.survey import Code, Survey
from hafence.core.troubles import Trouble
from hafence.effects import Fence, LookAt
from hafence.workflows.audit import audit
from hafence.workflows.rehearse import expected
from hafence.workflows.rehearse_storage import askers_of
from tests.core.make import host, inventory, look, silence
from tests.workflows import stage
from tests.workflows.drive import DEAD, Desk, fails

NAMES = [HostName(f"kvm-{n:02d}") for n in range(1, 10)]
HOSTS: list[Host] = [host(name) for name in NAMES]
Says = Callable[[Fence], FenceReport]
Reply = Callable[[Fence], Says]
"""What comes of a rehearsal, as the script of the desk says it."""


def played(
    *rounds: dict[str, Look], answer: Reply | None = None, seen: Any = None, **settings: Any
) -> tuple[Survey, Desk]:
    looks = [{**{name: look(name) for name in NAMES}, **changed} for changed in (rounds or ({},))]
    answers: dict[type[Any], Any] = {Fence: (lambda effect: answer(effect)(effect)) if answer else DEAD}
    desk = Desk(inventory(HOSTS, [], **settings), looks, answers=answers)
    return desk.run(audit(stage.run(desk.inventory), seen or {})), desk


def fences(desk: Desk) -> list[tuple[HostName, HostName | None]]:
    return [(each.order.suspect, each.order.proxy) for each in desk.asked if isinstance(each, Fence)]


def codes(scene: Survey) -> set[tuple[str, Code]]:
    return {(finding.subject, finding.code) for finding in find_all(scene)}


def test_of_many_siblings_a_few_are_asked() -> None:
    scene, desk = played()
    assert len(fences(desk)) == 27
    assert {len(paths) for paths in scene.paths.values()} == {3}
    assert find_all(scene) == ()
    assert {len(paths) for paths in played(paths=5)[0].paths.values()} == {5}


def test_the_hosts_that_are_asked_for_their_storage_take_turns() -> None:
    book = stage.with_ceph(inventory(HOSTS, []))
    cluster, well = book.clusters["prod"], set(NAMES) - {NAMES[1]}
    hours = [[each.host for each in askers_of(book, cluster, well, hour * 3600.0)] for hour in range(3)]
    assert hours == [[NAMES[0], *NAMES[2:4]], NAMES[4:7], [NAMES[0], *NAMES[7:]]]
    assert [each.host for each in askers_of(book, cluster, NAMES[:2], 0.0)] == NAMES[:2]
    assert [each.host for each in askers_of(book, cluster, (), 0.0)] == [None]
    assert askers_of(inventory(HOSTS, []), inventory(HOSTS, []).clusters["prod"], NAMES, 0.0) == ()


def test_how_many_looks_and_rehearsals_come_is_foretold() -> None:
    assert expected(inventory(HOSTS, [])) == 9 + 27
    assert expected(inventory(HOSTS[:3], [])) == 3 + 6
    assert expected(stage.foreign(inventory(HOSTS, []))) == 0


def test_the_next_runs_ask_the_others() -> None:
    seen: Any = {}
    for _ in range(3):
        scene, _ = played(seen=seen)
        seen = paths_seen(scene)
    assert {len(paths) for paths in seen.values()} == {8}
    assert all(path.good and path.word == "confirmed_dead" for paths in seen.values() for path in paths.values())


def test_what_failed_last_time_is_asked_first() -> None:
    bad = PathSeen(50.0, False, "login_failed", "no", 1.0)
    _, desk = played(seen={NAMES[5]: {NAMES[0]: bad}})
    assert fences(desk)[0] == (NAMES[5], NAMES[0])


def test_each_rehearsal_has_its_time_though_they_wait_for_one_another() -> None:
    _, desk = played()
    assert {each.order.not_after for each in desk.asked if isinstance(each, Fence)} == {100.0 + 2 * 20.0}


def test_a_time_out_between_hosts_that_answer_is_tried_once_more_and_alone() -> None:
    tried: list[Any] = []

    def answer(effect: Fence) -> Says:
        pair = (effect.order.suspect, effect.order.proxy)
        slow = len(tried) < 27 and effect.order.suspect == NAMES[0]
        tried.append(pair)
        return fails(Trouble.TIMED_OUT) if slow else DEAD

    scene, desk = played(answer=answer)
    assert len(fences(desk)) > 27
    assert find_all(scene) == ()
    assert all(paths_seen(scene)[NAMES[0]][each].good for each in scene.paths[NAMES[0]])


def test_a_host_that_stays_silent_is_asked_once_more_and_its_paths_are_not() -> None:
    def answer(effect: Fence) -> Says:
        return fails(Trouble.TIMED_OUT) if effect.order.suspect == NAMES[0] else DEAD

    scene, desk = played({NAMES[0]: silence(NAMES[0])}, answer=answer)
    assert [each.hosts for each in desk.asked if isinstance(each, LookAt)] == [tuple(NAMES), (NAMES[0],)]
    assert len(fences(desk)) == 27
    assert {(NAMES[0], Code.HOST_SILENT), (NAMES[0], Code.NO_FENCE_PATH)} <= codes(scene)


def test_a_host_that_answers_when_it_is_asked_alone_was_only_slow() -> None:
    scene, _ = played({NAMES[0]: silence(NAMES[0])}, {})
    assert isinstance(scene.looks[NAMES[0]], HostLook)
    assert find_all(scene) == ()


def test_a_host_that_refuses_is_not_asked_again() -> None:
    _, desk = played({NAMES[0]: silence(NAMES[0], Trouble.REFUSED)})
    assert len([each for each in desk.asked if isinstance(each, LookAt)]) == 1


def test_where_too_few_siblings_can_fence_a_host_others_are_asked() -> None:
    def answer(effect: Fence) -> Says:
        first = effect.order.suspect == NAMES[0] and effect.order.proxy in asked_first
        return fails(Trouble.SIBLING_FORBIDS) if first else DEAD

    asked_first = played()[0].paths[NAMES[0]]
    scene, desk = played(answer=answer)
    assert len(scene.paths[NAMES[0]]) == 6
    assert len(fences(desk)) == 30
    assert find_all(scene) == ()


def test_where_none_works_yesterday_s_word_counts_for_nothing() -> None:
    def answer(effect: Fence) -> Says:
        return fails(Trouble.LOGIN_FAILED) if effect.order.suspect == NAMES[0] else DEAD

    good = PathSeen(99.0, True, "confirmed_dead", "", 0.4)
    scene, _ = played(answer=answer, seen={NAMES[0]: dict.fromkeys(NAMES[1:], good)})
    assert (NAMES[0], Code.NO_FENCE_PATH) in codes(scene)


def test_beside_one_that_works_an_earlier_audit_s_word_counts_for_a_day() -> None:
    def ways(age_s: float, good: bool = True) -> int:
        only = {NAMES[1]}

        def answer(effect: Fence) -> Says:
            suspect, proxy = effect.order.suspect, effect.order.proxy
            return DEAD if suspect != NAMES[0] or proxy in only else fails(Trouble.LOGIN_FAILED)

        known = {name: PathSeen(100.0 - age_s, good, "", "", 0.4) for name in NAMES[2:]}
        scene, _ = played(answer=answer, seen={NAMES[0]: known})
        return len(ways_to_fence(scene, HOSTS[0]))

    assert ways(FRESH_S) > 1
    assert ways(FRESH_S + 1) == ways(-1.0) == ways(1.0, good=False) == 1


def test_what_is_kept_of_a_path_says_what_was_in_the_way() -> None:
    def answer(effect: Fence) -> Says:
        return fails(Trouble.LOGIN_FAILED)

    gone = {HostName("kvm-77"): PathSeen(1.0, True, "", "", 0.1)}
    scene, _ = played(answer=answer, seen={NAMES[0]: gone, HostName("kvm-78"): gone})
    kept = paths_seen(scene)
    assert set(kept) == set(NAMES)
    assert HostName("kvm-77") not in kept[NAMES[0]]
    word = next(iter(kept[NAMES[0]].values()))
    assert (word.good, word.word, word.says, word.at) == (False, "login_failed", Trouble.LOGIN_FAILED.says, 100.0)
