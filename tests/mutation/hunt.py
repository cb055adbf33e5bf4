"""The hunt: every mutant in a forked child of a pytest session that has everything loaded and collected.

A change inside a function is made by giving the function the changed code, which costs nothing. A change of a
module's own level (a table, a field, an enum) can't be made in a module that others have read from: there the
child, forked before anything of hafence was loaded, loads the changed text instead and collects anew.

A mutant is killed only by a test that failed, or by using up its processor time (an endless loop); a child that
ends in any other way stops the hunt, or a broken hunt would look like perfect tests.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from .mutants import Mutant

SURVIVED, KILLED = 0, 10
TIME = "(endless)"
MEMORY_B = 4 << 30


class HuntBroken(Exception):
    """A child ended in a way that says nothing about its mutant."""


# ---------------------------------------------------------------- which tests run which function


class Map(dict[tuple[str, str], list[pytest.Item]]):
    """(module's path, function) -> the tests that run it, quickest first."""

    def learn(self, root: Path, paths: Iterable[str], items: Sequence[pytest.Item]) -> None:
        """Run every test once, which must pass, and see what it calls."""
        known = {str(root / path): path for path in paths}
        took: dict[str, float] = {}
        for item in items:
            seen: set[CodeType] = set()

            def note(frame: Any, event: str, _arg: object, seen: set[CodeType] = seen) -> None:
                if event == "call":
                    seen.add(frame.f_code)

            begun = time.process_time()
            sys.setprofile(note)
            try:
                passed = _passes(item)
            finally:
                sys.setprofile(None)
            took[item.nodeid] = time.process_time() - begun
            if not passed:
                raise HuntBroken(f"{item.nodeid} fails without any mutant")
            for code in seen:
                if code.co_filename in known:
                    where = code.co_qualname.split(".<locals>")[0]
                    self.setdefault((known[code.co_filename], where), []).append(item)
        for key, tests in self.items():
            self[key] = sorted({id(item): item for item in tests}.values(), key=lambda item: took[item.nodeid])


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


# ---------------------------------------------------------------- the change


def patch(mutant: Mutant) -> None:
    """Give the function its changed code."""
    owner, name, function = function_of(importlib.import_module(dotted(mutant.path)), mutant.where)
    code = code_of(compile(mutant.source, function.__code__.co_filename, "exec"), mutant.where)
    if code.co_freevars == function.__code__.co_freevars:
        function.__code__ = code
        return
    # Without its call of super() a method no longer knows its class, and code of that shape wants a new function.
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in code.co_freevars)
    setattr(owner, name, FunctionType(code, function.__globals__, name, function.__defaults__, closure))


def dotted(path: str) -> str:
    """The name under which a module is imported."""
    return path.removesuffix(".py").replace("/", ".")


def function_of(module: ModuleType, where: str) -> tuple[Any, str, FunctionType]:
    """The function, and whose attribute it is."""
    owner: Any = module
    *classes, name = where.split(".")
    for each in classes:
        owner = vars(owner)[each]
    found: Any = vars(owner)[name]
    if isinstance(found, property):
        found = found.fget
    found = getattr(found, "__func__", found)
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    assert isinstance(found, FunctionType), where
    return owner, name, found


def code_of(within: CodeType, where: str) -> CodeType:
    """The code of a function of that name within other code."""
    for const in within.co_consts:
        if isinstance(const, CodeType):
            if const.co_qualname == where:
                return const
            if where.startswith(const.co_qualname + "."):
                return code_of(const, where)
    raise HuntBroken(f"{where} is not in the changed text")


class Instead(importlib.abc.SourceLoader):
    """Loads one module from a mutant's text, and every other from its file."""

    def __init__(self, root: Path, mutant: Mutant) -> None:
        self._name, self._path, self._text = dotted(mutant.path), str(root / mutant.path), mutant.source

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """The changed module, or None for any other."""
        return importlib.util.spec_from_file_location(name, self._path, loader=self) if name == self._name else None

    def get_filename(self, fullname: str) -> str:
        """The file that the text stands for."""
        return self._path

    def get_data(self, path: str | bytes) -> bytes:
        """The changed text; no cached code is looked for."""
        if str(path) != self._path:
            raise OSError(path)
        return self._text.encode()


# ---------------------------------------------------------------- children


def in_child(work: Callable[[], str], says: int) -> None:
    """In the child: do the work, which names the test that failed, and end."""
    status = 1
    try:
        quiet = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(quiet, fd)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_B, MEMORY_B))
        killer = work()
        os.write(says, killer.encode())
        status = KILLED if killer else SURVIVED
    except BaseException as error:
        os.write(says, f"{type(error).__name__}: {error}"[:2000].encode())
    finally:
        os._exit(status)


def first_failure(items: Iterable[pytest.Item], seconds: float) -> str:
    """The first test that fails; each gets so much processor time, after which the child is no more."""
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    for item in items:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        if not _passes(item):
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            return item.nodeid
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return ""


class Children:
    """At most so many at once; `end` is told what killed each mutant ('' for a survivor)."""

    def __init__(self, jobs: int, end: Callable[[Mutant, str], None]) -> None:
        self._jobs, self._end = jobs, end
        self._running: dict[int, tuple[Mutant, int]] = {}

    def begin(self, mutant: Mutant, work: Callable[[], str]) -> None:
        """Fork a child for a mutant, once there is room for it."""
        while len(self._running) >= self._jobs:
            self._wait()
        hears, says = os.pipe()
        pid = os.fork()
        if pid == 0:
            in_child(work, says)
        os.close(says)
        self._running[pid] = (mutant, hears)

    def wait(self) -> None:
        """Until all have ended."""
        while self._running:
            self._wait()

    def _wait(self) -> None:
        pid, status = os.wait()
        if pid not in self._running:
            return
        mutant, hears = self._running.pop(pid)
        with os.fdopen(hears, "rb") as pipe:
            said = pipe.read().decode(errors="replace")
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGVTALRM, signal.SIGXCPU):
            self._end(mutant, TIME)
        elif os.WIFEXITED(status) and os.WEXITSTATUS(status) == KILLED and said:
            self._end(mutant, said)
        elif os.WIFEXITED(status) and os.WEXITSTATUS(status) == SURVIVED and not said:
            self._end(mutant, "")
        else:
            raise HuntBroken(f"{mutant.name}\nended with status {status}: {said}")
