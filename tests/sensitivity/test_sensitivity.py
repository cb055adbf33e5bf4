"""The search notices what is planted: the faults made by hand, and a sample of the table that goes with its text."""

from __future__ import annotations

import hashlib

import pytest

from .edits import GUARDS, PLANTED
from .hunt import ACCEPTED_FILE, Accepted
from .sample import change_of, check, chosen_rows
from .table import ACCEPTED, FILE, FOUND, OPEN, read_table, row_of

SAMPLE = 12
"""Rows besides the planted ones."""
TABLE = read_table()
CHOSEN = chosen_rows(SAMPLE, hashlib.sha256(FILE.read_bytes()).hexdigest())


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
def test_the_search_still_notices(name: str) -> None:
    assert check(name, CHOSEN[name]) == ""


def test_every_planted_fault_is_found_but_the_unrenewed_lease_that_harms_nothing() -> None:
    missed = {name.split(" | ")[2]: TABLE[name].how for name in PLANTED if TABLE[name].how != FOUND}
    assert missed == {"the lease is not renewed": ACCEPTED}
    assert set(PLANTED) & set(CHOSEN) == {name for name in PLANTED if TABLE[name].how == FOUND}


def test_a_sample_is_as_large_as_was_asked_for() -> None:
    assert len(set(CHOSEN) - set(PLANTED)) == SAMPLE


def test_a_fault_that_is_planted_where_the_search_sees_nothing_of_it_is_told() -> None:
    name = next(name for name in PLANTED if "storage fence" in name)
    elsewhere = row_of("found: split_brain in confirm alone/0 healthy by case 1")
    assert "not found any more in confirm alone/0 healthy" in check(name, elsewhere)


def test_a_row_whose_mutant_is_gone_is_told() -> None:
    assert "no such mutant" in check("hafence/core/decision.py | _judge | x => y", row_of("found: x in y by case 1"))


def test_guards_and_planted_faults_are_still_in_the_text() -> None:
    assert all(change_of(name) for name in PLANTED)
    assert all(edit.mutant for edits in GUARDS.values() for edit in edits)


def test_every_row_is_read_as_it_was_written() -> None:
    assert all(row_of(row.words) == row for row in TABLE.values())
    assert all(row.says for row in TABLE.values() if row.how == OPEN)


def test_the_accepted_list_can_be_read_and_a_star_stands_for_anything() -> None:
    accepted = Accepted("because: it opens nothing, whatever is planted\nhafence/core/a.py | f | * => 0\n")
    assert accepted.why("hafence/core/a.py | f | n => 0").startswith("it opens nothing")
    assert accepted.why("hafence/core/a.py | g | n => 0") == ""
    Accepted(ACCEPTED_FILE.read_text())
