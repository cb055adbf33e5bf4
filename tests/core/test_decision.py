"""The gate, over every combination of what can be known."""

from __future__ import annotations

import itertools
import math

import pytest

from hafence.core.attempts import Facts, Reading, Verdict
from hafence.core.decision import Allowed, Case, Refused, cut_off, final_verdict, judge, wants_witnesses
from hafence.core.evidence import Evidence, Observation, Proof, Sign, WitnessReport
from hafence.core.model import HostName, Unreachable
from hafence.core.reasons import Reason
from hafence.core.risks import Risk, RiskKind
from hafence.core.second_level import FenceTried, SecondLevelKind
from hafence.core.troubles import Trouble

from . import make

SUSPECT = HostName("kvm-01")
PROXIES = (HostName("kvm-02"), HostName("kvm-03"), HostName("kvm-04"))


def found(verdict: Verdict | None, trouble: Trouble | None = None) -> Reading:
    """A finding; None stands for an attempt that failed on the sibling's side."""
    if verdict is None:
        return Reading(Verdict.AMBIGUOUS, trouble=Trouble.SIBLING_LOST)
    if verdict is Verdict.UNREACHABLE and trouble is None:
        trouble = Trouble.TIMED_OUT
    return Reading(verdict, trouble=trouble)


def report(witness: str | None, *signs: Sign, could_look: bool = True) -> WitnessReport:
    return WitnessReport(witness, 100.0, frozenset(signs), could_look, "looked")


def proof(*proves: Proof) -> tuple[Evidence, ...]:
    return tuple(Observation("test", "test", 100.0, each.value, each) for each in proves)


def case(*verdicts: Verdict | None, policy: Unreachable = Unreachable.CONFIRM, **more: object) -> Case:
    return make.case(*(found(v) for v in verdicts), policy=policy, **more)  # type: ignore[arg-type]


def test_what_was_observed_holds_until_it_is_old_unless_somebody_set_an_end() -> None:
    assert {each.until for each in proof(*Proof)} == {math.inf}  # type: ignore[attr-defined]


SILENT = (report("kvm-02"), report("kvm-03"), report(None))

ALL_PROOFS = [
    (),
    (Proof.STATEMENT,),
    (Proof.HOST_OFF,),
    (Proof.DISKS_FENCED,),
    (Proof.HOST_ALIVE,),
    (Proof.STATEMENT, Proof.HOST_ALIVE),
    (Proof.HOST_OFF, Proof.HOST_ALIVE),
    (Proof.NOTHING,),
]


@pytest.mark.parametrize("policy", Unreachable)
@pytest.mark.parametrize("verdicts", list(itertools.product([*Verdict, None], repeat=3)))
def test_every_answer_of_three_siblings_under_every_policy_and_proof(
    verdicts: tuple[Verdict | None, ...], policy: Unreachable
) -> None:
    """The rules at the top of decision.py, said a second time as a table and held against the code."""
    for proofs, reports, failed, off in itertools.product(ALL_PROOFS, [(), SILENT], [False, True], ["", "storm"]):
        levels = (FenceTried(SecondLevelKind.POWER, not failed, 100.0, "said so"),)
        it = case(*verdicts, policy=policy, evidence=proof(*proofs), reports=reports, second_level=levels, cut_off=off)
        got = judge(it)
        assert got.reason is expected(set(verdicts) - {None}, set(proofs), policy, bool(reports), failed, bool(off)), it
        assert isinstance(got, Allowed) == (got.reason in STARTS)


STARTS = {
    Reason.CONFIRMED_DEAD,
    Reason.POWERED_OFF,
    Reason.STORAGE_FENCED,
    Reason.OPERATOR_CONFIRMED,
    Reason.UNREACHABLE_CONFIRMED,
}


def expected(
    said: set[Verdict | None], proofs: set[Proof], policy: Unreachable, looked: bool, failed: bool, storm: bool
) -> Reason:
    alive = Verdict.STILL_ALIVE in said
    if Verdict.CONFIRMED_DEAD in said and not alive:
        return Reason.CONFIRMED_DEAD
    if Proof.HOST_OFF in proofs:
        return Reason.POWERED_OFF
    if Proof.DISKS_FENCED in proofs:
        return Reason.STORAGE_FENCED
    if alive:
        return Reason.STILL_ALIVE
    if Verdict.AMBIGUOUS in said:
        return Reason.AMBIGUOUS
    if not said:
        return Reason.NO_SIBLING
    if Proof.HOST_ALIVE in proofs:
        return Reason.UNREACHABLE_UNCONFIRMED
    if Proof.STATEMENT in proofs:
        return Reason.OPERATOR_CONFIRMED
    if storm:
        return Reason.STORM_GUARD
    if policy is Unreachable.PROCEED:
        return Reason.UNREACHABLE_CONFIRMED
    if policy is Unreachable.CONFIRM and looked and not failed:
        return Reason.UNREACHABLE_CONFIRMED
    return Reason.UNREACHABLE_UNCONFIRMED


@pytest.mark.parametrize("sign", Sign)
@pytest.mark.parametrize("who", ["kvm-02", None])
@pytest.mark.parametrize("policy", Unreachable)
def test_any_sign_of_life_ends_unreachable(sign: Sign, who: str | None, policy: Unreachable) -> None:
    it = case(Verdict.UNREACHABLE, policy=policy, reports=(*SILENT, report(who, sign)))
    got = judge(it)
    assert got.reason is Reason.UNREACHABLE_UNCONFIRMED
    assert sign.says in got.message
    assert final_verdict(it) is Verdict.AMBIGUOUS


def test_a_sign_of_life_does_not_weaken_an_observed_fence() -> None:
    for proves in (Proof.HOST_OFF, Proof.DISKS_FENCED):
        it = case(Verdict.UNREACHABLE, reports=(report("kvm-02", Sign.PING),), evidence=proof(proves))
        assert isinstance(judge(it), Allowed)


@pytest.mark.parametrize(
    ("reports", "siblings", "allowed"),
    [
        (SILENT, 3, True),
        ((report("kvm-02"), report(None)), 1, True),
        ((report("kvm-02"), report(None)), 2, False),
        ((report("kvm-02"), report("kvm-03")), 3, False),
        ((report("kvm-02"), report("kvm-03"), report(None, could_look=False)), 3, False),
        ((report("kvm-02"), report("kvm-03", could_look=False), report(None)), 3, False),
        ((report("kvm-02"), report("kvm-02"), report(None)), 3, False),
        ((*SILENT, report("kvm-04", could_look=False)), 3, True),
        ((), 3, False),
        ((report(None),), 0, False),
    ],
)
def test_confirm_counts_only_witnesses_that_could_look(
    reports: tuple[WitnessReport, ...], siblings: int, allowed: bool
) -> None:
    got = judge(case(Verdict.UNREACHABLE, reports=reports, cluster_siblings=siblings))
    assert isinstance(got, Allowed) == allowed


def test_a_witness_that_could_not_look_is_named() -> None:
    reports = (report("kvm-02"), report("kvm-03", could_look=False), report(None))
    assert "kvm-03 could not look" in judge(case(Verdict.UNREACHABLE, reports=reports)).message


def test_a_start_on_silence_names_what_it_could_not_prove() -> None:
    got = judge(case(Verdict.UNREACHABLE, reports=SILENT))
    assert isinstance(got, Allowed)
    assert Risk(RiskKind.SILENT_SUSPECT, (HostName("kvm-01"),)) in got.risks
    assert judge(case(Verdict.CONFIRMED_DEAD)).risks == ()  # type: ignore[union-attr]


def test_a_storage_fence_names_the_network_identity() -> None:
    got = judge(case(Verdict.STILL_ALIVE, evidence=proof(Proof.DISKS_FENCED)))
    assert isinstance(got, Allowed)
    assert got.risks == (Risk(RiskKind.LEFTOVER_LIVES, (HostName("kvm-01"),)),)
    assert "network identity" in got.risks[0].says


def test_a_fast_no_route_wants_a_witness_even_under_proceed() -> None:
    fast = make.case(found(Verdict.UNREACHABLE, Trouble.FAST_NO_ROUTE), policy=Unreachable.PROCEED)
    assert wants_witnesses(fast)
    assert isinstance(judge(fast), Refused)
    assert not wants_witnesses(case(Verdict.UNREACHABLE, policy=Unreachable.PROCEED))


@pytest.mark.parametrize("policy", [Unreachable.CONFIRM, Unreachable.PROVE])
def test_only_an_unreachable_wants_witnesses_and_only_once(policy: Unreachable) -> None:
    for verdict in Verdict:
        assert wants_witnesses(case(verdict, policy=policy)) == (verdict is Verdict.UNREACHABLE)
    assert not wants_witnesses(case(Verdict.UNREACHABLE, policy=policy, reports=SILENT))


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.CONFIRMED_DEAD])
def test_every_refusal_has_a_way_out(verdict: Verdict) -> None:
    got = judge(case(verdict))
    assert isinstance(got, Refused)
    assert got.ways_out


def test_a_failed_power_fence_names_the_ways_out_of_a_bmc_without_power() -> None:
    got = judge(
        case(
            Verdict.UNREACHABLE,
            reports=SILENT,
            second_level=(FenceTried(SecondLevelKind.POWER, False, 100.0, "BMC silent"),),
        )
    )
    assert isinstance(got, Refused)
    assert "confirm-dead kvm-01" in " ".join(got.ways_out)
    assert "ceph" in " ".join(got.ways_out)


@pytest.mark.parametrize("verdict", [Verdict.CONFIRMED_DEAD, Verdict.UNREACHABLE])
def test_a_start_names_the_hosts_into_which_nobody_could_look(verdict: Verdict) -> None:
    hidden = (HostName("kvm-03"), HostName("kvm-04"))
    got = judge(case(verdict, reports=SILENT, unseen=hidden))
    assert isinstance(got, Allowed)
    assert got.risks[-1] == Risk(RiskKind.MOVED_UNSEEN, hidden)
    assert "nobody could say of kvm-03 and kvm-04 that no copy is there" in got.risks[-1].says


def test_a_vm_that_was_found_on_the_suspect_was_not_moved_away() -> None:
    killed = Reading(Verdict.CONFIRMED_DEAD, Facts(found=1, killed=1))
    got = judge(make.case(killed, unseen=(HostName("kvm-03"),)))
    assert isinstance(got, Allowed)
    assert got.risks == ()


def test_the_storm_guards_way_out_is_another_look_and_no_fence_that_may_be_configured_already() -> None:
    got = judge(case(Verdict.UNREACHABLE, reports=SILENT, cut_off="3 of 4 hosts are silent"))
    assert isinstance(got, Refused)
    assert got.reason is Reason.STORM_GUARD
    assert "a machine that reaches the cluster" in got.ways_out[0]
    assert "confirm-dead kvm-01" in got.ways_out[1]
    assert "configure" not in " ".join(got.ways_out)


@pytest.mark.parametrize(
    ("silent", "members", "guarded"),
    [
        (1, 2, False),
        (1, 3, False),
        (2, 3, True),
        (2, 4, False),
        (3, 4, True),
        (49, 100, False),
        (51, 100, True),
        (0, 0, False),
    ],
)
def test_more_than_half_of_a_cluster_silent_is_a_storm(silent: int, members: int, guarded: bool) -> None:
    assert bool(cut_off(silent, members, (), 0.5)) == guarded


def test_a_sibling_that_is_itself_cut_off_is_a_storm() -> None:
    lonely = WitnessReport("kvm-02", 1.0, frozenset(), True, "", peers_asked=2, peers_reached=0)
    fine = WitnessReport("kvm-02", 1.0, frozenset(), True, "", peers_asked=2, peers_reached=2)
    assert "kvm-02" in cut_off(1, 4, (lonely,), 0.5)
    assert not cut_off(1, 4, (fine,), 0.5)
