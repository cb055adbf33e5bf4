"""The screen of a run over many VMs: a line for each, how far all have come, and what failed at the end."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from hafence.cli.context import Options
from hafence.cli.show.live import LiveView
from hafence.cli.show.results import show_evacuated
from hafence.cli.show.steps import Line, Mark, Steps
from hafence.cli.show.tally import Tally
from hafence.cli.show.voices import PlainVoice
from hafence.core.model import HostName
from hafence.core.outcome import Decision, Exit, Outcome
from hafence.core.reasons import Reason
from hafence.core.record import VmRecord, VmState
from hafence.core.risks import Risk, RiskKind
from hafence.core.starts import HookResult, StartOrder, StartReply, StartResult
from hafence.core.stored import Lease
from hafence.effects import NoteOutcome, RunHooks, Start, WriteRecord
from tests.cli.test_screen import bare, terminal
from tests.core.make import host, inventory, uuid, vm

KVM_02 = HostName("kvm-02")
VMS = [vm(number, priority=10 * number) for number in (1, 2, 3, 4)]
BOOK = inventory([host(f"kvm-0{number}") for number in (1, 2)], VMS)
ORDER = StartOrder(VMS[0].uuid, KVM_02, 7, 9e9, 30.0)
STARTED = StartReply(StartResult.RUNNING, "it runs (process 12)", 3.0)


def outcome(number: int, decision: Decision, reason: Reason, code: Exit, **more: object) -> Outcome:
    which = VMS[number - 1]
    where = KVM_02 if decision is Decision.STARTED else None
    words = (which.uuid, which.name, HostName("kvm-01"), decision, None, reason, f"{which.name} {decision.value}.")
    return replace(Outcome("run-1", *words, host=where, exit=code), **more)  # type: ignore[arg-type]


RUNS = [outcome(number, Decision.STARTED, Reason.CONFIRMED_DEAD, Exit.DONE) for number in (1, 2)]
FAILED = outcome(3, Decision.FAILED, Reason.START_FAILED, Exit.START_FAILED, ways_out=("'hafence start-vm vm-03'",))
LEFT_OUT = outcome(4, Decision.REFUSED, Reason.NO_TARGET, Exit.REFUSED)


def test_each_vm_has_one_line_and_what_went_as_it_should_no_other() -> None:
    steps = Steps(BOOK, VMS)
    assert steps.done(Start(ORDER), STARTED) == (Line(Mark.GOOD, "p10 vm-01 on kvm-02: it runs (process 12)"),)
    record = VmRecord(VMS[0].uuid, VmState.STOPPED, None, HostName("kvm-01"))
    assert steps.done(WriteRecord(record, Lease(VMS[0].uuid, 1, 9e9)), record) == ()
    hooks = RunHooks(VMS[0].uuid, HostName("kvm-01"), KVM_02)
    said_no = steps.done(hooks, (HookResult("dns", ""), HookResult("site", "no room")))
    assert said_no == (Line(Mark.BAD, "hook site: no room"),)
    assert steps.done(NoteOutcome(RUNS[0]), None) == ()
    assert steps.done(NoteOutcome(FAILED), None) == (Line(Mark.BAD, "p30 vm-03: failed (start_failed)"),)
    assert steps.done(NoteOutcome(LEFT_OUT), None) == (Line(Mark.ODD, "p40 vm-04: refused (no_target)"),)
    assert steps.tally is not None
    assert steps.tally.words(0) == "1 run, 0 starting, 1 waiting, 1 failed, 1 left out"


def test_one_vm_alone_has_all_its_lines() -> None:
    steps = Steps(BOOK, VMS[:1])
    assert steps.tally is None
    assert steps.done(Start(ORDER), STARTED) == (Line(Mark.GOOD, "vm-01 on kvm-02: it runs (process 12)"),)
    assert steps.done(NoteOutcome(FAILED), None) == ()
    record = VmRecord(VMS[0].uuid, VmState.STOPPED, None, HostName("kvm-01"))
    assert [line.text for line in steps.done(WriteRecord(record, Lease(VMS[0].uuid, 1, 9e9)), record)] == [
        "recorded: vm-01 is stopped (last on kvm-01)"
    ]


def test_a_dry_run_starts_nothing_and_counts_nothing() -> None:
    steps = Steps(BOOK, VMS)
    assert steps.done(NoteOutcome(replace(FAILED, dry_run=True)), None) == ()
    assert steps.tally is not None
    assert steps.tally.words(0) == "0 run, 0 starting, 4 waiting"


def test_the_tally_counts_what_came_last_of_a_vm() -> None:
    tally = Tally(4)
    tally.ended(RUNS[0])
    assert tally.words(2) == "1 run, 2 starting, 1 waiting"
    twice = replace(RUNS[0], decision=Decision.FAILED, exit=Exit.NEEDS_PERSON)
    tally.ended(twice)
    assert tally.words(0) == "0 run, 0 starting, 3 waiting, 1 failed"
    assert not tally.is_over()
    for each in (RUNS[1], FAILED, LEFT_OUT):
        tally.ended(each)
    assert tally.is_over()


@pytest.mark.parametrize(
    ("columns", "unicode", "bar"),
    [(28, True, "[█████░░░░░░░░░░░░░░░] 25 %"), (18, False, "[##........] 25 %"), (15, True, "")],
)
def test_the_bar_takes_the_room_that_there_is(columns: int, unicode: bool, bar: str) -> None:
    tally = Tally(4)
    tally.ended(RUNS[0])
    assert tally.bar(columns, unicode) == bar
    assert len(bar) <= columns


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_live_view_says_how_far_all_have_come_once_one_has_begun(encoding: str) -> None:
    order = Start(ORDER)
    with (
        terminal(80, encoding=encoding) as (screen, _),
        LiveView(Steps(BOOK, VMS), screen.stream, "evacuate kvm-01", False) as voice,
    ):
        voice.ends(NoteOutcome(LEFT_OUT), None, 0.0)
        assert "waiting" not in bare(screen._shown.decode(encoding, "ignore"))
        voice.begins(order, 30.0)
        shown = ""
        while "0 run, 1 starting, 2 waiting, 1 left out" not in shown:
            shown = bare(screen._shown.decode(encoding, "ignore"))
        voice.ends(order, STARTED, 2.0)
        voice.ends(NoteOutcome(RUNS[0]), None, 0.0)
        while "1 run, 0 starting, 2 waiting, 1 left out" not in shown:
            shown = bare(screen._shown.decode(encoding, "ignore"))
        assert "50 %" in shown


def test_a_pipe_has_the_lines_and_no_bar() -> None:
    stream = io.StringIO()
    voice = PlainVoice(Steps(BOOK, VMS), stream, False)
    voice.ends(Start(ORDER), STARTED, 2.0)
    voice.ends(NoteOutcome(FAILED), None, 0.0)
    first, second = stream.getvalue().splitlines()
    assert first.endswith("Z p10 vm-01 on kvm-02: it runs (process 12) (2.00 s)")
    assert second.endswith("Z p30 vm-03: failed (start_failed)")


def test_the_end_tells_those_that_run_together_and_then_each_that_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Risk(RiskKind.SILENT_SUSPECT, (HostName("kvm-01"),))
    came = Risk(RiskKind.CAME_BACK, (HostName("kvm-01"),))
    risky = [replace(RUNS[0], residual_risk=(silent, came)), replace(RUNS[1], residual_risk=(silent,))]
    show_evacuated(Options(), "run-1", "kvm-01", [FAILED, *risky, LEFT_OUT], 4)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "2 HA VMs run: confirmed_dead",
        "  kvm-02: vm-01, vm-02",
        f"  risk: {silent.says}",
        f"  risk: vm-01: {came.says}",
        "  run: run-1 ('hafence explain run-1')",
        "failed vm-03: start_failed: vm-03 failed.",
        "  way out: 'hafence start-vm vm-03'",
        "  run: run-1 ('hafence explain run-1')",
        "refused vm-04: no_target: vm-04 refused.",
        "  run: run-1 ('hafence explain run-1')",
        "kvm-01 evacuated: 2 of 4 HA VMs run elsewhere",
    ]


def test_with_v_and_in_a_dry_run_each_vm_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    show_evacuated(Options(verbose=1), "run-1", "kvm-01", RUNS, 0)
    show_evacuated(Options(), "run-1", "kvm-01", [replace(each, dry_run=True) for each in RUNS], 0)
    shown = capsys.readouterr().out
    assert shown.count("started vm-01 on kvm-02: confirmed_dead: ") == 1
    assert shown.count("would be started: vm-01 on kvm-02: confirmed_dead: ") == 1
    assert uuid(1) not in shown
