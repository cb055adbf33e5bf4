"""Replies from hosts, bent: what is still an answer still says so itself, word by word, under its own nonce."""

from __future__ import annotations

import random
import re
import uuid
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafence.adapters.hosts import kvm
from hafence.adapters.hosts.program import ProgramResult
from hafence.core.attempts import FenceOrder, Reading, Reply, Verdict
from hafence.core.evidence import WitnessReport
from hafence.core.looks import HostLook, Look
from hafence.core.model import HostName, Ready
from hafence.core.ready import Serves
from hafence.core.replies import interpret
from hafence.core.starts import StartReply, StartResult
from tests.replies.golden import MACHINE, NONCE, VM, goldens

from .bend import bent_by, examples, heard, make_it_megabytes

HOST = HostName("kvm-01")
ORDER = FenceOrder(HOST, HostName("kvm-02"), (VM,), 20.0, 1.0, 1e10)
OURS = f"hafence/1 {NONCE} "
KINDS = ("fence", "look", "ready", "start", "witness")
chances = st.randoms(use_true_random=False)
statuses = st.sampled_from([0, 0, 0, 10, 11, 1, 2, 124, 127, 137, 255, -9, 2**31, None])


def run_of(said: str, status: int | None) -> ProgramResult:
    return ProgramResult(None, "", status, said, "", 0.1)


def fenced(said: str, status: int | None, machine: str | None = None) -> Reading:
    order = replace(ORDER, machine_id=machine)
    return interpret(order, Reply(NONCE, None, status, said, 0.1, 0.0)).readings[VM]


def looked(said: str, status: int | None) -> Look:
    return kvm.parse_look(NONCE, run_of(said, status), HOST, 0.0, 1.0)


def started(said: str, status: int | None) -> StartReply:
    return kvm.parse_start(NONCE, run_of(said, status), 0.0)


def witnessed(said: str, status: int | None) -> WitnessReport:
    return kvm.parse_witness(NONCE, run_of(said, status), HOST, 0.0)


def protocol_lines(said: str) -> list[str]:
    return [line for line in said.split("\n") if line.startswith("hafence/")]


def whole_lines(said: str) -> list[str]:
    """The lines of a reply, once it is seen to be whole: its own from hello to end, and nobody else's between them."""
    lines = protocol_lines(said)
    assert all(line.startswith(OURS) for line in lines)
    rest = [line.removeprefix(OURS) for line in lines]
    assert rest[0].startswith("hello clock=")
    assert rest[-1] == "end" or rest[-1].startswith("end ")
    assert not any(line.startswith(("hello", "end")) for line in rest[1:-1])
    return rest[1:-1]


def check_fence(said: str, status: int | None) -> None:
    for machine in (None, MACHINE):
        verdict = fenced(said, status, machine).verdict
        assert verdict is not Verdict.UNREACHABLE
        if verdict is Verdict.CONFIRMED_DEAD:
            assert status == 0
            (line,) = whole_lines(said)
            assert re.match(rf"vm {VM} dead( [a-z_]+=\S*)*\Z", line)
            assert f"{OURS}end vms=1" in protocol_lines(said)
            assert machine is None or f" machine={machine} " in protocol_lines(said)[0]


def check_look(said: str, status: int | None) -> None:
    look = looked(said, status)
    if isinstance(look, HostLook):
        assert status == 0
        lines = whole_lines(said)
        copies = [line.split(" ") for line in lines if line.startswith("copy ")]
        assert look.copies == {vm: int(count) for _, vm, count in copies if int(count)}
        for kind in ("active", "defined", "autostart", "saved", "listed"):
            seen = getattr(look, kind)
            assert seen == {line.split(" ")[1] for line in lines if line.startswith(f"{kind} ")}


def check_start(said: str, status: int | None) -> None:
    result = started(said, status).result
    if result is not StartResult.UNKNOWN:
        (line,) = whole_lines(said)
        words = {
            StartResult.RUNNING: ("started", "running"),
            StartResult.CLEAN: ("clean",),
            StartResult.BARRED: ("barred",),
        }[result]
        assert line.split(" ")[2] in words
        assert status == {StartResult.CLEAN: 10, StartResult.BARRED: 11}.get(result, 0)


def check_witness(said: str, status: int | None) -> None:
    report = witnessed(said, status)
    assert len(report.signs) <= sum(line.startswith(f"{OURS}sign ") for line in protocol_lines(said))
    assert report.peers_reached <= report.peers_asked
    if report.could_look:
        assert status == 0
        lines = whole_lines(said)
        assert not any(line.startswith("blind") for line in lines)
        assert sum(line.startswith("sign ") for line in lines) >= len(report.signs)
        assert sum(line.startswith("peers asked=") for line in lines) == 1


def check_ready(said: str, status: int | None) -> None:
    for asked, by in ((Ready(), r"guest-agent\Z"), (Ready(389), r"tcp address=[0-9A-Fa-f:.]+\Z")):
        serves = kvm.parse_ready(NONCE, run_of(said, status), asked, 0.0).serves
        if serves is not Serves.UNKNOWN:
            (line,) = whole_lines(said)
            assert re.match(rf"ready by={by}" if serves is Serves.YES else r"waiting why=", line)
            assert status == (0 if serves is Serves.YES else 10)


CHECKS = {
    "fence": check_fence,
    "look": check_look,
    "ready": check_ready,
    "start": check_start,
    "witness": check_witness,
}
REPLIES = {kind: [golden.stdout.encode() for golden in goldens(kind)] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=examples(250))
@given(chance=chances, status=statuses)
def test_a_bent_reply_is_an_answer_only_where_it_still_says_so(
    kind: str, chance: random.Random, status: int | None
) -> None:
    said = heard(bent_by(chance, chance.choice(REPLIES[kind])))
    CHECKS[kind](said, status)


@pytest.mark.parametrize("kind", KINDS)
@given(noise=st.binary(max_size=400), status=statuses)
def test_bytes_are_no_answer(kind: str, noise: bytes, status: int | None) -> None:
    for said in (heard(noise), OURS + heard(noise), "hafence/1 " + heard(noise)):
        CHECKS[kind](said, status)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reply_cut_at_any_byte_is_an_answer_only_where_it_still_says_so(kind: str) -> None:
    for golden, reply in zip(goldens(kind), REPLIES[kind], strict=True):
        for length in range(len(reply)):
            CHECKS[kind](heard(reply[:length]), golden.exit_status)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=examples(3))
@given(chance=chances)
def test_a_reply_of_megabytes_is_an_answer_only_where_it_still_says_so(kind: str, chance: random.Random) -> None:
    said = heard(make_it_megabytes(chance, chance.choice(REPLIES[kind])))
    CHECKS[kind](said, 0)


def test_a_look_at_more_copies_than_any_host_holds_is_read_in_one_pass() -> None:
    """Each line was once compared with every earlier one: 45,000 of them took minutes."""
    lines = [f"{OURS}libvirt ok", *(f"{OURS}copy {uuid.UUID(int=number)} 1" for number in range(45_000))]
    said = "\n".join([f"{OURS}hello clock=1.5 machine=- host=-", *lines, f"{OURS}end lines={len(lines)}", ""])
    look = looked(said, 0)
    assert isinstance(look, HostLook)
    assert look.load == 45_000


@pytest.mark.parametrize("digit", ["\u0661", "\uff11", "\U0001d7cf"])
def test_digits_of_other_scripts_are_no_numbers(digit: str) -> None:
    for kind, name in (("fence", "dead"), ("look", "everything"), ("witness", "no-sign")):
        (whole,) = (golden for golden in goldens(kind) if golden.name == name)
        for place in [place for place, char in enumerate(whole.stdout) if char == "1" and place > len(OURS)]:
            said = whole.stdout[:place] + digit + whole.stdout[place + 1 :]
            if kind == "fence":
                assert fenced(said, 0).verdict is Verdict.AMBIGUOUS
            elif kind == "look":
                assert not isinstance(looked(said, 0), HostLook)
            else:
                assert not witnessed(said, 0).could_look
