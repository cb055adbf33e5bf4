"""How many hosts may be evacuated in a while."""

from __future__ import annotations

from hafence.core.evacuations import Evacuation, too_many
from hafence.core.model import HostName, Settings
from hafence.core.reasons import Reason

K1, K2, K3 = (HostName(f"kvm-0{n}") for n in (1, 2, 3))
NOW = 10_000.0
HOUR = Settings()


def of(host: HostName, ago_s: float, run: str = "r1") -> Evacuation:
    return Evacuation(host, run, "alice@adm", NOW - ago_s)


def test_the_first_host_in_an_hour_may_be_evacuated_and_the_same_again() -> None:
    assert too_many(K1, (), HOUR, NOW) is None
    assert too_many(K1, (of(K1, 60), of(K1, 30)), HOUR, NOW) is None
    assert too_many(K1, (of(K2, 3600),), HOUR, NOW) is None, "that hour is over"


def test_the_second_is_refused_and_told_which_was_the_first() -> None:
    refused = too_many(K1, (of(K2, 3599.9), of(K1, 10)), HOUR, NOW)
    assert refused is not None
    assert refused.reason is Reason.STORM_GUARD
    assert refused.message == (
        "at most 1 host may be evacuated within 1h (max_hosts, per), and there was kvm-02 (1970-01-01T01:46:40Z, by"
        " alice@adm, run r1)"
    )
    assert refused.ways_out == (
        "see that kvm-01 and kvm-02 have really failed; at 1970-01-01T02:46:40Z it may be evacuated",
        "raise max_hosts, or shorten per (fencing:)",
    )


def test_what_is_of_the_future_was_a_moment_ago() -> None:
    assert too_many(K1, (of(K2, -7200),), HOUR, NOW) is not None


def test_each_host_counts_once_by_its_latest_and_the_oldest_that_counts_says_when_there_is_room() -> None:
    two = Settings(max_hosts=2, per_s=600.0)
    twice = (of(K2, 500, "r1"), of(K2, 100, "r3"), of(K2, 300, "r2"))
    assert too_many(K1, twice, two, NOW) is None
    refused = too_many(K1, (*twice, of(K3, 200, "r4")), two, NOW)
    assert refused is not None
    assert "kvm-03 (1970-01-01T02:43:20Z, by alice@adm, run r4)" in refused.message
    assert refused.message.startswith("at most 2 hosts may be evacuated within 10m (max_hosts, per), and there were")
    assert "run r3" in refused.message
    assert "run r1" not in refused.message
    assert "at 1970-01-01T02:53:20Z it may be" in refused.ways_out[0], "when kvm-03 is 10 minutes old"
