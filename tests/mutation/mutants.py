"""The mutants of a module: each is the module's text with one change, and a name that survives other edits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, CodeSpan, MetadataWrapper

from .operators import changes

_INERT = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom)
"""Annotations are never evaluated in these rooms; without a decorator or an import the module does not load."""


UNREACHED = "assert_never("
"""Nothing gets there, as mypy proves; so nothing could tell a change of it."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`where` is the function whose body was changed, or '' for the module's own level (tables, fields, enums)."""

    path: str
    where: str
    before: str
    after: str
    source: str
    nth: int = 1
    """Which of the changes that read alike it is."""
    line: int = 1
    """The first line of the module's text that it changes, counted from 1; `lines` are as many as it changes."""
    lines: int = 1

    @property
    def name(self) -> str:
        """Its name in the list of accepted survivors: without line numbers, so that other edits leave it alone."""
        again = f" #{self.nth}" if self.nth > 1 else ""
        return f"{self.path} | {self.where or '(module)'} | {self.before} => {self.after}{again}"


Changes = Callable[[cst.CSTNode], Iterator[tuple[cst.CSTNode, cst.CSTNode]]]
"""Every change that begins at a node: what is replaced, and by what."""


def mutants_of(root: Path, path: str, changes: Changes = changes) -> list[Mutant]:
    """Every mutant of a module, in the order of its text."""
    source = (root / path).read_text()
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    spans = wrapper.resolve(ByteSpanPositionProvider)
    found = _Finder(changes)
    wrapper.module.visit(found)
    counts: dict[str, int] = {}
    mutants = []
    for where, node, instead in found.found:
        text = _replaced(wrapper.module, source.encode(), spans.get(node), node, instead)
        if text == source or not _compiles(text):
            continue
        first, old, new = _difference(source, text)
        before, after = (" ⏎ ".join(line.strip() for line in side) for side in (old, new))
        if UNREACHED in before:
            continue
        mutant = Mutant(path, where, before, after, text, line=first + 1, lines=max(1, len(old)))
        counts[mutant.name] = nth = counts.get(mutant.name, 0) + 1
        mutants.append(replace(mutant, nth=nth))
    return mutants


def _replaced(module: cst.Module, text: bytes, span: CodeSpan | None, node: cst.CSTNode, instead: cst.CSTNode) -> str:
    """The module's text with one node replaced: within the text where that is possible, which is fast."""
    if span is not None:
        end = span.start + span.length
        if text[span.start : end] == module.code_for_node(node).encode():
            return (text[: span.start] + module.code_for_node(instead).encode() + text[end:]).decode()
    changed = module.deep_replace(node, instead)
    assert isinstance(changed, cst.Module), "a module stays a module"
    return changed.code


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _difference(before: str, after: str) -> tuple[int, list[str], list[str]]:
    """Where the texts begin to differ (lines before that), and the lines that differ, of each side."""
    old, new = before.splitlines(), after.splitlines()
    first = next(index for index, (a, b) in enumerate(zip_longest(old, new)) if a != b)
    while old[first + 1 :] and new[first + 1 :] and old[-1] == new[-1]:
        old.pop()
        new.pop()
    return first, old[first:], new[first:]


class _Finder(cst.CSTVisitor):
    """Collects (function, node, its replacement)."""

    def __init__(self, changes: Changes) -> None:
        super().__init__()
        self._changes = changes
        self.found: list[tuple[str, cst.CSTNode, cst.CSTNode]] = []
        self._names: list[str] = []
        self._in_body = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, _INERT):
            return False
        if isinstance(node, cst.ClassDef):
            self._names.append(node.name.value)
        elif isinstance(node, cst.FunctionDef) and not self._in_body:
            self._function(node)
            return False
        where = ".".join(self._names) if self._in_body else ""
        self.found.extend((where, old, new) for old, new in self._changes(node))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.ClassDef):
            self._names.pop()

    def _function(self, node: cst.FunctionDef) -> None:
        """Defaults belong to the module's own level: they are made when it loads."""
        node.params.visit(self)
        self._names.append(node.name.value)
        self._in_body += 1
        node.body.visit(self)
        self._in_body -= 1
        self._names.pop()
