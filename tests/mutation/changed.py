"""Which lines of hafence are new here: what git says has changed since a base, committed or not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from .mutants import Mutant

MAINLINES = ("origin/HEAD", "origin/main", "main")
"""Where a branch has begun is looked for in these, in this order."""


def find_base(root: Path) -> str | None:
    """The commit before what is new here: where this branch left the main line, or, on the main line itself, the last
    commit but one (so that CI sees what was pushed). None without a history: a tarball, a clone of one commit."""
    head = _git(root, "rev-parse", "--verify", "HEAD")
    for name in MAINLINES:
        base = _git(root, "merge-base", name, "HEAD")
        if base is not None and base != head:
            return base
    return _git(root, "rev-parse", "--verify", "HEAD~1")


def changed_lines(root: Path, base: str) -> dict[str, set[int]]:
    """Path -> the numbers (from 1) of the lines that were changed or added since `base`, and the two around each place
    where lines were only taken away. A file that git does not know yet is new from its first line to its last."""
    said = _git(root, "diff", "--no-color", "--no-ext-diff", "-M", "-U0", base, "--", "hafence")
    if said is None:
        raise SystemExit(f"mutation: git knows no commit '{base}'")
    lines = read_diff(said)
    for path in (_git(root, "ls-files", "--others", "--exclude-standard", "hafence") or "").splitlines():
        lines[path] = set(range(1, (root / path).read_bytes().count(b"\n") + 2))
    return lines


def read_diff(text: str) -> dict[str, set[int]]:
    """The lines of the new side in a diff without context."""
    lines: dict[str, set[int]] = {}
    path = ""
    for line in text.splitlines():
        if found := re.fullmatch(r"\+\+\+ b/(.+)", line):
            path = found[1]
        elif found := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(found[1]), int(found[2] or 1)
            touched = range(first, first + count) if count else (first, first + 1)
            lines.setdefault(path, set()).update(touched)
    return lines


def only_changed(mutants: Collection[Mutant], lines: Mapping[str, set[int]]) -> list[Mutant]:
    """The mutants that change a line which is new."""
    return [it for it in mutants if not lines.get(it.path, set()).isdisjoint(range(it.line, it.line + it.lines))]


def _git(root: Path, *words: str) -> str | None:
    """What git says, or None where it fails or is not here."""
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip("\n") if done.returncode == 0 else None
