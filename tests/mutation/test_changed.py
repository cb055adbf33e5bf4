"""What the hunt in `make test` takes for new: no line that was changed is passed over."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mutation.changed import changed_lines, find_base, only_changed
from tests.mutation.mutants import mutants_of

RULE = "hafence/core/rule.py"
TEXT = "\n".join(f"def rule_{number}(a, b):\n    return a < {number}\n" for number in range(8)) + "\n"


class Clone:
    """A git repository of its own, on its main line."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")
        self.commit(TEXT)

    def git(self, *words: str) -> str:
        named = ("-c", "user.name=alice", "-c", "user.email=alice@example.org", *words)
        return subprocess.run(["git", *named], cwd=self.root, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, text: str, path: str = RULE) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def commit(self, text: str, path: str = RULE) -> str:
        self.write(text, path)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Clone(tmp_path)


def test_on_the_main_line_the_last_commit_and_what_is_not_committed_are_new(clone: Clone) -> None:
    first = clone.git("rev-parse", "HEAD")
    clone.commit(TEXT.replace("a < 1", "a > 1"))
    clone.write(TEXT.replace("a < 1", "a > 1").replace("a < 3", "a > 3"))
    assert find_base(clone.root) == first
    assert changed_lines(clone.root, first) == {RULE: {5, 11}}


def test_on_a_branch_all_that_it_has_done_is_new(clone: Clone) -> None:
    first = clone.git("rev-parse", "HEAD")
    clone.git("switch", "-q", "-c", "branch")
    clone.commit(TEXT.replace("a < 1", "a > 1"))
    clone.commit(TEXT.replace("a < 1", "a > 1").replace("a < 2", "a > 2"))
    assert find_base(clone.root) == first
    assert changed_lines(clone.root, first) == {RULE: {5, 8}}


def test_without_a_history_there_is_no_base(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert find_base(clone.root) is None
    assert find_base(tmp_path_factory.mktemp("tarball")) is None


def test_a_base_that_nobody_knows_ends_the_hunt(clone: Clone) -> None:
    with pytest.raises(SystemExit, match="no commit 'nonsense'"):
        changed_lines(clone.root, "nonsense")


def test_a_move_alone_makes_nothing_new_and_what_is_changed_with_it_is_new(clone: Clone) -> None:
    clone.git("mv", RULE, "hafence/core/moved.py")
    assert changed_lines(clone.root, "HEAD") == {}
    clone.write(TEXT.replace("a < 7", "a > 7"), "hafence/core/moved.py")
    assert changed_lines(clone.root, "HEAD") == {"hafence/core/moved.py": {23}}


def test_where_lines_were_taken_away_the_neighbours_are_new(clone: Clone) -> None:
    clone.write(TEXT.replace("    return a < 2\n", ""))
    assert changed_lines(clone.root, "HEAD") == {RULE: {7, 8}}


def test_a_file_that_git_does_not_know_yet_is_new(clone: Clone) -> None:
    clone.write("LIMIT = 3\nOTHER = 4\n", "hafence/core/new.py")
    assert changed_lines(clone.root, "HEAD")["hafence/core/new.py"] >= {1, 2}


def test_only_mutants_of_new_lines_are_tried_and_all_of_them(clone: Clone) -> None:
    everything = mutants_of(clone.root, RULE)
    chosen = only_changed(everything, {RULE: {5}})
    assert {it.where for it in chosen} == {"rule_1"}
    assert [it for it in everything if it.where == "rule_1"] == chosen
    assert len(everything) > len(chosen) > 1
    assert only_changed(everything, {}) == []


def test_a_change_over_several_lines_is_new_where_one_of_them_is(clone: Clone) -> None:
    clone.write("def rule(a, b):\n    return set(\n        a,\n        b,\n    )\n")
    for line in (3, 4):
        assert any("⏎" in it.before for it in only_changed(mutants_of(clone.root, RULE), {RULE: {line}}))
    assert not only_changed(mutants_of(clone.root, RULE), {RULE: {1}})
