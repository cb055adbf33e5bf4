"""Whose word a refusal repeats."""

from __future__ import annotations

import pytest

from hafence.core.attempts import Reading, Verdict
from hafence.core.decision import judge
from hafence.core.troubles import Trouble
from hafence.core.wire import Faulty, ReplyFault

from .make import case

ALIVE = Reading(Verdict.STILL_ALIVE)
LATER = {
    "in doubt": Reading(Verdict.AMBIGUOUS, fault=Faulty(ReplyFault.TRUNCATED)),
    "silent": Reading(Verdict.UNREACHABLE, trouble=Trouble.TIMED_OUT),
    "lost on the way": Reading(Verdict.AMBIGUOUS, trouble=Trouble.SIBLING_LOST),
}


@pytest.mark.parametrize("later", LATER)
def test_a_refusal_repeats_who_saw_the_vm_alive_and_not_who_came_later(later: str) -> None:
    judgement = judge(case(ALIVE, LATER[later]))
    assert judgement.message == "the VM is still alive on kvm-01: a task of the VM lives (through kvm-02)"


def test_doubt_is_told_in_the_words_of_who_reached_the_suspect_and_not_of_a_sibling_that_failed() -> None:
    judgement = judge(case(LATER["in doubt"], LATER["lost on the way"]))
    assert judgement.message == "kvm-01 is neither dead nor silent: the reply is truncated (through kvm-02)"
