"""The power fence's rules: what a round of answers comes to, how long a level may take, and what is said of it."""

from __future__ import annotations

import itertools

import pytest

from hafence.core.evidence import Proof
from hafence.core.model import Host, HostName, PowerDevice
from hafence.core.power import (
    MOST_UNKNOWN,
    POLL_S,
    DeviceId,
    Polling,
    Power,
    PowerSeen,
    after_round,
    devices_of,
    is_off,
    level_reply,
    level_until,
    level_words,
    no_power_fence,
    not_off,
)
from hafence.core.second_level import SecondLevelKind

ON, OFF, ERROR = (PowerSeen(power, f"says {power.value}", 100.0) for power in (Power.ON, Power.OFF, Power.ERROR))
K1 = HostName("kvm-01")
HOST = Host(K1, "lab", "192.0.2.1", power=((PowerDevice("fence_a"), PowerDevice("fence_b")), (PowerDevice("fence_c"),)))


def test_the_devices_of_a_level_are_counted_from_one() -> None:
    assert devices_of(HOST, 1) == (DeviceId(K1, 1, 1, "fence_a"), DeviceId(K1, 1, 2, "fence_b"))
    assert devices_of(HOST, 2) == (DeviceId(K1, 2, 1, "fence_c"),)


@pytest.mark.parametrize("seen", list(itertools.product((ON, OFF, ERROR), repeat=2)), ids=str)
def test_only_off_of_every_device_in_one_round_is_off(seen: tuple[PowerSeen, ...]) -> None:
    assert is_off(seen) == (seen == (OFF, OFF))


def test_of_no_device_at_all_nobody_has_seen_that_it_is_off() -> None:
    assert not is_off(())
    assert level_reply(K1, 1, "", (), rehearse=True) is None


@pytest.mark.parametrize(
    ("level", "levels", "until"), [(1, 1, 160.0), (1, 2, 130.0), (2, 2, 160.0), (1, 3, 120.0), (2, 3, 130.0)]
)
def test_the_levels_share_the_time_that_is_left(level: int, levels: int, until: float) -> None:
    assert level_until(100.0, 160.0, level, levels) == until


# ---------------------------------------------------------------- asked again and again

BEGIN = Polling(until=160.0)


def test_a_level_is_asked_until_it_is_off() -> None:
    once = after_round(BEGIN, (ON, OFF), 100.0, 100.5)
    assert once == Polling(160.0, (ON, OFF))
    assert after_round(once, (OFF, OFF), 101.5, 102.0) == Polling(160.0, (OFF, OFF), over=True)
    assert after_round(BEGIN, (OFF, OFF), 100.0, 100.5).over


def test_off_is_off_however_late_and_whatever_was_not_known_before() -> None:
    once = after_round(BEGIN, (ERROR, ON), 100.0, 100.5)
    assert once == Polling(160.0, (ERROR, ON), unknown=1)
    assert after_round(once, (OFF, OFF), 159.0, 170.0) == Polling(160.0, (OFF, OFF), unknown=1, over=True)


def test_after_two_rounds_in_which_a_device_can_not_tell_the_next_level_has_its_turn() -> None:
    polling = BEGIN
    for number in range(1, MOST_UNKNOWN + 1):
        assert not polling.over
        polling = after_round(polling, (ERROR, ERROR), 100.0, 100.5)
        assert polling.unknown == number
    assert polling == Polling(160.0, (ERROR, ERROR), MOST_UNKNOWN, over=True)


def test_a_round_in_between_in_which_all_can_tell_does_not_count() -> None:
    polling = BEGIN
    for seen in ((ERROR, ON), (ON, ON), (ON, ON)):
        polling = after_round(polling, seen, 100.0, 100.5)
    assert (polling.unknown, polling.over) == (1, False)


@pytest.mark.parametrize(("now", "over"), [(158.0, False), (158.5, True)])
def test_a_round_is_not_begun_that_would_end_too_late(now: float, over: bool) -> None:
    # it took a second, and so will the next; before it there is a pause
    assert POLL_S == 1.0
    assert after_round(BEGIN, (ON,), now - 1.0, now) == Polling(160.0, (ON,), over=over)


def test_a_round_that_was_cut_short_says_less_than_the_one_before() -> None:
    once = after_round(BEGIN, (ON,), 100.0, 100.5)
    assert after_round(once, (ERROR,), 159.0, 160.0) == Polling(160.0, (ON,), over=True)
    assert after_round(once, (ERROR,), 158.0, 159.9) == Polling(160.0, (ERROR,), 1, over=True)


def test_a_first_round_counts_however_late_it_ended() -> None:
    assert after_round(BEGIN, (ERROR,), 100.0, 161.0) == Polling(160.0, (ERROR,), 1, over=True)


# ---------------------------------------------------------------- what is said of it


def test_a_level_that_is_off_is_proof_as_old_as_its_oldest_answer() -> None:
    older = PowerSeen(Power.OFF, "says off", 99.0)
    words = level_words(devices_of(HOST, 1), (OFF, older))
    assert words == "fence_a says off, fence_b says off"
    for rehearse in (False, True):
        reply = level_reply(K1, 1, words, (OFF, older), rehearse)
        assert reply is not None
        assert (reply.kind, reply.done, reply.shut_out_until) == (SecondLevelKind.POWER, True, None)
        assert reply.says == "level 1 sees it off: fence_a says off, fence_b says off"
        [proof] = reply.evidence
        assert (proof.kind, proof.source, proof.at, proof.says, proof.proves) == (
            *("power", "kvm-01 level 1", 99.0, reply.says, Proof.HOST_OFF),
        )


def test_a_rehearsal_foretells_where_every_device_can_tell_and_proves_nothing() -> None:
    reply = level_reply(K1, 2, "fence_c says on", (ON,), rehearse=True)
    assert reply is not None
    assert (reply.kind, reply.done, reply.evidence) == (SecondLevelKind.POWER, True, ())
    assert reply.says == "level 2 would switch it off: fence_c says on (foretold, nothing was switched)"
    assert level_reply(K1, 2, "", (ON, ERROR), rehearse=True) is None
    assert level_reply(K1, 2, "", (ON,), rehearse=False) is None


def test_what_was_not_seen_off_proves_nothing_and_names_every_level() -> None:
    reply = not_off(K1, ["level 1: fence_a says on", "level 2: fence_c can't tell"], 120.0)
    assert (reply.kind, reply.done) == (SecondLevelKind.POWER, False)
    assert reply.says == "it was not seen off: level 1: fence_a says on; level 2: fence_c can't tell"
    [nothing] = reply.evidence
    assert (nothing.kind, nothing.source, nothing.at, nothing.says, nothing.proves) == (
        *("power", "kvm-01", 120.0, reply.says, Proof.NOTHING),
    )
    assert no_power_fence(K1, "not used", 5.0).evidence[0].says == "not used"
