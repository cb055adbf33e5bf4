"""What a look shows of each VM, and what is to be typed: each word, the worst first, with its controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hafence.core.live import WELL, WORST_FIRST, LiveVm, Seen, host_seen, live_vm
from hafence.core.looks import Blind, Look
from hafence.core.model import Cluster, HostName
from hafence.core.reasons import Reason
from hafence.core.record import VmRecord, VmState, mark_running, mark_starting, mark_stopped
from hafence.core.survey import Survey
from tests.core.make import host, inventory, look, silence, uuid, vm

K1, K2, K3 = (HostName(f"kvm-0{n}") for n in (1, 2, 3))
WEB = vm(1, name="web-01")
PLAIN = vm(1, name="web-01", ha=False)
RUNNING = VmRecord(uuid(1), VmState.RUNNING, K1, None, 3)
STOPPED = mark_stopped(RUNNING, "run-0", Reason.CONFIRMED_DEAD)
STARTING = mark_starting(STOPPED, K2, "run-0", 4000)
SHUT_OUT = mark_stopped(RUNNING, "run-0", Reason.STORAGE_FENCED, shut_out_until=1000.0)
MOVED = mark_running(mark_starting(SHUT_OUT, K2, "run-0", 4000), K2, "run-0", 90.0)
HERE, NONE = look(K1, uuid(1)), look(K1)


def there(name: HostName) -> Look:
    return look(name, uuid(1))


def seen(
    *looks: Look, record: VmRecord = RUNNING, of: object = WEB, quarantine: Mapping[HostName, str] | None = None
) -> LiveVm:
    assert of in (WEB, PLAIN)
    one = WEB if of == WEB else PLAIN
    it = inventory([host(name) for name in (K1, K2, K3)], [one])
    scene = Survey(it, {uuid(1): record}, quarantine or {}, {each.host: each for each in looks}, {}, at=100.0)
    return live_vm(scene, one)


@pytest.mark.parametrize(
    ("found", "word", "on", "do"),
    [
        (seen(HERE, look(K2)), Seen.RUNNING, (K1,), ""),
        (
            seen(HERE, there(K2)),
            Seen.TWICE,
            (K1, K2),
            "unless it is being migrated: hafence fence web-01 --host kvm-02",
        ),
        (
            seen(HERE, there(K2), there(K3), record=STARTING),
            Seen.TWICE,
            (K1, K2, K3),
            "unless it is being migrated: hafence fence web-01 --host kvm-01 && hafence fence web-01 --host kvm-03",
        ),
        (
            seen(NONE, there(K2)),
            Seen.ELSEWHERE,
            (K2,),
            "if it should not run there: hafence fence web-01 --host kvm-02",
        ),
        (seen(NONE, record=STARTING), Seen.UNSETTLED, (), "hafence start-vm web-01"),
        (seen(NONE, record=STOPPED), Seen.DOWN, (), "hafence start-vm web-01"),
        (seen(NONE), Seen.DOWN, (), "hafence start-vm web-01"),
        (seen(NONE, of=PLAIN), Seen.DOWN, (), "start it on kvm-01: it has 'ha: false'"),
        (seen(NONE, record=STOPPED, of=PLAIN), Seen.STOPPED, (), ""),
        (seen(silence(K1)), Seen.NOT_SEEN, (), "hafence start-vm web-01"),
        (seen(silence(K1), of=PLAIN), Seen.NOT_SEEN, (), "see after kvm-01"),
        (seen(look(K2)), Seen.NOT_SEEN, (), "hafence start-vm web-01"),
        (seen(Blind(K1, 1.0, "a shell that is none", "give it one")), Seen.NOT_SEEN, (), "give it one"),
        (
            seen(HERE, there(K2), record=MOVED, quarantine={K1: "fenced"}),
            Seen.LEFTOVER,
            (K1, K2),
            "'hafence fence web-01 --host kvm-01', then 'hafence rejoin kvm-01'",
        ),
        (
            seen(HERE, there(K3), record=MOVED, quarantine={K1: "fenced"}),
            Seen.ELSEWHERE,
            (K1, K3),
            "if it should not run there: hafence fence web-01 --host kvm-03",
        ),
    ],
    ids=lambda value: value.seen.value if isinstance(value, LiveVm) else "",
)
def test_each_word_with_what_to_type(found: LiveVm, word: Seen, on: tuple[HostName, ...], do: str) -> None:
    assert (found.seen, found.on, found.do) == (word, on, do)
    assert bool(found.says) == (word not in WELL)


def test_the_words_are_stable_and_the_worst_is_first() -> None:
    words = "twice unsettled down not_seen elsewhere leftover running stopped not_looked_at"
    assert [each.value for each in WORST_FIRST] == words.split()
    assert {each.value for each in WELL} == {"running", "stopped", "not_looked_at"}


def test_two_that_no_record_tells_apart_are_left_to_a_person() -> None:
    twice = seen(replace(look(K1, uuid(1)), copies={uuid(1): 2}))
    assert (twice.seen, twice.on) == (Seen.TWICE, (K1,))
    assert "choose one" in twice.do
    neither = seen(there(K2), there(K3))
    assert neither.seen is Seen.TWICE
    assert "choose one" in neither.do


def test_a_silent_host_is_named_with_what_was_met_there() -> None:
    assert seen(silence(K1)).says == f"recorded on kvm-01, which does not answer: {silence(K1).says}"
    assert seen(look(K2)).says == "recorded on kvm-01, which was not looked at"
    assert seen(Blind(K1, 1.0, "no shell")).says == "recorded on kvm-01, which lets nobody look into it: no shell"


def test_what_hafence_can_not_look_into_is_no_trouble() -> None:
    it = replace(inventory([host(K1)], [WEB]), clusters={"prod": Cluster("prod", "esxi")})
    found = live_vm(Survey(it, {}, {}, {}, {}, at=100.0), WEB)
    assert (found.seen, found.says, found.do) == (Seen.NOT_LOOKED_AT, "", "")


def test_a_host_is_seen_in_one_word() -> None:
    assert host_seen(NONE) == ("answers", "")
    assert host_seen(Blind(K1, 1.0, "no shell")) == ("blind", "no shell")
    assert host_seen(silence(K1)) == ("silent", silence(K1).says)
    assert host_seen(None) == ("not_looked_at", "")
