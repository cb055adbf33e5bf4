"""What the gate says of a case: the reason, the sentence, the risks and the ways out, as an admin reads them."""

from __future__ import annotations

from dataclasses import replace

from hafence.core.attempts import Facts, Reading, Verdict, foretell
from hafence.core.decision import (
    Allowed,
    Judgement,
    cut_off,
    final_verdict,
    judge,
    signs_of_life,
    wants_witnesses,
    witnesses_lacking,
)
from hafence.core.evidence import Evidence, Observation, Proof, Sign, WitnessReport
from hafence.core.model import HostName, Unreachable
from hafence.core.owners import Owner, RunBy
from hafence.core.reasons import Reason
from hafence.core.risks import Risk, RiskKind, risks_of
from hafence.core.second_level import FenceTried, SecondLevelKind
from hafence.core.troubles import Trouble
from hafence.core.wire import Faulty, ReplyFault

from .make import case
from .telling import assert_told

SUSPECT = HostName("kvm-01")
PROXIES = (HostName("kvm-02"), HostName("kvm-03"), HostName("kvm-04"))
DEAD = Reading(Verdict.CONFIRMED_DEAD)
ALIVE = Reading(Verdict.STILL_ALIVE)
ARMED = Reading(Verdict.CONFIRMED_DEAD, Facts(1, 1, more=(("autostart", "disabled"), ("guests", "failed"))))
DISARMED = replace(ARMED, facts=Facts(1, 1, more=(("guests", "out"), ("saved", "aside"))))
RUN_BY_ANOTHER = Reading(Verdict.CONFIRMED_DEAD, Facts(1, 1, owner=Owner(RunBy.OTHER, parent="vm-keeper")))
SILENT = Reading(Verdict.UNREACHABLE, trouble=Trouble.TIMED_OUT)
FAST = Reading(Verdict.UNREACHABLE, trouble=Trouble.FAST_NO_ROUTE)
DIFFERS = Reading(Verdict.STILL_ALIVE, Facts(1, 0, why="disks-differ", more=(("differs", "web-01.snap1"),)))
ODD = Reading(Verdict.AMBIGUOUS, fault=Faulty(ReplyFault.TRUNCATED))
REFUSED = Reading(Verdict.AMBIGUOUS, trouble=Trouble.REFUSED)
LOST = Reading(Verdict.AMBIGUOUS, trouble=Trouble.SIBLING_LOST)
FORBIDS = Reading(Verdict.AMBIGUOUS, trouble=Trouble.SIBLING_FORBIDS)


def look(witness: str | None, *signs: Sign, could_look: bool = True, says: str = "looked") -> WitnessReport:
    return WitnessReport(witness, 100.0, frozenset(signs), could_look, says)


def proof(proves: Proof, says: str = "seen") -> Evidence:
    return Observation("test", "test", 100.0, says, proves)


NOBODY_SAW_LIFE = (look("kvm-02"), look("kvm-03"), look(None))
BLIND = look("kvm-04", could_look=False, says="no right to ping")
POWER_FAILED, POWER_DONE = (FenceTried(SecondLevelKind.POWER, done, 100.0, "said so") for done in (False, True))
STORAGE_FAILED, STORAGE_DONE = (FenceTried(SecondLevelKind.STORAGE, done, 100.0, "said so") for done in (False, True))

CASES = {
    "seen dead": case(DEAD),
    "seen dead by one, unreachable for another": case(SILENT, DEAD),
    "seen dead, and it was not libvirt that ran it": case(RUN_BY_ANOTHER),
    "seen dead, and it would be brought back": case(ARMED),
    "alive, and it would be brought back": case(replace(ARMED, verdict=Verdict.STILL_ALIVE)),
    "seen dead, and what would bring it back was taken away": case(DISARMED),
    "seen dead, libvirt's own": case(Reading(Verdict.CONFIRMED_DEAD, Facts(1, 1, owner=Owner(RunBy.LIBVIRT)))),
    "switched off, and it was not libvirt that ran it": case(
        replace(RUN_BY_ANOTHER, verdict=Verdict.STILL_ALIVE), evidence=(proof(Proof.HOST_OFF),)
    ),
    "alive, and it was not libvirt that ran it": case(replace(RUN_BY_ANOTHER, verdict=Verdict.STILL_ALIVE)),
    "seen dead, and nobody looked into two hosts": case(DEAD, unseen=PROXIES[1:]),
    "seen dead, nothing was found there, and nobody looked into a host": case(
        Reading(Verdict.CONFIRMED_DEAD, Facts(found=0)), unseen=PROXIES[:1]
    ),
    "seen dead, an empty number, and nobody looked into a host": case(
        Reading(Verdict.CONFIRMED_DEAD, Facts()), unseen=PROXIES[:1]
    ),
    "killed, and nobody looked into a host": case(Reading(Verdict.CONFIRMED_DEAD, Facts(found=1)), unseen=PROXIES[:1]),
    "seen alive, its disks are fenced, and nobody looked into a host": case(
        ALIVE, evidence=(proof(Proof.DISKS_FENCED),), unseen=PROXIES[:1]
    ),
    "seen alive, and nobody looked into a host": case(ALIVE, unseen=PROXIES[:1]),
    "seen alive": case(ALIVE),
    "seen alive by two": case(ALIVE, DEAD, ALIVE),
    "seen alive, the host is off": case(ALIVE, evidence=(proof(Proof.HOST_OFF),)),
    "seen alive, its disks are fenced": case(ALIVE, evidence=(proof(Proof.DISKS_FENCED),)),
    "seen alive, power and storage failed": case(ALIVE, second_level=(POWER_FAILED, STORAGE_FAILED)),
    "seen alive, storage failed": case(ALIVE, second_level=(POWER_DONE, STORAGE_FAILED)),
    "seen alive, a statement says off": case(ALIVE, evidence=(proof(Proof.STATEMENT),)),
    "its disks differ": case(DIFFERS),
    "its disks differ, as a second sibling sees": case(LOST, DIFFERS),
    "its disks differ, the host is off": case(DIFFERS, evidence=(proof(Proof.HOST_OFF),)),
    "its disks differ, its disks are fenced": case(DIFFERS, evidence=(proof(Proof.DISKS_FENCED),)),
    "its disks differed, and another sibling saw it dead": case(DIFFERS, DEAD),
    "its disks would differ": case(foretell(DIFFERS)),
    "an odd reply": case(ODD),
    "sudo wants a password": case(Reading(Verdict.AMBIGUOUS, fault=Faulty(ReplyFault.SUDO_PASSWORD))),
    "it respawned": case(Reading(Verdict.STILL_ALIVE, Facts(1, 1, why="respawned"))),
    "its programs can't be executed": case(Reading(Verdict.AMBIGUOUS, fault=Faulty(ReplyFault.NOT_EXECUTABLE))),
    "a refused connection": case(REFUSED),
    "a refused connection, and an odd reply": case(REFUSED, ODD),
    "a refused connection beside a lost sibling": case(LOST, REFUSED),
    "a refused connection, power failed": case(REFUSED, second_level=(POWER_FAILED,)),
    "nobody to ask": case(cluster_siblings=0),
    "nobody to ask, power failed": case(cluster_siblings=0, second_level=(POWER_FAILED,)),
    "every sibling failed on its own side": case(LOST, FORBIDS),
    "one sibling failed on its own side": case(LOST),
    "silent, two siblings and the admin node agree": case(SILENT, reports=NOBODY_SAW_LIFE),
    "silent, nobody has looked": case(SILENT),
    "silent, one of two siblings has looked": case(SILENT, reports=(look("kvm-02"), look(None))),
    "silent, one witness is blind": case(SILENT, reports=(look("kvm-02"), look(None), BLIND)),
    "silent, the admin node is blind": case(
        SILENT, reports=(look("kvm-02"), look("kvm-03"), look(None, could_look=False, says="no ping"))
    ),
    "silent, the only sibling agrees": case(SILENT, reports=(look("kvm-02"), look(None)), cluster_siblings=1),
    "silent, and answers ping": case(SILENT, reports=(look("kvm-02", Sign.PING), *NOBODY_SAW_LIFE)),
    "silent, and three saw two signs": case(
        SILENT, reports=(look("kvm-02", Sign.RST, Sign.PING), look("kvm-03", Sign.PING), look(None, Sign.PING))
    ),
    "silent, and lives in its BMC's words": case(
        SILENT, reports=NOBODY_SAW_LIFE, evidence=(proof(Proof.HOST_ALIVE, "the BMC says that it draws 300 W"),)
    ),
    "silent, a statement says off": case(SILENT, evidence=(proof(Proof.STATEMENT),)),
    "silent, a statement says off, and a storm": case(SILENT, evidence=(proof(Proof.STATEMENT),), cut_off="3 of 4"),
    "silent in a storm": case(SILENT, reports=NOBODY_SAW_LIFE, cut_off="3 of 4 hosts are silent"),
    "silent in a storm, fences configured": case(SILENT, cut_off="3 of 4", second_level=(POWER_DONE, STORAGE_DONE)),
    "silent, power failed": case(SILENT, reports=NOBODY_SAW_LIFE, second_level=(POWER_FAILED,)),
    "silent, power and storage failed": case(
        SILENT, reports=NOBODY_SAW_LIFE, second_level=(POWER_FAILED, STORAGE_FAILED)
    ),
    "silent, the fences that are configured succeeded": case(
        SILENT, reports=NOBODY_SAW_LIFE, second_level=(POWER_DONE, STORAGE_DONE)
    ),
    "silent, with prove": case(SILENT, policy=Unreachable.PROVE, reports=NOBODY_SAW_LIFE),
    "silent, with prove, power failed": case(SILENT, policy=Unreachable.PROVE, second_level=(POWER_FAILED,)),
    "silent, with proceed": case(SILENT, policy=Unreachable.PROCEED),
    "silent, with proceed, power failed": case(SILENT, policy=Unreachable.PROCEED, second_level=(POWER_FAILED,)),
    "a fast 'no route', with proceed": case(FAST, policy=Unreachable.PROCEED),
    "a fast 'no route', with proceed, only the admin node looked": case(
        FAST, policy=Unreachable.PROCEED, reports=(look(None),)
    ),
    "a fast 'no route', with proceed, a sibling looked": case(
        FAST, policy=Unreachable.PROCEED, reports=(look("kvm-02"),)
    ),
    "a fast 'no route' and a time-out, with proceed": case(FAST, SILENT, policy=Unreachable.PROCEED),
}


def lines(judgement: Judgement) -> list[str]:
    if isinstance(judgement, Allowed):
        risks = [f"risk: {risk.kind.value} {' '.join(risk.hosts)}" for risk in judgement.risks]
        return [f"start: {judgement.reason.value}", judgement.message, *risks]
    return [f"refuse: {judgement.reason.value}", judgement.message, *(f"way out: {way}" for way in judgement.ways_out)]


def test_what_is_said_of_each_case() -> None:
    assert_told("judgements", {name: lines(judge(it)) for name, it in CASES.items()})


def test_a_sign_of_life_turns_unreachable_into_ambiguous_and_nothing_else() -> None:
    seen = (look("kvm-02", Sign.PING),)
    assert final_verdict(case(SILENT, reports=seen)) is Verdict.AMBIGUOUS
    assert final_verdict(case(SILENT, reports=NOBODY_SAW_LIFE)) is Verdict.UNREACHABLE
    assert final_verdict(case(DEAD, reports=seen)) is Verdict.CONFIRMED_DEAD
    assert final_verdict(case(ALIVE, reports=seen)) is Verdict.STILL_ALIVE
    assert final_verdict(case()) is None


def test_signs_are_named_in_one_order_however_they_were_found() -> None:
    signs = signs_of_life(case(SILENT, reports=(look("kvm-02", *Sign),)))
    assert list(signs) == [f"kvm-02 saw that kvm-01 {words}" for words in sorted(sign.says for sign in Sign)]


def test_witnesses_are_wanted_for_silence_alone_and_under_proceed_for_the_fast_kind_alone() -> None:
    assert wants_witnesses(case(FAST, policy=Unreachable.PROCEED))
    assert not wants_witnesses(case(FAST, SILENT, policy=Unreachable.PROCEED))
    assert not wants_witnesses(case(FAST, policy=Unreachable.PROCEED, reports=(look(None),)))
    assert not wants_witnesses(case(FAST, ALIVE, policy=Unreachable.PROCEED))
    assert wants_witnesses(case(SILENT, LOST))


def test_what_a_witness_that_saw_life_confirms_is_nothing() -> None:
    reports = (look("kvm-02"), look("kvm-03", Sign.PING), look(None))
    assert witnesses_lacking(case(SILENT, reports=reports)) == "only 1 of 2 siblings could confirm it"


def test_what_each_reason_leaves_unproved() -> None:
    told = {reason.value: [risk.says for risk in risks_of(reason, SUSPECT)] for reason in Reason}
    others = set(RiskKind) - {risk.kind for reason in Reason for risk in risks_of(reason, SUSPECT)}
    told |= {f"risk {kind.value}": [Risk(kind, (SUSPECT,)).says] for kind in RiskKind if kind in others}
    assert_told("risks", told)


def test_at_half_of_the_cluster_silent_the_observer_is_believed_and_above_it_not() -> None:
    assert cut_off(2, 4, (), 0.5) == ""
    assert cut_off(3, 4, (), 0.5) == "3 of the cluster's 4 hosts are silent to the admin node"
    assert cut_off(1, 4, (), 0.2) == "1 of the cluster's 4 hosts are silent to the admin node"


def peers(asked: int, reached: int, witness: str | None = "kvm-02") -> WitnessReport:
    return WitnessReport(witness, 100.0, frozenset(), True, "", asked, reached)


def test_a_sibling_that_reaches_less_than_its_share_is_named_the_one_that_does_not() -> None:
    said = "kvm-03 reaches only 0 of 2 other hosts"
    assert cut_off(1, 4, (peers(2, 2), peers(2, 0, "kvm-03")), 0.5) == said
    assert cut_off(1, 4, (peers(2, 1),), 0.5) == ""
    assert cut_off(1, 5, (peers(3, 1),), 0.5) == "kvm-02 reaches only 1 of 3 other hosts"
    assert cut_off(1, 6, (peers(4, 2),), 0.5) == ""
    assert cut_off(0, 2, (peers(0, 0),), 0.4) == ""
