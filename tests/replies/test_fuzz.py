"""Replies bent out of shape: nothing but the one whole reply is ever an answer, and no reader ever raises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafence.adapters.hosts import kvm
from hafence.adapters.hosts.program import ProgramResult
from hafence.core.attempts import FenceOrder, Reply, Verdict
from hafence.core.looks import HostLook
from hafence.core.model import HostName, Ready
from hafence.core.ready import Serves
from hafence.core.replies import interpret
from hafence.core.starts import StartResult
from hafence.core.wire import Faulty, read_message, read_pairs

from .golden import NONCE, VM, Golden, goldens

HOST = HostName("kvm-01")
ORDER = FenceOrder(HOST, HostName("kvm-02"), (VM,), 20.0, 1.0, 1e10)


def golden(kind: str, name: str) -> Golden:
    (found,) = (one for one in goldens(kind) if one.name == name)
    return found


WHOLE = {
    "fence": golden("fence", "dead"),
    "look": golden("look", "everything"),
    "ready": golden("ready", "agent-answers"),
    "start": golden("start", "clean-virsh-failed"),
    "witness": golden("witness", "no-sign"),
}
LINES = sorted({line for kind in WHOLE for one in goldens(kind) for line in one.stdout.split("\n")})

any_text = st.text(max_size=300)
any_exit = st.one_of(st.none(), st.sampled_from([0, 1, 10, 11, 124, 127, 137, 255]), st.integers(-(2**31), 2**31))
shuffled = st.lists(st.sampled_from(LINES), max_size=12).map("\n".join)


def is_answer(kind: str, stdout: str, exit_status: int | None) -> bool:
    """Whether the reader of this kind takes it for the answer that must not be given wrongly."""
    run = ProgramResult(None, "", exit_status, stdout, "", 0.1)
    if kind == "fence":
        reply = Reply(NONCE, None, exit_status, stdout, 0.1, 0.0)
        return interpret(ORDER, reply).readings[VM].verdict is Verdict.CONFIRMED_DEAD
    if kind == "look":
        return isinstance(kvm.parse_look(NONCE, run, HOST, 0.0, 1.0), HostLook)
    if kind == "start":
        return kvm.parse_start(NONCE, run, 0.0).result is not StartResult.UNKNOWN
    if kind == "ready":
        return kvm.parse_ready(NONCE, run, Ready(), 0.0).serves is Serves.YES
    return kvm.parse_witness(NONCE, run, HOST, 0.0).could_look


@pytest.mark.parametrize("kind", WHOLE)
def test_the_whole_reply_is_an_answer(kind: str) -> None:
    assert is_answer(kind, WHOLE[kind].stdout, WHOLE[kind].exit_status)


@pytest.mark.parametrize("kind", WHOLE)
def test_no_beginning_of_it_is_an_answer(kind: str) -> None:
    stdout = WHOLE[kind].stdout.rstrip("\n")
    for length in range(len(stdout)):
        assert not is_answer(kind, stdout[:length], WHOLE[kind].exit_status), stdout[:length]


@pytest.mark.parametrize("kind", WHOLE)
def test_without_any_one_of_its_lines_it_is_no_answer(kind: str) -> None:
    lines = WHOLE[kind].stdout.rstrip("\n").split("\n")
    for index in range(len(lines)):
        rest = "\n".join(lines[:index] + lines[index + 1 :]) + "\n"
        assert not is_answer(kind, rest, WHOLE[kind].exit_status), lines[index]


@pytest.mark.parametrize("kind", WHOLE)
def test_with_any_one_of_its_lines_twice_it_is_no_answer(kind: str) -> None:
    lines = WHOLE[kind].stdout.rstrip("\n").split("\n")
    for index in range(len(lines)):
        twice = "\n".join([*lines[: index + 1], *lines[index:]]) + "\n"
        assert not is_answer(kind, twice, WHOLE[kind].exit_status), lines[index]


@pytest.mark.parametrize("kind", WHOLE)
@given(exit_status=any_exit)
def test_with_another_exit_status_it_is_no_answer(kind: str, exit_status: int | None) -> None:
    assert is_answer(kind, WHOLE[kind].stdout, exit_status) == (exit_status == WHOLE[kind].exit_status)


@settings(max_examples=300)
@given(text=st.one_of(any_text, shuffled), exit_status=any_exit)
def test_no_reader_raises_and_none_believes_what_bears_no_nonce_of_its_own(text: str, exit_status: int | None) -> None:
    for kind in WHOLE:
        answer = is_answer(kind, text, exit_status)
        assert not answer or NONCE in text


@settings(max_examples=300)
@given(data=st.data())
def test_a_verdict_of_death_needs_its_own_words_unchanged(data: st.DataObject) -> None:
    stdout = WHOLE["fence"].stdout
    at = data.draw(st.integers(0, len(stdout) - 1))
    instead = data.draw(st.characters(exclude_categories=["Cs"]))
    bent = stdout[:at] + instead + stdout[at + 1 :]
    if is_answer("fence", bent, 0):
        vm_line = next(line for line in bent.split("\n") if " vm " in line)
        assert f"hafence/1 {NONCE} vm {VM} dead" in vm_line
        assert f"hafence/1 {NONCE} end vms=1" in bent


@given(any_text)
def test_pairs_are_read_or_refused(text: str) -> None:
    pairs = read_pairs(text)
    assert pairs is None or " ".join(f"{key}={value}" for key, value in pairs.items()) == text


@given(shuffled)
def test_what_is_read_as_whole_has_one_end_and_it_comes_last(text: str) -> None:
    message = read_message(NONCE, text, 0)
    if not isinstance(message, Faulty):
        ours = [line for line in text.split("\n") if line.startswith("hafence/")]
        assert ours[-1].split(" ")[2] == "end"
        assert len(message.lines) == len(ours) - 2
        assert not any(line == "end" or line.startswith("end ") for line in message.lines)


@settings(max_examples=200)
@given(st.lists(st.one_of(st.sampled_from(LINES), any_text), max_size=20))
def test_a_script_is_let_go_at_most_once(lines: list[str]) -> None:
    go = kvm.Go(NONCE, 100.0, 10.0, lambda: 50.0)
    answers = [answer for line in lines if (answer := go(line)) is not None]
    assert len(answers) <= 1
    assert go.sent == bool(answers)
    assert all(answer.startswith(f"go {NONCE} ") and answer.endswith("\n") for answer in answers)
