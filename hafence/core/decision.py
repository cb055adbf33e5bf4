"""The gate: the rule that lets a VM start. Facts in, a decision out.

A start is allowed when it is proved that the VM's old process can never write again, or when the policy
for silence is met to the letter:

1. The VM was seen dead on the suspect: start (`confirmed_dead`).
2. The suspect was observed to be without power: start (`powered_off`), whatever else was seen before.
3. Every writable disk of the VM was observed to refuse the suspect: start (`storage_fenced`).
4. The VM was seen alive, or something was learnt that is neither life nor death: refuse
   (`still_alive`, `ambiguous`). Only 2 and 3 overrule that.
5. No sibling could be asked: refuse (`no_sibling`).
6. The suspect is unreachable. Any sign of life ends that: refuse. A person has stated that the host is
   off: start (`operator_confirmed`). More than half of the cluster is silent: refuse (`storm_guard`).
   Otherwise as `fencing.unreachable` says: `prove` refuses; `confirm` wants every configured second-level
   fence done and every witness silent, at least two siblings where the cluster has them and the admin
   node; `proceed` takes one sibling's word.

A sign of life never weakens 2 or 3, and silence never strengthens a fence that failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from .attempts import Attempt, Verdict, weigh
from .evidence import CutOff, Evidence, NotSeen, Proof, WitnessReport
from .marks import Mark
from .model import DUMP, HostName, Unreachable
from .reasons import Reason
from .risks import Risk, RiskKind, listed, risks_of
from .second_level import FenceTried, SecondLevelKind
from .troubles import Trouble, way_out
from .whys import ANOTHER_STORE, sentence
from .wire import ReplyFault


@dataclass(frozen=True, slots=True)
class SilencePolicy:
    """What is asked for before silence counts. `siblings`: how many enabled hosts the cluster has beside the suspect,
    answering or not."""

    unreachable: Unreachable
    siblings: int


@dataclass(frozen=True, slots=True)
class Case:
    """All that the gate may know of one VM: fresh evidence, and the policy.

    Nothing has a default: what is forgotten here could open the gate.
    """

    suspect: HostName
    policy: SilencePolicy
    evidence: tuple[Evidence, ...]
    """Whatever was observed: attempts through siblings in their order, witnesses, power, storage, statements."""

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts through siblings, in order."""
        return tuple(each for each in self.evidence if isinstance(each, Attempt))

    @property
    def reports(self) -> tuple[WitnessReport, ...]:
        """What the witnesses saw."""
        return tuple(each for each in self.evidence if isinstance(each, WitnessReport))

    @property
    def fences_tried(self) -> tuple[FenceTried, ...]:
        """What became of the power and storage fences that are configured."""
        return tuple(each for each in self.evidence if isinstance(each, FenceTried))

    @property
    def verdict(self) -> Verdict | None:
        """What the attempts come to."""
        return weigh(attempt.reading for attempt in self.attempts)

    @property
    def proofs(self) -> frozenset[Proof]:
        """What is proved beyond the attempts."""
        return frozenset(each.proves for each in self.evidence if not isinstance(each, Attempt))


@dataclass(frozen=True, slots=True)
class Allowed:
    """The VM may start. `risks` is what could not be proved, in plain words."""

    reason: Reason
    message: str
    risks: tuple[Risk, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The VM may not start. `ways_out` is what would turn this into a start, `host` where a copy was seen to run."""

    reason: Reason
    message: str
    ways_out: tuple[str, ...]
    host: HostName | None = None


Judgement = Allowed | Refused


def final_verdict(case: Case) -> Verdict | None:
    """The one verdict on the VM: the attempts', unless a sign of life has ended an `unreachable`."""
    if case.verdict is Verdict.UNREACHABLE and signs_of_life(case):
        return Verdict.AMBIGUOUS
    return case.verdict


def signs_of_life(case: Case) -> tuple[str, ...]:
    """What was seen of the suspect's life, a sentence for each sign with all who saw it."""
    seers: dict[str, list[str]] = {}
    for report in case.reports:
        for sign in sorted(report.signs, key=lambda sign: sign.says):
            seers.setdefault(sign.says, []).append(report.name)
    seen = [f"{listed(names)} saw that {case.suspect} {sign}" for sign, names in seers.items()]
    others = (each for each in case.evidence if not isinstance(each, WitnessReport))
    seen += [each.says for each in others if each.proves is Proof.HOST_ALIVE]
    return tuple(seen)


def barred_by(case: Case) -> Attempt | None:
    """The attempt that met another store's run at the VM. That run may start it anywhere, and no power or storage fence
    of this one has a say in that: nothing overrules it."""
    return next((attempt for attempt in case.attempts if attempt.reading.barred), None)


def differing(case: Case) -> Attempt | None:
    """The attempt that met a process with other disks than those from which the VM would be started. Whatever ends that
    process, the start would be from an older disk: nothing overrules it."""
    return next((attempt for attempt in case.attempts if attempt.reading.differs), None)


def is_final(case: Case) -> bool:
    """Whether no power or storage fence would change a refusal."""
    return barred_by(case) is not None or differing(case) is not None


def held_refusal(host: HostName, mark: Mark) -> Refused:
    """The refusal where another store's young mark is seen on a host, right before a start."""
    return _of_another_run(host, sentence(ANOTHER_STORE, mark.about))


def _of_another_run(host: HostName, says: str) -> Refused:
    message = f"another run may be at it on {host}: {says}"
    return Refused(Reason.AMBIGUOUS, message, ("see which stores there are with 'hafence audit'",))


def wants_witnesses(case: Case) -> bool:
    """Whether a second look is what the case needs next."""
    if case.verdict is not Verdict.UNREACHABLE or case.reports:
        return False
    return case.policy.unreachable is not Unreachable.PROCEED or _only_fast(case)


def judge(case: Case) -> Judgement:
    """Decide on one VM. Pure: the same case always gets the same judgement."""
    judgement = _judge(case)
    hidden = tuple(host for each in case.evidence if isinstance(each, NotSeen) for host in each.hosts)
    found = any(attempt.reading.found_something for attempt in case.attempts)
    if isinstance(judgement, Refused):
        return judgement
    risks = judgement.risks
    if hidden and not found:
        risks += (Risk(RiskKind.MOVED_UNSEEN, hidden),)
    if any(attempt.reading.may_return for attempt in case.attempts):
        risks += (Risk(RiskKind.OTHER_MANAGER, (case.suspect,)),)
    if any(attempt.reading.is_armed for attempt in case.attempts):
        risks += (Risk(RiskKind.STILL_ARMED, (case.suspect,)),)
    if case.verdict is Verdict.CONFIRMED_DEAD and not all(tried.done for tried in case.fences_tried):
        risks += (Risk(RiskKind.NOT_SHUT_OUT, (case.suspect,)),)
    return replace(judgement, risks=risks)


def _judge(case: Case) -> Judgement:
    proofs, verdict = case.proofs, case.verdict
    if barred := barred_by(case):
        return _of_another_run(case.suspect, f"{barred.reading.detail} (through {barred.proxy})")
    if attempt := differing(case):
        message = f"the VM lives on {case.suspect}, and nothing was killed: {attempt.says} (through {attempt.proxy})"
        return Refused(Reason.DISKS_DIFFER, message, _TO_THE_NEWEST, case.suspect)
    if verdict is Verdict.CONFIRMED_DEAD:
        return Allowed(Reason.CONFIRMED_DEAD, f"no living task of the VM is left on {case.suspect}")
    if Proof.HOST_OFF in proofs:
        risks = risks_of(Reason.POWERED_OFF, case.suspect)
        return Allowed(Reason.POWERED_OFF, f"{case.suspect} was seen to be powered off", risks)
    if Proof.DISKS_FENCED in proofs:
        return Allowed(
            Reason.STORAGE_FENCED,
            f"{case.suspect} can no longer write to the VM's disks",
            risks_of(Reason.STORAGE_FENCED, case.suspect),
        )
    if verdict is Verdict.STILL_ALIVE:
        alive = _refused(case, Reason.STILL_ALIVE, f"the VM is still alive on {case.suspect}: {_detail(case, verdict)}")
        return replace(alive, host=case.suspect)
    if verdict is Verdict.AMBIGUOUS:
        return _refused(case, Reason.AMBIGUOUS, f"{case.suspect} is neither dead nor silent: {_detail(case, verdict)}")
    if verdict is None:
        return _no_sibling(case)
    return _judge_silence(case, Proof.STATEMENT in proofs)


def ways_to_the_newest(name: str) -> tuple[str, ...]:
    """What can be typed where a VM writes to other disks than a start would be from."""
    return (f"'hafence capture {name}' keeps its definition of today; then run the command again",)


_TO_THE_NEWEST = (
    f"take its definition anew into the inventory ('{DUMP}'), or end the snapshot or copy ('virsh blockcommit', 'virsh"
    " blockjob --abort'), then run the command again",
    "where that file holds none of its data (a log, a backup's scratch file), name it under 'disks:' of the VM",
)


def _judge_silence(case: Case, stated: bool) -> Judgement:
    unconfirmed = Reason.UNREACHABLE_UNCONFIRMED
    if signs := signs_of_life(case):
        return _refused(case, unconfirmed, f"{case.suspect} can't be reached and yet lives: {'; '.join(signs)}")
    if stated:
        return Allowed(
            Reason.OPERATOR_CONFIRMED,
            f"a person has stated that {case.suspect} is powered off",
            risks_of(Reason.OPERATOR_CONFIRMED, case.suspect),
        )
    if cut := next((each for each in case.evidence if isinstance(each, CutOff)), None):
        return _refused(case, Reason.STORM_GUARD, f"{cut.says}: the observer may be the one who is cut off")
    failed = _failed(case)
    match case.policy.unreachable:
        case Unreachable.PROVE:
            return _refused(
                case, unconfirmed, f"{case.suspect} is silent, and the policy 'prove' wants more than silence"
            )
        case Unreachable.CONFIRM if failed:
            message = f"{case.suspect} is silent, and {' and '.join(failed)} did not succeed"
            return _refused(case, unconfirmed, message, failures_told=True)
        case Unreachable.CONFIRM:
            lacking = witnesses_lacking(case)
        case Unreachable.PROCEED:
            lacking = "" if not _only_fast(case) or _silent_siblings(case) else "no sibling could take a second look"
        case _:
            assert_never(case.policy.unreachable)
    if lacking:
        more = "bring back a sibling, or give a witness that could not look what it lacks, so that more of them look"
        return _refused(case, unconfirmed, f"{case.suspect} is silent, and {lacking}", (more,))
    return Allowed(
        Reason.UNREACHABLE_CONFIRMED,
        f"{case.suspect} is silent to everyone who could be asked",
        risks_of(Reason.UNREACHABLE_CONFIRMED, case.suspect),
    )


def witnesses_lacking(case: Case) -> str:
    """What the policy `confirm` still misses, in words, or ''."""
    blind = [f"{r.name} could not look ({r.says})" for r in case.reports if not r.could_look]
    seen = _silent_siblings(case)
    needed = max(1, min(2, case.policy.siblings))
    if not any(r.witness is None and r.could_look for r in case.reports):
        return "; ".join(["the admin node itself could not confirm it", *blind])
    if seen < needed:
        return "; ".join([f"only {seen} of {needed} siblings could confirm it", *blind])
    return ""


def _silent_siblings(case: Case) -> int:
    return len({r.witness for r in case.reports if r.witness is not None and r.could_look and not r.signs})


def _only_fast(case: Case) -> bool:
    """Whether all that speaks for 'unreachable' is a 'no route' that a firewall may have spoken."""
    told = [attempt.reading for attempt in case.attempts if attempt.reading.verdict is Verdict.UNREACHABLE]
    return bool(told) and all(reading.trouble is Trouble.FAST_NO_ROUTE for reading in told)


def _no_sibling(case: Case) -> Refused:
    asked = "; ".join(f"{attempt.proxy}: {attempt.says}" for attempt in case.attempts)
    message = f"no sibling could be asked about {case.suspect}" + (f" ({asked})" if asked else "")
    troubles = [attempt.reading.trouble for attempt in case.attempts]
    ways = tuple(dict.fromkeys(way_out(trouble) for trouble in troubles if trouble))
    return Refused(
        Reason.NO_SIBLING, message, (*ways, f"bring back a host of the cluster, or name one with --sibling; {AUDIT}")
    )


AUDIT = "'hafence audit' shows every fence path"


def _detail(case: Case, verdict: Verdict) -> str:
    told = [each for each in case.attempts if each.reading.verdict is verdict and not each.reading.sibling_side]
    return f"{told[-1].says} (through {told[-1].proxy})"


def _failed(case: Case) -> list[str]:
    """The fences of the second level that did not succeed, each with why."""
    return [f"{tried.level.says} ({tried.says})" for tried in case.fences_tried if not tried.done]


def _refused(
    case: Case, reason: Reason, message: str, ways_out: tuple[str, ...] = (), failures_told: bool = False
) -> Refused:
    ways = list(ways_out)
    if (failed := _failed(case)) and not failures_told:
        message += f"; {' and '.join(failed)} did not succeed"
    for attempt in case.attempts:
        if attempt.reading.trouble is not None and attempt.reading.verdict is Verdict.AMBIGUOUS:
            ways.append(way_out(attempt.reading.trouble))
        if attempt.reading.fault is not None and attempt.reading.fault.way_out:
            ways.append(f"on {case.suspect}: {attempt.reading.fault.way_out}")
    overruled = reason in (Reason.STILL_ALIVE, Reason.AMBIGUOUS) or bool(signs_of_life(case))
    readings = [attempt.reading for attempt in case.attempts]
    if any(each.fault is not None and each.fault.fault is ReplyFault.NOT_EXECUTABLE for each in readings):
        ways.append(f"switch {case.suspect} off, then run the command again: nobody can log in to end anything there")
    elif any(each.facts.why == "respawned" for each in readings):
        ways.append(
            f"take the VM on {case.suspect} out of the hands of whatever starts it anew (a systemd unit, a manager)"
        )
    elif overruled:
        ways.append(f"log in to {case.suspect} and end the VM's qemu, then run the command again")
    if reason is Reason.STORM_GUARD:  # the fences were not used, whether or not they are configured
        ways.append("run the command from a machine that reaches the cluster, or when more of it answers")
        return Refused(reason, message, (*ways, state_it(case.suspect)))
    used = {tried.level for tried in case.fences_tried}
    if SecondLevelKind.POWER not in used:
        ways.append(f"configure 'power:' for {case.suspect}, so that hafence can switch it off and see it off")
    if SecondLevelKind.STORAGE not in used:
        ways.append("with Ceph disks, configure 'ceph:' for the cluster, so that the VM's disks can be fenced")
    if not overruled:
        ways.append(state_it(case.suspect))
    return Refused(reason, message, tuple(dict.fromkeys(ways)))


def state_it(suspect: HostName) -> str:
    """The way out by a person's word."""
    return f"make sure that {suspect} is powered off, then 'hafence confirm-dead {suspect} --reason …'"


def cut_off(silent: int, members: int, reports: tuple[WitnessReport, ...], share: float, who: str = "") -> str:
    """Why the observer, not the suspect, seems to be cut off; '' if it does not.

    `silent` of `members` enabled hosts of the cluster did not answer the admin node, the suspect among
    them; `who` names them. A sibling that itself reaches less than its share of the others is as cut off (medik8s:
    when more than half of the peers are blind too, the observer is the one cut off).
    """
    if members and silent > share * members:
        return f"{silent} of the cluster's {members} hosts are silent to the admin node{who}"
    for report in reports:
        unseen = report.peers_asked - report.peers_reached + 1
        if report.peers_asked and unseen > share * (report.peers_asked + 2):
            return f"{report.name} reaches only {report.peers_reached} of {report.peers_asked} other hosts"
    return ""
