"""Which paths an audit rehearses: a few per run, all of them in a stated number of runs, what failed again first."""

from __future__ import annotations

import itertools

import pytest

from hafence.core.model import HostName
from hafence.core.rotation import PathSeen, choose_paths, more_paths, rounds

GOOD = PathSeen(0.0, True, "confirmed_dead", "", 0.4)


def names(count: int) -> list[HostName]:
    return [HostName(f"kvm-{n:03d}") for n in range(count)]


def after(
    seen: dict[HostName, dict[HostName, PathSeen]],
    chosen: dict[HostName, tuple[HostName, ...]],
    at: float,
    bad: set[tuple[HostName, HostName]],
) -> None:
    for suspect, proxies in chosen.items():
        for proxy in proxies:
            good = (suspect, proxy) not in bad
            seen.setdefault(suspect, {})[proxy] = PathSeen(at, good, "", "", 0.4)


@pytest.mark.parametrize(("count", "per_host"), [(2, 3), (4, 3), (5, 3), (10, 3), (33, 3), (12, 1), (7, 9)])
@pytest.mark.parametrize("broken", [False, True])
def test_every_pair_is_rehearsed_in_the_stated_number_of_runs(count: int, per_host: int, broken: bool) -> None:
    members = names(count)
    bad = {(members[0], each) for each in members[1:]} if broken else set()
    seen: dict[HostName, dict[HostName, PathSeen]] = {}
    for run in range(rounds(count, per_host)):
        chosen = choose_paths(members, per_host, seen, 1e9 + 300 * run)
        assert all(len(proxies) <= 2 * per_host for proxies in chosen.values())
        assert all(suspect not in proxies for suspect, proxies in chosen.items())
        after(seen, chosen, 1e9 + 300 * run, bad)
    assert {(a, b) for a in seen for b in seen[a]} == set(itertools.permutations(members, 2))


def test_a_small_cluster_is_rehearsed_whole_in_every_run() -> None:
    members = names(4)
    for at in range(5):
        chosen = choose_paths(members, 3, {}, 1000.0 + at)
        assert {a: set(b) for a, b in chosen.items()} == {a: set(members) - {a} for a in members}


def test_what_failed_last_time_comes_first_and_takes_no_turn() -> None:
    members = names(12)
    seen: dict[HostName, dict[HostName, PathSeen]] = {}
    first = choose_paths(members, 3, seen, 0.0)
    failed = first[members[0]][1]
    after(seen, first, 0.0, {(members[0], failed)})
    second = choose_paths(members, 3, seen, 300.0)[members[0]]
    assert second[0] == failed
    assert len(second) == 4
    assert set(second[1:]).isdisjoint(first[members[0]])
    after(seen, {members[0]: second}, 300.0, set())
    assert failed not in choose_paths(members, 3, seen, 600.0)[members[0]]


def test_no_sibling_is_asked_for_more_hosts_than_the_others() -> None:
    members = names(33)
    chosen = choose_paths(members, 3, {}, 7.0)
    asked = [proxy for proxies in chosen.values() for proxy in proxies]
    assert {asked.count(name) for name in members} == {3}


def test_without_memory_the_time_chooses_and_all_come_up() -> None:
    members = names(33)
    assert choose_paths(members, 3, {}, 5.5) == choose_paths(members, 3, {}, 5.9)
    for step in (60, 300, 3600, 86400):
        met = {
            (a, b)
            for run in range(120)
            for a, proxies in choose_paths(members, 3, {}, run * step).items()
            for b in proxies
        }
        assert met == set(itertools.permutations(members, 2)), step


def test_who_is_alone_has_no_path() -> None:
    assert choose_paths(names(1), 3, {}, 0.0) == {names(1)[0]: ()}
    assert rounds(1, 3) == 1


def test_where_too_few_work_others_are_tried() -> None:
    members = names(9)
    tried = choose_paths(members, 3, {}, 0.0)[members[4]]
    more = more_paths(members, members[4], tried, 3, {members[4]: {members[0]: GOOD}})
    assert len(more) == 3
    assert not {*more} & {*tried, members[4]}
    assert members[0] not in more or len(members) - 1 - len(tried) <= 3
    assert more_paths(members[:4], members[0], members[1:4], 3, {}) == ()
