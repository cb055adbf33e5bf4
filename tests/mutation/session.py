"""The two ways to hold the tests against mutants: in one session that is forked, and each in a session of its own."""

from __future__ import annotations

import hashlib
import importlib
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import hypothesis
import pytest

from .hunt import Children, HuntBroken, Instead, Map, dotted, first_failure, patch
from .mutants import Mutant

TESTS = {
    "hafence/core": ("tests/core", "tests/replies", "tests/inventory/test_values.py"),
    "hafence/workflows": ("tests/workflows", "tests/sim/test_scenarios.py"),
    "hafence/inventory/faults.py": ("tests/core", "tests/inventory/test_values.py"),
}
"""Each room and the tests that must see its mutants: no root, no other process, no time of the wall clock."""


def modules(root: Path) -> Iterator[str]:
    """The modules that are hunted."""
    for room in TESTS:
        for path in [root / room] if room.endswith(".py") else sorted((root / room).rglob("*.py")):
            if path.name != "__init__.py":
                yield str(path.relative_to(root))


def room_of(path: str) -> str:
    """The room of a module that is hunted."""
    return next(room for room in TESTS if path == room or path.startswith(f"{room}/"))


TOO_LONG = ("test_a_story_comes_out_the_same_whatever_order_sets_have", "test_what_is_no_uuid_is_refused")
"""Tests of several seconds, which every survivor would have to live through, and that see no more than others."""

QUICK = tuple(
    f"tests/core/test_{name}.py" for name in ("words", "sentences", "judgements", "parsing", "model", "storage")
)
"""Tried first where a mutant needs a session of its own: most end here."""

TEST_S = 30.0
"""Processor time for one test of a mutant, many times what any needs."""

SESSION_S = 200.0
"""Processor time for a session of its own."""

ARGUMENTS = ["-q", "--disable-warnings", "-p", "no:cacheprovider", "--no-header", "-k"]
ALL_BUT_LONG = " and ".join(f"not {name}" for name in TOO_LONG)

Told = Callable[[Mutant, str], None]


@dataclass(frozen=True, slots=True)
class Group:
    """Mutants of one room, tried in one way: on these tests, so many at once, and no further one after `until` (a
    time of the monotonic clock)."""

    root: Path
    mutants: Sequence[Mutant]
    tests: Sequence[str]
    jobs: int
    until: float | None

    def in_time(self, mutants: Iterable[Mutant]) -> Iterator[Mutant]:
        """As many of them as time allows."""
        for mutant in mutants:
            if self.until is not None and time.monotonic() > self.until:
                return
            yield mutant


def settle_hypothesis() -> None:
    """The same examples every time: chance must not decide whether a mutant is seen."""
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("mutation")


# ---------------------------------------------------------------- one session, forked


class _Hot:
    """Takes the place of pytest's loop over the tests."""

    def __init__(self, group: Group, told: Told) -> None:
        self._group, self._told = group, told

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Learn what each test calls, then try each mutant on the tests that call its function."""
        group = self._group
        by_function = Map()
        by_function.learn(group.root, {mutant.path for mutant in group.mutants}, session.items)
        children = Children(group.jobs, self._told)
        for mutant in group.in_time(_with_unchanged(group.root, group.mutants)):
            tests = by_function.get((mutant.path, mutant.where), [])
            children.begin(mutant, _hot_work(mutant, tests))
        children.wait()
        return True


def _hot_work(mutant: Mutant, tests: Sequence[pytest.Item]) -> Callable[[], str]:
    def work() -> str:
        patch(mutant)
        return first_failure(tests, TEST_S)

    return work


def hunt_in_functions(group: Group, told: Told) -> None:
    """Mutants within functions."""
    code = pytest.main([*ARGUMENTS, ALL_BUT_LONG, *group.tests], plugins=[_Hot(group, told)])
    if code != pytest.ExitCode.OK:
        raise HuntBroken(f"pytest ended with {code!r}")


# ---------------------------------------------------------------- sessions of their own


class _FirstFailure:
    """Remembers what failed first."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test, or what is set up for it, failed."""
        if report.failed:
            self.name = self.name or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file of tests could not be loaded."""
        if report.failed:
            self.name = self.name or report.nodeid


def _cold_work(root: Path, mutant: Mutant, tests: Sequence[str]) -> Callable[[], str]:
    def work() -> str:
        assert "hafence" not in sys.modules, "the changed text must be the first that is loaded"
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_VIRTUAL, SESSION_S)
        sys.meta_path.insert(0, Instead(root, mutant))
        try:
            importlib.import_module("tests.conftest")
            importlib.import_module(dotted(mutant.path))
        except Exception as error:
            return f"(does not load: {type(error).__name__})"
        failure = _FirstFailure()
        for files in (QUICK, tests):
            code = pytest.main([*ARGUMENTS, ALL_BUT_LONG, "-x", *files], plugins=[failure])
            if code != pytest.ExitCode.OK and not failure.name:
                raise HuntBroken(f"pytest ended with {code!r}, and no test failed")
            if failure.name:
                break
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return failure.name

    return work


def hunt_in_tables(group: Group, told: Told) -> None:
    """Mutants of what a module makes when it is loaded."""
    children = Children(group.jobs, told)
    for mutant in group.in_time(_with_unchanged(group.root, group.mutants, once=True)):
        children.begin(mutant, _cold_work(group.root, mutant, group.tests))
    children.wait()


# ---------------------------------------------------------------- the hunt's own proof

UNCHANGED = "(unchanged)"


def _with_unchanged(root: Path, mutants: Iterable[Mutant], once: bool = False) -> Iterable[Mutant]:
    """Before the mutants of each module one that changes nothing: it must survive, or kills mean nothing."""
    seen: set[str] = set()
    for mutant in mutants:
        key = "" if once else mutant.path
        if key not in seen:
            seen.add(key)
            yield replace(mutant, after=UNCHANGED, source=(root / mutant.path).read_text())
        yield mutant


class Tally:
    """What became of each mutant."""

    def __init__(self, total: int) -> None:
        self.killers: dict[str, str] = {}
        self._total, self._done, self._begun = total, 0, time.monotonic()

    def told(self, mutant: Mutant, killer: str) -> None:
        """A mutant's end: the test that killed it, or ''."""
        if mutant.after == UNCHANGED:
            if killer:
                raise HuntBroken(f"{killer} fails in a child although nothing was changed: {mutant.path}")
            return
        self.killers[mutant.name] = killer
        self._done += 1
        if not killer:
            print(f"survived: {mutant.name}", flush=True)
        if self._done % 200 == 0:
            print(f"{self._done} of {self._total} after {time.monotonic() - self._begun:.0f} s", file=sys.stderr)


def hunt(root: Path, mutants: Sequence[Mutant], jobs: int, within_s: float | None = None) -> dict[str, str]:
    """Try every mutant: its name -> the test that killed it, or ''. With `within_s` those that time allows, of which
    each group has its share, in an order that no module's place decides."""
    settle_hypothesis()
    tally = Tally(len(mutants))
    if within_s is not None:
        mutants = sorted(mutants, key=lambda mutant: hashlib.sha256(mutant.name.encode()).digest())
    end = time.monotonic() + within_s if within_s is not None else None
    groups = [
        (cold, tests, chosen)
        for cold in (True, False)  # first those for which nothing of hafence may be loaded yet
        for room, tests in TESTS.items()
        if (chosen := [it for it in mutants if room_of(it.path) == room and cold == (not it.where)])
    ]
    for number, (cold, tests, chosen) in enumerate(groups):
        until = None
        if end is not None:
            until = time.monotonic() + (end - time.monotonic()) / (len(groups) - number)
        (hunt_in_tables if cold else hunt_in_functions)(Group(root, chosen, tests, jobs, until), tally.told)
    return tally.killers
