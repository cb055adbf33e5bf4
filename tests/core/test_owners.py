"""Who ran a VM: whether it may start it again, the words that travel, and what is said of it."""

from __future__ import annotations

import pytest

from hafence.core.attempts import Facts, Reading, Verdict, foretell
from hafence.core.owners import Owner, RunBy, UnitStop, owner_words, read_owner


@pytest.mark.parametrize("stop", UnitStop)
def test_only_a_unit_that_is_stopped_for_good_stays_down(stop: UnitStop) -> None:
    stays_down = stop in (UnitStop.STOPPED, UnitStop.FORETOLD)
    assert Owner(RunBy.UNIT, "web-01.service", stop=stop).may_return is not stays_down


def test_what_libvirt_runs_does_not_return_and_what_another_manager_runs_may() -> None:
    assert not Owner(RunBy.LIBVIRT).may_return
    assert Owner(RunBy.OTHER).may_return
    assert not Reading(Verdict.CONFIRMED_DEAD).may_return
    assert Reading(Verdict.CONFIRMED_DEAD, Facts(owner=Owner(RunBy.OTHER))).may_return


@pytest.mark.parametrize("owner", [Owner(RunBy.LIBVIRT), Owner(RunBy.UNIT, "a@b.service", "systemd", UnitStop.FAILED)])
def test_what_is_written_of_it_is_read_back(owner: Owner) -> None:
    assert read_owner(owner_words(owner)) == owner


def test_where_nothing_was_found_nobody_is_told() -> None:
    assert owner_words(None) == {}
    assert read_owner({}) is None
    assert read_owner({"by": "", "unit": "a.service"}) is None


@pytest.mark.parametrize("words", [{"by": "fate"}, {"by": "unit", "stop": "perhaps"}])
def test_a_word_that_is_not_known_is_none(words: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is not a valid"):
        read_owner(words)


def test_a_rehearsal_tells_what_it_would_stop() -> None:
    owner = Owner(RunBy.UNIT, "web-01.service", stop=UnitStop.FORETOLD)
    foretold = foretell(Reading(Verdict.STILL_ALIVE, Facts(1, 0, "S", "rehearsal", owner=owner)))
    assert foretold.detail == (
        "would kill 1 leftover (foretold, nothing was killed);"
        " it was run by the systemd unit web-01.service, which would be stopped"
    )
