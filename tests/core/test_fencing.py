"""The one reading of a reply: only a whole, exact, agreeing reply is a verdict."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafence.core.attempts import FenceOrder, Reading, Reply, Verdict, weigh
from hafence.core.model import HostName, Uuid
from hafence.core.replies import interpret
from hafence.core.troubles import SIBLING_SIDE, Trouble, met_straight, way_out

VM = Uuid("6d6f6a5a-0000-4000-8000-000000000001")
OTHER = Uuid("6d6f6a5a-0000-4000-8000-000000000002")
MACHINE = "0123456789abcdef0123456789abcdef"
HELLO = f"hafence/1 n0nce hello clock=1763824000.123 machine={MACHINE} host=kvm-01"


def order(*vms: Uuid) -> FenceOrder:
    return FenceOrder(HostName("kvm-01"), HostName("kvm-02"), vms or (VM,), 20.0, 1.0, 1e12)


def reply(stdout: str, status: int | None = 0, trouble: Trouble | None = None) -> Reply:
    return Reply("n0nce", trouble, status, stdout, 0.4, 100.0)


def lines(*words: str) -> str:
    return "\n".join([HELLO, *(f"hafence/1 n0nce {word}" for word in words)]) + "\n"


def verdict(stdout: str, status: int | None = 0, known: str | None = None, *vms: Uuid) -> Verdict:
    found = interpret(replace(order(*vms), machine_id=known), reply(stdout, status)).readings
    assert set(found) == set(vms or (VM,))
    verdicts = {reading.verdict for reading in found.values()}
    assert len(verdicts) == 1
    return verdicts.pop()


GOOD = lines(f"vm {VM} dead found=1 killed=1 destroy=ok", "end vms=1")


def test_a_whole_reply_is_the_verdict_that_it_bears() -> None:
    assert verdict(GOOD, 0) is Verdict.CONFIRMED_DEAD
    assert verdict(lines(f"vm {VM} alive found=1 state=D", "end vms=1"), 10) is Verdict.STILL_ALIVE
    assert verdict(lines(f"vm {VM} unknown why=lacks-grep", "end vms=1"), 11) is Verdict.AMBIGUOUS


def test_each_vm_of_an_order_gets_its_own_verdict() -> None:
    text = lines(f"vm {VM} dead found=0", f"vm {OTHER} alive found=1 state=D", "end vms=2")
    found = interpret(order(VM, OTHER), reply(text, 10)).readings
    assert found[VM].verdict is Verdict.CONFIRMED_DEAD
    assert found[OTHER].verdict is Verdict.STILL_ALIVE
    assert found[OTHER].facts.state == "D"


ODD = {
    "empty": "",
    "only noise": "Welcome to kvm-01\n",
    "no end": lines(f"vm {VM} dead found=0"),
    "no beginning": GOOD.split("\n", 1)[1],
    "begins twice": HELLO + "\n" + GOOD,
    "doubled": lines(f"vm {VM} dead found=0", f"vm {VM} dead found=0", "end vms=2"),
    "contradictory": lines(f"vm {VM} dead found=0", f"vm {VM} alive found=1", "end vms=2"),
    "another vm": lines(f"vm {OTHER} dead found=0", "end vms=1"),
    "one vm too many": lines(f"vm {VM} dead found=0", f"vm {OTHER} dead found=0", "end vms=2"),
    "wrong count": lines(f"vm {VM} dead found=0", "end vms=2"),
    "goes on after its end": GOOD + f"hafence/1 n0nce vm {VM} dead found=0\n",
    "ends twice": GOOD + "hafence/1 n0nce end vms=1\n",
    "foreign nonce": GOOD.replace("n0nce", "other"),
    "one foreign line": GOOD + "hafence/1 other end vms=1\n",
    "later protocol": GOOD.replace("hafence/1", "hafence/2"),
    "unknown verdict": lines(f"vm {VM} gone found=0", "end vms=1"),
    "unknown line": lines("note hello", f"vm {VM} dead found=0", "end vms=1"),
    "cut in the middle of a line": GOOD[: len(GOOD) - 5],
    "upper case": GOOD.upper(),
    "noise glued before": "x" + GOOD.replace("\n", "\nx"),
    "carriage returns": GOOD.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("status", [0, 10, 11, None])
def test_an_odd_reply_is_ambiguous_whatever_its_status(name: str, status: int | None) -> None:
    assert verdict(ODD[name], status) is Verdict.AMBIGUOUS


@pytest.mark.parametrize("status", [None, -1, 1, 2, 10, 11, 124, 127, 137, 255])
def test_a_status_that_does_not_match_makes_a_good_reply_ambiguous(status: int | None) -> None:
    assert verdict(GOOD, status) is Verdict.AMBIGUOUS


def test_alive_with_status_0_is_not_alive_and_surely_not_dead() -> None:
    assert verdict(lines(f"vm {VM} alive found=1", "end vms=1"), 0) is Verdict.AMBIGUOUS


def test_noise_around_a_good_reply_is_passed_over() -> None:
    noisy = f"motd\nset up by .bashrc\n{GOOD}\nlogout\n"
    assert verdict(noisy, 0) is Verdict.CONFIRMED_DEAD


def test_another_machine_behind_the_address_is_ambiguous() -> None:
    assert verdict(GOOD, 0, MACHINE) is Verdict.CONFIRMED_DEAD
    assert verdict(GOOD, 0, "f" * 32) is Verdict.AMBIGUOUS
    assert verdict(GOOD.replace(MACHINE, "-"), 0, MACHINE) is Verdict.AMBIGUOUS


def test_another_machine_names_the_way_to_take_a_reinstalled_host_back() -> None:
    other = replace(order(), machine_id="f" * 32)
    assert "'hafence rejoin kvm-01'" in interpret(other, reply(GOOD)).readings[VM].detail


@pytest.mark.parametrize(
    "trouble", [trouble for trouble in Trouble if trouble not in SIBLING_SIDE], ids=lambda trouble: trouble.name
)
def test_a_trouble_met_on_the_way_to_any_other_host_speaks_of_no_suspect_and_no_sibling(trouble: Trouble) -> None:
    assert "suspect" not in met_straight(trouble)
    assert "sibling" not in met_straight(trouble)
    assert "it's" not in met_straight(trouble)
    assert met_straight(trouble, "more") == f"{met_straight(trouble)} (more)"


@pytest.mark.parametrize("trouble", Trouble)
def test_a_trouble_is_never_a_verdict_but_the_networks_silence(trouble: Trouble) -> None:
    found = interpret(order(), reply(GOOD, 0, trouble)).readings[VM]
    silent = {Trouble.TIMED_OUT, Trouble.NO_ROUTE, Trouble.FAST_NO_ROUTE}
    assert found.verdict is (Verdict.UNREACHABLE if trouble in silent else Verdict.AMBIGUOUS)
    assert trouble.says in found.detail
    assert way_out(trouble)


@given(st.text(alphabet=st.sampled_from("hafence/1 n0vmdeadliv\n=-"), max_size=300), st.sampled_from([0, 10, 11, 255]))
def test_no_text_but_the_protocol_confirms_a_death(text: str, status: int) -> None:
    assert interpret(order(), reply(text, status)).readings[VM].verdict is Verdict.AMBIGUOUS


@given(st.data())
def test_a_good_reply_with_any_line_lost_doubled_or_moved_is_not_believed(data: st.DataObject) -> None:
    whole = lines(f"vm {VM} dead found=1", f"vm {OTHER} dead found=0", "end vms=2").splitlines()
    mutant = list(data.draw(st.lists(st.sampled_from(whole), min_size=0, max_size=6)))
    found = interpret(order(VM, OTHER), reply("\n".join(mutant), 0)).readings
    believed = {f.verdict for f in found.values()} == {Verdict.CONFIRMED_DEAD}
    right = mutant[:1] == whole[:1] and sorted(mutant[1:3]) == sorted(whole[1:3]) and mutant[3:] == whole[3:]
    assert believed == right


def reading(verdict: Verdict, sibling_side: bool = False) -> Reading:
    return Reading(verdict, trouble=Trouble.SIBLING_LOST if sibling_side else None)


@pytest.mark.parametrize("told", list(itertools.product([*Verdict, None], repeat=3)))
def test_of_three_siblings_one_alive_beats_all_then_proof_then_doubt(told: tuple[Verdict | None, ...]) -> None:
    readings = [reading(Verdict.AMBIGUOUS, True) if v is None else reading(v) for v in told]
    said = {v for v in told if v is not None}
    expected = None
    for candidate in (Verdict.UNREACHABLE, Verdict.AMBIGUOUS, Verdict.CONFIRMED_DEAD, Verdict.STILL_ALIVE):
        if candidate in said:
            expected = candidate
    assert weigh(readings) is expected


def test_what_failed_on_the_siblings_side_says_nothing_about_the_suspect() -> None:
    for trouble in SIBLING_SIDE:
        found = interpret(order(), reply("", None, trouble)).readings[VM]
        assert found.sibling_side
        assert weigh([found]) is None
